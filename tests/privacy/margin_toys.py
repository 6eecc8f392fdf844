"""Margins that the tests share; those of `TABLE` were also given to other libraries."""

import torch

from spurlab.privacy import Attacked, Margins, halves
from spurlab.seeds import rng_for

TABLE = torch.tensor(
    [
        [1.0, 2.5, 0.5, 4.0],
        [3.0, 1.0, 2.0, 5.5],
        [2.0, 0.0, 1.5, 3.0],
        [0.5, 2.0, 3.5, 6.0],
        [1.5, 3.0, -1.0, 2.0],
        [4.0, 0.5, 2.5, 7.0],
    ],
    dtype=torch.float64,
)
MEMBERS = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]]).bool()
TARGET = torch.tensor([2.2, 1.7, -0.4, 5.0], dtype=torch.float64)
POPULATION = torch.tensor(
    [
        [0.3, 1.2, 2.0, 4.0, -1.0],
        [1.1, 0.4, 1.5, 5.0, 0.0],
        [0.2, 0.9, 3.0, 3.5, -0.5],
        [0.8, 1.0, 2.5, 4.5, 0.5],
        [-0.1, 0.6, 1.0, 6.0, -2.0],
        [0.5, 1.4, 2.2, 5.5, 0.2],
    ],
    dtype=torch.float64,
)
TARGET_POPULATION = torch.tensor([0.6, 1.1, 1.8, 4.8, -0.7], dtype=torch.float64)
SHADOWS = Margins(TABLE, MEMBERS)
ATTACKED = Attacked(TARGET)


def drawn(n=2000, networks=8, rise=0.0, seed=0, z=500, classes=3):
    """Margins that differ between examples, and by `rise` between members and others; all that any attack asks for."""
    rng = rng_for(seed, "test", "margins")

    def normal(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    design = halves(n, networks, seed)
    own, features, outside = 2 * normal(n), normal(n, 4), normal(z, 4)
    phi = own + features[:, 0] + rise * design.members + normal(networks, n)
    logits = normal(networks, n, classes).float()
    logits[..., 0] += phi.float()
    population = 2 * normal(z) + outside[:, 0] + normal(networks, z)
    return Margins(
        phi,
        design.members,
        design.pair,
        labels=torch.zeros(n, dtype=torch.int64),
        logits=logits,
        population=population,
        features=features,
        population_features=outside,
    )
