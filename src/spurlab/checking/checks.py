"""What methods do to networks that were prepared, and what is said of it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, count
from typing import Any, overload

import torch
from torch import Tensor

from spurlab.audit.given import CheckOnOne, check_given
from spurlab.audit.repair import Told
from spurlab.checking.prepared import Prepared, Row, in_words, prepare
from spurlab.data import Dataset, load
from spurlab.deletion import Deletion, Judged, Verdict, deletion_named
from spurlab.errors import InputError
from spurlab.measures import measure_named
from spurlab.notebook import card, paragraph, table
from spurlab.printing import aligned
from spurlab.stats import Looks, Ratio, mean_of
from spurlab.terminal import on_a_line, told_on_a_line
from spurlab.training import RECIPES

Methods = Deletion | str | Sequence[Deletion | str] | Mapping[str, Deletion | str]
FEW = 4  # methods that are named where there is little room


@dataclass(frozen=True, eq=False)
class Checked:
    """One method at one share of known examples, over all networks.

    Args:
        method: its name.
        share: of the planted examples that was known and deleted.
        rows: one for each network, see `Check.rows`.
        numbers: what was measured of each, see `Prepared.numbers`.
        most: where seeds were added until it was decided, up to how many networks.
    """

    method: str
    share: float
    rows: list[Row]
    numbers: tuple[str, ...]
    most: int | None = None

    def __repr__(self) -> str:
        return f"<Checked {self.method} on {len(self.rows)} networks: {self.verdict.name}>"

    def _repr_html_(self) -> str:
        """As the check of one method has it."""
        about = f"{self.method}, {self.share:.0%} of the planted examples known"
        facts = {"networks": len(self.rows), "gap closed": str(self.closed) if self.measured else ""}
        return card("Checked", about, facts, paragraph(str(self.verdict)))

    @cached_property
    def measured(self) -> list[Row]:
        """The rows of networks on which the method did not fail; what is not finite is a result."""
        return [row for row in self.rows if row["end"] != "failed"]

    @cached_property
    def judged(self) -> Judged:
        """Before, after and of the oracles, by measure; where the method failed, the network is out."""

        def columns(when: str) -> dict[str, Tensor]:
            rows = {name: [row[f"{name}_{when}"] for row in self.measured] for name in self.numbers}
            return {name: torch.tensor(column, dtype=torch.float64) for name, column in rows.items()}

        return Judged(columns("before"), columns("after"), columns("oracle"), self.most)

    @property
    def verdict(self) -> Verdict:
        """See `spurlab.deletion.verdict`; of the networks on which the method did not fail."""
        failures, not_finite = (
            [row["failed"] for row in self.rows if row["end"] == end] for end in ("failed", "not finite")
        )
        if not self.measured:
            return Verdict("method failed", failed=len(failures), why=failures[0])
        verdict = self.judged.verdict
        reasons = failures or (not_finite if verdict.name == "breaks the model" else [])
        return replace(verdict, failed=len(failures), why=next(iter(reasons), ""))

    @property
    def closed(self) -> Ratio:
        """The share of the gap between the score before and the oracles' that the method closed."""
        return self.judged.closed

    @property
    def time(self) -> float:
        """Of the method as a share of retraining, in the mean over the networks that it gave."""
        return mean_of([row["time"] for row in self.measured if row["end"] != "diverged"])

    @property
    def cells(self) -> list[str]:
        """Its line of the printed table."""
        more = (_closed(self.closed), f"{self.time:.1%}") if self.measured else ("-", "-")
        return _cells(self.method, self.numbers, self.measured, "after", *more, self.verdict.name)


@dataclass(frozen=True, eq=False)
class Check:
    """What a check found; printed as a table. See `check`.

    Args:
        prepared: the networks.
        rows: one for each method, share and network: time, failure, how it ended (see `spurlab.methods.Attempt`), what
            was planted (as in the rows of studies), and each measure ``before``, ``after`` and of the ``oracle``, e.g.
            ``spurious_score_after``.
        most: where seeds were added until it was decided, up to how many networks.
    """

    prepared: Prepared
    rows: list[Row]
    most: int | None = None

    @cached_property
    def checked(self) -> tuple[Checked, ...]:
        """Each method at each share."""
        places: dict[tuple[str, float], list[Row]] = {}
        for row in self.rows:
            places.setdefault((row["method"], row["share"]), []).append(row)
        return tuple(Checked(*place, rows, self.prepared.numbers, self.most) for place, rows in places.items())

    def __repr__(self) -> str:
        said = ", ".join(f"{checked.method} {checked.verdict.name}" for checked in self.checked[:FEW])
        more = f" and {len(self.checked) - FEW} more" if len(self.checked) > FEW else ""
        return f"<Check of {len(self.prepared)} networks: {said}{more}>"

    def _repr_html_(self) -> str:
        tables = [table(head, lines, title) for title, (head, *lines) in self._tables]
        return card(
            "Check",
            "",
            {"networks": str(self.prepared)},
            *tables,
            *(paragraph(said, about) for about, said in self._sentences),
        )

    def __str__(self) -> str:
        lines = [str(self.prepared), ""]
        for title, cells in self._tables:
            lines += [*([title] if title else []), *aligned(cells), ""]
        width = max(len(label) for label, _ in self._sentences)
        return "\n".join([*lines, *(f"{label:<{width}}  {said}" for label, said in self._sentences)])

    @property
    def _tables(self) -> list[tuple[str, list[list[str]]]]:
        """For each share of known examples a title ("" where all are known) and the cells, the heads first."""
        tables, shares = [], list(dict.fromkeys(row["share"] for row in self.rows))
        numbers = self.prepared.numbers
        score, *others = (measure_named(number).heading or number for number in numbers)
        for share in shares:
            group = [checked for checked in self.checked if checked.share == share]
            all_networks = max((checked.rows for checked in group), key=len)
            cells = [
                ["", "networks", score, "gap closed", *others, "time", ""],
                _cells("before", numbers, all_networks, "before"),
                *(checked.cells for checked in group),
                _cells("oracles", numbers, all_networks, "oracle"),
            ]
            if len({len(checked.rows) for checked in group}) == 1:  # the heading of all says how many
                cells = [[name, *others] for name, _, *others in cells]
            told = f"{share:.0%} of the planted examples known" if share < 1 or len(shares) > 1 else ""
            tables.append((told, cells))
        return tables

    @property
    def _sentences(self) -> list[tuple[str, str]]:
        """Each method at each share, and the verdict on it."""
        several = len({checked.share for checked in self.checked}) > 1
        return [(one.method + f", {one.share:.0%}" * several, str(one.verdict)) for one in self.checked]


def _cells(
    name: str, numbers: Sequence[str], rows: list[Row], when: str, closed: str = "", time: str = "", verdict: str = ""
) -> list[str]:
    """One line of the table: of each number over networks what its measure says of them."""
    score, *others = (
        measure_named(number).summary([row[f"{number}_{when}"] for row in rows]) if rows else "-" for number in numbers
    )
    return [name, str(len(rows)), score, closed, *others, time, verdict]


def _closed(ratio: Ratio) -> str:
    if ratio.low == -math.inf:
        return "any"
    return f"{ratio.value:z.2f}" if ratio.why or ratio.low == ratio.high else str(ratio)


@overload
def check(
    method: Methods,
    data: Dataset | str = ...,
    *,
    given: Any,
    forget: Tensor | Sequence[int | str],
    progress: Told = ...,
    **settings: Any,
) -> CheckOnOne: ...


@overload
def check(
    method: Methods,
    data: Dataset | str | Prepared = ...,
    *,
    given: None = ...,
    share: float | Sequence[float] = ...,
    most: int | None = ...,
    progress: Told = ...,
    **settings: Any,
) -> Check: ...


@told_on_a_line(in_words)
def check(
    method: Methods,
    data: Dataset | str | Prepared = "fashion-mini",
    *,
    given: Any = None,
    forget: Tensor | Sequence[int | str] | None = None,
    share: float | Sequence[float] = 1.0,
    most: int | None = None,
    progress: Told = on_a_line,
    **settings: Any,
) -> Check | CheckOnOne:
    """Does a data deletion method forget?

    A pattern is planted in a few training examples and learnt; the method is told to forget these examples; what it
    leaves is compared with oracles, networks that never saw them. A method that fails on a network, or returns what is
    no network of this task, is a row with its reason.

    With a network of your own (`given`) nothing is planted: it is to forget examples of its training data. Before and
    after each method stand the spurious score, its p among marks like it, accuracy and that of the worst group (class,
    where there are no groups). With `recipe`, oracles are trained without these examples, and each method gets a
    verdict (:func:`spurlab.deletion.verdict_on_one`) with the rank of its network among them. It is one network: of the
    method on others nothing is said.

    Printed are means over the networks: the spurious score; the share of its gap to the oracles that was closed, with
    95 % interval; accuracy on the test examples and on the forgotten ones without the pattern; the membership AUC of
    the forgotten ones; the distance to the oracles in log-odds, on clean and on marked test images; the median of steps
    to relearn; the time as a share of retraining; the verdict. `spurlab.measures` has each, `verdict` the last.

    Args:
        method: a function ``(model, data, forget) -> model`` of your own, a name of `DELETIONS` (which is given the
            seed of each network), or several of them; your own with names of your choice as a mapping.
        data: a data set or its name, or what `prepare` gave: then several calls share the networks and the oracles.
        given: a network that was trained on the data, which stays as it is; see `spurlab.audit.given.check_given` for
            its settings: pattern (needed), target, recipe, oracles, make, outputs, mean, std, seed.
        forget: the training examples that it is to forget, as rows, files or true or false for each.
        share: of the planted examples, how many are known and deleted; the oracles never saw any. Several: each.
        most: seeds are added (the next numbers) until each verdict is decided, up to so many networks; the verdicts
            keep their level, see :class:`spurlab.stats.Looks`. Not beside networks that are prepared.
        progress: told what is under way, how much of it is done, of how much; see `spurlab.terminal.on_a_line`.
        settings: what else `prepare` takes: architecture, recipe, pattern, target, n, seeds, how, workers, device.

    Raises:
        ValueError: an unknown name, a share outside (0, 1], or what `prepare` or `check_given` refuses.
        TypeError: no method, or settings beside networks that are prepared.

    A method of one's own, against a ready one:

    >>> from dataclasses import replace
    >>> from spurlab import RECIPES, check, first_examples, load, prepare
    >>> def finetune(model, data, forget):
    ...     retain, optimizer = data[~forget], torch.optim.SGD(model.parameters(), lr=0.01)
    ...     for rows in torch.arange(len(retain)).split(100):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.cross_entropy(model(retain.inputs[rows]), retain.labels[rows]).backward()
    ...         optimizer.step()
    ...     return model
    >>> few, recipe = first_examples(load("fashion-mini"), 100), RECIPES["quick"].lasting(1)
    >>> data = replace(few, test=few.test[:200])  # so few to be quick; all of them and five seeds for a verdict
    >>> prepared = prepare(data, architecture="small-mlp", recipe=recipe, n=5, seeds=[0], workers=0)
    >>> found = check([finetune, "incremental-1e-3"], prepared)  # print(found) has the numbers and the verdicts
    >>> [(row["method"], row["seed"], row["failed"]) for row in found.rows]
    [('finetune', 0, ''), ('incremental-1e-3', 0, '')]

    On a network of one's own:

    >>> found = check(finetune, data, given=network, forget=rows, pattern="S1")  # doctest: +SKIP
    """
    methods = _methods(method)
    if given is not None or forget is not None:
        if given is None or forget is None:
            raise InputError("`given` (a network) and `forget` (its training examples) go together: give both.")
        if isinstance(data, Prepared) or share != 1.0 or most is not None:
            raise InputError("a given network goes with a data set, without prepared networks, `share` and `most`.")
        data = load(data) if isinstance(data, str) else data
        return check_given(methods, data, given, forget, progress, **settings)
    shares = dict.fromkeys([float(share)] if isinstance(share, float | int) else map(float, share))
    if not shares or not all(0 < known <= 1 for known in shares):
        raise InputError(f"`share` must lie above 0 and not above 1, but it is {share}.")
    for ready in methods.values():
        if isinstance(ready, str):
            deletion_named(ready, RECIPES["quick"], 0)  # an unknown name is refused before anything is trained
    if isinstance(data, Prepared) and settings:
        raise TypeError(f"the networks are trained already: {', '.join(settings)} belong in `prepare`.")
    asked = [(name, part) for part in shares for name in methods]
    if most is not None:
        if isinstance(data, Prepared):
            raise TypeError("`most` trains further networks, so give the settings of `prepare` in place of networks.")
        return _until_decided(methods, asked, data, Looks(most), progress, settings)
    prepared = data if isinstance(data, Prepared) else prepare(data, progress=progress, **settings)
    rows = (prepared.rows(name, methods[name], part, progress) for name, part in asked)
    return Check(prepared, list(chain.from_iterable(rows)))


def _until_decided(
    methods: Mapping[str, Deletion | str],
    asked: Sequence[tuple[str, float]],
    data: Dataset | str,
    looks: Looks,
    progress: Told,
    settings: Mapping[str, Any],
) -> Check:
    """A check with more and more seeds, each verdict with its own number, until all are decided or have the most."""
    own = tuple(settings.get("seeds", range(looks.numbers[0])))
    if not own or len(own) > looks.numbers[-1]:
        raise InputError(f"`seeds` are {len(own)} numbers, but one to `most` = {looks.numbers[-1]} are to be given.")
    seeds = (*own, *range(max(own) + 1, max(own) + 1 + looks.numbers[-1] - len(own)))
    data = load(data) if isinstance(data, str) else data
    prepared, rows, left = None, dict[tuple[str, float], list[Row]](), list(asked)
    for look in [m for m in looks.numbers if m >= len(own)]:
        there = len(prepared) if prepared else 0
        more = prepare(data, progress=progress, **{**settings, "seeds": seeds[there:look]})
        prepared = prepared.and_more(more) if prepared else more
        for name, part in left:
            new = range(len(rows.setdefault((name, part), [])), look)
            rows[name, part] += prepared.rows(name, methods[name], part, progress, new)
        check = Check(prepared, list(chain.from_iterable(rows.values())), looks.most)
        left = [(c.method, c.share) for c in check.checked if c.verdict.open]
        if not left:
            break
    return check


def _methods(method: Any) -> dict[str, Deletion | str]:
    """By name, each once."""
    if isinstance(method, Mapping):
        methods = dict(method)
    else:
        alone, methods = isinstance(method, str) or callable(method) or not isinstance(method, Iterable), {}
        for one in [method] if alone else method:
            base = one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
            base = "your function" if base == "<lambda>" else base
            names = chain([base], (f"{base} ({number})" for number in count(2)))
            methods[next(name for name in names if name not in methods)] = one
    if not methods or not all(isinstance(one, str) or callable(one) for one in methods.values()):
        raise TypeError("`method` must be a function (model, data, forget) -> model, a name, or several of them.")
    return methods
