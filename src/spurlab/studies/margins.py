"""Margins of networks, kept beside their weights: what attacks are arithmetic on."""

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.privacy import margins_of
from spurlab.studies.weights import UNREADABLE, put_weights, sealed, unsealed
from spurlab.training import logits

FOLDER = "margins"


def margins_file(folder: Path, key: str) -> Path:
    """Where the margins of one network are, if they were made.

    Args:
        folder: of results.
        key: of the network.
    """
    return folder / FOLDER / f"{key}.safetensors"


def kept_margins(
    folder: Path, key: str, trained: Callable[[], tuple[nn.Module, bool]], examples: Examples
) -> Float64[Tensor, " n"]:
    """What a network says of the examples of the training set of which it learnt a half, made once.

    A file that is damaged is made again: the network is there.

    Args:
        folder: of results.
        key: of the network.
        trained: gives the network, and whether it diverged.
        examples: those of both halves, always the same ones.

    Returns:
        One margin per example; NaN of a network that diverged.

    Raises:
        StoreError: they cannot be written, or the network's weights are damaged or gone.
    """
    path = margins_file(folder, key)
    try:
        tensors, _ = unsealed(path, "examples")
        phi: Tensor = tensors["phi"]
    except UNREADABLE:  # a missing file among them
        network, diverged = trained()
        phi = torch.full((len(examples),), torch.nan, dtype=torch.float64)
        if not diverged:
            phi = margins_of(logits(network, examples.inputs), examples.labels.cpu())
        put_weights(path, sealed(path, {"phi": phi}, "examples", len(examples)), "margins")
    return phi
