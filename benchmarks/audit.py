"""What an audit is worth: how often it cries wolf on clean networks, what it finds, and how fast the null marks go.

    python benchmarks/audit.py [alarms | power | shared | speed] [--networks 40] [--groups 4] [--seeds 2]
        [--counts 10,20] [--architecture mlp] [--no-search]

alarms: clean networks on Fashion-MNIST mini, each asked about four marks that it has never seen, without a recipe and
beside 39 reference networks (as many sets of them as groups, 0 for none) with both searches for unknown marks. power:
how often planted marks are found so. shared: what few examples share, in planted and clean data. speed: null marks a
second on networks of the zoo. Which examples teach a mark: `detect.py`.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import torch
from rich.console import Console
from rich.table import Table

from detect import mark_of
from spurlab import RECIPES, Member, fit, load, plant
from spurlab.audit import Pull, Unknown, pull
from spurlab.audit.detect import DETECTORS
from spurlab.audit.detect.shared import shared_components
from spurlab.audit.findings import first_of_each_class
from spurlab.audit.inversion import SEARCHES, hosts, inverted, log_norms, standardised_norms
from spurlab.audit.presence import carriers, presence
from spurlab.audit.together import together
from spurlab.data import Dataset
from spurlab.models import parameter_count
from spurlab.patterns import Planted
from spurlab.stats import Share, null_rank

console = Console()
ASKED = ("noise,r=.5", "box,row=0,col=0,size=5,value=1", "box,row=20,col=3,size=5,value=.5", "picture")


class Asked:
    """Networks that are asked about some marks and searched, one after the other, beside shared reference networks.

    An audit trains references for each network. Here several networks share them: they never saw what carries one of
    the marks, nor the 2 % of each class that transplants rank first in the first of these networks.
    """

    def __init__(self, data: Dataset, members: Sequence[Member], architecture: str, marks: Sequence[str]) -> None:
        self.data, self.members, self.architecture = data, members, architecture
        self.marks = {name: mark_of(name, data.shape, 0) for name in marks}
        self.trained = fit(architecture, members, RECIPES["quick"], classes=data.classes)

    def without_references(self, i: int) -> list[Pull]:
        """Each mark among marks like it."""
        of = self.trained.member(i)
        pulls = [pull(of, self.data.test, mark, seed=i, name=name) for name, mark in self.marks.items()]
        return together(pulls, [])[0]

    def referred(self, rows: Sequence[int], search: bool) -> Iterator[tuple[list[Pull], list[Unknown]]]:
        """Each mark among 39 references, and the searches for unknown marks, of some of the networks."""
        train = self.data.train
        left_out = first_of_each_class(
            DETECTORS["transplant"].score(self.trained.member(rows[0]), train, self.data.test, 0), train.labels
        )
        for mark in self.marks.values():
            left_out |= carriers(presence(mark, train))
        kept = [Member(Planted.none(train).without(left_out), 1000 * rows[0] + number) for number in range(39)]
        others = fit(self.architecture, kept, RECIPES["quick"], classes=self.data.classes)
        networks = [others.member(number) for number in range(39)]
        given = hosts(train, self.data.test, self.data.classes)
        norms = torch.stack([log_norms(inverted(one, given)) for one in networks]) if search else torch.empty(0)
        for i in rows:
            of = self.trained.member(i)
            pulls = [
                pull(of, self.data.test, mark, seed=i, name=name, others=networks) for name, mark in self.marks.items()
            ]
            unknown = []
            if search:
                below = standardised_norms(log_norms(inverted(of, given)), norms)
                for place, method in enumerate(SEARCHES):
                    ranked = below[:, place].amax(1)
                    p, label = null_rank(float(ranked[0]), ranked[1:]), int(below[0, place].argmax())
                    none = torch.empty(0)
                    unknown.append(Unknown(method, label, 0.0, 0.0, p, none, none, (), standardised=ranked, p_alone=p))
            yield together(pulls, unknown)


def alarms(networks: int, groups: int, architecture: str, search: bool) -> None:
    """How many clean networks are said to go by a mark that they have never seen, or to need less than others."""
    data = load("fashion-mini")
    clean = Planted.none(data.train)
    asked = Asked(data, [Member(clean, 100 + number) for number in range(networks)], architecture, ASKED)
    alone = [(asked.without_references(i), list[Unknown]()) for i in range(networks)]
    _tell_alarms(alone, f"{networks} clean networks ({architecture}, {data.name}), no recipe")
    beside = []
    for rows in torch.arange(networks).chunk(groups) if groups else ():
        beside += list(asked.referred(rows.tolist(), search))
        console.print(f"{len(beside)} networks", [f"{one.p:.3f}" for one in beside[-1][0]])
    if beside:
        _tell_alarms(beside, f"the same beside reference networks, {groups} sets of 39")


def _tell_alarms(found: Sequence[tuple[list[Pull], list[Unknown]]], title: str) -> None:
    table = Table("question", "tested", "p alone <= .05", "alarm alone", "p <= .05", "alarm", title=title)
    for place in range(len(found[0][0]) + len(found[0][1])):
        own = [[*pulls, *unknown][place] for pulls, unknown in found]
        table.add_row(
            own[0].mark if isinstance(own[0], Pull) else own[0].method,
            str(sum(one.p == one.p for one in own)),
            str(sum(one.p_alone <= 0.05 for one in own)),
            str(sum(_alarm(replace(one, p=one.p_alone)) for one in own)),
            str(sum(one.p <= 0.05 for one in own)),
            str(sum(_alarm(one) for one in own)),
        )
    any_of = sum(any(_alarm(one) for one in [*pulls, *unknown]) for pulls, unknown in found)
    low = sum(any(one.p <= 0.05 for one in [*pulls, *unknown]) for pulls, unknown in found)
    console.print(table)
    console.print(f"any p <= .05: {Share(low, len(found))}; any alarm: {Share(any_of, len(found))}")


def _alarm(one: Pull | Unknown) -> bool:
    return one.verdict == "goes by it" if isinstance(one, Pull) else one.unusual


def power(seeds: int, counts: Sequence[int], architecture: str, search: bool) -> None:
    """How often planted marks are found beside 39 shared references, when asked alone and with three others."""
    data = load("fashion-mini")
    marks = ("R3", "S3", "picture", ASKED[2])
    cells = list(product(marks[:3], counts, (0, 7), range(seeds)))
    members = [
        Member(plant(data.train, mark_of(name, data.shape, 0), target=target, count=n, seed=seed), 500 + seed)
        for name, n, target, seed in cells
    ]
    asked = Asked(data, [*members, Member(Planted.none(data.train), 100)], architecture, marks)
    found = list(asked.referred([len(members), *range(len(members))], search))[1:]
    table = Table(
        "mark", "n", "score", "alone, goes by it", "together", "p of the searches alone", "searches, together"
    )
    for name, n in product(marks[:3], counts):
        own = [both for both, cell in zip(found, cells, strict=True) if cell[:2] == (name, n)]
        right = [pulls[marks.index(name)] for pulls, _ in own]
        table.add_row(
            name,
            str(n),
            " ".join(f"{one.score:.2f}" for one in right),
            str(sum(replace(one, p=one.p_alone).verdict == "goes by it" for one in right)),
            f"{sum(_alarm(one) for one in right)} of {len(right)}",
            " ".join(f"{min((one.p_alone for one in unknown), default=float('nan')):.3f}" for _, unknown in own),
            str(sum(any(_alarm(one) for one in unknown) for _, unknown in own)),
        )
    console.print(table)


def shared(seeds: int, counts: Sequence[int]) -> None:
    """What few examples share: planted marks, and clean parts of data, which raise an alarm where they should not."""
    data = load("fashion-mini")
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
    """Null marks a second, 500 images each, of networks that have learnt the mark, so that all are drawn."""
    data = load("fashion-mini")
    mark = mark_of("noise,r=.5", data.shape, 0)
    planted = plant(data.train, mark, target=0, count=100, seed=0)
    table = Table("network", "parameters", "null marks", "a second", "999 of them, s")
    for name, epochs in (("mlp", 5), ("cnn", 1)):
        recipe = replace(RECIPES["quick"], epochs=epochs, milestones=())
        network = fit(name, [Member(planted, 0)], recipe, classes=data.classes).member(0)
        begin = time.perf_counter()
        found = pull(network, data.test, mark)
        rate = (1 + found.draws) / (time.perf_counter() - begin)
        table.add_row(name, f"{parameter_count(network):,}", str(found.draws), f"{rate:.0f}", f"{1000 / rate:.1f}")
    console.print(table)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["alarms", "speed"])
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--groups", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--counts", default="10,20")
    parser.add_argument("--architecture", default="mlp")
    parser.add_argument("--no-search", action="store_true")
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.counts.split(",")]
    for what in arguments.what:
        if what == "alarms":
            alarms(arguments.networks, arguments.groups, arguments.architecture, not arguments.no_search)
        elif what == "power":
            power(arguments.seeds, counts, arguments.architecture, not arguments.no_search)
        elif what == "shared":
            shared(arguments.seeds, counts)
        else:
            speed()


if __name__ == "__main__":
    main()
