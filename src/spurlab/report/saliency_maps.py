"""Saliency maps beside the images they explain."""

import textwrap
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.errors import InputError
from spurlab.report.style import bare, blank, describe, printable, show_image, style

COLOURS = "PuOr_r"  # purple below 0, orange above: told apart by colour-blind readers, and in print by lightness
_CELL = 1.25  # inches


@style()
def saliency_figure(
    images: Float[Tensor, "n c h w"],
    maps: Mapping[str, Tensor],
    title: str,
    names: Sequence[str] = (),
    note: str = "",
) -> Figure:
    """A row for each image: the image, then its map by each method; orange speaks for the class, purple against it.

    The channels of a map are summed. Each method has one scale for all images, symmetric around 0 and up to its largest
    number, since methods differ in their units.

    Args:
        images: floats in [0, 1].
        maps: by the method's name, the signed maps of these images, as `spurlab.explain.saliency` gives them.
        title: a line or two.
        names: what stands beside each row, in one or more lines.
        note: the small print.

    Raises:
        ValueError: no images or maps, or maps or names of other images.

    >>> import torch
    >>> from spurlab.explain import saliency
    >>> from spurlab.models import build
    >>> images = torch.rand(2, 1, 28, 28)
    >>> maps = {"gradient": saliency(build("mlp", (1, 28, 28), 10, seed=0), images, 0, "gradient")}
    >>> figure = saliency_figure(images, maps, "What moves the logit of T-shirt", ["a shirt", "a boot"])
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['image', 'gradient']
    """
    if not len(images) or not maps:
        raise InputError(f"there must be images and maps to draw, but there are {len(images)} and {len(maps)}.")
    if other := {method: tuple(part.shape) for method, part in maps.items() if part.shape != images.shape}:
        raise InputError(f"the images have the shape {tuple(images.shape)}, but these maps have another: {other}.")
    if names and len(names) != len(images):
        raise InputError(f"every image needs its name, but there are {len(images)} images and {len(names)} names.")
    width = max(_CELL * (1 + len(maps)) + (1.4 if names else 0.2), 5.0)
    figure, body = blank(title, _CELL * len(images) + 0.75, note, width=width)
    # the scales have a row of their own: taken from the maps' columns, they would move the maps away from the images
    grid = body.add_gridspec(len(images) + 1, 1 + len(maps), height_ratios=[1.0] * len(images) + [0.07])
    panels = [[bare(body.add_subplot(grid[i, j])) for i in range(len(images))] for j in range(1 + len(maps))]
    for axes, image in zip(panels[0], images.detach().cpu(), strict=True):
        show_image(axes, image)
    for axes, name in zip(panels[0], names, strict=False):
        axes.set_ylabel(_lines(name.splitlines()), rotation=0, ha="right", va="center", fontsize=10)
    panels[0][0].set_title("image", loc="center", fontsize=10)
    limits = {}
    for j, (method, signed) in enumerate(maps.items(), 1):
        flat = signed.detach().cpu().float().sum(1)
        limit = limits[method] = flat.nan_to_num(0, 0, 0).abs().max().item() or 1.0
        panels[j][0].set_title(_lines(textwrap.wrap(method.replace("-", " "), 12)), loc="center", fontsize=10)
        for axes, pixels in zip(panels[j], flat, strict=True):
            drawn = axes.imshow(pixels.numpy(), cmap=COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
        bar = body.colorbar(drawn, cax=body.add_subplot(grid[-1, j]), orientation="horizontal")
        bar.set_ticks([-limit, 0, limit], labels=[f"{-limit:.2g}", "0", f"{limit:.2g}"])
        bar.ax.tick_params(labelsize=8)
    shown = f" The rows are {', '.join(map(printable, names))}." if names else ""
    scales = ", ".join(f"{method} up to {limit:.2g}" for method, limit in limits.items())
    return describe(figure, f"{len(images)} images, each with its saliency maps: {scales}.{shown}")


def _lines(words: Sequence[str]) -> str:
    return "\n".join(printable(line) for line in words)
