"""A student that unlearns what its teacher says of the forgotten examples."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.steps import divergence, fine_tuning, teacher_from
from spurlab.methods import Descent
from spurlab.training import Recipe


@dataclass(frozen=True)
class Scrub:
    r"""SCRUB: the student leaves its teacher, the given network, on the forgotten examples and stays on the retained.

    .. math:: \min_\theta \; \frac{\alpha}{N_r} \sum_{i \in \text{retained}} d(x_i; \theta)
        + \frac{\gamma}{N_r} \sum_{i \in \text{retained}} \ell(\theta, x_i, y_i)
        - \frac{1}{N_f} \sum_{i \in \text{forgotten}} d(x_i; \theta), \qquad
        d(x; \theta) = T^2 \, \mathrm{KL}\big(p_T(x; \theta_0) \,\|\, p_T(x; \theta)\big)

    :math:`p_T` are the probabilities of the logits divided by the temperature T. In turns: an epoch upwards over the
    forgotten examples (the last term), an epoch downwards over the retained ones (the two others). After `max_epochs`
    turns the first are left out, which mends what they broke.

    At the start the student is its teacher, where d is at its minimum and has no gradient. So without dropout, batch
    norm or weight decay the first step upwards leads nowhere, and forgetting begins with the second.

    The defaults are those with which the public code forgets 100 examples of CIFAR-10. It differs in three things: its
    rate falls in the last epochs; both kinds of steps share an optimizer, which for its SGD without momentum is all the
    same, while the moments of Adam belong to one loss; and it has other settings for other tasks.

    Cost: `epochs` over the retained examples with twice the forward passes, `max_epochs` over the forgotten ones.
    Needs: both.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples.
        alpha: of the divergence on retained examples.
        gamma: of the recipe's loss on retained examples.
        epochs: over the retained examples.
        max_epochs: over the forgotten examples.
        rate: at which both kinds of steps are made.
        temperature: T.
        forget_batch: forgotten examples to one step upwards.

    Source: Kurmanji et al. (2023), Towards unbounded machine unlearning, arXiv:2302.09880, and its public code.
    """

    recipe: Recipe
    seed: int = 0
    alpha: float = 0.5
    gamma: float = 1.0
    epochs: int = 5
    max_epochs: int = 3
    rate: float = 5e-4
    temperature: float = 4.0
    forget_batch: int = 16

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        retain, forgotten = data[~forget], data[forget]
        teacher = teacher_from(model)
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)
        up = Descent(model, recipe.but(batch_size=self.forget_batch), self.seed, "scrub up")
        down = Descent(model, recipe, self.seed, "scrub down")
        for epoch in range(self.epochs):
            if epoch < self.max_epochs:
                with up.epoch(epoch):
                    for batch in up.batches(forgotten, epoch):
                        up.step(-self._apart(up.logits(batch, teacher), up.logits(batch)))
            with down.epoch(epoch):
                for batch in down.batches(retain, epoch):
                    student = down.logits(batch)
                    stay = self._apart(down.logits(batch, teacher), student)
                    down.step(self.alpha * stay + self.gamma * down.loss(batch, student))
        return model

    def _apart(self, teacher: Tensor, student: Tensor) -> Tensor:
        """The mean of d over a batch."""
        return self.temperature**2 * divergence(teacher / self.temperature, student / self.temperature).mean()
