"""What an audit is worth: how often it cries wolf on clean networks, what it finds, and how fast the null marks go.

Usage: python benchmarks/audit.py [alarms | level | power | shared | speed] [--recipe] [--quick] [--networks 40]
           [--seeds 2] [--counts 10,20] [--architecture mlp] [--full] [--json [FILE]]

alarms: audits of clean networks on Fashion-MNIST mini, each asked about four marks that it has never seen. power:
audits of networks with a planted mark, asked about it and three others. With `--recipe` each beside its own reference
networks, 39 and both searches for unknown marks, or 19 and none with `--quick`. level: 20 clean networks beside each of
five sets of 19 references. shared: what few examples share, in planted and clean data. speed: null marks a second on
networks of the zoo, which alone has a JSON form. Which examples teach a mark: `detect.py`.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import torch
from rich.console import Console
from rich.table import Table

from detect import mark_of
from reporting import Report, Row, parser_of, table_of
from spurlab import RECIPES, Member, fit, load, plant
from spurlab.audit import Audit, Pull, Unknown, audit, pull
from spurlab.audit.detect.shared import FEW, shared_components
from spurlab.audit.references import references
from spurlab.audit.together import together
from spurlab.audit.unknown import SHARED
from spurlab.models import parameter_count
from spurlab.models.answering import answering
from spurlab.patterns import Planted
from spurlab.stats import Share

console = Console()
ASKED = ("noise,r=.5", "box,row=0,col=0,size=5,value=1", "box,row=20,col=3,size=5,value=.5", "picture")
FIRST = 300  # seed of clean networks; rules were chosen knowing those of seeds 100 to 139
PLANTED = ("R3", "S3", "picture")


class Audits:
    """Audits of networks that are trained in lockstep, one after the other, each as a user would run it.

    Args:
        architecture: of the networks.
        marks: that each is asked about.
        recipe: whether they are asked beside reference networks.
        quick: as of `spurlab.audit.audit`.
    """

    def __init__(self, architecture: str, marks: Sequence[str], recipe: bool, quick: bool) -> None:
        self.data = load("fashion-mini")
        self.marks = {name: mark_of(name, self.data.shape, 0) for name in marks}
        self.architecture, self.recipe, self.quick = architecture, RECIPES["quick"] if recipe else None, quick

    def __str__(self) -> str:
        searched = "19, no search" if self.quick else "39, both searches"
        beside = f"each beside its own reference networks ({searched})" if self.recipe else "no recipe"
        return f"{self.architecture}, {self.data.name}, {beside}"

    def of(self, members: Sequence[Member]) -> list[Audit]:
        """One of each, told as it comes."""
        trained, found = fit(self.architecture, members, RECIPES["quick"], classes=self.data.classes), []
        for i, member in enumerate(members):
            begin, data = time.perf_counter(), replace(self.data, train=member.data.materialize())
            asked = {"recipe": self.recipe, "quick": self.quick, "seed": 1000 + i}
            found.append(audit(trained.member(i), data, self.marks, **asked))
            told = " ".join(f"{one.p_alone:.3f}" for one in [*found[-1].marks, *found[-1].unknown])
            console.print(f"{i}: {told}, {time.perf_counter() - begin:.0f} s", highlight=False)
        return found


def alarms(networks: int, audits: Audits) -> None:
    """How many clean networks are said to go by a mark that they have never seen, or to need less than others."""
    clean = Planted.none(audits.data.train)
    found = [(one.marks, one.unknown) for one in audits.of([Member(clean, FIRST + i) for i in range(networks)])]
    _tell_alarms(found, f"{networks} clean networks ({audits})")


def level(architecture: str) -> None:
    """How often clean networks differ at 5 % from sets of references, over the four marks together."""
    data, recipe = load("fashion-mini"), RECIPES["quick"]
    marks = {name: mark_of(name, data.shape, 0) for name in ASKED}
    members = [Member(Planted.none(data.train), 2000 + i) for i in range(20)]
    trained = fit(architecture, members, recipe, classes=data.classes)
    asked = [answering(trained.member(i), data.test.inputs, data.classes).eval() for i in range(len(members))]
    nobody, low = torch.zeros(len(data.train), dtype=torch.bool), []
    for seed in range(5):
        others = references(asked[0], data.train, nobody, recipe, classes=data.classes, count=19, seed=seed)
        found = [
            together([pull(one, data.test, mark, name=name, others=others) for name, mark in marks.items()], [])[0]
            for one in asked
        ]
        low.append(sum(min(one.p for one in pulls) <= 0.05 for pulls in found))
    console.print(f"of {len(asked)} clean networks beside each of {len(low)} sets of 19 references, p <= .05: {low}")


def _tell_alarms(found: Sequence[tuple[Sequence[Pull], Sequence[Unknown]]], title: str) -> None:
    table = Table("question", "tested", "p alone <= .05", "alarm alone", "p <= .05", "alarm", title=title)
    asked = dict[str, list[Pull | Unknown]]()
    for one in (one for pulls, unknown in found for one in [*pulls, *unknown]):
        asked.setdefault(one.mark if isinstance(one, Pull) else one.method, []).append(one)
    for name, own in asked.items():
        table.add_row(
            name,
            str(sum(not math.isnan(one.p) for one in own)),
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


def power(seeds: int, counts: Sequence[int], audits: Audits) -> None:
    """How often planted marks are found, when asked alone and with three others."""
    cells = list(product(PLANTED, counts, (0, 7), range(seeds)))
    train = audits.data.train
    found = audits.of(
        [
            Member(plant(train, audits.marks[name], target=target, count=n, seed=seed), 500 + seed)
            for name, n, target, seed in cells
        ]
    )
    table = Table(
        "mark", "n", "score", "goes by it, alone", "together", "by the data", "by the network", title=str(audits)
    )
    for name, n in product(PLANTED, counts):
        own = [one for one, cell in zip(found, cells, strict=True) if cell[:2] == (name, n)]
        right = [next(mark for mark in one.marks if mark.mark == name) for one in own]
        unknown = [[one for one in of.unknown if one.unusual] for of in own]
        table.add_row(
            name,
            str(n),
            " ".join(f"{one.score:.2f}" for one in right),
            str(sum(replace(one, p=one.p_alone).verdict == "goes by it" for one in right)),
            f"{sum(_alarm(one) for one in right)} of {len(right)}",
            str(sum(any(one.method == SHARED for one in of) for of in unknown)),
            str(sum(any(one.method != SHARED for one in of) for of in unknown)),
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
        found = sum(first.verdict == FEW for first in firsts)
        gaps = " ".join(f"{first.gap:.0f}" for first in firsts)
        table.add_row(name, str(n), f"{found} of {len(firsts)}", str(exact), gaps)
    console.print(table)
    for name in ("mnist", "fashion-mnist", "cifar10"):
        firsts = [
            shared_components(whole[rows])[0]
            for whole in (load(name).train, load(name).test)
            for rows in torch.arange(len(whole)).split(10_000)
        ]
        said = sum(first.verdict == FEW for first in firsts)
        gaps = " ".join(f"{first.gap:.1f}" for first in firsts)
        console.print(f"clean parts of 10,000 of {name}: alarms in {said} of {len(firsts)}; widest gaps {gaps}")


def speed(report: Report, draws: int) -> None:
    """Null marks a second, 500 images each, of networks that have learnt the mark, so that all are drawn."""
    data = load("fashion-mini")
    mark = mark_of("noise,r=.5", data.shape, 0)
    planted = plant(data.train, mark, target=0, count=100, seed=0)
    columns = ("network", "parameters", "null marks", "a second", "999 of them, s", "mlp / this")
    table = table_of("Null marks of an audit", *columns)
    rows: list[Row] = []
    for name, epochs in (("mlp", 5), ("cnn", 1)):
        recipe = replace(RECIPES["quick"], epochs=epochs, milestones=())
        network = fit(name, [Member(planted, 0)], recipe, classes=data.classes).member(0)
        begin = time.perf_counter()
        found = pull(network, data.test, mark, draws=draws)
        rows.append(Row(f"999 null marks, {name}", 999 * (time.perf_counter() - begin) / (1 + found.draws)))
        seconds, ratio = rows[-1].value, rows[0].value / rows[-1].value
        numbers = str(found.draws), f"{999 / seconds:.0f}", f"{seconds:.1f}", f"{ratio:.2f}"
        table.add_row(name, f"{parameter_count(network):,}", *numbers)
    report.show(table)
    report.end(rows)


def main() -> None:
    """Run what is asked for."""
    parser = parser_of(__doc__, "speed: from 999 null marks instead of 99")
    parser.add_argument("what", nargs="*", default=["speed"])
    parser.add_argument("--networks", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--counts", default="10,20")
    parser.add_argument("--architecture", default="mlp")
    parser.add_argument("--recipe", action="store_true")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.json and arguments.what != ["speed"]:
        parser.error("only `speed` has a JSON form.")
    counts = [int(count) for count in arguments.counts.split(",")]
    asked = {"architecture": arguments.architecture, "recipe": arguments.recipe, "quick": arguments.quick}
    for what in arguments.what:
        if what == "alarms":
            alarms(arguments.networks, Audits(marks=ASKED, **asked))
        elif what == "level":
            level(arguments.architecture)
        elif what == "power":
            power(arguments.seeds, counts, Audits(marks=(*PLANTED, ASKED[2]), **asked))
        elif what == "shared":
            shared(arguments.seeds, counts)
        else:
            draws = 999 if arguments.full else 99
            speed(Report(arguments.json, draws=draws), draws)


if __name__ == "__main__":
    main()
