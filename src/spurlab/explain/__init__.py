"""What a trained network looks at."""

from spurlab.explain.embedding import neighbour_purity, tsne
from spurlab.explain.input_sensitivity import (
    SHARES,
    input_sensitivity,
    removal_ranks,
    sensitivity_examples,
    zeroed,
)
from spurlab.explain.localization import class_maps, share_on
from spurlab.explain.pixel_importance import pixel_importance
from spurlab.explain.saliency import SALIENCY, gradient, integrated_gradients, occlusion, saliency

__all__ = [
    "SALIENCY",
    "SHARES",
    "class_maps",
    "gradient",
    "input_sensitivity",
    "integrated_gradients",
    "neighbour_purity",
    "occlusion",
    "pixel_importance",
    "removal_ranks",
    "saliency",
    "sensitivity_examples",
    "share_on",
    "tsne",
    "zeroed",
]
