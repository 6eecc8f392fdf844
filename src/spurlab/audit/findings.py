"""The findings of an audit: values, sentences and a record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from markupsafe import Markup

from spurlab import notebook
from spurlab.audit import words
from spurlab.audit.detect.values import LEVEL, RareValues
from spurlab.audit.exposed import Exposure
from spurlab.audit.looks import Look
from spurlab.audit.pull import Pull
from spurlab.audit.repair import Repaired, repairs, table
from spurlab.audit.served import Fit, Served
from spurlab.audit.suspects import Suspect
from spurlab.audit.unknown import Unknown, false_alarms
from spurlab.data import Dataset
from spurlab.data.shown import SHOWN, strip
from spurlab.models.answering import Answering
from spurlab.notebook import card, paragraph
from spurlab.patterns import MarkLike
from spurlab.stats import Share

WORST = 6  # classes and groups that are shown


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found of one network and its data; printed in sentences, as by the command.

    Args:
        data: what it was asked about.
        network: as it was asked: it gives logits.
        fit: its accuracy on the test examples, and what looks wrong.
        named: the marks by name.
        marks: for each mark, whether the network goes by it.
        suspects: training examples, ranked; by mark, and without one.
        served: the accuracy of each class and group, the worst first.
        looks: where it looks when examples have each mark, and in those that are served worst.
        repairs: what each method made of it, the best first; none where that was not asked for, or nothing is to be
            forgotten.
        forgotten: the training examples that were forgotten there.
        others: how many reference networks were trained.
        unknown: what may be marks that nobody named.
        unrepaired: why nothing was repaired although that was asked for, or "".
        looked_for: by its name the mark that the scores of repairs are of; "": one that nobody named, or none.
        exposure: which training examples are exposed to membership inference; None: that was not asked.
        values: of documents and rows of tables, the rare words and values that nearly all examples of one class have;
            else None.
    """

    data: Dataset
    network: Answering
    fit: Fit
    named: Mapping[str, MarkLike]
    marks: tuple[Pull, ...]
    suspects: tuple[Suspect, ...]
    served: tuple[Served, ...]
    looks: tuple[Look, ...] = ()
    repairs: tuple[Repaired, ...] = ()
    forgotten: tuple[int, ...] = ()
    others: int = 0
    unknown: tuple[Unknown, ...] = ()
    unrepaired: str = ""
    looked_for: str = ""
    exposure: Exposure | None = None
    values: RareValues | None = None

    @property
    def brief(self) -> list[str]:
        """The answer in three sentences: of marks, examples, repair or who is served worst; more on odd finds."""
        mark, data = words.clearest(self.marks), self.data
        told = ["No mark was named, so none was tried." if mark is None else words.of_mark(mark, data)]
        told += [words.of_unknown(one, data, brief=True) for one in self.unknown if one.unusual][:1]
        told += words.of_values(self.values, data)[1:]
        told.append(words.of_examples(self.suspects, data))
        if self.repairs or self.unrepaired:
            return [*told, *self._repair]
        return [*told, words.of_served(self.served, self.fit, data)]

    @property
    def _repair(self) -> list[str]:
        """The best repair, or why there is none."""
        if self.repairs:
            return [words.of_repairs(self.repairs, len(self.forgotten), self.data, self.looked_for)]
        return [self.unrepaired] if self.unrepaired else []

    def __str__(self) -> str:
        data = self.data
        fit = f"accuracy {self.fit.accuracy:.3f} on {self.fit.share.models:,} test {words.unit(data)}"
        lines = [
            f"{fit}; the network gives {self.network.outputs}",
            *(f"LOOK AT THIS FIRST: {warning}" for warning in self.fit.warnings),
            *(words.of_mark(one, data) for one in self.marks),
            *(words.of_unknown(one, data) for one in self.unknown),
            *words.of_level(self.marks, self.unknown),
            *words.of_values(self.values, data),
            *words.left_out(self.unknown, data),
            words.of_examples(self.suspects, data),
            words.of_served(self.served, self.fit, data),
            *([words.of_exposure(self.exposure, data)] if self.exposure else []),
            *self._repair,
            *([words.OVER_EXAMPLES] if self.marks else []),
        ]
        return "\n".join([*lines, *(["", *table(self.repairs, data)] if self.repairs else [])])

    def __repr__(self) -> str:
        counts = {"marks": self.marks, "unknown": self.unknown, "suspects": self.suspects, "repairs": self.repairs}
        told = ", ".join(f"{len(several)} {name}" for name, several in counts.items())
        return f"<Audit of {self.data.name}: accuracy {self.fit.accuracy:.3f}, {told}>"

    def _repr_html_(self) -> str:
        data, train = self.data, self.data.train
        fit = f"accuracy {self.fit.accuracy:.3f} on {self.fit.share.models:,} test {words.unit(data)}"
        facts = {"network": f"{fit}; it gives {self.network.outputs}"}
        facts |= {"look at this first": " ".join(self.fit.warnings)} if self.fit.warnings else {}
        rows = torch.tensor([one.row for one in self.suspects[:SHOWN]], dtype=torch.int64)
        captions = [f"{one.rank}: {one.label}, {one.source}" for one in self.suspects[:SHOWN]]
        title, inputs = "training examples that may teach a mark", train.inputs[rows.to(train.inputs.device)]
        parts = [*map(paragraph, self.brief), pulls(self.marks, data), served(self.served)]
        parts += [strip(title, inputs, captions, data.names)] if captions else []
        parts += [repairs(self.repairs, data)] if self.repairs else []
        return card("Audit", data.name, facts, *parts)

    def record(self) -> dict[str, Any]:
        """As JSON: numbers first.

        Its keys, where they are not the names of attributes: of a mark ``class`` (`Pull.target`), ``interval``
        (`share`), ``null`` (`against`), ``null_draws`` (`draws`), ``null_apart`` (how many of these do not overlap it,
        `apart`), ``null_largest`` (`strongest_null`, of those) and ``p_value`` (`p`); of an unknown one ``class``
        (`label`), ``examples`` (`rows`), ``near_identical`` (`twins`) and ``false_alarms``
        (`spurlab.audit.unknown.false_alarms`); ``examples`` are `suspects`, ``groups`` are `served` and ``repair``
        `repairs`, each as its `Repaired.row`; of ``values`` (null where there are neither words nor columns) those
        beyond chance and those with a pull, by their `RareValue.asked`; ``exposure`` is null where it was not asked.
        NaN is null.
        """
        return {
            "accuracy": self.fit.accuracy,
            "accuracy_interval": [self.fit.share.low, self.fit.share.high],
            "outputs": self.network.outputs,
            "warnings": list(self.fit.warnings),
            "marks": [
                {
                    "mark": found.mark,
                    "class": self.data.class_names[found.target],
                    "score": found.score,
                    "interval": [found.share.low, found.share.high],
                    "scores": dict(zip(self.data.class_names, found.scores.tolist(), strict=True)),
                    "null": found.against,
                    "null_draws": found.draws,
                    "null_apart": len(found.elsewhere),
                    "null_largest": found.strongest_null if found.draws else None,
                    "p_value": _number(found.p),
                    "p_alone": _number(found.p_alone),
                    "verdict": found.verdict,
                }
                for found in self.marks
            ],
            "unknown": [
                {
                    "method": one.method,
                    "class": self.data.class_names[one.label],
                    "norm": one.norm if math.isfinite(one.norm) else None,
                    "success": _number(one.success),
                    "gap": _number(one.gap),
                    "p_value": _number(one.p),
                    "p_alone": _number(one.p_alone),
                    "verdict": one.verdict,
                    "false_alarms": false_alarms(one, self.data),
                    "examples": [self.data.train.source(row) for row in one.rows],
                    "near_identical": [self.data.train.source(row) for row in one.twins],
                }
                for one in self.unknown
            ],
            "values": None if self.values is None else _of_values(self.values, self.data),
            "examples": [vars(suspect) for suspect in self.suspects],
            "groups": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "accuracy": one.accuracy,
                    "interval": [one.share.low, one.share.high],
                    "examples": one.share.models,
                    "worst": [self.data.test.source(row) for row in one.worst],
                }
                for one in self.served
            ],
            "looks": [
                {
                    "about": one.about,
                    "share_on_mark": _number(one.share),
                    "without_mark": _number(one.without),
                    "chance": _number(one.chance),
                }
                for one in self.looks
            ],
            "exposure": None if self.exposure is None else self.exposure.record(),
            "unrepaired": self.unrepaired,
            "repair_mark": self.looked_for,
            "repair": [{key: _number(value) for key, value in one.row.items()} for one in self.repairs],
        }


def pulls(marks: Sequence[Pull], data: Dataset) -> Markup:
    """The marks, in a notebook."""
    headings = ("mark", "pulls to", "share pulled", "p", "verdict")
    lines = [
        (one.mark, data.class_names[one.target], _with_interval(one.score, one.share), one.p, one.verdict)
        for one in marks
    ]
    return notebook.table(headings, lines)


def served(groups: Sequence[Served]) -> Markup:
    """The classes and groups that are served worst, in a notebook."""
    headings = ("served worst", "accuracy", "examples")
    lines = [(f"{one.kind} {one.name}", _with_interval(one.accuracy, one.share), one.share.models) for one in groups]
    return notebook.table(headings, lines, most=WORST)


def _with_interval(value: float, share: Share) -> str:
    return f"{value:.3f} [{share.low:.3f}, {share.high:.3f}]"


def _of_values(values: RareValues, data: Dataset) -> dict[str, Any]:
    """The rare words or values that chance does not explain, or that the network was asked about."""
    return {
        "looked_at": values.looked_at,
        "of_one_class": len(values.found),
        "screened": values.screened,
        "found": [
            {
                "mark": one.asked,
                "class": data.class_names[one.label],
                "count": one.count,
                "of_class": one.of_class,
                "p_value": one.p,
                "pull": None if one.pull is None else one.pull.count / one.pull.models,
                "interval": None if one.pull is None else [one.pull.low, one.pull.high],
                "examples": [data.train.source(row) for row in one.rows],
            }
            for one in values.found
            if one.p <= LEVEL or one.pull is not None
        ],
    }


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
