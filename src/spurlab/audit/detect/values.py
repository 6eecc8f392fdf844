"""Rare words of documents and rare values of a table's columns that go with one class."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import scipy  # its rooms are imported when they are first used
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from spurlab.audit.detect.shared import FEWEST, MOST
from spurlab.data import UNKNOWN, Column, Columns, Examples, Vocabulary
from spurlab.metrics import pulled
from spurlab.patterns import GONE, ByValue, Cells, Phrase, marked_rows
from spurlab.seeds import rng_for
from spurlab.stats import Share
from spurlab.training import predictions

NEARLY_ALL = 0.9  # of the examples that have it are of one class
LEVEL = 0.05  # of p, for all values together
SCREENED, SCREENS = 1000, 16  # values at most that the network is asked about, and test examples for each
ASKED, HOSTS = 20, 200  # those that pull most of these, and test examples for each


@dataclass(frozen=True, eq=False)
class RareValue:
    """A word or a value of a column that few training examples have, nearly all of one class.

    Args:
        mark: puts it into examples; its name is the word, or ``column=value``.
        label: the class.
        count: training examples that have it.
        of_class: those of them that are of the class.
        p: of so many or more of the class, if each had it by its share of all examples; for all values and classes that
            were looked at together (Bonferroni).
        rows: who has it.
        pull: of test examples of other classes, the share whose probability of the class rises by more than .1 when it
            is put into them; None: they were not asked.
    """

    mark: ByValue
    label: int
    count: int
    of_class: int
    p: float
    rows: tuple[int, ...]
    pull: Share | None = None

    @property
    def name(self) -> str:
        """The word, or ``column=value``."""
        return self.mark.name

    @property
    def asked(self) -> str:
        """The mark as `spurlab.patterns.own_mark` takes it."""
        return f"{'token' if isinstance(self.mark, Phrase) else 'column'}:{self.name}"


@dataclass(frozen=True, eq=False)
class RareValues:
    """What was looked at, and what goes with one class.

    Args:
        looked_at: words or values that 3 to 50 training examples have.
        found: of these, those of which nearly all are of one class; the smallest p first.
        screened: of these, how many the network was asked about; 0: it was not asked.
    """

    looked_at: int
    found: tuple[RareValue, ...]
    screened: int = 0

    @property
    def beyond_chance(self) -> tuple[RareValue, ...]:
        """Those that chance does not explain, at 5 % for all together."""
        return tuple(one for one in self.found if one.p <= LEVEL)

    @property
    def by_pull(self) -> tuple[tuple[RareValue, Share], ...]:
        """Those that were put into test examples, each with its pull, the strongest first."""
        asked = [(one, one.pull) for one in self.found if one.pull is not None]
        return tuple(sorted(asked, key=lambda pair: -pair[1].count / pair[1].models))


def rare_values(train: Examples, names: Vocabulary | Columns) -> RareValues:
    r"""Which rare words or values of columns nearly all examples of one class have. No network is asked.

    Of those that 3 to 50 examples have, in at least nine of ten cases of one class:

    .. math:: p = \min\Bigl(1,\; v k \Pr\bigl[\mathrm{Bin}(m, n_c / n) \ge m_c\bigr]\Bigr)

    with v such values in all, k classes, m examples with the value and :math:`m_c` of the class, which has
    :math:`n_c` of all n examples. A number of a column is a value for each number that it takes; one where it is
    missing (or the mean) is ``?``. Words are those that are read: what lies beyond the length of documents is not.

    A class that most examples are of gets a small p of many examples only: of a word that ten documents have, all of a
    class with half of all documents, there are some by chance.

    Args:
        train: n documents, or rows of a table.
        names: their words or columns.

    Returns:
        Those of one class, the smallest p first, of equal ones those that more examples have.
    """
    values, rows, mark = _documents(train, names) if isinstance(names, Vocabulary) else _cells(train, names)
    classes = int(train.labels.max()) + 1
    total = int(values.max()) + 1 if len(values) else 0
    by_class = torch.bincount(values * classes + train.labels[rows], minlength=total * classes).view(total, classes)
    counts = by_class.sum(1)
    few = ((counts >= FEWEST) & (counts <= MOST)).nonzero().squeeze(1)
    most, labels = by_class[few].max(1)
    one_class = most >= NEARLY_ALL * counts[few]
    shares = train.labels.bincount(minlength=classes).double() / len(train)
    tail = torch.as_tensor(scipy.stats.binom.logsf(most.numpy() - 1, counts[few].numpy(), shares[labels].numpy()))
    order = tail.argsort(stable=True)
    chosen = order[one_class[order]]
    together = math.log(max(1, len(few) * classes))
    holders = _holders(values, rows, few[chosen])
    found = [
        RareValue(
            mark(int(few[place])),
            int(labels[place]),
            int(counts[few[place]]),
            int(most[place]),
            min(1.0, math.exp(min(0.0, float(tail[place]) + together))),
            own,
        )
        for place, own in zip(chosen.tolist(), holders, strict=True)
    ]
    return RareValues(len(few), tuple(found))


def asked_about(
    values: RareValues,
    network: nn.Module,
    test: Examples,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RareValues:
    """How far each of them pulls test examples of other classes that lack it to its class.

    Up to 1,000, the smallest p first, are put into 16 examples each, and the 20 that raise the probability of their
    class most into 200 others each; only these have a pull, so that it is not the luck of the choice.

    Args:
        values: what `rare_values` found.
        network: gives logits.
        test: examples that it was not trained on.
        seed: of the choice of examples, and of the places of words.
        progress: is told how many values of how many have been asked about.
    """
    if not values.found or not len(test):
        return values
    order = torch.randperm(len(test), generator=rng_for(seed, "audit values"))
    quarter = len(test) // 4
    first, later, rises = test[order[:quarter]], test[order[quarter:]], list[float]()
    before = {id(part): predictions(network, part.inputs) for part in (first, later)}
    few = values.found[:SCREENED]

    def answers(one: RareValue, part: Examples, most: int) -> tuple[Tensor, Tensor]:
        """The probability of its class without it and with it."""
        others = ((part.labels != one.label) & ~one.mark.carried(part.inputs)).nonzero().squeeze(1)[:most]
        marked = marked_rows(one.mark, part, others, seed)
        return before[id(part)][others, one.label], predictions(network, marked)[:, one.label]

    for done, one in enumerate(few, 1):
        clean, marked = answers(one, first, SCREENS)
        rises.append(float((marked - clean).mean()) if len(clean) else -1.0)
        if progress is not None:
            progress(done, len(few))
    pulls = dict[int, Share]()
    for place in sorted(range(len(few)), key=lambda place: -rises[place])[:ASKED]:
        clean, marked = answers(few[place], later, HOSTS)
        if len(clean):
            pulls[place] = Share(int(pulled(clean, marked).sum()), len(clean))
    found = [replace(one, pull=pulls.get(place)) for place, one in enumerate(values.found)]
    return replace(values, found=tuple(found), screened=len(few))


Pairs = tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"], Callable[[int], ByValue]]


def _documents(train: Examples, words: Vocabulary) -> Pairs:
    """Each word that each document has, by its number, once; the document; and a mark for a number."""
    rows = torch.arange(len(train)).unsqueeze(1).expand_as(train.inputs)
    known = train.inputs > UNKNOWN
    both = torch.unique(train.inputs[known] * max(1, len(train)) + rows[known])
    numbers, documents = both.div(max(1, len(train)), rounding_mode="floor"), both % max(1, len(train))
    return numbers, documents, lambda number: Phrase(words.words[number], (number,), words)


def _cells(train: Examples, columns: Columns) -> Pairs:
    """Each value that each row has, numbered over all columns; the row; and a mark for a number."""
    numbers, rows, called = list[Tensor](), list[Tensor](), list[tuple[Column, float | str]]()
    for column in columns.columns:
        _, where = columns.column(column.name)
        cells = train.inputs[:, where]
        if column.values is None:
            each, place = torch.unique(cells[:, 0], return_inverse=True)
            own, found = torch.arange(len(train)), list[float | str](each.tolist())
        else:
            own, place = (cells == 1).nonzero(as_tuple=True)
            found = [*column.values]
        numbers.append(place + len(called))
        rows.append(own)
        called += [(column, value) for value in found]

    def mark(number: int) -> Cells:
        column, value = called[number]
        text = value if isinstance(value, str) else column.text(value) if value else GONE
        return Cells(((column.name, text),), columns)

    return torch.cat(numbers), torch.cat(rows), mark


def _holders(values: Tensor, rows: Tensor, wanted: Tensor) -> list[tuple[int, ...]]:
    """The rows that have each of some values, in order."""
    order = values.argsort(stable=True)
    counts = values.bincount(minlength=1)
    ends = counts.cumsum(0)
    return [tuple(rows[order[int(ends[one] - counts[one]) : int(ends[one])]].tolist()) for one in wanted.tolist()]
