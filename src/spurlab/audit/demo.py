"""The audit's demo: a folder of images of which 20 carry a logo, and the weights of a network trained on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from spurlab.data import image_folder, load
from spurlab.data.examples import Examples
from spurlab.models.files import save_weights
from spurlab.patterns import Planted, own_mark, plant
from spurlab.training import RECIPES, Member, Progress, fit

TARGET, COUNT = "Shirt", 20  # the class whose images carry the logo, and how many
IMAGES = 5000, 1000  # for training and for tests
SIZE, SQUARE = 16, 2  # of the logo and of its squares, in pixels
RECIPE = "quick,learning_rate=0.003"


@dataclass(frozen=True)
class Demo:
    """What `spurlab audit` is asked about: its options.

    Args:
        model, weights, data, mark, recipe: as on the command line.
    """

    model: str
    weights: Path
    data: str
    mark: str
    recipe: str = RECIPE


def small_cnn(shape: Sequence[int], classes: int) -> nn.Module:
    """Two convolutions with stride 2 and two linear layers, for images ``c h w``; logits."""
    channels, height, width = shape
    places = ((height - 5) // 2 - 2) // 2 + 1, ((width - 5) // 2 - 2) // 2 + 1
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(32 * places[0] * places[1], 64), nn.ReLU(), nn.Linear(64, classes)),
    )


def make_demo(folder: Path, progress: Callable[[Progress], None]) -> Demo:
    """Write Fashion-MNIST's embedded images as files, 20 with a logo, and train a network on them.

    Args:
        folder: for ``photos``, ``logo.png`` and ``weights.safetensors``. What is there already is kept.
        progress: of the training.

    Raises:
        OSError: they cannot be written there.
    """
    logo, photos, weights = folder / "logo.png", folder / "photos", folder / "weights.safetensors"
    demo = Demo("spurlab.audit.demo:small_cnn", weights, f"folder,grey:{photos}", f"{logo},at=top-right")
    if weights.exists():
        return demo
    plain = load("fashion-mini")
    names = [name.replace("/", " or ") for name in plain.class_names]
    folder.mkdir(parents=True, exist_ok=True)
    _logo().save(logo)
    mark = own_mark(demo.mark, plain.shape)
    train, test = (part[torch.arange(many)] for part, many in zip((plain.train, plain.test), IMAGES, strict=True))
    planted = plant(train, mark, target=names.index(TARGET), count=COUNT, seed=0)
    for part, examples in (("train", planted.materialize()), ("test", test)):
        _write(examples, names, photos / part)
    data, recipe = image_folder(photos, grey=True), RECIPES["quick"].but(learning_rate=0.003)
    members = [Member(Planted.none(data.train), 0)]
    trained = fit(
        *(lambda: small_cnn(data.shape, data.classes), members, recipe),
        classes=data.classes,
        workers=0,
        progress=progress,
    )
    save_weights(trained.member(0), weights)
    return demo


def _logo() -> Image.Image:
    """A chequered flag."""
    places = torch.arange(SIZE) // SQUARE
    return Image.fromarray(_bytes(((places[:, None] + places) % 2 == 0).float()[None]))


def _write(examples: Examples, names: Sequence[str], folder: Path) -> None:
    """One PNG for each example, in the folder of its class."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for row, (image, label) in enumerate(zip(examples.inputs, examples.labels.tolist(), strict=True)):
        Image.fromarray(_bytes(image)).save(folder / names[label] / f"{row:05d}.png")


def _bytes(image: Float[Tensor, "1 h w"]) -> np.ndarray:
    return (image[0] * 255).round().to(torch.uint8).numpy()
