"""SCRUB on two parameters, every step worked out from the formulas of its gradients."""

import pytest
import torch
from toys import linear, same

from spurlab.data import Examples
from spurlab.deletion import Scrub
from spurlab.methods import Descent


def by_hand(w, retain, forgotten, alpha, gamma, rate, epochs, max_epochs, temperature):
    """Logits (w0 x, w1 x). Cross-entropy has the gradient (q - y) x, where q is the student's.

    T^2 KL(p || q) at the temperature T has T^2 (q - p) x / T, with p and q of logits divided by T.
    """
    teacher = w = torch.tensor(w, dtype=torch.float64)
    (x, y), (x_forgotten, _) = (torch.tensor(rows, dtype=torch.float64).T for rows in (retain, forgotten))

    def q(w, x, temperature):
        return (x[:, None] * w / temperature).softmax(1)

    def away(w, x):
        return temperature * (q(w, x, temperature) - q(teacher, x, temperature))

    for epoch in range(epochs):
        if epoch < max_epochs:
            w = w + rate * away(w, x_forgotten).T @ x_forgotten / len(x_forgotten)
        down = alpha * away(w, x) + gamma * (q(w, x, 1.0) - torch.eye(2)[y.long()])
        w = w - rate * down.T @ x / len(x)
    return w.tolist()


RETAIN, FORGOTTEN = [(1.0, 0), (2.0, 0), (-1.5, 1), (0.5, 1)], [(3.0, 1), (-2.0, 0)]


@pytest.fixture
def two():
    """Two weights."""
    return linear([[0.7], [-0.4]])


@pytest.fixture
def tiny():
    """The retained examples, then the forgotten ones."""
    rows = RETAIN + FORGOTTEN
    return Examples(torch.tensor([[x] for x, _ in rows]), torch.tensor([y for _, y in rows]))


@pytest.mark.parametrize(("epochs", "max_epochs"), [(1, 1), (2, 2), (4, 2), (3, 0)])
@pytest.mark.parametrize(("alpha", "gamma", "temperature"), [(0.001, 0.99, 1.0), (0.5, 0.3, 4.0)])
def test_steps_by_hand(epochs, max_epochs, alpha, gamma, temperature, two, tiny, whole):
    settings = {"alpha": alpha, "gamma": gamma, "temperature": temperature}
    settings |= {"rate": 0.5, "epochs": epochs, "max_epochs": max_epochs}
    after = Scrub(whole, **settings)(two, tiny, torch.arange(6) >= 4)
    wanted = by_hand((0.7, -0.4), RETAIN, FORGOTTEN, **settings)
    assert after.weight.flatten().tolist() == pytest.approx(wanted, abs=1e-6)


def test_the_first_step_upwards_leads_nowhere(two, tiny, whole):
    """The student is its teacher there; from the second turn on it matters that there are forgotten examples."""
    forget = torch.arange(6) >= 4
    for epochs, alike in ((1, True), (2, False)):
        with_steps, without = (
            Scrub(whole, epochs=epochs, max_epochs=most, rate=0.5)(two, tiny, forget).weight for most in (epochs, 0)
        )
        assert torch.allclose(with_steps, without, atol=1e-6, rtol=0) == alike


def test_nothing_to_forget_leaves_the_steps_downwards(model, data, forget, recipe):
    one, other = (Scrub(recipe, max_epochs=most)(model, data, forget & False) for most in (3, 0))
    assert same(one, other)


@pytest.mark.parametrize(("size", "ups"), [(16, 3 * 1), (4, 3 * 2), (1, 3 * 6)])
def test_forgotten_examples_come_in_small_batches(size, ups, model, data, forget, recipe, monkeypatch):
    """Six of them, in each of three turns; the 84 retained ones in batches of 20, in each of four."""
    steps = []
    step = Descent.step
    monkeypatch.setattr(Descent, "step", lambda self, loss: steps.append(self.recipe.batch_size) or step(self, loss))
    Scrub(recipe.but(batch_size=20), epochs=4, forget_batch=size)(model, data, forget)
    assert (steps.count(size), steps.count(20)) == (ups, 4 * 5)
