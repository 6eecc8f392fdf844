"""The front door of training: members in, an ensemble out."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from spurlab import models
from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.patterns import Planted
from spurlab.terminal import duration, on_a_line, told_on_a_line
from spurlab.training.batches import Member, check_drawn_upon
from spurlab.training.engines import Trained, train_each, train_group
from spurlab.training.ensemble import Ensemble
from spurlab.training.growing import WHY, check_growable
from spurlab.training.pool import cores
from spurlab.training.recipe import Recipe, recipe_of_each
from spurlab.training.rounding import placement_moves_bits
from spurlab.training.sizes import multiply_adds
from spurlab.training.solving import check_solvable
from spurlab.training.stacked import attends, can_stack
from spurlab.training.stacked_cnn import can_stack_cnn
from spurlab.training.vectorized import vectorizing_fails
from spurlab.training.workers import Job, run_in_workers

log = logging.getLogger(__name__)

T = TypeVar("T")
EngineName = Literal["auto", "lockstep", "plain"]
# The largest networks that gain by lockstep on one thread of a CPU: multiply-adds of one example in all convolutions,
# and parameters. Measured by `benchmarks/convolutions.py --engines`.
LOCKSTEP_CONVOLUTIONS = 50_000
LOCKSTEP_PARAMETERS = 500_000
TRIED = 8  # examples that a network of the user's is tried with


@dataclass(frozen=True)
class Progress:
    """How far a call of `fit` has come, counted in epochs of one model."""

    done: int
    total: int
    seconds: float  # since the start

    @property
    def rate(self) -> float:
        """Model-epochs a second since the start."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """The time left at the rate so far; infinite before the first epoch is done."""
        return (self.total - self.done) / self.rate if self.rate > 0 else float("inf")

    def __str__(self) -> str:
        left = "" if self.seconds_left in (0.0, float("inf")) else f", {duration(self.seconds_left)} left"
        return f"training: {self.done} of {self.total} epochs, all networks together{left}"


def _checked_base(members: Any, classes: int) -> Examples:
    """The base training set that all members share.

    Raises ValueError or TypeError: what is to be trained are no members, or not of the same data and classes.
    """
    if not isinstance(members, Sequence) or not all(isinstance(getattr(one, "data", None), Planted) for one in members):
        raise TypeError(
            f"`members` is a list of `Member(planted, seed)`, but it is {members!r:.200}. Data without marks are "
            "planted as `Planted.none(data.train)`."
        )
    if not members:
        raise InputError("there is nothing to train: `members` is empty.")
    base: Examples = members[0].data.base
    if any(member.data.base is not base for member in members):
        raise InputError("all members must share one base training set: plant in the same `Examples`.")
    if len(base) and (top := int(base.labels.max())) >= classes:
        raise InputError(
            f"the data has the label {top}, but `classes` is {classes}: labels run from 0 to {classes - 1}."
        )
    return base


@told_on_a_line(str)
def fit(
    architecture: str | Callable[[], nn.Module],
    members: Sequence[Member],
    recipe: Recipe | Sequence[Recipe],
    *,
    classes: int,
    engine: EngineName = "auto",
    group_size: int = 10,
    workers: int | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[Progress], None] = on_a_line,
) -> Ensemble:
    """Train one network for each member, in groups that run in lockstep, spread over one-thread worker processes.

    A member's initial weights, the order of its examples and its noise depend on its own seed alone, so it is the same
    network whatever it is grouped with. On one machine and with one thread, perceptrons and what is trained one at a
    time (``plain``) are so to the bit. Other networks in lockstep, such as convolutions of signals, are so to rounding,
    since their products round by how many there are; training makes such differences larger. Where matrix products
    round by where they start in memory, perceptrons trained in this process are so to rounding too, and the log says
    it: see `spurlab.training.rounding`. Worker processes are kept from that.

    Args:
        architecture: a name of the zoo; or ``package.module:callable``, code of the user's that worker processes must
            be able to import; or a function that makes the network (it is trained in this process), a new one in each
            call. One of the user's is tried first. It gives one logit for each class: as a tensor, or as `logits` of
            an object or a dict. Lazy layers are drawn by the member's seed; what is inside ``torch.compile`` or
            `nn.DataParallel` is trained.
        members: the networks to train; they share one base training set.
        recipe: how to train: one for all, or one for each member, all of the same number of epochs.
        classes: the number of classes, k.
        engine: ``lockstep``, ``plain`` (one at a time, for any network), or ``auto``: the faster one that can train the
            network; the log says why. Where one recipe is of ``lbfgs``, all are trained one at a time.
            ``torch.compile`` is not used: compiling the CNN took 162 s on a CPU, and a step .375 s instead of .192 s
            (torch 2.14, one thread, bfloat16, 128 images of 28 x 28).
        group_size: the most members that train in lockstep; those of one group have equal numbers of examples and
            recipes with equal ``shared``.
        workers: processes; None: one for each core that this process may use. 0: train in this process.
        device: other than the CPU: trained in this process.
        progress: called when training starts and after each epoch of a group; see `spurlab.terminal.on_a_line`.

    Returns:
        The trained models, in the order of `members`. A member that diverged is among them, marked in
        ``ensemble.diverged`` and named in the log; the others are not touched by it.

    Raises:
        ValueError: no members, members of different base data, recipes that do not fit them, a label beyond `classes`,
            an unknown engine, device or architecture, or a network that cannot run in lockstep when asked to; a
            network of the user's that cannot be trained, gives other than one logit for each class or probabilities, or
            shares weights with the next; a batch of one example, where batch norm cannot take it.
        TypeError: members or recipes of another type.
        WorkerError: a worker process died twice over the same group, or failed.

    >>> from spurlab import RECIPES, Member, first_examples, load, make_pattern, plant
    >>> data = first_examples(load("fashion-mini"), 100)
    >>> square = make_pattern("S3", data.shape)
    >>> members = [Member(plant(data.train, square, target=0, count=n, seed=0), seed=0) for n in (0, 3, 10)]
    >>> models = fit("small-mlp", members, RECIPES["quick"].lasting(1), classes=data.classes, workers=0)
    >>> models.predict(data.test.inputs[:5]).shape
    torch.Size([3, 5, 10])
    """
    base = _checked_base(members, classes)
    if engine not in get_args(EngineName):
        raise InputError(f"`engine` must be one of {', '.join(get_args(EngineName))}, but it is {engine!r}.")
    if workers is not None and workers < 0:
        raise InputError(f"`workers` must be 0 (train in this process) or more, but it is {workers}.")
    recipes = recipe_of_each(recipe, len(members))
    check_drawn_upon(base, *recipes)
    if len(lengths := sorted({each.epochs for each in recipes})) > 1:
        raise InputError(f"recipes of one call must have the same number of epochs, but these have {lengths}.")
    make: Callable[[int], nn.Module]
    if by_name := isinstance(architecture, str):
        name = models.architecture_named(architecture)
        make = partial(models.build, name, base.shape, classes)
    else:
        name, make = "", partial(models.made, architecture, base.shape)
    device = usable_device(device)
    # tried even where the engine is given: mistakes in a user's network are told here, not by a worker
    solved = next((own for own in recipes if own.optimizer == "lbfgs"), recipes[0])
    engine = _engine(engine, *_tried(name, make, members, recipes, classes), base.shape, device, solved)
    if not by_name or device.type != "cpu":
        workers = 0
    elif workers is None:
        workers = cores()

    start, done, total = time.perf_counter(), 0, len(members) * recipes[0].epochs

    def advance(model_epochs: int) -> None:
        nonlocal done
        done += model_epochs
        progress(Progress(done, total, time.perf_counter() - start))

    advance(0)
    groups = grouped(members, group_size, workers, recipes)
    parts = [([members[i] for i in group], [recipes[i] for i in group]) for group in groups]
    if workers > 0:
        trained = run_in_workers(Job(name, base, classes, engine), parts, workers, advance)
    else:
        _say_if_company_matters(engine, device)
        train = train_group if engine == "lockstep" else train_each
        trained = [
            train(make, *part, device=device, after_epoch=partial(advance, len(part[0]) if train is train_group else 1))
            for part in parts
        ]
    order = [i for group in groups for i in group]
    seeds = tuple(members[i].seed for i in order)
    by_group = Ensemble(name, base.shape, classes, seeds, Trained.joined(trained), None if by_name else make)
    ensemble = by_group[torch.tensor(order).argsort()]
    _name_the_diverged(ensemble, members)
    return ensemble


def _name_the_diverged(ensemble: Ensemble, members: Sequence[Member]) -> None:
    if lost := ensemble.diverged.nonzero().flatten().tolist():
        what = ", ".join(f"number {i} (seed {members[i].seed}, {len(members[i].data.rows)} planted)" for i in lost)
        log.warning("%d of %d members diverged (loss or weights not finite): %s.", len(lost), len(members), what)


def _say_if_company_matters(engine: EngineName, device: torch.device) -> None:
    """In the log, where the promise of `fit` about bits does not hold in this process."""
    if engine == "lockstep" and device.type == "cpu" and placement_moves_bits():
        log.info(
            "matrix products round by where they start in memory here, so that a network is the same to rounding, not "
            "to the bit, in other company. Import spurlab before anything is multiplied, or set MKL_CBWR=AUTO,STRICT."
        )


def _engine(
    asked: EngineName, network: nn.Module, unsaved: str, shape: Sequence[int], device: torch.device, recipe: Recipe
) -> EngineName:
    """The engine that was asked for, or for ``auto`` the faster one that can."""
    if isinstance(network, models.BoostedTrees):
        check_growable(recipe)
    elif recipe.optimizer == "lbfgs":
        check_solvable(network)
    if asked == "lockstep" and isinstance(network, models.BoostedTrees):
        raise InputError("trees are grown one network at a time: take the engine 'plain' or 'auto'.")
    if asked == "lockstep" and recipe.optimizer == "lbfgs":
        raise InputError("L-BFGS searches along a line of its own for each network: take the engine 'plain' or 'auto'.")
    if asked != "auto":
        return asked
    engine, why = faster_engine(network, shape, device, recipe)
    if unsaved and engine == "lockstep":
        engine, why = "plain", f"its {unsaved!r}, which is not saved, differs from member to member"
    log.info("%s: %s.", engine, why)
    return engine


def _tried(
    name: str, make: Callable[[int], nn.Module], members: Sequence[Member], recipes: Sequence[Recipe], classes: int
) -> tuple[nn.Module, str]:
    """A new network, or its skeleton, to look at, and by what the members' networks differ beside what is saved.

    Raises ValueError: they cannot be trained, or not on batches of these sizes.
    """
    base, sizes = members[0].data.base, _batch_sizes(members, recipes)
    if name in models.ARCHITECTURES.own:
        if base.words is not None:
            models.check_takes_words(name)
        network = models.skeleton(name, base.shape, classes)
        if 1 in sizes and any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules()):
            with models.batch_norm_explained(), torch.no_grad():
                models.skeleton(name, base.shape, classes).train()(
                    models.trial_inputs(network, base.shape, 1).to("meta")
                )
        return network, ""
    network, twin = (models.unwrapped(make(member.seed)) for member in (members[0], members[-1]))
    try:
        models.makes_new(network, twin)
        own = models.unsaved_difference(network, twin)
        if len(base):
            models.check_trains(twin, _some(members), classes, sorted({min(size, TRIED) for size in sizes}))
    except ValueError as error:
        raise InputError(f"architecture {name!r}: {error}" if name else str(error)) from error
    return network, own


def _some(members: Sequence[Member]) -> Tensor:
    """Training examples to try a network with; of documents one with the largest number of a word is among them."""
    base = members[0].data.base
    some = base.inputs[torch.arange(TRIED) % len(base)]
    if base.words is not None:  # which the network may have no vector for
        every = [base.inputs, *(member.data.inputs for member in members)]
        largest = [documents[documents.amax(1).argmax()] for documents in every if len(documents)]
        some[0] = max(largest, key=lambda document: int(document.max()))
    return some


def _batch_sizes(members: Sequence[Member], recipes: Sequence[Recipe]) -> set[int]:
    """Of all batches that will be trained on."""
    sizes = set()
    for member, recipe in zip(members, recipes, strict=True):
        if recipe.epochs:
            full, rest = divmod(len(member.data), recipe.batch_size)
            sizes |= {recipe.batch_size} if full else set()
            sizes |= {rest} if rest else set()
    return sizes


def faster_engine(
    model: nn.Module, shape: Sequence[int], device: torch.device, recipe: Recipe | None = None
) -> tuple[EngineName, str]:
    """What `fit` takes on a device unless told, and why.

    For a CPU it stands on the benchmarks of training, convolutions and signals; for other devices nothing was measured.

    Args:
        model: the network, or its `spurlab.models.skeleton`.
        shape: of one input.
        device: where it is to be trained.
        recipe: how; None: with an optimizer that steps by batches.

    >>> from spurlab.models import build
    >>> faster_engine(build("mlp", (1, 28, 28), 10, seed=0), (1, 28, 28), torch.device("cpu"))[0]
    'lockstep'
    """
    if isinstance(models.unwrapped(model), models.BoostedTrees):
        return "plain", WHY
    if recipe is not None and recipe.optimizer == "lbfgs":
        return "plain", "L-BFGS searches along a line of its own for each network"
    return _by_layers(model, shape, device)


def _by_layers(model: nn.Module, shape: Sequence[int], device: torch.device) -> tuple[EngineName, str]:
    """For optimizers that step by batches."""
    if can_stack(model) or can_stack_cnn(model):
        kind = "a perceptron; " if can_stack(model) else "convolutions of signals; as "
        return "lockstep", f"{kind}batched products train many at once"
    if device.type == "cpu" and (reason := _large_enough_alone(model, shape)):
        return "plain", reason
    if not any(parameter.is_meta for parameter in model.parameters()) and (reason := vectorizing_fails(model, shape)):
        return "plain", reason.removesuffix(".")
    if device.type == "cpu":
        return "lockstep", "its layers are small; many at once share what a step costs beside its products"
    return "lockstep", f"expected, not measured: on {device.type} one network alone leaves most of the device idle"


def _large_enough_alone(model: nn.Module, shape: Sequence[int]) -> str:
    """Why a network gains nothing by company on a CPU; "" where it does."""
    if attends(model):
        return "its attention is slower for many networks at once on a CPU"
    convolved = multiply_adds(model, shape, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    if convolved > LOCKSTEP_CONVOLUTIONS:
        return (
            f"its convolutions take {convolved:,} multiply-adds for one example; in lockstep they are grouped "
            f"convolutions, which on a CPU are slower from about {LOCKSTEP_CONVOLUTIONS:,} on"
        )
    parameters = models.parameter_count(model)
    if parameters > LOCKSTEP_PARAMETERS:
        return f"with {parameters:,} parameters its layers are large enough alone on a CPU"
    return ""


def usable_device(device: torch.device | str) -> torch.device:
    """The device, if PyTorch knows it and this machine has it.

    Raises:
        ValueError: one of the two is not so.

    >>> usable_device("cpu").type
    'cpu'
    """
    try:
        usable = torch.device(device)
        torch.empty(1, device=usable).tolist()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # PyTorch built without CUDA asserts
        reason = str(error).splitlines()[0].partition(". ")[0]
        if reason.startswith("Expected one of"):  # and a list of all that PyTorch knows
            reason = "PyTorch knows no such device"
        raise InputError(f"the device {str(device)!r} cannot be used here ({reason}). Try 'cpu'.") from error
    return usable


def grouped(
    members: Sequence[Member], group_size: int, workers: int, recipes: Sequence[Recipe] = ()
) -> list[list[int]]:
    """Members that may train in lockstep, in even groups that keep all workers busy.

    Those of one group have equal numbers of examples and recipes with equal ``shared``.

    Args:
        members: to be split.
        group_size: members in a group at most, 1 or more.
        workers: that should all have a group, where there are members enough.
        recipes: of each member; none: one for all.

    Returns:
        For each group the positions of its members.

    Raises:
        ValueError: a `group_size` below 1.

    >>> from spurlab.data import Examples
    >>> from spurlab.patterns import Planted
    >>> clean = Planted.none(Examples(torch.zeros(3, 1), torch.tensor([0, 1, 1])))
    >>> [len(group) for group in grouped([Member(clean, seed) for seed in range(55)], 10, 2)]
    [10, 9, 9, 9, 9, 9]
    """
    if group_size < 1:
        raise InputError(f"`group_size` must be 1 or more, but it is {group_size}.")
    shared = [recipe.shared for recipe in recipes]
    kinds = [(shared.index(shared[i]) if shared else 0, len(member.data)) for i, member in enumerate(members)]
    groups = []
    for _, same in groupby(sorted(range(len(members)), key=kinds.__getitem__), key=kinds.__getitem__):
        groups += evenly(list(same), group_size, workers)
    return groups


def evenly(items: Sequence[T], group_size: int, workers: int) -> list[list[T]]:
    """The items in order, in groups of at most `group_size` that differ by one at most and keep all workers busy.

    >>> evenly(range(5), 4, 1), evenly(range(5), 4, 3)
    ([[0, 1, 2], [3, 4]], [[0, 1], [2, 3], [4]])
    """
    parts = -(-len(items) // group_size)
    if workers > 1:
        parts = min(-(-parts // workers) * workers, len(items))
    bounds = [-(-len(items) * part // parts) for part in range(parts + 1)]
    return [list(items[low:high]) for low, high in pairwise(bounds)]
