"""What an audit is worth: how often it cries wolf on clean networks, what it finds, and how fast the null marks go.

    python benchmarks/audit.py [alarms | unknown | speed] [--networks 40] [--seeds 5] [--counts 3,10]

alarms: clean networks on Fashion-MNIST mini, each asked about marks that it has never seen. unknown: marks that nobody
named, with 39 reference networks: how often clean networks and clean data raise an alarm, and how often R3, S3 and the
picture do. speed: null marks a second on networks of the zoo. Which examples teach a mark: `detect.py`.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import product

import torch
from rich.console import Console
from rich.table import Table

from detect import mark_of
from spurlab import RECIPES, Member, fit, load, plant
from spurlab.audit import pull
from spurlab.audit.detect import DETECTORS
from spurlab.audit.detect.shared import shared_components
from spurlab.audit.findings import first_of_each_class
from spurlab.audit.inversion import hosts, inverted, log_norms, standardised_norms
from spurlab.models import build, parameter_count
from spurlab.patterns import Planted, own_mark
from spurlab.seeds import rng_for
from spurlab.stats import Share, null_rank

console = Console()
ASKED = ("noise,r=.5", "box,row=0,col=0,size=5,value=1", "box,row=20,col=3,size=5,value=.5", "picture")


def alarms(networks: int) -> None:
    """How many of the clean networks are said to go by a mark that they have never seen."""
    data = load("fashion-mini")
    members = [Member(plant(data.train, own_mark("S1", data.shape), target=0, count=0, seed=seed), seed)
               for seed in range(100, 100 + networks)]  # fmt: skip
    trained = fit("mlp", members, RECIPES["quick"], classes=data.classes)
    table = Table("mark", "p <= .05", "said to go by it", title=f"{networks} clean networks, the MLP on {data.name}")
    any_of = torch.zeros(networks, dtype=torch.bool)
    for name in ASKED:
        found = [
            pull(trained.member(i), data.test, mark_of(name, data.shape, i), draws=199, seed=i) for i in range(networks)
        ]
        low = sum(one.p <= 0.05 for one in found)
        said = torch.tensor([one.verdict == "goes by it" for one in found])
        any_of |= said
        table.add_row(name, str(low), str(int(said.sum())))
    console.print(table)
    console.print(f"said of any of {len(ASKED)} marks: {Share(int(any_of.sum()), networks)}")


def unknown(networks: int, seeds: int, counts: Sequence[int]) -> None:
    """False alarms on clean networks and data of what looks for unknown marks, and its power; references are shared."""
    data = load("fashion-mini")
    clean = Planted.none(data.train)
    cells = list(product(("R3", "S3", "picture"), counts, (0, 7), range(seeds)))
    planted = [plant(data.train, mark_of(name, data.shape, seed), target=target, count=n, seed=seed)
               for name, n, target, seed in cells]  # fmt: skip
    members = [Member(clean, 100 + number) for number in range(networks)]
    members += [Member(some, 500 + seed) for some, (*_, seed) in zip(planted, cells, strict=True)]
    trained = fit("mlp", members, RECIPES["quick"], classes=data.classes)
    scores = DETECTORS["transplant"].score(trained.member(0), data.train, data.test, 0)
    left_out = first_of_each_class(scores, data.train.labels)
    kept = [Member(clean.without(left_out), number) for number in range(39)]
    others = fit("mlp", kept, RECIPES["quick"], classes=data.classes)

    given, start = hosts(data.train, data.test, data.classes), time.perf_counter()
    norms = torch.stack([log_norms(inverted(of.member(i), given)) for of in (others, trained) for i in range(len(of))])
    seconds = (time.perf_counter() - start) / len(norms)
    references, norms = norms[:39], norms[39:]
    table = Table("mark", "n", "p of the networks", "p <= .05", "class named", title="by the network")
    for name, n in [("clean", 0), *product(("R3", "S3", "picture"), counts)]:
        own = range(networks) if name == "clean" else [
            networks + place for place, cell in enumerate(cells) if cell[:2] == (name, n)
        ]  # fmt: skip
        p, named = [], []
        for i in own:
            below, largest = standardised_norms(norms[i], references)
            p.append(null_rank(float(below.max()), largest))
            named.append(name != "clean" and int(below.amax(0).argmax()) == cells[i - networks][2])
        below_level = Share(sum(one <= 0.05 for one in p), len(p))
        texts = " ".join(f"{one:.3f}" for one in sorted(p))
        table.add_row(name, str(n), texts, str(below_level), str(sum(named)))
    console.print(table)
    console.print(f"{seconds:.1f} s a network for both searches")

    table = Table("mark", "n", "shared by few", "all of them and no other", "widest gaps", title="by the data")
    for name, n in product(("R3", "S3", "picture"), sorted({3, *counts})):
        firsts, exact = [], 0
        for target, seed in product((0, 7), range(seeds)):
            some = plant(data.train, mark_of(name, data.shape, seed), target=target, count=n, seed=seed)
            firsts.append(shared_components(some.materialize())[0])
            exact += set(firsts[-1].rows) == set(some.rows.tolist())
        found = sum(first.verdict == "shared by few" for first in firsts)
        gaps = " ".join(f"{first.gap:.0f}" for first in firsts)
        table.add_row(name, str(n), f"{found} of {len(firsts)}", str(exact), gaps)
    console.print(table)
    alarms, widest = 0, []
    for name in ("mnist", "fashion-mnist"):
        for whole in (load(name).train, load(name).test):
            for rows in torch.arange(len(whole)).split(10_000):
                first = shared_components(whole[rows])[0]
                alarms += first.verdict == "shared by few"
                widest.append(first.gap)
    console.print(f"clean parts of 10,000 of MNIST and Fashion-MNIST: alarms in {alarms} of {len(widest)};")
    console.print("widest gaps " + " ".join(f"{gap:.1f}" for gap in widest))


def speed() -> None:
    """Null marks a second, 500 images each."""
    table = Table("network", "parameters", "null marks a second", "999 of them, s")
    for name, dataset in (("mlp", "fashion-mini"), ("cnn", "fashion-mini")):
        data = load(dataset)
        network = build(name, data.shape, data.classes, 0).eval()
        mark = mark_of("noise,r=.5", data.shape, int(torch.randint(9, (), generator=rng_for(0, "bench"))))
        begin = time.perf_counter()
        found = pull(network, data.test, mark, draws=199)
        rate = (99 + found.draws) / (time.perf_counter() - begin)
        table.add_row(name, f"{parameter_count(network):,}", f"{rate:.0f}", f"{(99 + 999) / rate:.0f}")
    console.print(table)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["alarms", "speed"])
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--counts", default="1,3,5,10,20")
    arguments = parser.parse_args()
    for what in arguments.what:
        if what == "alarms":
            alarms(arguments.networks)
        elif what == "unknown":
            counts = [int(count) for count in arguments.counts.split(",")]
            unknown(arguments.networks, arguments.seeds, counts)
        else:
            speed()


if __name__ == "__main__":
    main()
