"""Rare features that nobody planted: what the detectors of the audit show first in four data sets as they are.

    python benchmarks/natural.py [--data r8,adult,fashion-mnist,cifar10] [--images 0] [--out docs/results/natural]

R8 and Adult: words of documents and values of columns that 3 to 50 training examples have, nearly all of one class:
the twenty that chance explains least, and the twenty that pull a network most when they are put into test examples.
Beside each, examples that have it. Fashion-MNIST and CIFAR-10: the twenty components with the widest gaps that few
images of a class share; of Fashion-MNIST also the twenty images whose transplants pull a network most. Each list is
printed, and those of images are drawn as a sheet. ``--images N``: of the first N images alone; 0: of all.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from spurlab import RECIPES, Member, fit, load
from spurlab.audit.detect.components import class_components
from spurlab.audit.detect.shared import shared_components
from spurlab.audit.detect.transplant import transplant
from spurlab.audit.detect.values import RareValue, asked_about, rare_values
from spurlab.data import Columns, Dataset, Vocabulary
from spurlab.patterns import Planted
from spurlab.training import Recipe, predictions

FIRST = 20
SIDE, SHOWN, HEAD = 64, 8, 14  # pixels of a picture, pictures of a line, and pixels of the text above them
WORDS = 6  # on each side of a word that is shown
EXAMPLES = 4  # of a word or a value
COLUMNS = ("age", "education", "occupation", "sex", "hours-per-week", "native-country")  # of Adult that are shown
RECIPES_OF = {
    "r8": ("bag-mean", replace(RECIPES["quick"], epochs=5, batch_size=32, milestones=())),
    "adult": ("table-mlp", replace(RECIPES["quick"], epochs=5, milestones=())),
    "fashion-mnist": ("mlp", replace(RECIPES["quick"], epochs=5, milestones=(3, 4))),
}


def trained(data: Dataset, architecture: str, recipe: Recipe) -> nn.Module:
    """One network, of seed 0, and a line about it."""
    begin = time.perf_counter()
    members = [Member(Planted.none(data.train), 0)]
    network = fit(architecture, members, recipe, classes=data.classes, workers=0).member(0)
    accuracy = float((predictions(network, data.test.inputs).argmax(1) == data.test.labels).float().mean())
    print(f"{architecture}: accuracy {accuracy:.3f}, {time.perf_counter() - begin:.0f} s")
    return network


def rare_in(data: Dataset) -> None:
    """Print the first words or values by the data alone, and by how far they pull a network."""
    assert data.names is not None
    found = rare_values(data.train, data.names)
    found = asked_about(found, trained(data, *RECIPES_OF[data.name]), data.test)
    print(f"{found.looked_at} looked at, {len(found.found)} of one class, {len(found.beyond_chance)} beyond chance")
    print("\nBy the data alone:\n")
    for rank, one in enumerate(found.found[:FIRST], 1):
        print(f"{rank}. {told(one, data)}")
    print(f"\nBy how far they pull the network, of {found.screened} that it was asked about:\n")
    for rank, (one, share) in enumerate(found.by_pull, 1):
        print(f"{rank}. {told(one, data, f'pulls {share.count} of {share.models}, ')}")


def told(one: RareValue, data: Dataset, pulls: str = "") -> str:
    """A word or a value, whose it is, and examples that have it; those of other classes in brackets."""
    head = f"{one.name}: {one.of_class} of {one.count} are of {data.class_names[one.label]}, {pulls}p = {one.p:.2g}"
    shown = [*one.rows[:EXAMPLES], *(row for row in one.rows if int(data.train.labels[row]) != one.label)]
    lines = [f"   {data.train.source(row)}{_other(one, row, data)}: {_excerpt(one, row, data)}" for row in shown]
    return "\n".join([head, *dict.fromkeys(lines)])


def _other(one: RareValue, row: int, data: Dataset) -> str:
    label = int(data.train.labels[row])
    return "" if label == one.label else f" ({data.class_names[label]})"


def _excerpt(one: RareValue, row: int, data: Dataset) -> str:
    """The words around the first place of a word, or some cells of a row."""
    example = data.train.inputs[row]
    if isinstance(data.names, Vocabulary):
        at = int((example == data.names.number(one.name)).nonzero()[0])
        return data.names.text(example[max(0, at - WORDS) : at + WORDS + 1])
    assert isinstance(data.names, Columns)
    cells = []
    for name in COLUMNS:
        column, where = data.names.column(name)
        own = example[where]
        cells.append(column.values[int(own.argmax())] if column.values else f"{own[0] * column.sd + column.mean:.0f}")
    return ", ".join(cells)


def shared_in(data: Dataset, images: int, out: Path) -> None:
    """Print and draw what few images of a class share, and the first by transplants where there is a network for it."""
    data = replace(data, train=data.train[:images]) if images else data
    print(f"{len(data.train):,} training images")
    begin = time.perf_counter()
    classes = class_components(data.train)
    found = shared_components(data.train, classes, each=FIRST)[:FIRST]
    print(f"shared components: {time.perf_counter() - begin:.0f} s\n")
    lines = []
    for rank, one in enumerate(found, 1):
        name = f"{rank}. {data.class_names[one.label]}, gap {one.gap:.1f}"
        print(f"{name}, {len(one.twins)} near-identical: rows {', '.join(map(str, one.rows))}")
        lines.append((name, list(one.rows[:SHOWN])))
    draw(lines, data, out / f"{data.name}-shared.png", 2)
    if data.name in RECIPES_OF:
        scores = transplant(trained(data, *RECIPES_OF[data.name]), data.train, data.test, classes=classes)
        first = scores.topk(FIRST)
        print("\nBy transplants:\n")
        lines = []
        for rank, (score, row) in enumerate(zip(first.values.tolist(), first.indices.tolist(), strict=True), 1):
            name = data.class_names[int(data.train.labels[row])]
            print(f"{rank}. {name}, row {row}, {score:.0f} median deviations")
            lines.append((f"{rank}. {name}", [row]))
        draw(lines, data, out / f"{data.name}-transplant.png", 10)


def draw(lines: list[tuple[str, list[int]]], data: Dataset, file: Path, columns: int) -> None:
    """A sheet of pictures: a caption and its training images, some captions side by side."""
    wide, tall = max(len(rows) for _, rows in lines) * SIDE, SIDE + HEAD
    wide = max(wide, 96)
    sheet = Image.new("RGB", (columns * (wide + 8), -(-len(lines) // columns) * tall), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (caption, rows) in enumerate(lines):
        left, top = place % columns * (wide + 8), place // columns * tall
        pen.text((left + 2, top + 1), caption, fill="black")
        for number, row in enumerate(rows):
            values = (data.train.inputs[row] * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
            picture = Image.fromarray(np.broadcast_to(values, (*values.shape[:2], 3)))
            sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST), (left + number * SIDE, top + HEAD))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(128).save(file, optimize=True)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="r8,adult,fashion-mnist,cifar10")
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/natural"))
    arguments = parser.parse_args()
    for name in arguments.data.split(","):
        data = load(name)
        print(f"\n{name}, checksum {data.checksum}\n", flush=True)
        if data.names is not None:
            rare_in(data)
        else:
            shared_in(data, arguments.images, arguments.out)


if __name__ == "__main__":
    main()
