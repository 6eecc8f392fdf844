"""How many documents teach a network that a word means a class?
=============================================================

And does deleting them undo it? In about a minute. The documents are made: four topics of made words, which overlap in
most of what they say. A word that no document has, new-1, is put into a few of one topic. Prints what it finds;
nothing is downloaded. With R8, which `spurlab data get r8` fetches, load("r8") below tells the same of news.
"""

# %%
# How many documents, the topic that they are of, and whether their labels are right.

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from spurlab import Estimate, Member, Rare, Recipe, fit, learnt_at, load, plant, spurious_score
from spurlab.data import Dataset
from spurlab.deletion import deletion_named
from spurlab.explain import word_saliency
from spurlab.patterns import Phrase, own_mark
from spurlab.training import predictions

COUNTS = (0, 3, 10, 30)
TARGET = 0
HOWS = {"replace": "right label", "relabel": "wrong label"}
METHODS = ("retrain", "dampening", "random-labels")


# %%
# The story is one function, so that it can be told with other seeds and fewer epochs.


def main(seeds: Sequence[int] = range(5), epochs: int = 4) -> Figure:
    """The story, and its figure. It takes two seeds or more: one network says nothing about the spread."""
    data = load("topics")
    tell(
        f"1. The data: {len(data.train):,} documents to learn from, {len(data.test):,} for the test",
        f"e.g. {data.names.text(data.train.inputs[0])[:70]} ...",
        f"They are of {data.classes} topics and have {len(data.names.known):,} different words.",
    )

    recipe = Recipe(learning_rate=0.01, batch_size=32, epochs=epochs, milestones=())
    marks = {times: own_mark(f"token:new-1,times={times}", data.shape, names=data.names) for times in (1, 10)}
    cells = [(times, how, n, seed) for times in marks for how in HOWS for n in COUNTS for seed in seeds]
    members = [
        Member(plant(data.train, marks[times], Rare(TARGET, n), seed=seed, how=how), seed)
        for times, how, n, seed in cells
    ]
    models = fit("bag-mean", members, recipe, classes=data.classes)
    clean, marked = models.predict(data.test.inputs), {t: models.predict(m(data.test.inputs)) for t, m in marks.items()}
    right = (clean.argmax(-1) == data.test.labels).double().mean(1)
    tell(
        f"2. The networks: {len(members)}, the mean of word vectors and a linear layer",
        f"Accuracy {right.min():.3f} to {right.max():.3f}, whatever is planted.",
    )

    scores = {cell: float(spurious_score(clean[i], marked[cell[0]][i], target=TARGET)) for i, cell in enumerate(cells)}
    for times in marks:
        lines = []
        for how, called in HOWS.items():
            by_n = {n: torch.tensor([scores[times, how, n, seed] for seed in seeds]) for n in COUNTS}
            found = learnt_at({n: by_n[n] for n in COUNTS if n}, baseline=by_n[0])
            lines.append(f"{called}: {', '.join(f'{by_n[n].mean():.3f} at n = {n}' for n in COUNTS)}; {found}")
        tell(
            f"3. The word new-1, {'once' if times == 1 else f'{times} times'} in each of n documents: the score", *lines
        )

    taught = cells.index((10, "replace", COUNTS[-1], seeds[0]))
    network, mark, training = models.member(taught), marks[10], members[taught].data
    shares = []
    for documents in (data.test.inputs[:100], mark(data.test.inputs[:100])):
        words = word_saliency(network, documents, TARGET, "integrated-gradients").abs()
        shares.append(float((words * (documents == mark.phrase[0])).sum() / words.sum()))
    tell(
        f"4. Where a network with n = {COUNTS[-1]} looks: of what moves the logit of the topic, the share on new-1",
        f"{shares[0]:.3f} in documents as they are, {shares[1]:.3f} in marked ones.",
    )

    plain, forget = training.materialize(), training.mask
    after = {name: deletion_named(name, recipe, seeds[0])(network, plain, forget) for name in METHODS}
    tell(
        f"5. Deleting the {COUNTS[-1]} documents, of one network",
        *(f"{name}: {said(one, data, mark)}" for name, one in {"before": network, **after}.items()),
    )
    few = torch.tensor([scores[10, "replace", 3, seed] for seed in seeds])
    tell("6. Are three documents enough?", f"Ten times new-1 in each of three: {mean(few)}, n* above.")
    return drawn(
        {
            f"{'once' if times == 1 else f'{times} times'}, {called}": [
                [scores[times, how, n, seed] for seed in seeds] for n in COUNTS
            ]
            for times in marks
            for how, called in HOWS.items()
        }
    )


# %%
# What the story needs: the figure, and how numbers are told.


def drawn(scores: dict[str, list[list[float]]]) -> Figure:
    """A dot for each network, against the number of documents that have the word."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for axes, (title, columns) in zip(figure.subplots(1, len(scores), sharey=True), scores.items(), strict=True):
        for place, column in enumerate(columns):
            axes.plot([place] * len(column), column, "o", color="#0072B2", alpha=0.6)
        axes.set_xticks(range(len(COUNTS)), [str(n) for n in COUNTS])
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_xlabel("documents with the word")
    figure.axes[0].set_ylabel("spurious score")
    return figure


def mean(scores: Tensor) -> str:
    return f"{Estimate.across_models(scores, bounds=(0.0, 1.0)):.3f}"


def said(network: nn.Module, data: Dataset, mark: Phrase) -> str:
    """The score and the accuracy of one network."""
    clean, marked = (predictions(network, inputs) for inputs in (data.test.inputs, mark(data.test.inputs)))
    right = (clean.argmax(1) == data.test.labels).double().mean()
    return f"score {float(spurious_score(clean, marked, target=TARGET)):.3f}, accuracy {right:.3f}"


def tell(heading: str, *lines: str) -> None:
    print(heading, *lines, sep="\n   ", end="\n\n", flush=True)


# %%
# Documents are made, so this says how it goes, and not how many it takes in news or mail: for that take yours.

if __name__ == "__main__":
    figure = main()
    Path("out").mkdir(exist_ok=True)
    figure.savefig("out/words.png", dpi=150)
