"""Claims 5 to 7, which compare networks: of one kind alike, of several kinds, and by size."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from claim_answers import beside, interval, kinds, numbers, outcomes, part, verdict
from claim_rows import HIGH, LOW, MLPS, PAPERS, RESNETS, SGD, SPREAD, again, figure3, frame, noise

from spurlab.claims.evidence import PATTERNS
from spurlab.seeds import rng_for
from spurlab.stats import Estimate, Share
from spurlab.studies import load_study

# -- Claim 5 --

ALIKE, BELOW, FEW = "mnist, perceptrons alike", "mnist, cnn below perceptrons", "mnist, S3 with n < 100"
AS_PUBLISHED = dict.fromkeys(MLPS, 0.5) | {"cnn": 0.2}
ON_COLOUR = dict.fromkeys(RESNETS, 0.5) | {"vgg16": 0.3}
NONE = dict.fromkeys((*MLPS, "cnn", *RESNETS, "vgg16"), 0.0)


def grey(rise=AS_PUBLISHED, few=None, where=ALIKE):
    return part(verdict(5, figure3("mnist", rise, few)), where)


def test_architectures_as_the_paper_has_them():
    frames = [figure3(dataset, AS_PUBLISHED, dict.fromkeys(MLPS, 0.3) | {"cnn": 0.0}) for dataset in PAPERS[:2]]
    answer = verdict(5, *frames, figure3("cifar10", ON_COLOUR, NONE))
    assert answer.outcome == "reproduced"
    assert len(answer.parts) == 9
    below = part(answer, BELOW)
    assert below.models == 4 * (5 + 2 * 3 * 5)
    mean = frames[0][frames[0]["n"] > 0].groupby(["architecture", "seed"])["value"].mean().unstack(0)
    difference = torch.tensor((mean[list(MLPS)].mean(axis=1) - mean["cnn"]).to_numpy())
    described = Estimate.across_models(difference, (-1.0, 1.0))
    assert below.question.share == Share(5, 5)
    assert interval(below.question) == pytest.approx((described.low, described.high), abs=1e-6)


@pytest.mark.parametrize(
    ("rise", "where", "outcome"),
    [
        ({"small-mlp": 0.2, "mlp": 0.5, "large-mlp": 0.7, "cnn": 0.1}, ALIKE, "not reproduced"),
        ({"small-mlp": 0.5, "mlp": 0.5, "large-mlp": 0.65, "cnn": 0.1}, ALIKE, "not reproduced"),
        ({"small-mlp": 0.5, "mlp": 0.5, "large-mlp": 0.56, "cnn": 0.2}, ALIKE, "reproduced"),  # they differ a little
        ({"small-mlp": 0.5, "mlp": 0.5, "large-mlp": 0.5, "cnn": 0.8}, BELOW, "not reproduced"),
    ],
)
def test_architectures_that_behave_otherwise_refute(rise, where, outcome):
    """Five seeds are enough for a part, and ten for the claim, of which six or nine parts could be refuted."""
    rows = figure3("mnist", rise)
    assert outcomes(verdict(5, rows))[where] == outcome
    assert outcome in ("reproduced", verdict(5, again(rows)).outcome)


@pytest.mark.parametrize(
    ("perceptrons", "cnn", "outcome"),
    [
        (0.3, 0.0, "reproduced"),
        (0.3, -0.2, "reproduced"),  # who falls does not learn
        (0.7, 0.5, "not reproduced"),  # the CNN learns it too, though less
        (0.1, 0.4, "not reproduced"),
        (0.0, -0.09, "not reproduced"),  # nobody learns it
        (0.3, 0.05, "undecided"),  # at the margin
        (0.03, 0.0, "undecided"),  # surely there, but too small to matter
    ],
)
def test_only_perceptrons_learn_s3_from_few_examples(perceptrons, cnn, outcome):
    assert grey(few=dict.fromkeys(MLPS, perceptrons) | {"cnn": cnn}, where=FEW).outcome == outcome


def test_both_halves_of_only_perceptrons_learn_s3_must_be_so_in_a_seed():
    """The perceptrons rise in all five; the CNN, at .048 with an sd of .005, stays below .05 in some of them."""
    rows = figure3("mnist", AS_PUBLISHED, dict.fromkeys(MLPS, 0.3) | {"cnn": 0.048})
    few = rows[(rows["pattern"] == "S3") & (rows["n"] < 100)].assign(marked=lambda t: t["n"] > 0)
    mean = few.groupby(["architecture", "seed", "marked"])["value"].mean().unstack()
    rise = (mean[True] - mean[False])["cnn"]
    quiet = int((rise <= 0.05).sum())
    one = part(verdict(5, rows), FEW)
    assert 0 < quiet < 5
    assert (one.question.share, one.outcome) == (Share(quiet, 5), "undecided")
    assert one.question.holds == pytest.approx(scipy.stats.binomtest(quiet, 5, alternative="greater").pvalue)
    assert one.question.estimates["cnn"].value == pytest.approx(rise.mean())


def test_networks_that_score_nearly_1_without_marks_cannot_rise():
    cells = {("S3", 0, n): 0.98 + noise(n) / 10 for n in (0, 3, 10)}
    one = part(verdict(5, *(frame(cells, architecture=name) for name in (*MLPS, "cnn"))), FEW)
    assert (one.outcome, one.question.untestable) == ("undecided", "no room to rise")
    assert one.question.idle == (*MLPS, "cnn")


@pytest.mark.parametrize("level", [0.0, 0.895])
def test_sizes_are_not_alike_where_no_difference_could_be_seen(level):
    """All at n = 0's level, or all (nearly) full."""
    one = grey(dict.fromkeys((*MLPS, "cnn"), level))
    assert (one.outcome, one.question.untestable) == ("undecided", "nothing to compare")


def test_differences_of_two_patterns_do_not_cancel():
    """The small one .25 higher on S3 and .25 lower on R3: the means agree."""
    rows = figure3("mnist", dict.fromkeys((*MLPS, "cnn"), 0.5))
    small = (rows["architecture"] == "small-mlp") & (rows["n"] > 0)
    rows.loc[small, "value"] += np.where(rows.loc[small, "pattern"] == "S3", 0.25, -0.25)
    few = part(verdict(5, rows), ALIKE)
    assert (few.outcome, few.question.holds) == ("undecided", 1 / 32)  # alike in the mean, and 20 cells are too many
    assert "less small-mlp, " in few.question.alone
    one = part(verdict(5, again(rows, 3)), ALIKE)
    assert one.outcome == "not reproduced"
    assert "less small-mlp, " in one.question.beyond
    assert abs(one.question.estimates[one.question.beyond].value) == pytest.approx(0.25, abs=0.05)


def test_sizes_are_compared_where_somebody_learns():
    """R3 differs by .15 in all n, S3 is learnt by none: with it the mean would differ by .075, within the margin."""
    rows = figure3("mnist", {"small-mlp": 0.5, "mlp": 0.5, "large-mlp": 0.65, "cnn": 0.2}, NONE)
    one = part(verdict(5, rows[(rows["pattern"] == "R3") | (rows["n"] < 100)]), ALIKE)
    assert one.outcome == "not reproduced"
    assert one.question.idle == ("S3, n = 3", "S3, n = 10")
    assert one.question.estimate.value == pytest.approx(0.15, abs=0.01)


def test_vgg_slightly_below_is_below():
    """ResNets .02 above: more than .01, and less than .05, which is what "slightly" says."""
    rows = figure3("cifar10", dict.fromkeys(RESNETS, 0.333) | {"vgg16": 0.313}, NONE)
    vgg = rows["architecture"] == "vgg16"
    mean = rows[~vgg].groupby(["pattern", "n", "seed"])["value"].mean()
    places = pd.MultiIndex.from_frame(rows.loc[vgg, ["pattern", "n", "seed"]])
    learns = (rows.loc[vgg, "n"] > 0) & ((rows.loc[vgg, "pattern"] == "R3") | (rows.loc[vgg, "n"] == 100))
    rows.loc[vgg, "value"] = mean.loc[places].to_numpy() - np.where(learns, 0.03, 0) + rows.loc[vgg, "seed"] / 1000
    one = part(verdict(5, rows), "cifar10, vgg16 below ResNets")
    assert (one.outcome, one.question.share, one.question.margin) == ("reproduced", Share(5, 5), 0.01)
    assert 0.01 < one.question.estimate.value < 0.05


def test_resnets_that_learn_s3_early_refute_and_a_vgg_at_their_rate_is_no_evidence():
    rows = figure3("cifar10", ON_COLOUR)
    assert outcomes(verdict(5, rows))["cifar10, S3 with n < 100"] == "not reproduced"
    rows.loc[rows["architecture"] == "vgg16", "learning_rate"] = 0.1
    assert part(verdict(5, rows), "cifar10, vgg16 below ResNets").models == 0


# -- Claim 6 --


def figure4(half, dataset="mnist"):
    return pd.concat(
        frame({(None, 0, 0): level + noise(name, measure) / 4}, measure, dataset, architecture=name)
        for name in half
        for measure, level in (("sensitivity_050", half[name]), ("sensitivity_000", 0.99))
    )


@pytest.mark.parametrize(
    ("half", "near", "lower"),
    [
        ((0.91, 0.9, 0.89, 0.7), "reproduced", "reproduced"),
        ((0.7, 0.7, 0.7, 0.5), "not reproduced", "reproduced"),
        ((0.9, 0.9, 0.9, 0.97), "reproduced", "not reproduced"),
        ((0.9, 0.9, 0.8, 0.7), "not reproduced", "reproduced"),  # one is outside
        ((0.9,), "reproduced", "not tested"),
    ],
)
def test_sensitivity(half, near, lower):
    """With half of the pixels the perceptrons are to have about .9, and the CNN less."""
    answer = verdict(6, again(figure4(dict(zip((*MLPS, "cnn"), half, strict=False)))))
    assert outcomes(answer)["mnist, perceptrons near 0.9 with half of the pixels"] == near
    assert outcomes(answer)["mnist, CNN below perceptrons"] == lower


def test_sensitivity_has_the_numbers_with_all_pixels_and_counts_mnist_alone():
    half = {"mlp": 0.9, "cnn": 0.7}
    values = numbers(verdict(6, figure4(half)), "mnist, CNN below perceptrons").values
    assert [values[name] for name in ("mlp", "cnn", "higher", "lower")] == pytest.approx([0.99, 0.99, 0.9, 0.7])
    other = verdict(6, figure4(half, "fashion-mnist"))
    assert (other.outcome, kinds(other, of_paper=False)) == ("not tested as published", {"reproduced"})


# -- Claim 7 --


def sized(scores, dataset="mnist"):
    """The score of each architecture on R3 at n > 0, and .1 at n = 0."""
    on_colour = SGD if dataset == "cifar10" else {}
    return [
        frame(
            {("R3", 0, n): (value if n else 0.1) + noise(name, "R3", n) for n in (0, 3, 10)},
            *("spurious_score", dataset),
            **{"architecture": name} | on_colour,
        )
        for name, value in scores.items()
    ]


def two_of(small, large, names=("mlp", "large-mlp")):
    """The part of two networks whose scores at n = 0 and 3 are given."""
    rows = [
        frame({("R3", 0, 0): low, ("R3", 0, 3): high}, architecture=name)
        for name, (low, high) in zip(names, (small, large), strict=True)
    ]
    return part(verdict(7, *rows), "mnist")


@pytest.mark.parametrize(
    ("scores", "outcome"),
    [
        ({"a": 0.6, "b": 0.3}, "reproduced"),  # the larger scores lower
        ({"a": 0.6, "b": 0.6}, "undecided"),  # the same, or a little higher: who can tell
        ({"a": 0.6, "b": 0.595}, "undecided"),
        ({"a": 0.995, "b": 0.995}, "undecided"),  # no room to be higher
        ({"a": 0.995, "b": 0.6}, "reproduced"),
        ({"a": 0.3, "b": 0.97, "c": 0.97}, "not reproduced"),  # higher wherever there is room
        ({"a": 0.3, "b": 0.6, "c": 0.9}, "not reproduced"),
        ({"a": 0.3, "b": 0.6, "c": 0.4}, "reproduced"),  # one counterexample will do
        ({"a": 0.1, "b": 0.1}, "undecided"),  # nobody learns it
        ({"a": 0.6}, "not tested"),
    ],
)
def test_size(scores, outcome):
    """The later in the alphabet has twice the parameters."""
    counted = [
        {"measure": "parameters", "dataset": dataset, "architecture": name, "value": 1000.0 * 2**i}
        for dataset in PAPERS
        for i, name in enumerate(scores)
    ]
    rows = [again(rows) for dataset in PAPERS for rows in sized(scores, dataset)]
    assert verdict(7, *rows, pd.DataFrame(counted)).outcome == outcome


def test_the_networks_of_figure_3_are_compared_whatever_their_rates():
    """The settings of the shipped study: SGD at 0.1 for ResNets, at 0.01 for Vgg16, which has the most parameters."""
    rows = []
    for plan in load_study("fig3-cifar10", "paper").grids:
        (dataset,), (recipe,) = plan["dataset"], plan["recipe"]
        settings = dataclasses.asdict(recipe) | {"milestones": " ".join(map(str, recipe.milestones))}
        for name in plan["architecture"]:
            high = {"resnet20": 0.6, "vgg16": 0.4}.get(name, 0.65)
            cells = {("R3", 0, n): (high if n else 0.1) + noise(name, n) for n in (0, 3, 10)}
            rows.append(frame(cells, dataset=dataset, **settings | {"architecture": name}))
    answer = verdict(7, *rows)
    one = part(answer, "cifar10")
    assert (one.outcome, one.of_paper, len(one.question.estimates)) == ("reproduced", True, 6)
    assert one.question.about.startswith("vgg16 (134,301,514) less resnet")
    assert not beside(answer)
    adam = [frame.assign(optimizer="adam", learning_rate=0.01) for frame in rows]
    assert part(verdict(7, *adam), "cifar10").models == 0


@pytest.mark.parametrize(
    ("small", "large", "outcome"),
    [(0.08, 0.01, "undecided"), (0.2, 0.01, "reproduced"), (0.0, 0.5, "not reproduced"), (0.0, 0.0, "undecided")],
)
def test_a_pattern_is_chosen_by_what_both_networks_learn(small, large, outcome):
    """Rises of .08 and .01: who asks for the smaller's alone chooses it for the chance that is then tested."""
    one = part(verdict(7, *sized({"small-mlp": 0.1 + small, "large-mlp": 0.1 + large})), "mnist")
    assert one.outcome == outcome
    assert (outcome == "undecided") == (one.question.about == "no pattern that two of these networks learn")


def test_a_sure_difference_that_is_tiny_is_no_counterexample():
    """.02 below with hardly any spread: surely lower, and surely by less than .05. Above it is higher all the same."""
    assert two_of((LOW, HIGH), (LOW, HIGH - 0.02 + SPREAD / 20)).outcome == "undecided"
    higher = two_of((LOW, HIGH), (LOW, HIGH + 0.02 + SPREAD / 20), ("small-mlp", "mlp"))
    assert higher.outcome == "not reproduced"  # higher in the only comparison


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_size_that_always_raises_the_score_is_never_called_harmless(level):
    """Truth: each larger network .015 higher, sd .012, 7 patterns, 5 seeds.

    Lower by .05 is 65 / (12 sqrt(2)) = 3.8 sd away: in all five seeds of a pair by chance never.
    """
    for draw in range(3):
        scores = level + torch.randn(7, 3, 5, generator=rng_for(draw, "size"), dtype=torch.float64).numpy() * 0.012
        rows = [
            frame(
                {(p, 0, n): n // 3 * (scores[i, k] + 0.015 * k) for i, p in enumerate(PATTERNS) for n in (0, 3)},
                architecture=name,
            )
            for k, name in enumerate(MLPS)
        ]
        assert part(verdict(7, *rows), "mnist").outcome != "reproduced"


def test_size_of_the_zoos_networks_is_counted():
    answer = verdict(7, *sized({"small-mlp": 0.6, "large-mlp": 0.4}))
    one = part(answer, "mnist")
    assert (answer.outcome, one.outcome) == ("reproduced where tested", "reproduced")
    assert one.question.about == "large-mlp (932,362) less small-mlp (203,530) on R3"
    assert one.question.estimate.value == pytest.approx(-0.2)
    assert one.question.values == {"lower": 1, "higher": 0, "with room": 1}
    assert verdict(7, *sized({"mine": 0.6, "yours": 0.4})).models == 0  # sizes unknown
    wanted = [part.question.wanted for part in verdict(7, pd.DataFrame()).parts]
    assert wanted == [f"fig3-{name} with the profile paper" for name in ("mnist", "fashion", "cifar10")]
