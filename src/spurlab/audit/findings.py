"""The audit: one network and its data in, findings out."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.audit.detect import DETECTORS
from spurlab.audit.presence import carriers, presence
from spurlab.audit.pull import DRAWS, Pull, pull
from spurlab.audit.repair import Repaired, repaired
from spurlab.audit.served import Fit, Served, fit_of, served
from spurlab.data import Dataset, Examples
from spurlab.errors import InputError
from spurlab.models.answering import Outputs, answering
from spurlab.models.files import load_network
from spurlab.patterns import MarkLike, own_mark, pattern_title
from spurlab.training import RECIPES, Recipe, predictions

SHOWN = 20  # training examples of a list
QUICK = 199  # null marks of a quick audit

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Suspect:
    """A training example that may teach a mark.

    Args:
        row: of the training examples.
        source: where it came from.
        label: its class.
        rank: 1 is the first.
        score: the probability that it carries the mark; without one, median deviations above the median of its class.
        method: by which it was found.
        mark: which mark it is about; "" for one that nobody named.
        carries: whether it surely carries the mark; None where that is not asked.
    """

    row: int
    source: str
    label: str
    rank: int
    score: float
    method: str
    mark: str = ""
    carries: bool | None = None


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found of one network and its data.

    Args:
        data: what it was asked about.
        network: as it was asked: it gives logits.
        outputs: what the network itself gives.
        fit: its accuracy on the test examples, and what looks wrong.
        marks: for each mark, whether the network goes by it.
        suspects: training examples, ranked; by mark, and without one.
        served: the accuracy of each class and group, the worst first.
        repairs: what each method made of it; none where that was not asked for.
        forgotten: the training examples that were forgotten there.
    """

    data: Dataset
    network: nn.Module
    outputs: Outputs
    fit: Fit
    marks: tuple[Pull, ...]
    suspects: tuple[Suspect, ...]
    served: tuple[Served, ...]
    repairs: tuple[Repaired, ...] = ()
    forgotten: tuple[int, ...] = ()

    def record(self) -> dict[str, Any]:
        """As JSON: numbers first."""
        return {
            "accuracy": self.fit.accuracy,
            "accuracy_interval": [self.fit.share.low, self.fit.share.high],
            "outputs": self.outputs,
            "warnings": list(self.fit.warnings),
            "marks": [
                {
                    "mark": found.mark,
                    "class": self.data.class_names[found.target],
                    "score": found.score,
                    "interval": [found.share.low, found.share.high],
                    "null_draws": found.draws,
                    "null_largest": found.strongest_null,
                    "p_value": None if math.isnan(found.p) else found.p,
                    "verdict": found.verdict,
                }
                for found in self.marks
            ],
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
            "repair": [
                {
                    "method": one.method,
                    "score_before": _number(one.score_before),
                    "score_after": _number(one.score_after),
                    "accuracy_before": one.accuracy_before,
                    "accuracy_after": _number(one.accuracy_after),
                    "verdict": one.verdict,
                }
                for one in self.repairs
            ],
        }


def audit(
    model: nn.Module | str | Path,
    data: Dataset,
    marks: Sequence[str | MarkLike] | Mapping[str, MarkLike] = (),
    *,
    weights: str | Path | None = None,
    outputs: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    suspects: Sequence[int | str] = (),
    repair: bool = False,
    recipe: Recipe | None = None,
    quick: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Ask a trained network and its data: does it go by these marks, who teaches it, who is served worst.

    Args:
        model: the network; or what `spurlab.models.files.load_network` takes. It is given copies, and never changed.
        data: it was trained on the training part.
        marks: marks, or texts as `spurlab.patterns.own_mark` takes them; by name, if they have none of their own.
        weights: a file with the weights of the network; None: it has them.
        outputs: what the network gives; None: told from its numbers.
        mean, std: of each channel, where the network wants normalised inputs.
        suspects: training examples to be forgotten, as rows or names of files.
        repair: whether to try to repair it.
        recipe: how methods that train on do so; None: the quick one.
        quick: whether fewer null marks will do.
        seed: of all draws.
        progress: is told what is done, how much of it, of how much.

    Raises:
        ValueError: a network, a mark or suspects that do not fit the data, and what is wrong.
    """
    told = progress or (lambda what, done, of: None)
    if not len(data.test):
        raise InputError(f"{data.name} has no test examples, but an audit asks the network about some.")
    told("asking the network", 0, 1)
    network = answering(
        load_network(model, weights, data.shape, data.classes), data.test.inputs, data.classes, outputs, mean, std
    ).eval()
    answers = predictions(network, data.test.inputs)
    fit = fit_of(network, data, answers)
    found, ranked, carried = [], [], torch.zeros(len(data.train), dtype=torch.bool)
    made = [
        own_mark(mark, data.shape, seed, data.input_range) if isinstance(mark, str) else mark
        for mark in (marks.values() if isinstance(marks, Mapping) else marks)
    ]
    for mark in made:
        name = pattern_title(mark)
        pulled = pull(
            network,
            data.test,
            mark,
            draws=QUICK if quick else DRAWS,
            seed=seed,
            progress=partial(told, f"marks like {name}"),
        )
        found.append(pulled)
        likeness = presence(mark, data.train, seed)
        have = carriers(likeness)
        ranked += listed(likeness, data, "presence", name, have)
        if pulled.verdict in ("goes by it", "not tested"):
            carried |= have
    told("looking for examples", 0, 1)
    ranked += listed(DETECTORS["transplant"].score(network, data.train, data.test, seed), data, "transplant")
    forget = rows_of(suspects, data.train) if suspects else carried
    repairs: list[Repaired] = []
    if repair:
        if not bool(forget.any()):
            raise InputError(
                "there is nothing to repair: no mark that the network may go by is carried by training examples. Name "
                "those to be forgotten (suspects)."
            )
        strongest = max(range(len(found)), key=lambda place: found[place].score) if found else None
        repairs = repaired(
            network,
            data,
            forget,
            None if strongest is None else made[strongest],
            0 if strongest is None else found[strongest].target,
            recipe or RECIPES["quick"],
            seed=seed,
            told=lambda name: told(f"repairing by {name}", 0, 1),
        )
    return Audit(
        data,
        network,
        network.outputs,
        fit,
        tuple(found),
        tuple(ranked),
        tuple(served(data.test, answers, data.class_names, data.group_names)),
        tuple(repairs),
        tuple(forget.nonzero().squeeze(1).tolist()) if repairs else (),
    )


def listed(
    scores: Tensor, data: Dataset, method: str, mark: str = "", have: Bool[Tensor, " n"] | None = None
) -> list[Suspect]:
    """The first training examples by their scores; all that carry a mark."""
    order = scores.argsort(descending=True)
    most = max(SHOWN, 0 if have is None else int(have.sum()))
    return [
        Suspect(
            row,
            data.train.source(row),
            data.class_names[int(data.train.labels[row])],
            rank,
            float(scores[row]),
            method,
            mark,
            None if have is None else bool(have[row]),
        )
        for rank, row in enumerate(order[:most].tolist(), 1)
    ]


def rows_of(suspects: Sequence[int | str], train: Examples) -> Bool[Tensor, " n"]:
    """True for the training examples that are named by their row or their file.

    Raises ValueError: there is no such example.
    """
    mask = torch.zeros(len(train), dtype=torch.bool)
    places = {} if train.sources is None else {str(source): row for row, source in enumerate(train.sources)}
    for name in suspects:
        text = str(name).strip()
        row = places.get(text, int(text.removeprefix("row ")) if text.removeprefix("row ").isdigit() else -1)
        if not 0 <= row < len(train):
            raise InputError(
                f"there is no training example {text!r}. Suspects are rows from 0 to {len(train) - 1}"
                f"{'' if train.sources is None else f', or files, e.g. {train.source(0)!r}'}."
            )
        mask[row] = True
    return mask


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
