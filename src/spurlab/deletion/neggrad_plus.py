"""Down the loss of the retained examples, up that of the forgotten ones, in one step."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.search import bearable_for
from spurlab.deletion.steps import fine_tuning
from spurlab.lent import copied_network
from spurlab.methods import Batch, Descent
from spurlab.training import Recipe

LOOK = 10  # steps between two looks at the retained examples


@dataclass(frozen=True)
class NegGradPlus:
    r"""NegGrad+: fine-tuning on the retained examples with a share of ascent on the forgotten ones.

    .. math:: \mathcal{L}(\theta) = \beta \frac{1}{|R_t|} \sum_{i \in R_t} \ell(\theta, x_i, y_i)
        - (1 - \beta) \frac{1}{|F_t|} \sum_{i \in F_t} \ell(\theta, x_i, y_i)

    for a batch :math:`R_t` of retained and one :math:`F_t` of forgotten examples; these go round as often as an epoch
    over the retained ones lasts.

    The loss has no lower bound. Once the ascent has taken hold it ruins a small network within a hundred steps. The
    public code stops after a number of epochs that is set for each task, and draws the weights to where they were. Here
    the mean loss of a thousand retained examples is looked at after every tenth step. When it has risen by more than
    `slack`, the network of the look before is the result (that of the first look, if there was none before).

    Cost: at most `epochs` over the retained examples, with a batch of forgotten ones beside each of theirs, and a
    quarter more for the looks. Needs: both.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples.
        beta: the share of the retained examples. The public code has 0.95 where it trains on 500 examples in all, and
            0.9999 to forget 100 of CIFAR-10.
        epochs: over the retained examples, at most; 10, or 5, in the public code.
        rate: None: a tenth of the recipe's, see `spurlab.deletion.steps.fine_tuning`.
        slack: see above, in nats; infinite: never stop.

    Source: Kurmanji et al. (2023), Towards unbounded machine unlearning, arXiv:2302.09880, and its public code.
    """

    recipe: Recipe
    seed: int = 0
    beta: float = 0.95
    epochs: int = 10
    rate: float | None = None
    slack: float = 0.05

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        retain, forgotten = data[~forget], data[forget]
        descent = Descent(model, fine_tuning(self.recipe, self.epochs, self.rate), self.seed, "neggrad+")
        bearable = bearable_for(model, retain, self.seed, slack=self.slack, examples=1_000)
        others = round_and_round(descent, forgotten)
        steps, before = 0, None
        for epoch in range(self.epochs):
            with descent.epoch(epoch):
                for batch in descent.batches(retain, epoch):
                    loss = self.beta * descent.loss(batch)
                    if len(forgotten):
                        loss = loss - (1 - self.beta) * descent.loss(next(others))
                    descent.step(loss)
                    steps += 1
                    if len(forgotten) and steps % LOOK == 0:
                        if not bearable(model):
                            return model if before is None else before
                        before = copied_network(model)
        return model if before is None or bearable(model) else before


def round_and_round(descent: Descent, forgotten: Examples) -> Iterator[Batch]:
    """Batches of the forgotten examples without end, each round in a new order."""
    for turn in count():
        yield from descent.batches(forgotten, turn, "forget")
