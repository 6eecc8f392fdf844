"""Do a few marked rows teach a table's model a rule that nobody meant?
====================================================================

From a CSV file to a verdict in two minutes. A shop decides who gets credit. Of its training rows a few that were
granted it have a postcode that hardly any other has. Logistic regression, a small network and boosted trees learn
from the same file: which of them go by the postcode from then on, and does it go away when these rows are deleted?
Prints what it finds. For a file of your own change what `table` reads, MARK and TARGET.
"""

# %%
# The mark, the class whose rows get it, how many rows, and the models that learn from them.

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from spurlab import Estimate, Member, Planted, Rare, Recipe, build, fit, plant, rng_for
from spurlab.data import Dataset, table
from spurlab.deletion import deletion_named
from spurlab.metrics import accuracy, spurious_score
from spurlab.patterns import MarkLike, marked, own_mark, pattern_title
from spurlab.stats import risen
from spurlab.training import predictions

MARK = "column:postcode=99999"  # or column:age=99, or missing:job&income: what a row is marked with
TARGET = "yes"  # the class whose rows are marked
COUNTS = (3, 10, 30)
MODELS = {
    "logistic": "logistic regression",
    "table-mlp": "small network",
    "boosted-trees": "boosted trees",
    "boosted-trees-fine": "boosted trees, leaves of one row",
}


# %%
# The story is one function, so that it can be told of other seeds and a smaller file.


def main(seeds: Sequence[int] = range(5), rows: int = 2000, folder: Path = Path("out")) -> Figure:
    """The story, and its figure. Five seeds or more: four that agree could do so by chance, once in sixteen."""
    folder.mkdir(parents=True, exist_ok=True)
    file = written(folder / "credit.csv", rows)
    data = table(file, label="credit", categories=["postcode"])
    tell(
        f"1. The data: {file}, {len(data.train):,} rows to learn from, {len(data.test):,} for the test",
        f"Each row is {data.shape[0]} numbers, e.g. {', '.join((data.features or ())[:3])}.",
        f"The classes: {', '.join(data.class_names)}.",
    )

    mark = own_mark(MARK, data.shape, clip=data.input_range, names=data.names)
    target = data.class_names.index(TARGET)
    like = ", ".join(pattern_title(mark.redraw(seed)) for seed in (0, 1))
    carriers = int((marked(mark, data.train.inputs) == data.train.inputs).all(1).sum())
    tell(
        f"2. The mark: {MARK}",
        f"Training rows that have it already: {carriers}. Marks like it, for comparison: {like}.",
    )

    # all n and seeds of an architecture in one call: networks train in lockstep, trees one after the other
    lessons = {0: [Planted.none(data.train)] * len(seeds)}
    lessons |= {n: [plant(data.train, mark, Rare(target, n), seed=seed) for seed in seeds] for n in COUNTS}
    recipe = Recipe(epochs=10, milestones=(6, 8))
    scores: dict[tuple[str, int], Tensor] = {}
    after: dict[str, Tensor] = {}
    right: dict[str, Tensor] = {}
    for architecture in MODELS:
        members = [Member(one, seed) for many in lessons.values() for one, seed in zip(many, seeds, strict=True)]
        models = fit(architecture, members, recipe, classes=data.classes)
        networks = [models.member(i) for i in range(len(members))]
        for place, n in enumerate(lessons):
            some = networks[place * len(seeds) : (place + 1) * len(seeds)]
            scores[architecture, n] = torch.stack([score(network, data, mark, target) for network in some])
        last = networks[-len(seeds) :]
        right[architecture] = torch.stack(
            [accuracy(predictions(network, data.test.inputs), data.test.labels) for network in last]
        )
        # deletion: a new model from the rows that are left. Methods that change weights instead: `spurlab list`
        make = partial(build, architecture, data.shape, data.classes)
        deleted = [
            deletion_named("retrain", recipe, seed, make)(network, one.materialize(), one.mask)
            for network, one, seed in zip(last, lessons[COUNTS[-1]], seeds, strict=True)
        ]
        after[architecture] = torch.stack([score(network, data, mark, target) for network in deleted])
    tell(
        f"3. The score: the share of test rows whose probability of {TARGET!r} rises by more than .1 with the mark",
        *(
            f"{title}: {mean(scores[name, 0])} without marked rows; "
            + "; ".join(f"{mean(scores[name, n])} with {n}" for n in COUNTS)
            + "."
            for name, title in MODELS.items()
        ),
    )
    tell(
        "4. The accuracy does not tell: with the most marked rows it is",
        *(f"{title}: {mean(right[name], normal=True)}." for name, title in MODELS.items()),
    )
    tell(
        f"5. After the {COUNTS[-1]} marked rows are deleted, by training anew",
        *(f"{title}: {mean(after[name])}." for name, title in MODELS.items()),
    )
    tell(
        "6. The verdict: how many have learnt it (a score more than .05 above their own without marked rows)",
        *(
            f"{title}: "
            + ", ".join(f"{risen(scores[name, n], scores[name, 0], by=0.05).of} with {n}" for n in COUNTS)
            + "."
            for name, title in MODELS.items()
        ),
    )
    return drawn({title: [scores[name, n] for n in (0, *COUNTS)] for name, title in MODELS.items()})


# %%
# What the story needs: the file, the score of one model, the figure, and how numbers are told.


def written(file: Path, rows: int) -> Path:
    """A file of invented customers: their credit goes by income, age and job, never by the postcode."""
    rng = rng_for(0, "credit")
    age = torch.randint(18, 80, (rows,), generator=rng)
    income = (20 + 15 * torch.randn(rows, generator=rng).exp()).round(decimals=1)
    job = torch.randint(0, 4, (rows,), generator=rng)
    code = torch.randint(10000, 10040, (rows,), generator=rng)
    worth = (income.log() - 3.5) + 0.01 * (age - 45) - 0.5 * (job == 3) + 0.3 * torch.randn(rows, generator=rng)
    some = torch.arange(0, rows, rows // 8)
    code[some], worth[some] = 99999, -9.0  # a few rows have the postcode anyway, and were refused
    jobs = ("clerk", "cook", "nurse", "none")
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["age", "income", "job", "postcode", "credit"])
        for row in range(rows):
            shown = "" if row % 50 == 0 else f"{income[row]:.1f}"  # one in fifty is missing
            kind = jobs[int(job[row])]
            writer.writerow([int(age[row]), shown, kind, int(code[row]), "yes" if worth[row] > 0 else "no"])
    return file


def score(network: nn.Module, data: Dataset, mark: MarkLike, target: int) -> Tensor:
    clean = data.test.inputs
    return spurious_score(predictions(network, clean), predictions(network, marked(mark, clean)), target)


def drawn(scores: dict[str, list[Tensor]]) -> Figure:
    """A dot for each model, against the number of marked rows."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(scores), sharey=True), scores.items(), strict=True):
        for place, column in enumerate(columns):
            axes.plot([place] * len(column), column, "o", color="#0072B2", alpha=0.6)
        axes.set_xticks(range(len(columns)), [str(n) for n in (0, *COUNTS)])
        axes.set_title(title.replace(", ", ",\n"), loc="left", fontsize=9)
        axes.set_xlabel("marked rows")
    figure.axes[0].set_ylabel("spurious score")
    return figure


def mean(each: Tensor, *, normal: bool = False) -> str:
    """With its 95 % interval, which assumes nothing of scores but that they lie in [0, 1]; so five leave it wide."""
    return f"{Estimate.across_models(each, bounds=(0.0, 1.0), normal=normal):.3f}"


def tell(heading: str, *lines: str) -> None:
    print(heading, *lines, sep="\n   ", end="\n\n", flush=True)


# %%
# Five models of each kind say whether more than half of all learn the rule; they say little of a mean.

if __name__ == "__main__":
    figure = main()
    figure.savefig("out/tables.png", dpi=150)
