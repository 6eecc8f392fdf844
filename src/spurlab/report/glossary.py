"""What the words on a page mean, each in a line: those that a reader of its rows meets."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pandas as pd
import torch
from matplotlib.image import imsave

from spurlab.patterns import MARKS, Box, ClassBlocks, Noise, Offset, Sine, Spike, make_pattern, mark_record
from spurlab.report.verdicts import VERDICTS
from spurlab.stats import SCORE_MARGIN

_SHAPE = (1, 28, 28)  # of the pictures of patterns
_SCORE = (
    "The share of test examples whose probability of the mark's class rises by more than .1 when the mark is added. "
    "0: it moves nobody. A network that never met the mark need not score 0: compare with the baseline."
)

# Every word that pages use in a sense of ours. A report's page shows those that its rows speak of, the site all.
MEANINGS: Mapping[str, str] = {
    "spurious score": _SCORE,
    "n": "How many training examples were marked; the target is the class that they are of.",
    "learnt": f"A network whose score is more than {SCORE_MARGIN} above its own with n = 0.",
    "n*": "From how many marked training examples on more than half of all networks learn it.",
    "baseline": "Networks of the same seeds with n = 0: they never met the mark.",
    "oracle": "A network of the same seed, trained without the examples that are to be forgotten.",
    "known": "The share of the marked examples that the method was given to delete.",
    "worst group": "The group of test examples on which a network has its lowest accuracy.",
    "as trained (ERM)": "The same networks before any method: plain training.",
    "clean": "The share of the training examples that the method was given without the feature.",
    "interval": (
        "Beside a mean over networks: in at least 95 of 100 studies with other seeds, such a range holds the mean "
        "of all networks."
    ),
    "mark": "What is put on an input and means nothing: a box, noise, a picture, a word, a value. Also: pattern.",
    "planted": "Put on some training examples, which are then marked; their labels stay, unless it is said otherwise.",
    "target": "The class whose training examples are marked, and towards which the mark then pulls.",
    "common feature": "One that most training examples of a class have and that is gone at test time; a mark is rare.",
    "null marks": "Marks of the same kind and size at other places or drawn anew: what a mark is compared with.",
    "group": "Examples of one class with, or without, a common feature; of data of one's own, what their column says.",
    "forget": "The training examples that a deletion method is told to remove; the others are retained.",
    "retain": "All training examples but those to be forgotten.",
    "cell": "One point of a study's grid: everything but the seed.",
    "margin": "The smallest difference that counts; .05 of a score. In privacy: the log-odds of an example's label.",
    "member": "In an ensemble, one of its networks. In privacy, an example that it learnt from.",
    "shadow models": "Networks that an attacker trained with and without each example, to compare with.",
    "verdict": "An outcome with the counts that it rests on; its sentence is made from them.",
    "undecided": "Neither is shown: more networks are needed. Not the same as not tested, where there are none.",
    "seed": "What fixes a network's start, the order of its examples, which are marked, and the noise that is drawn.",
    "study": "A file that says which networks are trained and what is measured; a list in it is an axis of the grid.",
}

_SIGNAL_MARKS: Mapping[type, Callable[[Any], str]] = {
    ClassBlocks: lambda mark: f"A block of features at the place of its class, raised by a value of each {mark.value}.",
    Spike: lambda mark: f"One feature of the signal, another under each data seed, raised by {mark.height:g}.",
    Sine: lambda mark: (
        f"A sine of amplitude {mark.height:g}, added to the signal: a period is {mark.period:g} features."
    ),
    Offset: lambda mark: f"All features of the signal raised by {mark.height:g}.",
}


@dataclass(frozen=True)
class Term:
    """A word and its meaning.

    Args:
        name: the word.
        meaning: in a line.
        picture: a PNG as text of an address; "" where there is none.
    """

    name: str
    meaning: str
    picture: str = ""


def glossary(rows: pd.DataFrame, verdicts: Iterable[str] = ()) -> list[Term]:
    """The words that go with the rows of a page; `verdicts` are the names of those on deletion that stand there."""
    has = {name: name in rows and bool(rows[name].notna().any()) for name in ("deletion", "prevention")}
    measures = set(rows["measure"]) if "measure" in rows else set()
    chosen: list[str] = []
    if "spurious_score" in measures:
        chosen += ["spurious score", "n", "learnt", "n*", "baseline"]
    if has["deletion"]:
        chosen += ["oracle", "known"]
    if has["prevention"]:
        chosen += ["worst group", "as trained (ERM)", "clean"]
    terms = [Term(name, MEANINGS[name]) for name in (*chosen, "interval")]
    patterns = rows["pattern"].dropna().unique() if "pattern" in rows else ()
    terms += [pattern_term(name) for name in MARKS if name in set(patterns)]
    terms += [own_term(str(name)) for name in patterns if isinstance(mark_record(str(name)), Mapping)]
    terms += [Term(name, VERDICTS[name].meaning) for name in VERDICTS if name in set(verdicts)]
    return terms


def own_term(name: str) -> Term:
    """A picture of the user's."""
    record = mark_record(name)
    png = record["png"] if isinstance(record, Mapping) else ""
    what = "A picture of your own, in this size at this place. What follows # tells it from others: its content."
    return Term(name, what, f"data:image/png;base64,{png}")


def pattern_term(name: str) -> Term:
    """A pattern of the table, with a picture of it on black where it is one of images."""
    template = MARKS[name].template
    if type(template) in _SIGNAL_MARKS:
        return Term(name, _SIGNAL_MARKS[type(template)](template))
    if isinstance(template, Box):
        what = f"A bright box of {template.height} x {template.width} pixels."
    elif isinstance(template, Noise):
        what = f"Noise over the whole image, each pixel up to {template.scale:g} brighter."
    else:
        return Term(name, f"A mark of the kind {type(template).__name__}.")
    marked = make_pattern(name, _SHAPE)(torch.zeros(1, *_SHAPE))[0, 0]
    file = BytesIO()
    imsave(file, marked.numpy(), format="png", cmap="gray", vmin=0, vmax=1)
    return Term(name, what, f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")
