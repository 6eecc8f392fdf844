"""Make the small Fashion-MNIST that is inside the package: the first images of each class, in their original order.

Usage: python scripts/make_fashion_mini.py FOLDER [OUT]

FOLDER holds the four official idx files, plain or .gz; OUT is by default the package's own folder. The output depends
on nothing else: no file name and no time is written into the compressed files.
"""

import argparse
import gzip
import io
from pathlib import Path

import numpy as np

from spurlab.data.files import pick
from spurlab.data.idx import idx_header, read_idx

PACKAGE = Path(__file__).parents[1] / "src/spurlab/data/fashion_mini"
PER_CLASS = {"train": 1_000, "t10k": 200}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """The rows of the first `count` examples of each class, in ascending order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == k)[:count] for k in np.unique(labels)]))


def compressed(array: np.ndarray) -> bytes:
    """An idx file of unsigned bytes, gzip-compressed; the same bytes whenever it is made."""
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as stream:
        stream.write(idx_header(array.shape) + array.tobytes())
    return out.getvalue()


def make(full: Path, out: Path) -> None:
    """Write the four files of the small set, made from the full set, into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    for part, count in PER_CLASS.items():
        names = [f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"]
        images, labels = (read_idx(pick(full, name, ("", ".gz"))) for name in names)
        rows = first_of_each_class(labels, count)
        for name, array in zip(names, (images[rows], labels[rows]), strict=True):
            (out / f"{name}.gz").write_bytes(compressed(array))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("full", type=Path, metavar="FOLDER")
    parser.add_argument("out", type=Path, metavar="OUT", nargs="?", default=PACKAGE)
    args = parser.parse_args()
    make(args.full, args.out)
