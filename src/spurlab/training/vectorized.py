"""Many networks of any kind in one: stacked weights under `torch.func.vmap`."""

import copy
import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float, Num
from torch import Generator, Tensor, nn
from torch.func import functional_call, vmap

from spurlab.errors import InputError
from spurlab.models import answer_of, arguments_for, logits_of, trial_inputs
from spurlab.seeds import rng_for
from spurlab.training.stacked import State, laid_out, layout_for


class VectorizedNet(nn.Module):
    """m networks of one architecture; ``forward`` takes ``m n *shape`` and gives logits ``m n k``.

    Batch norm keeps each member's own statistics. Dropout draws each member's masks from its own generator, on the
    CPU the same as in the slow twin: those that PyTorch's global generator would give it.

    Args:
        template: one of the networks, which becomes a part of this one; its own weights are not used.
        state: the members' ``state_dict`` with a leading axis m; copied.
        seeds: of the members, for dropout.

    Raises:
        ValueError: layers that share weights; from the first ``forward``: the network does what vmap cannot, such as
            drawing random numbers elsewhere than in `nn.Dropout`.
    """

    def __init__(
        self, template: nn.Module, state: State, seeds: Sequence[int], precision: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        # in a list: no part of this module. To the device, for buffers that no state names
        self._template = [template.train().to(next(iter(state.values())).device)]
        every = [name for name, _ in template.named_parameters(remove_duplicate=False)]
        if len(every) > len(list(template.parameters())):
            raise self._refused("some of its layers share weights")
        learnt = {name for name, parameter in template.named_parameters() if parameter.requires_grad}
        self._names = [name for name in state if name in learnt]
        self._parameters_in_order = nn.ParameterList(nn.Parameter(state[name].clone()) for name in self._names)
        self._fixed = {name: tensor.clone() for name, tensor in state.items() if name not in learnt}
        self._seeds, self._precision = seeds, precision
        self._generators: list[Generator] = []
        self._dropouts = {n: m for n, m in template.named_modules() if isinstance(m, nn.Dropout) and m.p > 0}
        self._seen: dict[tuple[int, ...], dict[str, Tensor]] = {}  # what is dropped from, by shape of the batch
        # under vmap, autocast does not see convolutions on a CPU: what they multiply and put out is rounded here
        self._rounded: set[str] = set()
        for name, module in template.named_modules() if precision != torch.float32 else ():
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
                self._rounded |= {f"{name}.{kind}".removeprefix(".") for kind, _ in module.named_parameters()}
                module.register_forward_pre_hook(lambda _, given: (given[0].to(precision), *given[1:]))
                module.register_forward_hook(lambda _, given, output: output.float())  # batch norm mixes no types there
        for name, module in self._dropouts.items():
            parent = template.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], _Masked(module.p))

    @property
    def trained(self) -> list[Tensor]:
        return list(self._parameters_in_order)

    def begin(self, epoch: int) -> None:
        """Before the first batch of an epoch (counted from 0)."""
        self._generators = [rng_for(seed, "dropout", epoch) for seed in self._seeds]

    def clear(self) -> None:
        for parameter in self._parameters_in_order:
            parameter.grad = None

    def forward(self, inputs: Num[Tensor, "m n *shape"]) -> Float[Tensor, "m n k"]:
        learnt = dict(zip(self._names, self._parameters_in_order, strict=True))
        state = self._in_precision(learnt | self._fixed) | self._masks(inputs)

        def one(state: State, batch: Tensor) -> Tensor:
            return logits_of(functional_call(self._template[0], state, *arguments_for(self._template[0], batch)), batch)

        with torch.autocast(inputs.device.type, self._precision, self._precision != torch.float32):
            try:
                logits = vmap(one)(state, inputs)
            except RuntimeError as error:
                raise self._refused(str(error).splitlines()[0]) from error
        if logits.ndim != 3:
            raise self._refused(f"one example gives outputs of shape {tuple(logits.shape[2:])}, not a number a class")
        return logits.float()

    def _refused(self, why: str) -> InputError:
        name = type(self._template[0]).__name__
        return InputError(f"{name} cannot be trained in lockstep ({why}). Train it with the engine 'plain'.")

    def state(self) -> State:
        """Weights and buffers by name, stacked; not copies."""
        learnt = {name: p.detach() for name, p in zip(self._names, self._parameters_in_order, strict=True)}
        return learnt | self._fixed

    def _in_precision(self, state: State) -> State:
        return {name: t.to(self._precision) if name in self._rounded else t for name, t in state.items()}

    def _masks(self, inputs: Tensor) -> State:
        """By the name of its buffer, each dropout's mask for all members."""
        if not self._dropouts:
            return {}
        shape = tuple(inputs.shape[1:])
        if shape not in self._seen:
            self._seen[shape] = self._looked_up(inputs[0])
        masks: dict[str, list[Tensor]] = {f"{name}.mask": [] for name in self._seen[shape]}
        for generator in self._generators:  # a member's layers draw in turn, as they would in a network of its own
            for name, like in self._seen[shape].items():
                kept = 1 - self._dropouts[name].p
                masks[f"{name}.mask"].append(torch.empty_like(like).bernoulli_(kept, generator=generator).div_(kept))
        return {name: torch.stack(drawn).to(inputs.device) for name, drawn in masks.items()}

    def _looked_up(self, batch: Tensor) -> dict[str, Tensor]:
        """What each dropout is given, in the order in which they are called: masks are drawn as it lies in memory."""
        found: dict[str, Tensor] = {}
        template, hooks = self._template[0], []

        def seen(name: str, given: Tensor) -> None:
            if name in found:
                raise self._refused(f"the dropout {name!r} is used twice")
            found[name] = given.cpu().float()

        for name in self._dropouts:
            module = template.get_submodule(name)
            hooks.append(module.register_forward_pre_hook(lambda _, given, name=name: seen(name, given[0])))
        try:
            with torch.no_grad():
                layout = layout_for(template)
                first = {name: laid_out(tensor[0].clone(), layout) for name, tensor in self.state().items()}
                some = batch.contiguous(memory_format=layout)
                functional_call(template, self._in_precision(first), *arguments_for(template, some))
        finally:
            for hook in hooks:
                hook.remove()
        return found


def vectorizing_fails(model: nn.Module, shape: Sequence[int]) -> str:
    """Why the network, left as it is, cannot be trained in lockstep; empty where two members can for a step."""
    state = {name: torch.stack([tensor, tensor]) for name, tensor in model.state_dict().items()}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # vmap would run it, one member after the other
        warnings.filterwarnings("error", "There is a performance drop")
        try:
            network, twin = VectorizedNet(copy.deepcopy(model), state, [0, 1]), copy.deepcopy(model).train()
            trial = trial_inputs(model, shape, 4)
            inputs = (torch.rand_like(trial) if trial.is_floating_point() else trial).unflatten(0, (2, 2))
            network.begin(0)
            network(inputs.clone()).sum().backward()
            with torch.no_grad():
                answer_of(twin, inputs[0].clone())
        except Exception as error:  # whatever its code cannot do under vmap
            return (str(error).splitlines() or [type(error).__name__])[0]
    after, alone = network.state(), twin.state_dict()
    for name, before in model.state_dict().items():
        if not torch.equal(alone[name], before) and torch.equal(after[name][0], before):
            return f"its buffer {name!r} is replaced at each step, which lockstep does not see"
    return ""


class _Masked(nn.Module):
    """Dropout with the mask as a buffer; ones, and so no dropout, until a mask is given."""

    mask: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("mask", torch.ones(()))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs * self.mask.to(inputs.dtype)
