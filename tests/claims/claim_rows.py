"""Rows whose answers are worked out by hand or by scipy, which the tests of claims share."""

import itertools
import math
import zlib

import numpy as np
import pandas as pd

from spurlab.claims.evidence import PATTERNS

RECIPE = {
    "architecture": "mlp", "how": "replace", "optimizer": "adam", "learning_rate": 0.01, "momentum": 0.9,
    "weight_decay": 0.0, "batch_size": 128, "epochs": 70, "milestones": "40 50 60", "decay": 0.1,
    "clip_norm": math.nan, "clip_value": math.nan, "input_noise": 0.0, "precision": "float32", "data": "0abc",
}  # fmt: skip
ON_CIFAR = {"architecture": "resnet20", "weight_decay": 1e-4, "augmentation": "crop-flip"}
QUICK = {"epochs": 10, "milestones": "6 8"}
SGD = {"optimizer": "sgd", "learning_rate": 0.1}
SPREAD = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])  # mean 0, sd .0158
LOW, HIGH = 0.1 + SPREAD, 0.6 + 2 * SPREAD
FLAT = LOW + SPREAD[::-1] / 10
LEARNT = {("R3", 0, 0): LOW, ("R3", 0, 3): HIGH}
PAPERS = ("mnist", "fashion-mnist", "cifar10")
SIX = tuple(itertools.product(PAPERS, (0, 1)))
GREY = (0, 3, 5, 10, 20, 100, 2000, 5000)
COUNTS = {"mnist": GREY, "fashion-mnist": GREY, "cifar10": (0, 3, 5, 10, 20, 100, 500)}  # of Figure 2
MLPS, RESNETS = ("small-mlp", "mlp", "large-mlp"), ("resnet20", "resnet32", "resnet110")


def noise(*key):
    """Five numbers of a cell's own with mean 0 and the sd of SPREAD, so that no two cells differ by a constant."""
    draw = np.random.default_rng(zlib.crc32(repr(key).encode())).standard_normal(5)
    return (draw - draw.mean()) / draw.std() * SPREAD.std()


def frame(cells, measure="spurious_score", dataset="mnist", **settings):
    """(pattern, target, n) -> one value for each seed; on CIFAR-10 as the paper has it unless said otherwise."""
    settings = RECIPE | (ON_CIFAR if dataset.startswith("cifar10") else {}) | settings
    return pd.DataFrame(
        [
            {"measure": measure, "value": float(value), "dataset": dataset, "pattern": pattern, "target": target}
            | {"n": n, "seed": seed, **settings}
            for (pattern, target, n), values in cells.items()
            for seed, value in enumerate(values)
        ]
    )


def again(rows, times=2):
    """The same numbers under other seeds too: shares stay as they are, and more seeds show them."""
    keys = {"training"} & set(rows.columns)
    return pd.concat(
        rows.assign(seed=rows["seed"] + 5 * i, **{key: rows[key] + f" again {i}" for key in keys}) for i in range(times)
    )


def six(changes=(), **settings):
    """R3 at n = 0 and 3 for the six parts of claim 1: learnt unless changed."""
    return [
        frame({("R3", target, 0): low, ("R3", target, 3): high}, dataset=dataset, **settings)
        for (dataset, target), (low, high) in (dict.fromkeys(SIX, (LOW, HIGH)) | dict(changes)).items()
    ]


def grid(level, counts=(0, 3, 10)):
    """`level(pattern, n)` + a seed's own part that differs by pattern and n, for each cell."""
    cells = itertools.product(PATTERNS, (0, 1), counts)
    return {(p, t, n): level(p, n) + noise(p, t, n) / 4 for p, t, n in cells}


def figure2(level):
    return [frame(grid(level, counts), dataset=dataset) for dataset, counts in COUNTS.items()]


def higher_when_random(p, n):
    return 0.1 + (n > 0) * (0.5 if p[0] == "R" else 0.2)


def accuracies(change=lambda p, t, n: 0.0, base=0.9, spread=1.0, seeds=5):
    def cells(counts):
        plain = base + SPREAD / 10
        return {
            (p, t, n): (plain + (change(p, t, n) + spread * noise(p, t, n) / 20) * (n > 0))[:seeds]
            for p, t, n in itertools.product(PATTERNS, (0, 1), counts)
        }

    return [frame(cells(counts), "accuracy", dataset) for dataset, counts in COUNTS.items()]


def figure3(dataset, rise, few=None):
    """S3 and R3 at target 0: .1 without marks, `rise` by network with them; `few`: of S3 below 100."""
    frames = []
    for name, level in rise.items():
        other = {} if name in (*MLPS, "cnn") else SGD | ({"learning_rate": 0.01} if name == "vgg16" else {})
        cells = {
            (p, 0, n): 0.1 + noise(name, p, n) / 4 + (n > 0) * (few[name] if few and p == "S3" and n < 100 else level)
            for p in ("S3", "R3")
            for n in (0, 3, 10, 100)
        }
        frames.append(frame(cells, dataset=dataset, **{"architecture": name} | other))
    return pd.concat(frames)


BARS = tuple(itertools.product(("S3", "R3"), (0,), (3, 10)))


def bars_of(dataset, change=lambda p, n: 0.0, level=lambda p, n: 0.6, **settings):
    """S3 and R3 at n = 3 and 10: `change` and a spread of .0016 beside the plain ones; .05 at n = 0."""
    spread = SPREAD[::-1] / 10 * bool(settings)
    cells = {(p, t, n): level(p, n) + 2 * SPREAD + change(p, n) + spread for p, t, n in BARS}
    return frame(cells | {(p, 0, 0): np.full(5, 0.05) for p in ("S3", "R3")}, dataset=dataset, **settings)


def deletions(left, dataset="mnist", before=0.6, counts=(3, 20)):
    """By method, the score that is left; the oracles have .02."""
    scores = {"none": before, "oracle": 0.02} | left
    settings = {"mnist": "-25", "cifar10": "-1000"}  # the public code's scale, or depth, is another there
    if dataset in settings and "influence-reference" in scores:
        scores[f"influence-reference{settings[dataset]}"] = scores.pop("influence-reference")
    return pd.concat(
        frame({("R3", 0, n): score + noise(dataset, method, n) / 4 for n in counts}, dataset=dataset).assign(
            deletion=method, known=1.0
        )
        for method, score in scores.items()
    )


QUINN = {"base": 0.95, "spurious": 0.66, "dfr-plain": 0.80, "afr-train": 0.65}
WORST = {"base": 0.89, "spurious": 0.45, "dfr-plain": 0.60, "afr-train": 0.44}


def quinn(changes=(), reading="blocks"):
    """By role, accuracy and that of the worst class, with a little noise by seed."""
    lines = []
    for measure, levels in (("accuracy", QUINN | dict(changes)), ("worst_group", WORST)):
        for role, level in levels.items():
            share, method = (0.0 if role == "base" else 0.9), ("erm" if role in ("base", "spurious") else role)
            for seed, moved in enumerate((0.0, 0.004, -0.004, 0.002, -0.002)):
                wobble = {"base": 0.7, "dfr-plain": 1.5, "afr-train": 0.5}.get(role, 1.0)
                lines.append(
                    {
                        "measure": measure, "value": level + wobble * moved, "dataset": "mnist1d", "n": 0, "target": 0,
                        "architecture": "mnist1d-cnn", "pattern": reading, "seed": seed, "share": share, "clean": 0.25,
                        "prevention": method, "deletion": None, "training": f"{reading} {role} {seed}", "epochs": 150,
                        "optimizer": "adam", "batch_size": 100, "precision": "float32",
                    }
                )  # fmt: skip
    return pd.DataFrame(lines)
