"""Membership inference: how long each attack takes on margins that are there already.

    python benchmarks/attacks.py [--networks 64] [--examples 10000] [--population 2000] [--attacks lira,rmia]

One row of a markdown table for each attack on all networks in turn, of made-up margins that rise by one standard
deviation in members; the area beside it says that it was no shortcut. The last row is all attacks at once, which share
the sums over shadows.
"""

import argparse
import time

import torch

from spurlab.privacy import ATTACKS, Margins, auc, halves, scores_of
from spurlab.seeds import rng_for

CLASSES, FEATURES = 10, 8


def margins(networks: int, n: int, z: int) -> Margins:
    """Of examples that differ in how easy they are, half of which their features tell."""
    rng = rng_for(0, "benchmark", "attacks")
    design = halves(n, networks, 0)

    def easy(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        features = torch.randn(count, FEATURES, generator=rng)
        return 4 + 2 * features[:, 0].double() + 2 * torch.randn(count, generator=rng).double(), features

    (own, features), (outside, population_features) = easy(n), easy(z)
    phi = own + design.members.double() + torch.randn(networks, n, generator=rng).double()
    labels = torch.randint(CLASSES, (n,), generator=rng)
    logits = torch.randn(networks, n, CLASSES, generator=rng)
    logits[:, torch.arange(n), labels] += phi.float()
    population = outside + torch.randn(networks, z, generator=rng).double()
    return Margins(
        *(phi, design.members, design.pair, labels, logits, population),
        features=features,
        population_features=population_features,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=64)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--population", type=int, default=2_000)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    arguments = parser.parse_args()
    names = arguments.attacks.split(",")
    found = margins(arguments.networks, arguments.examples, arguments.population)
    scores_of(found, names, [0])  # what is slow to import
    print(f"{arguments.networks} networks, {arguments.examples:,} examples.\n\n| attack | seconds | of it CPU | AUC |")
    print("|---|---|---|---|")
    for title, some in [*((name, [name]) for name in names), ("all at once", names)]:
        begin, cpu = time.perf_counter(), time.process_time()
        scores = scores_of(found, some)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        area = f"{auc(scores[some[0]], found.members).value:.3f}" if len(some) == 1 else ""
        print(f"| {title} | {seconds:.2f} | {cpu:.2f} | {area} |", flush=True)


if __name__ == "__main__":
    main()
