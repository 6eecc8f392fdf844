"""The optimizers are PyTorch's own, and a program that plans and trains does not wait for PyTorch's compiler."""

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from spurlab.seeds import rng_for
from spurlab.training import optimizers

KINDS = {
    "Adam": {"fused": True, "weight_decay": 1e-3},
    "SGD": {"fused": True, "momentum": 0.9},
    "Adagrad": {"weight_decay": 1e-3},
    "RMSprop": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_pytorch_to_the_bit(kind):
    """On a regression, and without the gradients of the step itself."""
    rng = rng_for(0, "test")
    x, y, start = torch.randn(20, 5, generator=rng), torch.randn(20, 3, generator=rng), torch.randn(5, 3, generator=rng)

    def trained(where):
        weight = start.clone().requires_grad_()
        optimizer = getattr(where, kind)([weight], lr=0.1, **KINDS[kind])
        for _ in range(10):
            optimizer.zero_grad()
            assert weight.grad is None
            F.mse_loss(x @ weight, y).backward()
            optimizer.step()
        assert weight.is_leaf
        return weight.detach()

    ours = trained(optimizers)
    assert not ours.equal(start)
    assert ours.equal(trained(torch.optim))


PROGRAM = """
import sys
import torch
from spurlab.data import Examples
from spurlab.models import skeleton
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, bytes_to_train, fit

data = Planted.none(Examples(torch.rand(8, 1, 4, 4), torch.arange(8) % 2))
members = [Member(data, seed) for seed in range(2)]
for optimizer in ("adam", "sgd", "adagrad", "rmsprop"):
    for engine in ("lockstep", "plain"):
        recipe = Recipe(optimizer=optimizer, epochs=1, milestones=(), batch_size=4)
        fit("small-mlp", members, recipe, classes=2, engine=engine, workers=0)
bytes_to_train(skeleton("mlp", (1, 4, 4), 2), (1, 4, 4), 4)
print([name for name in ("torch._dynamo", "sympy", "sklearn", "scipy.stats") if name in sys.modules])
"""


def test_who_trains_does_not_wait_for_the_compiler():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
