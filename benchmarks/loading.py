"""How long does it take to load a full dataset, its checksums included?

Usage: python benchmarks/loading.py

Best of three for each dataset that is here (see SPURLAB_DATA; nothing is downloaded), beside the goal of 2 s: idx files
as they lie there, usually .gz; CIFAR-10 from plain batches, unpacked to a temporary folder before the clock starts.
"""

import argparse
import lzma
import os
import tempfile
import time
from pathlib import Path

from spurlab.data import DATASETS, load, locate
from spurlab.data.cifar10 import FILES

GOAL, ROUNDS = 2.0, 3  # seconds; the best is what the code can do, the rest is what else the machine did


def plain_batches(folder: Path, data: Path) -> None:
    """Copy CIFAR-10's binary batches into a data folder, each plain."""
    target = data / FILES.folder
    target.mkdir()
    for name in FILES.files:
        plain = folder / name
        with plain.open("rb") if plain.exists() else lzma.open(f"{plain}.xz") as batch:
            (target / name).write_bytes(batch.read())


def best(name: str) -> float:
    """Seconds to load a dataset, the fastest round."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        load(name, offline=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    """Load, and print a line for each dataset."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name in DATASETS:
        if (folder := locate(name)) is None:
            print(f"{name:15} not here")
            continue
        with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as data:
            if folder.name == FILES.folder:
                plain_batches(folder, Path(data))
                os.environ["SPURLAB_DATA"] = data
            print(f"{name:15} {best(name):5.2f} s   goal {GOAL:g} s   from {folder}")


if __name__ == "__main__":
    main()
