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
WORDS = 40  # of a document, of which the numbers are known
SHOWN = notebook.PICTURES


def strip(
    title: str,
    inputs: Num[Tensor, "n *shape"],
    captions: Sequence[str],
    names: Vocabulary | Columns | None = None,
    before: Num[Tensor, "n *shape"] | None = None,
) -> Markup:
    """Examples beside each other or, where they are texts or rows, below each other.

    Args:
        title: above them.
        inputs: up to ten are shown. Of other kinds than images ``c h w``, vectors and documents nothing is.
        captions: one for each.
        names: the words of documents, or the columns of a table.
        before: of signals, what is drawn faintly behind them.
    """
    inputs = inputs[:SHOWN].detach().cpu()
    if inputs.ndim == 4:
        return notebook.strip(title, zip(pixels(inputs.float()), captions, strict=False))
    if inputs.ndim != 2:
        return Markup("")
    if not inputs.is_floating_point():
        texts = [_text(document, names) for document in inputs]
        return notebook.table(("", title), list(zip(captions, texts, strict=False)))
    if isinstance(names, Columns):
        columns = names.columns[:COLUMNS]
        more = len(names.columns) - len(columns)
        lines = [(caption, *names.cells(row)[:COLUMNS]) for caption, row in zip(captions, inputs, strict=False)]
        named = notebook.table(("", *(column.name for column in columns)), lines, title)
        return named + (notebook.note(f"and {more} more columns") if more else "")
    behind = [[line] for line in before[:SHOWN].detach().cpu().tolist()] if before is not None else [[]] * len(inputs)
    drawn = [[*faint, line] for faint, line in zip(behind, inputs.tolist(), strict=True)]
    return notebook.graphs(title, zip(drawn, captions, strict=False))


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

    >>> counted(torch.tensor([0, 0, 2]), ("cat", "dog", "bird"))
    'cat 2, dog 0, bird 1'
    """
    sizes = numbers.bincount(minlength=len(names or ())).tolist()
    told = [f"{names[i] if names else i} {size:,}" for i, size in enumerate(sizes[:most])]
    return ", ".join([*told, *([f"and {len(sizes) - most:,} more"] if len(sizes) > most else [])])


def times(shape: Sequence[int]) -> str:
    """A shape in words.

    >>> times((1, 28, 28)), times(())
    ('1 x 28 x 28', 'one number')
    """
    return " x ".join(map(str, shape)) or "one number"


def _text(document: Int64[Tensor, " l"], names: Vocabulary | Columns | None) -> str:
    if isinstance(names, Vocabulary):
        return names.text(document)
    return " ".join(str(word) for word in document[:WORDS].tolist() if word)
