"""Networks for documents: int64 numbers of words ``n l``, 0 after the last word; logits ``n k``.

Each begins with an `nn.Embedding`, one vector for each word, of which the one of number 0 is zero and stays so.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from spurlab.errors import InputError

Pooling = Literal["mean", "sum", "max"]


def length_and_words(shape: Sequence[int], name: str) -> tuple[int, int]:
    """How many words of a document are read, and how many different ones there are.

    Raises:
        ValueError: the inputs are no documents.
    """
    if len(shape) != 2:
        raise InputError(
            f"{name} is for documents, ``length, words`` numbers of words, but the shape of one input is "
            f"{tuple(shape)}. Take another architecture (`spurlab list`)."
        )
    return shape[0], shape[1]


def takes_words(network: nn.Module) -> bool:
    """Whether a network looks words up, so that its inputs are whole numbers."""
    return any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in network.modules())


def trial_inputs(network: nn.Module, shape: Sequence[int], n: int) -> Tensor:
    """Inputs of zeros, to try a network with: of documents no words.

    Args:
        network: that is to be tried.
        shape: of one input, as of `spurlab.data.Examples`.
        n: how many.
    """
    if len(shape) == 2 and takes_words(network):
        return torch.zeros(n, shape[0], dtype=torch.int64)
    return torch.zeros(n, *shape)


class WordBag(nn.Module):
    """A linear classifier of the mean, the sum or, in each dimension, the largest of a document's word vectors.

    Args:
        shape: ``length, words``.
        classes: the number of classes, k.
        pooling: of the word vectors; the order of words does not count.
        dimensions: of a word vector.

    Source: Joulin et al. (2017), Bag of tricks for efficient text classification, arXiv:1607.01759, section 2, without
    n-grams (mean).

    >>> sum(p.numel() for p in WordBag((200, 1000), 8).parameters())
    50408
    """

    def __init__(self, shape: Sequence[int], classes: int, pooling: Pooling = "mean", dimensions: int = 50) -> None:
        super().__init__()
        _, words = length_and_words(shape, "a bag of words")
        self.pooling = pooling
        self.embedding = nn.Embedding(words, dimensions, padding_idx=0)
        self.linear = nn.Linear(dimensions, classes)

    def forward(self, inputs: Int64[Tensor, "n l"]) -> Float[Tensor, "n k"]:
        there = (inputs != 0).unsqueeze(-1)
        vectors = self.embedding(inputs)
        if self.pooling == "max":
            pooled = vectors.masked_fill(~there, -torch.inf).amax(1)
            pooled = torch.where(there.any(1), pooled, 0.0)  # a document without words
        else:
            pooled = (vectors * there).sum(1)
            if self.pooling == "mean":
                pooled = pooled / there.sum(1).clamp(min=1)
        logits: Tensor = self.linear(pooled)
        return logits


class TextCNN(nn.Module):
    """Convolutions over neighbouring words, of each filter the largest answer in the document, then a linear layer.

    Args:
        shape: ``length, words``.
        classes: the number of classes, k.
        dimensions: of a word vector.
        channels: filters of each width.
        widths: how many neighbouring words they look at.

    Source: Kim (2014), Convolutional neural networks for sentence classification, arXiv:1408.5882, section 2 (100
    filters of each width there, and dropout 0.5, as here).
    """

    def __init__(
        self,
        shape: Sequence[int],
        classes: int,
        dimensions: int = 50,
        channels: int = 50,
        widths: Sequence[int] = (3, 4, 5),
    ) -> None:
        super().__init__()
        _, words = length_and_words(shape, "a text CNN")
        self.embedding = nn.Embedding(words, dimensions, padding_idx=0)
        # as much padding as a filter is wide: words at both ends are seen by all its places, and every document, also
        # a full one, has places without words, so that padding beyond it changes nothing
        self.filters = nn.ModuleList(nn.Conv1d(dimensions, channels, width, padding=width) for width in widths)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(channels * len(widths), classes)

    def forward(self, inputs: Int64[Tensor, "n l"]) -> Float[Tensor, "n k"]:
        there = (inputs != 0).unsqueeze(-1)  # noise on all weights, as some methods add it, moves the padding's vector
        vectors = (self.embedding(inputs) * there).transpose(1, 2)
        largest = [filters(vectors).relu().amax(2) for filters in self.filters]
        logits: Tensor = self.linear(self.dropout(torch.cat(largest, 1)))
        return logits


class TextTransformer(nn.Module):
    """A small transformer encoder: word vectors with learnt places, two layers of attention, the mean over words.

    Args:
        shape: ``length, words``.
        classes: the number of classes, k.
        dimensions: of a word vector and of each layer.
        heads: of attention.
        layers: how many.

    Source: Vaswani et al. (2017), Attention is all you need, arXiv:1706.03762, section 3; the norm comes before each
    part, Xiong et al. (2020), arXiv:2002.04745.
    """

    def __init__(
        self, shape: Sequence[int], classes: int, dimensions: int = 64, heads: int = 4, layers: int = 2
    ) -> None:
        super().__init__()
        length, words = length_and_words(shape, "a text transformer")
        self.embedding = nn.Embedding(words, dimensions, padding_idx=0)
        self.places = nn.Parameter(0.02 * torch.randn(length, dimensions))
        layer = nn.TransformerEncoderLayer(
            dimensions, heads, 2 * dimensions, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.linear = nn.Linear(dimensions, classes)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0] = 0

    def forward(self, inputs: Int64[Tensor, "n l"]) -> Float[Tensor, "n k"]:
        there: Bool[Tensor, "n l"] = inputs != 0
        seen = there.clone()
        seen[:, 0] = True  # attention over nothing is no number
        vectors = self.encoder(self.embedding(inputs) + self.places, src_key_padding_mask=~seen)
        there = there.unsqueeze(-1)
        logits: Tensor = self.linear((vectors * there).sum(1) / there.sum(1).clamp(min=1))
        return logits
