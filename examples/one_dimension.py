"""Does refitting the last layer take a common feature out of a network?
=====================================================================

From data to verdict in about two minutes. In MNIST-1D nine of ten training signals get a bump whose place gives the
class away; the test signals have none. Small networks learn the bump, fail without it, and are repaired by DFR and
AFR, which change nothing but the last layer. Prints what it finds, draws out/signals.png and out/strips.png.
"""

# %%
# What is common to all steps: the feature, who has it, and the repairs.

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from spurlab import ClassBlocks, Common, Estimate, Member, Planted, Recipe, fit, load, paired_difference, plant, rng_for
from spurlab.data import Dataset
from spurlab.explain import gradient, neighbour_purity, share_on
from spurlab.metrics import accuracy, worst_group_accuracy
from spurlab.prevention import prevention_named
from spurlab.report import save_figure, signals_figure, strips_figure
from spurlab.stats import gap_closed, risen
from spurlab.training import predictions

FEATURE = ClassBlocks()  # class k: a positive number is added to the features 4k to 4k + 4
MOST, ALL = Common(0.9), Common(1.0)  # nine of ten signals have it, or all of them
BASE, SPOILED = "without bump", "with bump"
REPAIRS = {"DFR": "dfr", "AFR, training": "afr-train", "AFR, held out": "afr"}


# %%
# The story is one function, so that it can be told with other seeds and fewer epochs. Each step prints what it found.


def main(seeds: Sequence[int] = range(5), epochs: int = 50, folder: Path = Path("out")) -> list[Figure]:
    """The story, and its figures. It takes two seeds or more: one network says nothing about the spread."""
    data = load("mnist1d")
    train, test, blocks = data.train, data.test, FEATURE.blocks(data.classes)
    tell(
        f"1. The data: {len(train):,} signals to learn from, {len(test):,} for the test",
        f"Each has {data.shape[0]} numbers and is of one of {data.classes} classes, all about as large.",
        "Published accuracies: logistic regression 0.32, perceptron 0.68, convolutions 0.94.",
    )

    planted = [plant(train, FEATURE, MOST, seed=seed) for seed in seeds]
    few = test[torch.stack([(test.labels == label).nonzero()[0, 0] for label in range(data.classes)])]
    bumped = plant(few, FEATURE, ALL, seed=seeds[0]).materialize().inputs
    low, high = (bumped - few.inputs).amax(1).aminmax()
    tell(
        f"2. The feature: a bump on {planted[0].mask.double().mean():.0%} of the training signals, on none of the test",
        f"Its place belongs to the class; its height, drawn for each class, is from {low:.1f} to {high:.1f} here.",
    )

    # no network is asked yet: where distance tells the classes apart, there is little reason to learn their shapes
    spoiled = [overlay.materialize() for overlay in planted]
    near, nearer = (neighbour_purity(examples.inputs, train.labels) for examples in (train, spoiled[0]))
    tell(
        "3. How easy that makes the task: of a signal's ten nearest neighbours, the share that is of its class",
        f"{BASE}: {near:.3f}, {SPOILED}: {nearer:.3f}; chance is 0.1.",
    )

    # two networks of one seed start alike and see the signals in one order: what differs is the bump, so they are pairs
    recipe = Recipe(learning_rate=1e-3, batch_size=100, epochs=epochs, milestones=())
    members = [Member(Planted.none(train), seed) for seed in seeds]
    members += [Member(overlay, seed) for overlay, seed in zip(planted, seeds, strict=True)]
    models = fit("mnist1d-cnn-25", members, recipe, classes=data.classes)  # in lockstep, on all cores
    trained, losses = [models.member(i) for i in range(len(members))], models.trained.losses[:, -1]
    networks = {BASE: trained[: len(seeds)], SPOILED: trained[len(seeds) :]}
    steps = epochs * len(train) // recipe.batch_size
    tell(
        f"4. The networks: {len(members)}, each trained for {steps:,} steps, and the loss at which they end",
        f"{BASE}: {losses[: len(seeds)].mean():.4f}, {SPOILED}: {losses[len(seeds) :].mean():.4f}; a guess has 2.3.",
    )

    score = {name: scores(some, data, seeds) for name, some in networks.items()}
    tell(
        "5. What that is worth on the test signals: accuracy, and that of the worst class",
        *(f"{name}: {mean(right)}, worst class {mean(worst)}." for name, (right, worst, _) in score.items()),
    )
    tell(
        "6. Where they look: of the gradient in test signals with bumps, the share that falls on the bump's place",
        *(f"{name}: {mean(looks)}." for name, (*_, looks) in score.items()),
        f"A network that looks everywhere alike has {blocks.double().mean():.3f}.",
    )

    # DFR fits the last layer anew on clean signals. AFR needs none of them: it weighs signals by how wrong the network
    # is about them, which of training signals says little. So its authors hold a fifth out and first train on the rest.
    orders = [torch.randperm(len(train), generator=rng_for(seed, "clean")) for seed in seeds]  # as in the study `quinn`
    clean = [train[order[: len(train) // 4]] for order in orders]
    for name, method in REPAIRS.items():
        given = zip(seeds, networks[SPOILED], spoiled, clean, strict=True)
        networks[name] = [prevention_named(method, recipe, seed)(*rest) for seed, *rest in given]
        score[name] = scores(networks[name], data, seeds)
    tell(
        "7. Repairs of the last layer: DFR on a quarter of the signals without their bumps; AFR by weights",
        *(f"{name}: {mean(right)}, worst class {mean(worst)}." for name, (right, worst, _) in score.items()),
    )

    maps = {name: gradient(some[0], bumped, few.labels) for name, some in networks.items()}
    folder.mkdir(parents=True, exist_ok=True)
    signals = signals_figure(few.inputs, bumped, blocks, data.class_names, "A test signal of each class")
    title = "What moves the logit of the class, in these signals"
    strips = strips_figure(bumped, maps, blocks, data.class_names, title, few.inputs, upright=True)
    drawn = [save_figure(figure, folder / name)[0] for name, figure in (("signals", signals), ("strips", strips))]
    print("Drawn:", *drawn, end="\n\n")

    # Shares of networks decide: that more than half of all networks would be better is tested by how many of these are,
    # whatever their accuracies are like. Five of five show it at 5 %, four of five do not; each repair by itself.
    better = {name: risen(score[name][1], score[SPOILED][1]) for name in REPAIRS}
    tell(
        f"8. The verdict, by {len(seeds)} pairs of networks: mean differences [95 % interval], and how many are better",
        f"The bump: {change(score[SPOILED], score[BASE])}.",
        *(
            f"{name}: {change(score[name], score[SPOILED])}, better in {share.of}: "
            f"{'helps' if share.more_than() <= 0.05 else 'not shown to help'} the worst class, of whose loss it makes "
            f"good a share of {gap_closed(score[SPOILED][1], score[name][1], score[BASE][1])}."
            for name, share in better.items()
        ),
    )
    return [signals, strips]


# %%
# What the story needs: the three numbers of each network, and how they are told.


def scores(networks: Sequence[nn.Module], data: Dataset, seeds: Sequence[int]) -> Tensor:
    """Accuracy, that of the worst class, and the gradient's share on the bump's place: a row for each, `3 m`."""
    test, looks = data.test, []
    for network, seed in zip(networks, seeds, strict=True):
        maps = gradient(network, plant(test, FEATURE, ALL, seed=seed).materialize().inputs, test.labels)
        looks.append(share_on(maps, FEATURE.blocks(data.classes), test.labels).nanmean())  # NaN: nothing moves it
    said = torch.stack([predictions(network, test.inputs) for network in networks])
    worst = worst_group_accuracy(said, test.labels, test.labels, data.classes)
    return torch.stack([accuracy(said, test.labels), worst, torch.stack(looks)])


def mean(each: Tensor) -> str:
    return f"{Estimate.across_models(each, bounds=(0.0, 1.0), normal=True):.3f}"


def change(after: Tensor, before: Tensor) -> str:
    accuracies, worst = (paired_difference(*pair) for pair in zip(after[:2], before[:2], strict=True))
    return f"accuracy {accuracies:+.3f}, worst class {worst:+.3f}"


def tell(heading: str, *lines: str) -> None:
    print(heading, *lines, sep="\n   ", end="\n\n", flush=True)


# %%
# Five networks of each kind. Fewer would show nothing: four that agree do so by chance once in sixteen.

if __name__ == "__main__":
    figures = main()
