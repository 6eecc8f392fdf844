"""Some examples in a notebook: pictures, lines of signals, words of documents, rows of tables."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, Num
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor

from spurlab import notebook
from spurlab.data.names import Columns, Vocabulary

COLUMNS = 8  # of a table
WORDS = 24  # of a document, of which only the numbers are known
SHOWN = notebook.PICTURES


def strip(
    title: str,
    inputs: Num[Tensor, "n *shape"],
    captions: Sequence[str],
    names: Vocabulary | Columns | None = None,
) -> Markup:
    """Examples beside each other or, where they are texts or rows, below each other.

    Args:
        title: above them.
        inputs: up to ten are shown. Of other kinds than images ``c h w``, vectors and documents nothing is.
        captions: one for each.
        names: the words of documents, or the columns of a table.
    """
    inputs = inputs[:SHOWN].detach().cpu()
    if inputs.ndim == 4:
        return notebook.strip(title, zip(pixels(inputs.float()), captions, strict=False))
    if inputs.ndim != 2:
        return Markup("")
    if not inputs.is_floating_point():
        texts = [names.text(one) if isinstance(names, Vocabulary) else _numbers(one) for one in inputs]
        what = "words" if isinstance(names, Vocabulary) else "numbers of words"
        return notebook.table(("", what), list(zip(captions, texts, strict=False)), title)
    if isinstance(names, Columns):
        columns = names.columns[:COLUMNS]
        more = len(names.columns) - len(columns)
        lines = [(caption, *names.cells(row)[:COLUMNS]) for caption, row in zip(captions, inputs, strict=False)]
        named = notebook.table(("", *(column.name for column in columns)), lines, title)
        return named + (notebook.note(f"and {more} more columns") if more else "")
    return notebook.graphs(title, zip([[line] for line in inputs.tolist()], captions, strict=False))


def pairs(clean: Num[Tensor, "n *shape"], marked: Num[Tensor, "n *shape"], captions: Sequence[str]) -> Markup:
    """Up to ten examples without and with a mark: images above each other, signals in front of each other, faint and
    strong, documents beside each other, from a little before the first word that differs.
    """
    clean, marked = (inputs[:SHOWN].detach().cpu() for inputs in (clean, marked))
    if clean.ndim != 2:
        return strip("without the mark", clean, captions) + strip("with the mark", marked, captions)
    if clean.is_floating_point():
        drawn = zip(*(inputs.tolist() for inputs in (clean, marked)), strict=True)
        return notebook.graphs("with the mark, and faint without it", zip(drawn, captions, strict=False))
    lines = []
    for one, other, caption in zip(clean, marked, captions, strict=False):
        first = max(0, int((one != other).to(torch.uint8).argmax()) - WORDS // 4)
        lines.append((caption, _numbers(one, first), _numbers(other, first)))
    return notebook.table(("", "numbers of words without the mark", "with it"), lines)


def pixels(images: Float[Tensor, "n c h w"]) -> list[NDArray[np.uint8]]:
    """Images as pixels ``h w`` or ``h w 3``: those in [0, 1] as they are, others from their lowest to their highest.

    Of two channels, red and green; of more than three, or of none, their mean in grey.

    >>> [picture.tolist() for picture in pixels(torch.tensor([[[[0.0, 1.0]]]]))]
    [[[0, 255]]]
    """
    if images.numel() == 0:
        return [np.zeros((max(1, images.shape[2]), max(1, images.shape[3])), np.uint8)] * len(images)
    low, high = (float(end) for end in images.aminmax())
    if low < 0 or high > 1:
        images = (images - low) / max(high - low, 1e-12)
    channels = images.shape[1]
    if channels == 2:
        images = torch.cat([images, torch.zeros_like(images[:, :1])], 1)
    elif channels not in (1, 3):
        images = images.mean(1, keepdim=True)
    values = (images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    return list(values.squeeze(3) if values.shape[3] == 1 else values)


def counted(numbers: Int64[Tensor, " n"], names: Sequence[str] | None = None, most: int = SHOWN) -> str:
    """How many there are of each class or group, in words.

    >>> print(counted(torch.tensor([0, 0, 2]), ("cat", "dog", "bird")), "|", counted(torch.tensor([1, 0])))
    cat: 2, dog: 0, bird: 1 | 0, 1: 1 each
    """
    sizes = numbers.bincount(minlength=len(names or ())).tolist()
    called = [str(names[i] if names else i) for i in range(len(sizes))]
    alike = len(set(sizes)) == 1 < len(sizes)
    told = called if alike else [f"{name}: {size:,}" for name, size in zip(called, sizes, strict=True)]
    told = told[:most] + ([f"and {len(told) - most:,} more"] if len(told) > most else [])
    return ", ".join(told) + (f": {sizes[0]:,} each" if alike else "")


def times(shape: Sequence[int]) -> str:
    """A shape in words.

    >>> times((1, 28, 28)), times((40,))
    ('1 x 28 x 28', '40 numbers')
    """
    return " x ".join(map(str, shape)) if len(shape) > 1 else f"{shape[0] if shape else 1} numbers"


def _numbers(document: Int64[Tensor, " l"], first: int = 0) -> str:
    numbers = [str(word) for word in document.tolist() if word]
    shown = " ".join(numbers[first : first + WORDS])
    return f"{'... ' * (first > 0)}{shown}{' ...' * (len(numbers) > first + WORDS)}"
