"""Rows to curves and groups, with numbers small enough to work out by hand."""

import math

import pandas as pd
import pytest
import torch

from spurlab.measures import PERCENTS
from spurlab.report import curves, groups, study_figure, verdict_of, write_report
from spurlab.report.groups import diverged, estimates, networks, per_network
from spurlab.report.page import facts_of
from spurlab.report.sheet import settings_sheet
from spurlab.report.style import spoken
from spurlab.report.views import answer, study_sheets
from spurlab.stats import Share
from spurlab.studies.axes import OF_TRAINING, Axis

SWEPT = [{}, {"weight_decay": 0.1}]
SCORES = {0: [0.0, 0.1, 0.0, 0.2, 0.1], 1: [0.1, 0.1, 0.0, 0.2, 0.0], 10: [0.5, 0.7, 0.6, 0.6, 0.6]}


def rows_of(scores, pattern="R3", target=0, **settings):
    return pd.DataFrame(
        {
            "measure": measure,
            "value": value if measure == "spurious_score" else 0.9,
            "pattern": pattern,
            "target": target,
            "n": n,
            "seed": seed,
            "training": f"{pattern if n else ''} {target if n else ''} {n} {seed} {settings}",
        }
        | settings
        for n, values in scores.items()
        for seed, value in enumerate(values)
        for measure in ("spurious_score", "accuracy")
    )


def test_a_curve_pairs_seeds_with_their_own_control():
    (curve,) = curves(rows_of(SCORES))
    zero, one, ten = curve.points
    assert (zero.n, zero.difference, zero.rose) == (0, None, None)
    assert ten.score.value == pytest.approx(0.6)
    assert ten.difference.value == pytest.approx((0.5 + 0.6 + 0.6 + 0.4 + 0.5) / 5)
    assert (one.rose, ten.rose) == (Share(1, 5), Share(5, 5))
    assert (curve.verdict.n, curve.verdict.above) == (10, None)
    assert ten.accuracy.value == pytest.approx(0.9)


def test_neither_the_order_of_rows_nor_doubles_matter():
    """Seeds are paired by their number, not by their place; two studies may share a network."""
    rows = rows_of(SCORES)
    assert curves(rows[::-1]) == curves(rows)
    assert curves(pd.concat([rows, rows])) == curves(rows)


def test_one_curve_for_each_pattern_and_target():
    rows = pd.concat([rows_of(SCORES), rows_of(SCORES, "S3"), rows_of(SCORES, "S3", 1)])
    assert [(curve.pattern, curve.target) for curve in curves(rows)] == [("R3", 0), ("S3", 0), ("S3", 1)]


def test_a_diverged_seed_is_left_out_everywhere_and_named():
    scores = {n: [*values, math.nan if n == 10 else 0.9] for n, values in SCORES.items()}
    (curve,) = curves(rows_of(scores))
    (without,) = curves(rows_of(SCORES))
    assert curve.points == without.points
    assert curve.diverged == (5,)
    assert "without the diverged seeds 5" in verdict_of(curve)
    assert diverged(rows_of(scores)) == 1


def test_a_seed_that_is_not_finished_is_left_out_too():
    scores = {n: values if n == 10 else [*values, 0.5] for n, values in SCORES.items()}
    (curve,) = curves(rows_of(scores))
    assert (curve.diverged, curve.unfinished) == ((), (5,))
    assert "unfinished seeds 5" in verdict_of(curve)
    assert curve.points == curves(rows_of(SCORES))[0].points


def test_no_network_left_is_said_in_words():
    (curve,) = curves(rows_of({n: [math.nan] * 5 for n in SCORES}))
    assert "no network is left" in verdict_of(curve)


def test_a_single_network_gives_no_verdict():
    (curve,) = curves(rows_of({n: values[:1] for n, values in SCORES.items()}))
    assert verdict_of(curve) == "undecided: 1 network; at 5 % it takes 5"
    assert curve.points[-1].rose == Share(1, 1)


def test_where_seeds_were_added_a_curve_needs_more_of_them():
    """Seven of eight have learnt it: enough where one looks once, not where one has looked at five before."""
    rows = rows_of({0: [0.0] * 8, 10: [0.5] * 7 + [0.0]})
    assert [curves(rows, most)[0].verdict.n for most in (None, 20)] == [10, None]


def test_scores_without_accuracies_make_a_curve():
    rows = rows_of(SCORES)
    (curve,) = curves(rows[rows["measure"] == "spurious_score"])
    assert math.isnan(curve.points[0].accuracy.value)
    assert curve.verdict.n == 10


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        ([{"optimizer": "adam"}, {"optimizer": "sgd"}], ["Adam", "SGD"]),
        ([{"optimizer": "adam", "momentum": 0.9}, {"optimizer": "sgd", "momentum": 0.8}], ["Adam", "SGD"]),
        ([{"clip_norm": math.nan}, {"clip_norm": 0.1}], ["no clipping", "clipped by norm at 0.1"]),
        ([{"architecture": "mlp"}, {"architecture": "large-mlp"}], ["MLP", "large MLP"]),
        ([{"weight_decay": 0.0}, {"weight_decay": 1e-5}], ["no weight decay", "weight decay 1e-05"]),
        ([{"input_noise": 0.0}, {"input_noise": 0.5}], ["no input noise", "input noise 0.5"]),
        ([{"epochs": 1}, {"epochs": 70}, {"epochs": math.nan}], ["1 epoch", "70 epochs", "epochs unknown"]),
        ([{"milestones": "6 8"}, {"milestones": ""}], ["milestones 6 and 8", "no milestones"]),
        ([{"augmentation": "none"}, {"augmentation": "crop-flip"}], ["no augmentation", "crop-flip"]),
        ([{"loss": "ce"}, {"loss": "mse"}], ["cross-entropy", "squared error"]),
        ([{"dataset": "mnist"}, {"dataset": "cifar10"}], ["", ""]),
        ([{"optimizer": "adam"}], [""]),
    ],
)
def test_groups_are_named_by_what_tells_them_apart(settings, labels):
    found = groups(pd.concat([rows_of(SCORES, **each) for each in settings]))
    assert [group.label for group in found] == labels
    assert all(len(group.rows) == len(rows_of(SCORES)) for group in found)


def left_out(whole, share, seed):
    return whole.without(torch.arange(len(whole)) >= round((1 - share) * len(whole)))


def test_a_new_axis_of_training_splits_groups_and_shows_everywhere(results, monkeypatch, tmp_path):
    """By its line in the table alone: in labels, tables, answers, figures and facts; no two training sets are mixed."""
    monkeypatch.setitem(OF_TRAINING, "left_out", Axis("left_out", "share left out", float, (0.0,), change=left_out))
    measures = ("spurious_score", "accuracy", *PERCENTS)
    parts = [results.rows(measures, patterns=("R3",), counts=(0, 3), variants=SWEPT, chance=i) for i in (0, 1)]
    rows = pd.concat([part.assign(left_out=share) for part, share in zip(parts, (0.0, 0.5), strict=True)])
    alike = rows[rows["weight_decay"] == 0]
    assert [group.label for group in groups(alike)] == ["left out 0", "left out 0.5"]
    for group, part in zip(groups(alike), parts, strict=True):
        mine = group.rows[group.rows["measure"] == "accuracy"]["value"]
        theirs = part[(part["measure"] == "accuracy") & (part["weight_decay"] == 0)]["value"]
        assert mine.tolist() == theirs.tolist()
    for kind in ("scores", "accuracy", "bars", "sensitivity"):
        result = results.of(alike, kind)
        told = [spoken(study_figure(result)), " ".join(answer(result)), str(study_sheets(result))]
        assert all("left out 0.5" in words for words in told), kind
    swept = results.of(rows, "regularization")
    [plain, changed] = study_sheets(swept)
    assert (plain.title, changed.title) == (
        "Fashion-MNIST, left out 0: weight decay", "Fashion-MNIST, left out 0.5: weight decay",
    )  # fmt: skip
    assert "left out 0.5" in spoken(study_figure(swept))
    assert settings_sheet(rows).headings[0] == "left out"
    assert facts_of(results.of(alike, "scores"))["left out"] == "0, 0.5"
    assert "left out 0.5" in write_report([results.of(alike, "bars")], [], tmp_path)[0].read_text("utf-8")


def test_averages_within_a_network_come_before_averages_over_networks():
    """Two targets of three seeds are three networks' worth of evidence, not six; NaN in one target loses the seed."""
    rows = pd.concat([rows_of({3: [0.0, 0.2, 0.4]}), rows_of({3: [0.2, 0.4, math.nan]}, target=1)])
    rows = rows[rows["measure"] == "spurious_score"]
    assert per_network(rows, "spurious_score", n=3).dropna().tolist() == pytest.approx([0.1, 0.3])
    mean = estimates(rows, ["pattern", "n"])["R3", 3]
    assert (mean.value, mean.models) == (pytest.approx(0.2), 2)


def test_networks_are_counted_once_and_patterns_are_none():
    both = pd.concat([rows_of(SCORES), rows_of(SCORES, target=1)])
    assert networks(both) == 5 + 2 * 10  # n = 0 is shared
    assert networks(both.assign(measure="empirical_norm")) == 0
