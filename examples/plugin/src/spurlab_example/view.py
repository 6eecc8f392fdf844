"""A view: a question with its numbers, its table, its figure and its answer; studies name it as their `figure`."""

from matplotlib.figure import Figure

from spurlab.report.sheet import Sheet, number_cell, slim
from spurlab.report.style import blank, describe
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

Numbers = dict[int, list[float]]  # by n, the rise of each network
RISE = "confidence on marked examples, less that on clean ones"


def shape(result: StudyResult) -> Numbers:
    """How much surer the mark makes each network; those before any deletion alone. All arithmetic is in here."""
    rows = result.rows[result.rows["deletion"].isna() | (result.rows["deletion"] == "none")]
    places = ["pattern", "target", "n", "seed"]
    clean, marked = (
        rows[rows["measure"] == f"confidence_{which}"].drop_duplicates(places).set_index(places)["value"]
        for which in ("clean", "marked")
    )
    rise = (marked - clean).dropna()
    return {int(n): part.tolist() for n, part in rise.groupby("n")}


def figure(numbers: Numbers, about: About) -> Figure:
    """A dot for each network."""
    if not numbers:
        raise NotDrawnError("No confidence was measured.")
    drawn, body = blank(about.title, 2.6)
    axes = body.add_subplot()
    for place, rises in enumerate(numbers.values()):
        axes.plot([place] * len(rises), rises, "o", color="black", alpha=0.6)
    axes.set_xticks(range(len(numbers)), map(str, numbers))
    axes.set_xlabel("n, marked training examples")
    axes.set_ylabel("rise of confidence")
    return describe(drawn, f"{RISE}, by n: a dot for each network.")


def sheets(numbers: Numbers) -> list[Sheet]:
    """The means."""
    lines = [
        (number_cell(n, ".0f"), number_cell(sum(rises) / len(rises), "+.3f"), number_cell(len(rises), ".0f"))
        for n, rises in numbers.items()
    ]
    return [slim("Confidence", ("n", "rise", "networks"), lines, RISE)]


def answer(numbers: Numbers) -> list[str]:
    """In a sentence."""
    if not numbers:
        return []
    rises = numbers[max(numbers)]
    return [f"At n = {max(numbers)} the mark changes the confidence by {sum(rises) / len(rises):+.3f} in the mean."]


VIEW: View[Numbers] = View(
    "confidence",  # as in pyproject.toml
    "Does the mark make networks surer?",
    shape,
    figure,
    sheets,
    answer,
    measures=("confidence_clean", "confidence_marked"),
)
