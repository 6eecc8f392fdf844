"""Trained models of one architecture, with stacked weights."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float32, Int64, Num
from markupsafe import Markup
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.func import functional_call, vmap

from spurlab.data.shown import times
from spurlab.errors import InputError, MissingFileError, brief, one_line
from spurlab.files import replacing
from spurlab.models import ARCHITECTURES, BoostedTrees, build, skeleton, unwrapped
from spurlab.notebook import card, graphs, table
from spurlab.training.engines import Trained
from spurlab.training.predict import predictions_once
from spurlab.training.stacked import State, attends, can_stack, convolves, predicted_at_once

FORMAT = "spurlab-ensemble-1"


@dataclass(frozen=True, eq=False)
class Ensemble:
    """m trained models of one architecture.

    >>> from spurlab import RECIPES, Member, Planted, first_examples, fit, load
    >>> data = first_examples(load("fashion-mini"), 100)
    >>> members = [Member(Planted.none(data.train), seed) for seed in range(2)]
    >>> models = fit("small-mlp", members, RECIPES["quick"].lasting(1), classes=data.classes, workers=0)
    >>> len(models), models.predict(data.test.inputs[:5]).shape
    (2, torch.Size([2, 5, 10]))
    >>> models.member(1)(data.test.inputs[:5]).shape  # one network
    torch.Size([5, 10])
    """

    architecture: str  # its name in the zoo, or ``package.module:callable``, or "" where `make` is the user's
    shape: tuple[int, ...]  # of one input
    classes: int  # k
    seeds: tuple[int, ...]  # of each member
    trained: Trained  # stacked weights and training losses
    make: Callable[[int], nn.Module] | None = field(default=None, repr=False)  # a member's network, by seed

    def __repr__(self) -> str:
        return f"<Ensemble of {self._told}>"

    def _repr_html_(self) -> str:
        lost = self.diverged.tolist()
        losses = self.trained.losses.detach().cpu().double()
        epochs = losses.shape[1]
        facts = {
            "networks": self._told,
            "parameters": f"{sum(tensor.shape[1:].numel() for tensor in self.trained.state.values()):,} numbers each",
            "trained": f"{epochs} epochs" + (f"; {sum(lost)} diverged" if any(lost) else ""),
            "device": str(self.device),
        }
        lines = [
            (seed, *(losses[i, [0, -1]].tolist() if epochs else ()), "diverged" if lost[i] else "")
            for i, seed in enumerate(self.seeds)
        ]
        headings = ("seed", *(("loss at first", "at last") if epochs else ()), "")
        drawn = (
            graphs("", [(losses.tolist(), "training loss by epoch")], 240, behind=False) if epochs > 1 else Markup("")
        )
        return card("Ensemble", "", facts, drawn, table(headings, lines))

    @property
    def _told(self) -> str:
        what = self.architecture or "own"
        return f"{len(self):,} {what} networks: inputs of {times(self.shape)}, {self.classes} classes"

    def __len__(self) -> int:
        return len(self.seeds)

    def __getitem__(self, rows: Int64[Tensor, " picked"]) -> "Ensemble":
        """The chosen members, as an ensemble again."""
        return replace(self, seeds=tuple(self.seeds[row] for row in rows.tolist()), trained=self.trained[rows])

    def joined(self, other: "Ensemble") -> "Ensemble":
        """These members and then those of another, which were trained alike."""
        return replace(self, seeds=self.seeds + other.seeds, trained=Trained.joined([self.trained, other.trained]))

    @property
    def diverged(self) -> Bool[Tensor, " m"]:
        """True for members whose loss or weights are not finite; their predictions are NaN."""
        return self.trained.diverged

    @property
    def device(self) -> torch.device:
        return next(iter(self.trained.state.values())).device

    def member(self, i: int) -> nn.Module:
        """The i-th model, as a plain module in evaluation mode, on the ensemble's device."""
        model = self._template(self.seeds[i]).to(self.device)
        # what is inside a wrapper was trained, under its own names
        unwrapped(model).load_state_dict({name: tensor[i] for name, tensor in self.trained.state.items()})
        return model.eval()

    def predict(self, inputs: Num[Tensor, "n *shape"], rows: int | None = None) -> Float32[Tensor, "m n k"]:
        """Class probabilities, on the CPU, to rounding those of `predictions` for each `member` alone.

        Perceptrons and the zoo's networks without convolutions or attention all at once. Others one after the other:
        these are slower together, trees look at each answer before they go on, and a network of the user's may be one
        that many at once cannot be, or would be wrong for, such as one with layers that share weights, with noise, or
        with numbers of its own that are not saved.

        Args:
            inputs: n examples, the same for all members.
            rows: how many examples go through a network at once, those of all members counted where they go together;
                bounds the memory. None: as many as suit the network.
        """
        template = self._template(self.seeds[0]).eval().to(self.device)
        alone = convolves(template) or attends(template) or isinstance(template, BoostedTrees)
        if (self.architecture in ARCHITECTURES.own or can_stack(template)) and not alone:
            return torch.cat(list(self._at_once(template, inputs, rows)), dim=1)
        return torch.stack([predictions_once(self.member(i), inputs, rows) for i in range(len(self))])

    def _at_once(self, template: nn.Module, inputs: Tensor, rows: int | None) -> Iterator[Tensor]:
        def logits(state: State, batch: Tensor) -> Tensor:
            output: Tensor = functional_call(template, state, (batch,))
            return output

        with torch.inference_mode():
            for batch in inputs.split(max(1, (predicted_at_once(template) if rows is None else rows) // len(self))):
                together = vmap(logits, in_dims=(0, None))(self.trained.state, batch.to(self.device))
                yield together.softmax(-1).cpu()

    def _template(self, seed: int) -> nn.Module:
        if self.make is not None:
            return self.make(seed)
        return build(self.architecture, self.shape, self.classes, seed)

    def save(self, path: Path | str) -> None:
        """Write weights and losses to one safetensors file, with what is needed to load them again.

        Raises:
            ValueError: a network that is not in the zoo, whose code the file could not name.
        """
        if self.architecture not in ARCHITECTURES.own:
            raise InputError("only networks of the zoo can be saved as an ensemble; save `member(i).state_dict()`.")
        about = {"architecture": self.architecture, "shape": self.shape, "classes": self.classes, "seeds": self.seeds}
        tensors = {f"state/{name}": tensor.contiguous() for name, tensor in self.trained.state.items()}
        metadata = {"format": FORMAT, "ensemble": json.dumps(about)}
        with replacing(Path(path)) as draft:
            save_file(tensors | {"losses": self.trained.losses}, draft, metadata)

    @classmethod
    def load(cls, path: Path | str) -> "Ensemble":
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            FileNotFoundError: no such file.
            ValueError: a file that `save` did not write, that is damaged, or whose network is not in the zoo: the name
                of other code would be executed.
        """
        if not Path(path).is_file():
            raise MissingFileError(f"there is no ensemble at {path}.")
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except SafetensorError as error:
            raise InputError(f"{path} is no safetensors file, or it is damaged ({error}).") from error
        if metadata.get("format") != FORMAT:
            raise InputError(
                f"{path} is no ensemble of this version of Spurlab (format {brief(metadata.get('format'))})."
            )
        state = {name.removeprefix("state/"): tensor for name, tensor in tensors.items() if name != "losses"}
        try:
            about = json.loads(metadata["ensemble"])
            architecture, shape, classes = about["architecture"], tuple(about["shape"]), about["classes"]
            seeds, losses = tuple(about["seeds"]), tensors["losses"]
            if architecture in ARCHITECTURES.own:
                wanted = {
                    name: (len(seeds), *tensor.shape)
                    for name, tensor in skeleton(architecture, shape, classes).state_dict().items()
                }
                found = {name: tuple(tensor.shape) for name, tensor in state.items()}
                if found != wanted or len(losses) != len(seeds) or {*map(type, seeds)} != {int}:
                    raise InputError("the weights are not those of its networks")
        except (ValueError, KeyError, TypeError, ArithmeticError, RuntimeError) as error:
            raise InputError(f"{path} is damaged ({type(error).__name__}: {one_line(str(error))}).") from error
        if architecture not in ARCHITECTURES.own:
            raise InputError(f"{path} holds networks {brief(architecture)}, which are not in this version's zoo.")
        return cls(architecture, shape, classes, seeds, Trained(state, losses))
