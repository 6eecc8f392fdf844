"""What the words on a page mean, each in a line: those that a reader of its rows meets."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO

import pandas as pd
import torch
from matplotlib.image import imsave

from spurlab.patterns import MARKS, Box, ClassBlocks, Noise, make_pattern, mark_record
from spurlab.report.verdicts import VERDICTS
from spurlab.stats import SCORE_MARGIN

_SHAPE = (1, 28, 28)  # of the pictures of patterns
_SCORE = (
    "The share of test examples whose probability of the mark's class rises by more than .1 when the mark is added. "
    "0: it moves nobody. A network that never met the mark need not score 0: compare with the baseline."
)


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
    terms = []
    if "spurious_score" in measures:
        terms.append(Term("spurious score", _SCORE))
        terms.append(Term("n", "How many training examples were marked; the target is the class that they are of."))
        terms.append(Term("learnt", f"A network whose score is more than {SCORE_MARGIN} above its own with n = 0."))
        terms.append(Term("n*", "From how many marked training examples on more than half of all networks learn it."))
        terms.append(Term("baseline", "Networks of the same seeds with n = 0: they never met the mark."))
    if has["deletion"]:
        terms.append(
            Term("oracle", "A network of the same seed, trained without the examples that are to be forgotten.")
        )
        terms.append(Term("known", "The share of the marked examples that the method was given to delete."))
    if has["prevention"]:
        terms.append(Term("worst group", "The group of test examples on which a network has its lowest accuracy."))
        terms.append(Term("as trained (ERM)", "The same networks before any method: plain training."))
        terms.append(Term("clean", "The share of the training examples that the method was given without the feature."))
    terms.append(
        Term(
            "interval",
            "Beside a mean over networks: in at least 95 of 100 studies with other seeds, such a range holds the mean "
            "of all networks.",
        )
    )
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
    if isinstance(template, Box):
        what = f"A bright box of {template.height} x {template.width} pixels."
    elif isinstance(template, Noise):
        what = f"Noise over the whole image, each pixel up to {template.scale:g} brighter."
    elif isinstance(template, ClassBlocks):
        return Term(name, f"A block of features at the place of its class, raised by a value of each {template.value}.")
    else:
        return Term(name, f"A mark of the kind {type(template).__name__}.")
    marked = make_pattern(name, _SHAPE)(torch.zeros(1, *_SHAPE))[0, 0]
    file = BytesIO()
    imsave(file, marked.numpy(), format="png", cmap="gray", vmin=0, vmax=1)
    return Term(name, what, f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")
