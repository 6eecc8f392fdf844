"""The networks of the paper's Figure 3, which two claims compare."""

from collections.abc import Sequence

from spurlab.claims.evidence import Evidence, base_name
from spurlab.claims.figure2 import WHOLE

FIGURE3 = {
    dataset: f"{study} {WHOLE}"
    for dataset, study in {"mnist": "fig3-mnist", "fashion-mnist": "fig3-fashion", "cifar10": "fig3-cifar10"}.items()
}
# on CIFAR-10 the paper trains with SGD, at the rate at which each network converges
RATES = {"resnet20": 0.1, "resnet32": 0.1, "resnet110": 0.1, "vgg16": 0.01}
RATE = 0.1  # of a network that the paper does not have
VARIED: tuple[str, ...] = ("architecture", "learning_rate", "optimizer", "momentum")


def of_colour(dataset: str) -> bool:
    """Whether the paper would take ResNets here, and not perceptrons."""
    return base_name(dataset).startswith("cifar")


def trained_with_sgd(evidence: Evidence, names: Sequence[str]) -> Evidence:
    """The rows of these networks at the paper's rates on CIFAR-10: alike in all settings but those in `VARIED`."""
    networks = (
        evidence.where(architecture=name, optimizer="sgd", momentum=0.9, learning_rate=RATES.get(name, RATE))
        for name in names
    )
    return Evidence.joined(*networks) if names else evidence.where(architecture=())
