"""What a GPU trains, in lockstep and one at a time: run once where there is one, for the table of docs/clusters.md.

Usage: python benchmarks/gpu.py [--device cuda] [--examples N] [--members 1,10,50,200] [--minutes M] [--out FILE]

For each architecture, precision and number of networks: the seconds for one epoch of one network (10,000 random images,
batch 128, Adam), which is the second epoch of a run of two, the most memory that was held, and the same of one network
at a time (`engine="plain"`). The first row says by how much one float32 epoch of one network differs from that of the
CPU. What does not fit the memory, or comes after the minutes are over, is said and left out. On a CPU it is a smoke
run.
"""

import argparse
import platform
import time
from itertools import product
from pathlib import Path

import torch

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Member, Recipe, fit, usable_device

SHAPES = {"mlp": (1, 28, 28), "cnn": (1, 28, 28), "resnet20": (3, 32, 32)}
CLASSES, PRECISIONS = 10, ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--members", default="1,10,50,200")
    parser.add_argument("--architectures", default=",".join(SHAPES))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    device, end = usable_device(given.device), time.monotonic() + 60 * given.minutes
    lines = [f"{_name(device)}, PyTorch {torch.__version__}, {given.examples:,} examples, batch 128, Adam", ""]
    lines += [
        f"One epoch of one network differs from the CPU's by {_difference(device):.1e} (largest weight, float32).",
        "",
    ]
    lines += ["| architecture | precision | networks | s / epoch and network | GB |", "|---|---|---|---|---|"]
    for line in lines:
        print(line, flush=True)
    members = [int(count) for count in given.members.split(",")]
    for architecture, precision in product(given.architectures.split(","), PRECISIONS):
        for engine, count in [("plain", 1), *(("lockstep", count) for count in members)]:
            what = f"| {architecture} | {precision} | {count if engine == 'lockstep' else 'one at a time'} |"
            if time.monotonic() > end:
                lines.append(f"{what} the minutes were over | |")
            else:
                lines.append(f"{what} {_timed(architecture, precision, engine, count, given.examples, device)} |")
            print(lines[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


def _timed(architecture: str, precision: str, engine: str, count: int, examples: int, device: torch.device) -> str:
    """Seconds of the second epoch for each network, and the most memory."""
    ends: list[float] = []

    def noted(_: object) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        ends.append(time.perf_counter())

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    recipe = RECIPES["quick"].but(epochs=2, milestones=(), precision=precision)
    try:
        _fitted(architecture, recipe, engine, count, examples, device, noted)
    except torch.OutOfMemoryError:
        return "does not fit the memory | "
    held = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")
    return f"{(ends[-1] - ends[-2]) / count:.4f} | {held:.1f}"


def _fitted(architecture, recipe: Recipe, engine, count, examples, device, progress=lambda _: None):  # type: ignore[no-untyped-def]
    inputs = torch.rand(examples, *SHAPES[architecture], generator=rng_for(0, "gpu"))
    base = Examples(inputs, torch.arange(examples) % CLASSES)
    planted = Planted.none(base)
    members = [Member(planted, seed) for seed in range(count)]
    return fit(
        architecture, members, recipe, classes=CLASSES, engine=engine, group_size=count, workers=0, device=device,
        progress=progress,
    )  # fmt: skip


def _difference(device: torch.device) -> float:
    """Of the weights of a perceptron after an epoch of 1,280 examples."""
    recipe = RECIPES["quick"].but(epochs=1, milestones=())
    here, there = (
        _fitted("mlp", recipe, "lockstep", 1, 1280, place).member(0).state_dict() for place in ("cpu", device)
    )
    return max(float((here[name].cpu() - there[name].cpu()).abs().max()) for name in here)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"


if __name__ == "__main__":
    main()
