"""Results of studies that nobody ran: plausible numbers for every kind of figure."""

import hashlib
import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from spurlab.measures import PERCENTS
from spurlab.report import VIEWS, save_figure
from spurlab.report.style import spoken
from spurlab.studies import Grid, Study, StudyResult
from spurlab.studies.weights import weights_file, write_weights

RECIPE = {
    "optimizer": "adam",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "batch_size": 128,
    "epochs": 10,
    "milestones": "6 8",
    "decay": 0.1,
    "clip_norm": math.nan,
    "clip_value": math.nan,
    "input_noise": 0.0,
    "precision": "float32",
}
NORMS = {"S1": 1.0, "S2": 3.0, "S3": 4.98, "R1": 3.9, "R2": 7.4, "R3": 13.65, "Co": 4.44}
ACCURACY = {"mnist": 0.979, "fashion-mnist": 0.878, "cifar10": 0.846}
SEEDS = (0, 1, 2, 3, 4)
OF_FEATURE = ("signals", "embeddings", "saliency")  # of a training set with a common feature


def result_of(rows, figure, title="How many marked examples does it take?", folder=Path("out"), **changes):
    settings = {"name": figure, "profile": "quick", "title": title, "figure": figure, "claims": (1, 2)}
    settings |= {"source": "Yang et al. (2022), arXiv:2202.05189", "measure": VIEWS[figure].measures or ("accuracy",)}
    grid = {"dataset": "fashion-mini", "architecture": "mlp", "pattern": "R3"}
    if figure in OF_FEATURE:
        grid |= {"dataset": "mnist1d@100", "pattern": "blocks", "share": 0.9, "prevention": ["dfr-plain"]}
    if figure in ATTACKED:
        grid |= {"halves": 0, "attack": ["loss"], "seed": [0, 1, 2, 3]}
    settings |= {"grids": (Grid(**grid),)} | changes
    study = Study(**settings)
    command = f"spurlab run {figure} --profile quick --out out/{figure}"
    return StudyResult(study, rows, folder, command, "2026-11-22T05:00:00+00:00")


def keep_weights(result):
    """A first layer for each network, whose weights in the corner grow with n."""
    result.folder.mkdir(parents=True, exist_ok=True)
    for n, key in zip(result.rows["n"], result.rows["training"], strict=True):
        weight = torch.randn(16, 784, generator=torch.Generator().manual_seed(n)) * 0.02
        weight.view(16, 28, 28)[:, :5, :5] += 0.04 * math.log10(1 + n)
        layers = {"1.bias": torch.zeros(16), "10.weight": torch.ones(10, 16), "1.weight": weight}
        write_weights(weights_file(result.folder, key), layers, diverged=False)
    return result


def frame_of(
    measures=("spurious_score", "accuracy"),
    datasets=("fashion-mnist",),
    patterns=("R3", "S3"),
    targets=(0,),
    counts=(0, 3, 10, 100),
    seeds=SEEDS,
    variants=({},),
    chance=0,
):
    """Rows as the studies room makes them; a network's numbers depend on its settings in a plausible way."""
    rng, rows = np.random.default_rng(chance), []
    for dataset, variant in itertools.product(datasets, variants):
        recipe = RECIPE | {k: v for k, v in variant.items() if k in RECIPE}
        architecture = variant.get("architecture", "mlp")
        about = {"dataset": dataset, "architecture": architecture, "how": "replace", **recipe}
        for pattern, target, n, seed in itertools.product(patterns, targets, counts, seeds):
            name = f"{dataset} {variant} {pattern if n else ''}{target if n else ''} {n} {seed}"
            key = hashlib.sha256(name.encode()).hexdigest()[:20]
            strength = NORMS[pattern] / 14 * (0.8 if recipe["optimizer"] == "sgd" else 1.0)
            strength /= 1 + 300 * recipe["weight_decay"] + 2 * recipe["input_noise"]
            score = 1 / (1 + math.exp(-(math.log10(1 + n) * 2.5 * (strength + 0.25) - 2.6 + strength)))
            cost = 0.6 * recipe["weight_decay"] ** 0.3 * 0.4 + 0.05 * recipe["input_noise"]
            accuracy = ACCURACY.get(dataset, 0.87) - min(cost, 0.6)
            values = {
                "spurious_score": min(max(score + rng.normal(0, 0.06), 0), 1),
                "accuracy": accuracy + rng.normal(0, 0.003),
                "marked_accuracy": (accuracy - 0.5 * score) + rng.normal(0, 0.02),
                "empirical_norm": NORMS[pattern] * (1.1 if dataset == "mnist" else 1.0)
                + (rng.normal(0, 0.05) if pattern[0] == "R" else 0),
                "pattern_importance": 0.06 + 0.04 * math.log10(1 + n) + rng.normal(0, 0.004),
            }
            place = {"pattern": pattern, "target": target, "n": n, "seed": seed, "training": key}
            steep = 3 if architecture == "cnn" else 6
            values |= {
                name: 1 - 0.9 * (percent / 100) ** steep + rng.normal(0, 0.002) - 0.01
                for name, percent in PERCENTS.items()
            }
            rows += [{"measure": m, "value": values[m], **place, **about} for m in measures]
    made = {"data": "c0ffee", "device": "cpu", "spurlab": "0.1.0", "torch": "2.14.1+cpu", "machine": "x86_64"}
    return pd.DataFrame(rows).assign(**made, seconds=3.5, finished="2026-11-22T05:00:00+00:00")


ALL = ("S1", "S2", "S3", "R1", "R2", "R3", "Co")
PAPER_N = (0, 3, 5, 10, 20, 100, 2000, 5000)
SWEEP = [
    *({"weight_decay": w} for w in (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 5e-2, 1e-1)),
    *({"input_noise": s} for s in (0.05, 0.1, 0.2, 0.5, 0.75, 1.0, 5.0)),
    *({"clip_norm": c} for c in (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5)),
]
PARAMETERS = {"small-mlp": 203_530, "mlp": 335_114, "large-mlp": 932_362, "vgg16": 134_301_514}


# after deletion: the score that is left, of 1, and the accuracy that it costs
LEFT = {"none": (1.0, 0.0), "oracle": (0.0, 0.0), "influence": (1.0, 0.0), "scrub": (0.4, 0.02), "retrain": (0.0, 0.0)}


def deletion_rows(
    datasets=("mnist", "fashion-mnist"), counts=(3, 20, 100), methods=("influence", "scrub", "retrain"), seeds=SEEDS
):
    """Rows of a study of deletion: influence leaves all, SCRUB some, retraining nothing."""
    parts = []
    for number, method in enumerate(("none", "oracle", *methods)):
        left, cost = LEFT[method]
        rows = frame_of(datasets=datasets, patterns=("R3",), counts=counts, seeds=seeds, chance=number)
        scores, accuracies = (rows[rows["measure"] == name] for name in ("spurious_score", "accuracy"))
        parts += [
            scores.assign(value=0.02 + left * 0.8 * scores["value"]),
            accuracies.assign(value=accuracies["value"] - cost),
            scores.assign(measure="time_share", value=0.1 * number),
            scores.assign(measure="membership_auc", value=0.5 + 0.4 * left),
            scores.assign(measure="relearn_steps", value=math.inf if left == 0 else 12.0),
        ]
        parts[-5:] = [part.assign(deletion=method, known=1.0, failed=None) for part in parts[-5:]]
    return pd.concat(parts, ignore_index=True)


# with a common feature: accuracy, and that of the worst group
REPAIRED = {"erm": (0.6, 0.3), "dfr": (0.75, 0.45), "group-dro": (0.8, 0.7)}


def repair_rows(methods=("dfr", "group-dro"), shares=(0.0, 0.9), clean=(0.25,), seeds=SEEDS):
    """Rows of a study of a common feature; without it nothing is repaired."""
    parts = []
    for number, (share, part) in enumerate(itertools.product(shares, clean)):
        for method in ("erm", *methods) if share else ("erm",):
            rows = frame_of(("accuracy",), ("mnist1d",), ("R3",), (0,), (0,), seeds, chance=number)
            placed = rows.assign(pattern="blocks", share=share, clean=part, prevention=method, failed=None)
            for measure, value in zip(("accuracy", "worst_group"), REPAIRED[method], strict=True):
                level = value if share else 0.9
                parts.append(placed.assign(measure=measure, value=level + rows["value"] - 0.87))
    return pd.concat(parts, ignore_index=True)


WAYS = {"code": 0.9, "attack": 0.5}  # accuracies on marked examples, as the paper's code counts and right
# at 1 % false positives: marked members and others found; the area of marked examples
FOUND = {"loss": (0.1, 0.1, 0.5), "lira-fixed": (0.7, 0.3, 0.9)}


def exposure_rows(datasets=("mnist",), counts=(0, 3, 20), attacks=tuple(FOUND), seeds=range(8)):
    """Rows of a study of membership inference."""
    plain = frame_of(("accuracy",), datasets, ("R3",), counts=counts, seeds=seeds).assign(halves=0, attack=None)
    parts = [plain, plain.assign(measure="pattern_answer", value=plain["n"] + plain["value"])]
    for number, attack in enumerate(attacks):
        rows = frame_of(("accuracy",), datasets, ("R3",), counts=counts, seeds=seeds, chance=number).assign(halves=0)
        rows = rows.assign(attack=attack, value=rows["value"] - ACCURACY["mnist"], training=rows["training"] + attack)
        marked, (members, others, area) = rows[rows["n"] > 0], FOUND[attack]
        parts += [rows.assign(measure=f"member_tpr_{at:03d}", value=1.2 * at / 1000) for at in (10, 100, 500)]
        parts += [rows.assign(measure="member_auc", value=rows["value"] + 0.6)]
        levels = {
            "left_out_tpr": members,
            "left_out_fpr": members,
            "marked_tpr": members,
            "marked_fpr": others,
            "marked_auc": area,
            "group_planted": 5,
            "group_control": 0,
        }
        parts += [marked.assign(measure=name, value=marked["value"] + level) for name, level in levels.items()]
    return pd.concat(parts, ignore_index=True)


def factor_rows(counts=(0, 3), seeds=range(8)):
    """The same of two architectures, of which one exposes more; of the first after a deletion, too."""
    rows = exposure_rows(counts=counts, attacks=("lira-fixed",), seeds=seeds).assign(deletion=None)
    left_out = rows["measure"].isin(["left_out_tpr", "left_out_fpr"])
    small = rows.assign(architecture="small-mlp", training="small" + rows["training"])
    small.loc[rows["measure"] == "left_out_tpr", "value"] += 0.2
    forgotten = rows[left_out].assign(deletion="neggrad+", value=0.0)
    return pd.concat([rows, forgotten, small], ignore_index=True)


def membership_rows(datasets=("mnist",), counts=(0, 3, 20), seeds=SEEDS):
    """Rows of the paper's attack."""
    rows = frame_of(("accuracy",), datasets, ("R3",), counts=counts, seeds=seeds)
    rows = rows.assign(attack="sorted-logits", halves=0)
    marked = rows[rows["n"] > 0]
    parts = [rows.assign(measure=f"{way}_accuracy", value=rows["value"] - 0.3) for way in WAYS]
    parts += [marked.assign(measure=f"{way}_marked_accuracy", value=level) for way, level in WAYS.items()]
    return pd.concat(parts, ignore_index=True)


def extraction_rows(counts=(0, 3, 20), seeds=SEEDS, patterns=("R3",)):
    """Rows of a study of extraction: an inversion that reads .1 more of the pattern for each step of n."""
    plain = frame_of(("spurious_score",), ("mnist",), patterns, counts=counts, seeds=seeds)
    steps = plain["n"].map(counts.index)
    return pd.concat([
        plain,
        plain.assign(measure="extracted_inversion_correlation", value=0.1 * steps),
        plain.assign(measure="extracted_inversion_p", value=(0.5 - 0.25 * steps).clip(lower=0.01)),
        plain.assign(measure="extracted_inversion_score", value=0.9),
    ], ignore_index=True)  # fmt: skip


def dp_rows(counts=(0, 1, 10), seeds=range(40)):
    """Rows of a study of private training: canaries raise the answers of plain networks alone."""
    plain = frame_of(("spurious_score", "accuracy"), ("mnist",), ("R3",), counts=counts, seeds=seeds)
    plain, parts = plain.assign(how="append"), []
    for method, epsilon, rise in (("erm", math.inf, 5.0), ("dp-sgd noise=2", 3.0, 0.0)):
        canaries = plain[plain["measure"] == "accuracy"].assign(measure="canary_answer")
        answers = canaries["seed"] % 7 + rise * 2 * (canaries["n"] > 0)
        several = [plain, canaries.assign(value=answers), canaries.assign(measure="epsilon", value=epsilon)]
        parts += [part.assign(prevention=method, clean=0.25, failed=None) for part in several]
    return pd.concat(parts, ignore_index=True)


def law_rows(counts=(0, 1, 10, 100), seeds=SEEDS, patterns=("S1", "S3")):
    """Rows of a study of the law: scores are kappa / (1 + kappa), a tenth more in the networks of Adam."""
    ways = [{"weight_decay": decay, "optimizer": name} for decay in (1e-3, 1e-1) for name in ("lbfgs", "adam")]
    plain = frame_of(("spurious_score",), ("mnist",), patterns, counts=counts, seeds=seeds, variants=ways)
    size = plain["pattern"].map({"S1": 1.0, "S3": 25.0})
    kappa = plain["n"] * size / (10_000 * plain["weight_decay"])
    law = kappa / (1 + kappa)
    return pd.concat([
        plain.assign(value=law * (1 - 0.1 * (plain["optimizer"] == "adam"))),
        plain.assign(measure="kappa", value=kappa),
        plain.assign(measure="predicted_score", value=law),
    ], ignore_index=True)  # fmt: skip


ATTACKED = {"exposure": exposure_rows, "exposure-factors": factor_rows, "membership": membership_rows}
READ = ATTACKED | {"extraction": extraction_rows, "dp": dp_rows, "law": law_rows}


def treated_rows(numbers, share, prevention, clean=0.25, failed=None):
    """A row for each seed and measure: ``{seed: {measure: value}}``."""
    about = {
        "dataset": "mnist1d", "architecture": "mnist1d-cnn", "how": "replace", "pattern": "blocks", "target": 0, "n": 0,
        "deletion": None, "prevention": prevention, "known": math.nan, "share": share, "clean": clean, "seconds": 2.0,
        "failed": failed, "epochs": 50,
    }  # fmt: skip
    return [
        about | {"measure": name, "value": value, "seed": seed, "training": f"{prevention} {share} {clean} {seed}"}
        for seed, values in numbers.items()
        for name, value in values.items()
    ]


def make_result(figure, large=True, **changes):
    """A result for one kind of figure, of the largest grid or of the smallest."""
    small = {} if large else {"patterns": ("R3",), "counts": (0, 3), "seeds": (0,)}
    both = ("mnist", "fashion-mnist")
    if figure == "gallery":
        grid = {"datasets": (*both, "fashion-mini") if large else ("fashion-mini",), "patterns": ALL, "counts": (0,)}
        rows = frame_of(("empirical_norm",), **grid)
    elif figure == "parameters":
        names = dict(list(PARAMETERS.items())[: None if large else 1])
        rows = frame_of(
            ("accuracy",), patterns=("R3",), counts=(0,), seeds=(0,), variants=[{"architecture": n} for n in names]
        )
        rows = rows.assign(measure="parameters", value=[float(v) for v in names.values()], pattern=None)
    elif figure in ("scores", "accuracy", "norm"):
        measures = ("spurious_score", "accuracy", "empirical_norm")
        grid = (
            {"datasets": both, "patterns": ALL, "targets": (0, 1), "counts": PAPER_N}
            if large
            else {"datasets": both[:1]}
        )
        rows = frame_of(measures, **grid | small)
    elif figure == "importance":
        grid = {"datasets": both[:1], "patterns": ("S3",), "counts": (0, 10, 100, 2000)}
        rows = frame_of(("pattern_importance",), **grid | ({} if large else {"counts": (0,), "seeds": (0,)}))
    elif figure == "bars":
        grid = {"datasets": both if large else both[:1], "counts": (0, 3, 10)}
        ways = [{"optimizer": "adam"}, {"optimizer": "sgd"}] if large else [{}]
        rows = frame_of(("spurious_score", "accuracy"), variants=ways, **grid | small)
    elif figure == "draws":
        grid = {"datasets": both if large else both[:1], "patterns": ("R3",), "counts": (0, 3, 10)}
        grid |= {} if large else {"counts": (3,), "seeds": (0, 1)}
        several = range(10 if large else 2)
        rows = pd.concat([frame_of(("spurious_score",), chance=i, **grid).assign(draw=i) for i in several])
        rows = rows.reset_index(drop=True)
    elif figure in ("deletion", "deletion-curves"):
        rows = deletion_rows() if large else deletion_rows(("mnist",), (20,), ("influence",), (0,))
    elif figure in ("repairs", *OF_FEATURE):
        rows = repair_rows() if large else repair_rows((), (0.9,), seeds=(0,))
    elif figure in READ:
        rows = READ[figure]() if large else READ[figure](counts=(0, 3), seeds=range(2))
    elif figure == "reweighting":
        rows = repair_rows() if large else repair_rows((), (0.9,), seeds=(0,))
        seen = rows[(rows["prevention"] == "erm") & (rows["measure"] == "accuracy")]
        rows = pd.concat([rows, *(seen.assign(measure=name) for name in ("minority_weight", "fresh_minority_weight"))])
        rows = rows.reset_index(drop=True)
    elif figure == "sensitivity":
        grid = {"datasets": both if large else both[:1], "patterns": ("R3",), "counts": (0,)}
        networks = [
            {"architecture": name} for name in (("small-mlp", "mlp", "large-mlp", "cnn") if large else ("mlp",))
        ]
        measures = list(PERCENTS) if large else ["sensitivity_000", "sensitivity_050", "sensitivity_100"]
        rows = frame_of(measures, variants=networks, **grid | ({} if large else {"seeds": (0,)})).assign(pattern=None)
    else:
        grid = {"counts": (0, 1, 3, 5, 10, 20, 100)} if large else {}
        rows = frame_of(
            ("spurious_score", "accuracy", "marked_accuracy"), variants=SWEEP if large else SWEEP[:2], **grid | small
        )
    return result_of(rows, figure, **changes)


@pytest.fixture(scope="session")
def results():
    """The functions above, for tests that make results of their own."""
    return SimpleNamespace(
        make=make_result, of=result_of, rows=frame_of, keep_weights=keep_weights, deletion_rows=deletion_rows,
        treated=treated_rows, exposure_rows=exposure_rows, law_rows=law_rows,
    )  # fmt: skip


def check_saved(figure, folder, width=1800):
    """The three files of a figure: not blank, and its words in them."""
    assert len(spoken(figure)) > 20
    png, pdf, svg = save_figure(figure, folder / "figure")
    with Image.open(png) as image:
        assert image.width == width
        assert len(image.convert("L").getcolors()) > 2
    assert pdf.read_bytes().startswith(b"%PDF")
    assert spoken(figure)[:20] in svg.read_text("utf-8")


def unchecked(draw):
    """Without the checks of the annotations, which come first in tests."""
    return getattr(draw.__wrapped__, "__wrapped__", draw.__wrapped__)


@pytest.fixture(scope="session")
def figures():
    """What tests ask of figures."""
    return SimpleNamespace(
        check_saved=check_saved,
        unchecked=unchecked,
        panels=lambda figure: [axes for axes in figure.axes if axes.lines],
        small_print=lambda figure: " ".join(t.get_text() for part in figure.subfigs for t in part.texts).replace(
            "\n", " "
        ),
    )
