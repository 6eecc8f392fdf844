"""What is asked: the points of a study's grids, and the node of the graph that is measured at each."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, NamedTuple

from spurlab.patterns import mark_content
from spurlab.studies.axes import OF_TRAINING, PLAIN, REFERENCES, Extras, changing, mark_name
from spurlab.studies.graph import Setting, Train, Treat, one_of_each
from spurlab.studies.study import Grid, Study

ORACLES = 5  # networks that outputs are compared with: the first seeds, so that more seeds ask for nothing anew


class Cell(NamedTuple):
    """One point of the grid: a pattern, a target and a count, measured on the network of one seed.

    The pattern is None in a study of networks alone. In a study of deletion it is measured on what a method makes of
    that network, when it deletes a share of the planted examples; in one of prevention, on what a method makes of it.
    Of an attack it is what that says of the network, or of what a deletion made of it.
    """

    setting: Setting
    control: Setting  # of the network with n = 0, which is neither replaced nor appended
    pattern: str | None
    target: int
    n: int
    seed: int
    deletion: str | None = None
    known: float | None = None  # the share of the planted examples that is deleted
    oracles: tuple[int, ...] = ()
    share: float | None = None  # of the training examples that have a common feature
    prevention: str | None = None
    clean: float | None = None  # the share of the training examples that the method has clean
    attack: str | None = None
    shadows: tuple[int, ...] = ()  # the seeds of the networks that learn from halves of the same training set
    extras: Extras = ()

    @property
    def training(self) -> Train:
        """The network to measure; n = 0 (or a share of 0) is one network for all patterns, their draws and targets."""
        pattern = mark_content(self.pattern) if self.pattern and (self.share or self.n) else None
        extras = changing(self.extras, pattern, self.seed)
        if self.share:
            return Train(self.setting, pattern, None, 0, self.seed, share=self.share, extras=extras)
        if self.n == 0:
            held_out = self.clean if self.clean is not None and self.share is None and not self.pattern else 0.0
            return Train(self.control, None, None, 0, self.seed, held_out=held_out, extras=extras)
        return Train(self.setting, pattern, self.target, self.n, self.seed, extras=extras)

    @property
    def mark(self) -> str:
        """The pattern that is measured with its draw, see `mark_name`; "" without one."""
        return mark_name(mark_content(self.pattern), self.extras, self.seed) if self.pattern else ""

    @property
    def treatment(self) -> Treat | None:
        """What is done to the trained network before it is measured, if anything is; one example or more is deleted."""
        if self.attack is not None:
            return Treat("attack", self.training, self.attack, 0.0, self.shadows, self.deletion or "")
        if self.deletion is not None and self.known is not None:
            known = max(1, round(self.known * self.n))
            return Treat("deletion", self.training, self.deletion, known, self.oracles)
        if self.prevention is not None and self.clean is not None:
            return Treat("prevention", self.training, self.prevention, self.clean)
        return None

    @property
    def node(self) -> Train | Treat:
        """What is measured."""
        return self.treatment or self.training


def cells_of(study: Study) -> list[Cell]:
    """Every point of the study's grids, each once.

    >>> from spurlab.studies.load import load_study
    >>> cells = cells_of(load_study("quickstart", changes=["n=[0, 10]", "pattern='S3'"]))
    >>> len(cells), cells[0].n, cells[0].seed
    (16, 0, 0)
    """
    settings: dict[Setting, Setting] = {}
    cells: dict[Cell, None] = {}
    for grid in study.grids:
        axes = [[(name, value) for value in grid[name]] for name in OF_TRAINING]
        extras = [
            tuple((name, value) for name, value in point if value != OF_TRAINING[name].off) for point in product(*axes)
        ]
        for dataset, architecture, how, recipe in product(
            grid["dataset"], grid["architecture"], grid["how"], grid["recipe"]
        ):
            setting, control = (Setting(dataset, architecture, planting, recipe) for planting in (how, "replace"))
            setting, control = settings.setdefault(setting, setting), settings.setdefault(control, control)
            points = product(
                grid["pattern"] or (None,), grid["target"], grid["n"], grid["share"] or (None,), grid["seed"], extras
            )
            cells.update(
                dict.fromkeys(
                    Cell(
                        *(setting, control, p, target, n, seed),
                        **(deletion | prevention | attack | {"share": share, "extras": extra}),
                    )
                    for p, target, n, share, seed, extra in points
                    for deletion in _deletions(grid, n)
                    for prevention in _preventions(grid, share)
                    for attack in _attacks(grid, n)
                )
            )
    return list(cells)


def _deletions(grid: Grid, n: int) -> Sequence[dict[str, Any]]:
    """What is deleted from a network of the grid, and how; the networks before and the oracles always with it."""
    if not grid["deletion"] or grid["attack"]:
        return [{}]
    if n == 0:  # nothing to delete: the oracles are the control
        return []
    methods = dict.fromkeys((*REFERENCES, *grid["deletion"]))
    return [
        {"deletion": method, "known": known, "oracles": grid["seed"][:ORACLES]}
        for method, known in product(methods, grid["known"])
    ]


def _preventions(grid: Grid, share: float | None) -> Sequence[dict[str, Any]]:
    """What is done to a network of the grid; the network as it is always with it. Without the feature: nothing.

    With a planted feature or rare pattern it is the same network whatever is clean; else what is clean is held out from
    its training.
    """
    if not grid["prevention"]:
        return [{}]
    plain = [(PLAIN, clean) for clean in (grid["clean"][:1] if grid["pattern"] else grid["clean"])]
    methods = [name for name in grid["prevention"] if name != PLAIN] if share != 0 else []
    named = [*plain, *product(methods, grid["clean"])]
    return [{"prevention": method, "clean": clean} for method, clean in named]


def _attacks(grid: Grid, n: int) -> Sequence[dict[str, Any]]:
    """How a network of the grid is attacked, also after deletions; the network as it is always with it."""
    after = [None, *(name for name in grid["deletion"] if n and name not in REFERENCES)]
    named = product(grid["attack"], after)
    return [{}, *({"attack": name, "deletion": method, "shadows": grid["seed"]} for name, method in named)]


def trainings_of(cells: Iterable[Cell]) -> list[Train]:
    """What must be trained for these cells, each network once, in the order in which the cells need it.

    >>> from spurlab.studies.load import load_study
    >>> cells = cells_of(load_study("quickstart", changes=["n=[0, 10]"]))
    >>> len(cells), len(trainings_of(cells))  # both patterns have the networks of n = 0 in common
    (32, 24)
    """
    nodes = one_of_each(dict.fromkeys(cell.node for cell in cells))
    needed = (node.needs if isinstance(node, Treat) else (node,) for node in nodes)
    return list(dict.fromkeys(training for several in needed for training in several))
