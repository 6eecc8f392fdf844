"""The spurious score of a network while somebody's own loop trains it: plain PyTorch, Lightning, transformers' Trainer.

Lightning and transformers are imported when their callback is made (the extras ``lightning`` and ``transformers``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from spurlab.data import Dataset, Examples, Source
from spurlab.errors import InputError, did_you_mean
from spurlab.lent import settings_kept
from spurlab.metrics import spurious_score
from spurlab.models import evaluating
from spurlab.models.answering import Answering
from spurlab.patterns import MarkLike, mark_on, marked_rows
from spurlab.seeds import rng_for
from spurlab.training import predictions

if TYPE_CHECKING:
    from lightning.pytorch import Callback
    from transformers import Trainer, TrainerCallback

IMAGES = 500  # test examples, at most
SCORE = "spurious_score"  # under which it is logged


class SpuriousScore:
    """How strongly a mark pulls the predictions of a network to a class, measured again and again as it trains.

    The marked examples are made once, so that a measurement costs two predictions of them.

    Args:
        data: the examples, of which those of the test part are asked; or these alone. Inputs as marks see them: images
            in [0, 1].
        mark: a mark, any function of the inputs, or a text, see `spurlab.patterns.own_mark`, e.g. ``box,size=5``.
        target: the class that it may pull to, by number or name.
        examples: how many of the test examples, at most; drawn under the seed, the same at each call.
        name: under which the score is logged.
        network: the part of what is trained that is asked, by its name in it, e.g. ``model``; "": the whole.
        mean, std: of each channel, where the network wants normalised inputs, (x - mean) / std.
        seed: of the choice of examples and of what the mark draws.

    Raises:
        ValueError: no examples, a target that is no class, a mark that does not fit or changes nothing, or one of
            `mean` and `std` without the other.

    Source of the score: Yang et al. (2022), arXiv:2202.05189, equation 1.

    >>> data = Examples(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))
    >>> network = nn.Linear(2, 2)
    >>> _ = nn.init.zeros_(network.bias), network.weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    >>> SpuriousScore(data, lambda inputs: inputs + torch.tensor([0.0, 3.0]), target=1)(network)
    {'spurious_score': 1.0}
    """

    def __init__(
        self,
        data: Dataset | Examples,
        mark: str | MarkLike,
        target: int | str,
        *,
        examples: int = IMAGES,
        name: str = SCORE,
        network: str = "",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        seed: int = 0,
    ) -> None:
        if isinstance(data, Examples):
            data, classes = _alone(data), None  # not all need be among them
        else:
            classes = data.classes
        if not len(data.test) or examples < 1:
            raise InputError("a spurious score is measured on one test example or more, but there is none.")
        if (mean is None) != (std is None):
            raise InputError("inputs are normalised by a mean and a standard deviation: give both, or none.")
        self.name, self.network, self.target = name, network, _class(target, data, classes)
        rows = torch.randperm(len(data.test), generator=rng_for(seed, "callback"))[:examples].sort().values
        few = data.test[rows]
        self.clean = few.inputs
        self.marked = marked_rows(mark_on(mark, data, seed), few, torch.arange(len(few)), seed)
        if self.marked.equal(self.clean):
            raise InputError(f"the mark changes none of {len(few)} examples of {data.name}, so that it has no score.")
        self._normal = mean, std

    def __repr__(self) -> str:
        return f"<SpuriousScore {self.name!r}: towards class {self.target}, of {len(self.clean)} examples>"

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """The score by its name. The network is asked in evaluation mode where it is, and is afterwards as it was.

        So are the generators and PyTorch's settings: who trains on gets the same weights as without.

        Raises:
            ValueError: there is no such part in it, or it does not give a number for each class.
        """
        asked = self._asked(network)
        mean, std = self._normal
        with settings_kept(), evaluating(asked):
            one = asked if mean is None else Answering(asked, "logits", mean, std).eval()
            clean, marked = predictions(one, self.clean), predictions(one, self.marked)
        return {self.name: float(spurious_score(clean, marked, self.target))}

    def _asked(self, network: nn.Module) -> nn.Module:
        try:
            return network.get_submodule(self.network)
        except AttributeError:
            names = [name for name, _ in network.named_children()]
            raise InputError(
                f"this {type(network).__name__} has no part {self.network!r} to be asked (network=...); it has "
                f"{', '.join(names) or 'none'}."
            ) from None


def _alone(examples: Examples) -> Dataset:
    """Test examples as a dataset."""
    bounded = examples.words is None and bool(((examples.inputs >= 0) & (examples.inputs <= 1)).all())
    classes = int(examples.labels.max()) + 1 if len(examples) else 0
    names, source = tuple(map(str, range(classes))), Source("not known to Spurlab", "examples", "in memory")
    return Dataset("these examples", examples, examples, names, (0.0, 1.0) if bounded else None, source)


def _class(target: int | str, data: Dataset, classes: int | None) -> int:
    """The number of a class."""
    if isinstance(target, str):
        if target not in data.class_names:
            raise InputError(
                f"`target` {target!r} is no class of {data.name}. {did_you_mean(target, data.class_names)}"
            )
        return data.class_names.index(target)
    if not isinstance(target, int) or target < 0 or (classes is not None and target >= classes):
        upto = "" if classes is None else f" to {classes - 1}"
        raise InputError(f"`target` must be a class, 0{upto or ' or more'}, or its name, but it is {target!r}.")
    return target


def lightning_callback(score: SpuriousScore, every: int = 1) -> "Callback":
    """A callback of Lightning that logs the score at the end of each training epoch, as the module itself would.

    So it goes to the trainer's logger and stands in ``trainer.callback_metrics``.

    Args:
        score: what to measure; its `network` is a part of the LightningModule.
        every: after so many epochs.

    Raises:
        InputError: Lightning is not installed, or `every` is below 1.
    """
    try:
        from lightning.pytorch import Callback  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        raise InputError(
            "a callback of Lightning needs Lightning, which is not installed: pip install 'spurlab[lightning]'."
        ) from None
    _check_every(every)

    class Logged(Callback):  # type: ignore[misc]  # Lightning's types are not looked at
        """Logs a spurious score."""

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if (trainer.current_epoch + 1) % every == 0:
                pl_module.log_dict(score(pl_module))

    return Logged()


def trainer_callback(score: SpuriousScore, trainer: "Trainer", every: int = 1) -> "TrainerCallback":
    """A callback of a Hugging Face `Trainer` that logs the score at the end of each epoch, by ``trainer.log``.

    So it stands in ``trainer.state.log_history`` and goes to all that the trainer reports to. Add it by
    ``trainer.add_callback(trainer_callback(score, trainer))``.

    Args:
        score: what to measure.
        trainer: that it is added to; callbacks are not told which it is.
        every: after so many epochs.

    Raises:
        InputError: transformers is not installed, or `every` is below 1.
    """
    try:
        from transformers import TrainerCallback  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        raise InputError(
            "a callback of a Trainer needs transformers, which is not installed: pip install 'spurlab[transformers]'."
        ) from None
    _check_every(every)

    class Logged(TrainerCallback):  # type: ignore[misc]  # nor are those of transformers
        """Logs a spurious score."""

        def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
            if round(state.epoch) % every == 0:
                wanted = control.should_log, control.should_evaluate, control.should_save
                trainer.log(score(model))
                # to log unsets what the trainer itself still has to log
                control.should_log, control.should_evaluate, control.should_save = wanted

    return Logged()


def _check_every(every: int) -> None:
    if every < 1:
        raise InputError(f"the score is logged after each epoch or each few (every=...), not after {every}.")
