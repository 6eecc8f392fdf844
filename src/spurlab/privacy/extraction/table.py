"""The table of extractions: what studies name and tests walk through."""

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spurlab.errors import FailureError
from spurlab.methods import Entry, Table
from spurlab.privacy.extraction.extraction import Domain, Extraction
from spurlab.privacy.extraction.first_layer import FirstLayer
from spurlab.privacy.extraction.input_gradient import InputGradient
from spurlab.privacy.extraction.inversion import TriggerInversion
from spurlab.training import Recipe

# A new extraction is one file and one line here.
EXTRACTIONS = Table[Extraction](
    "extraction",
    {
        "inversion": Entry.of("trigger inversion", TriggerInversion),
        "inversion-l1": Entry.of("trigger inversion, l1", TriggerInversion, family="trigger inversion", norm="l1"),
        "inversion-zeros": Entry.of(
            "smooth trigger inversion, on zeros", TriggerInversion, family="trigger inversion", hosts="zeros", tv=0.1
        ),
        "input-gradient": Entry.of("input gradient", InputGradient),
        "first-layer": Entry.of("first layer", FirstLayer),
        "first-layer-principal": Entry.of(
            "first layer, principal direction", FirstLayer, family="first layer", how="principal"
        ),
    },
)


def extraction_named(name: str, seed: int = 0) -> Extraction:
    """The extraction of this name, with settings after it where others than its own are wanted: ``inversion tv=0``.

    Args:
        name: an entry of `EXTRACTIONS`; or ``package.module:callable``: one of the user's, called as `Extraction` says.
        seed: of what it draws.

    Raises:
        ValueError: as `spurlab.methods.Table.named`.
    """
    return EXTRACTIONS.named(name, Recipe(), seed)


def extracted(
    network: nn.Module, domain: Domain, target: int, extraction: str | Extraction = "inversion", seed: int = 0
) -> Float32[Tensor, "*shape"]:
    """What an extraction reads from a network of a class.

    Args:
        network: gives logits; it is left as it was.
        domain: of its inputs.
        target: a class.
        extraction: a name, or one itself.
        seed: of what one by name draws.

    Raises:
        ValueError: as `extraction_named` and the extraction.
        FailureError: an extraction that gives other than one finite image; also of a network that has diverged.
    """
    method = extraction_named(extraction, seed) if isinstance(extraction, str) else extraction
    image = method(network, domain, target)
    if not isinstance(image, Tensor) or tuple(image.shape) != domain.shape:
        found = f"a tensor of {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise FailureError(f"an extraction must give an image of shape {domain.shape}, but this gives {found}.")
    if not bool(image.isfinite().all()):
        raise FailureError("the extracted image has numbers that are not finite. Has the network diverged?")
    return image.detach().to("cpu", torch.float32)
