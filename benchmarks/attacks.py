"""Membership inference: how long each attack takes on margins that are there already.

Usage: python benchmarks/attacks.py [--full] [--networks N] [--examples N] [--population 2000] [--attacks lira,rmia]
           [--json [FILE]]

32 networks and 2,000 examples; with `--full` 64 and 10,000. One row for each attack on all networks in turn, of made-up
margins that rise by one standard deviation in members; the area beside it says that it was no shortcut. The last row is
all attacks at once, which share the sums over shadows.
"""

import time

import torch

from reporting import Report, Row, parser_of, table_of
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
    """Show the table."""
    parser = parser_of(__doc__, "64 networks, 10,000 examples")
    parser.add_argument("--networks", type=int)
    parser.add_argument("--examples", type=int)
    parser.add_argument("--population", type=int, default=2_000)
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    asked = parser.parse_args()
    names, networks = asked.attacks.split(","), asked.networks or (64 if asked.full else 32)
    examples = asked.examples or (10_000 if asked.full else 2_000)
    report = Report(asked.json, networks=networks, examples=examples, population=asked.population)
    found = margins(networks, examples, asked.population)
    scores_of(found, names, [0])  # what is slow to import
    columns = ("attack", "seconds", "of it CPU", "all at once / this", "AUC")
    table = table_of(f"Attacks on {networks} networks, {examples:,} examples", *columns)
    rows, cpus, areas = [], [], []
    for title, some in [*((name, [name]) for name in names), ("all at once", names)]:
        begin, cpu = time.perf_counter(), time.process_time()
        scores = scores_of(found, some)
        rows.append(Row(title, time.perf_counter() - begin))
        cpus.append(time.process_time() - cpu)
        areas.append(f"{auc(scores[some[0]], found.members).value:.3f}" if len(some) == 1 else "")
    for row, cpu, area in zip(rows, cpus, areas, strict=True):
        table.add_row(row.name, f"{row.value:.2f}", f"{cpu:.2f}", f"{rows[-1].value / row.value:.1f}", area)
    report.show(table)
    report.end(rows)


if __name__ == "__main__":
    main()
