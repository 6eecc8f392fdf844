"""Saliency of words against what a linear bag says of each, and networks that it does not suit."""

import pytest
import torch
from torch import nn

from spurlab.explain import saliency, word_saliency
from spurlab.models import TextCNN, WordBag, seeded

DOCUMENTS = torch.tensor([[2, 5, 3, 0], [4, 4, 0, 0]])


@pytest.fixture(scope="module")
def summed():
    return seeded(lambda: WordBag((4, 6), 3, "sum"), 0).eval()


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "occlusion"])
def test_a_linear_bag_is_explained_by_its_weights(summed, method):
    """Each word adds its vector times the weights of the class; occlusion: less that of <unknown>."""
    vectors = summed.embedding.weight @ summed.linear.weight[1]
    if method == "occlusion":
        vectors = vectors - vectors[1]
    wanted = vectors[DOCUMENTS] * (DOCUMENTS != 0)
    torch.testing.assert_close(word_saliency(summed, DOCUMENTS, 1, method), wanted.detach())
    torch.testing.assert_close(saliency(summed, DOCUMENTS, 1, method), wanted.detach())


def test_integrated_gradients_of_a_document_sum_to_the_rise_of_the_logit():
    """Of a CNN, whose logits are piecewise linear in the vectors: to a thousandth with 300 points."""
    network = seeded(lambda: TextCNN((6, 9), 2, dimensions=4, channels=3, widths=(2,)), 1).eval()
    documents = torch.tensor([[2, 8, 3, 4, 5, 0], [7, 7, 2, 3, 4, 6]])
    found = word_saliency(network, documents, 0, "integrated-gradients", steps=300)
    with torch.no_grad():
        rise = network(documents)[:, 0] - network_without_words(network, documents)
    torch.testing.assert_close(found.sum(1), rise, atol=2e-2, rtol=0)


def network_without_words(network, documents):
    """The first logit where each word's vector is zero; padding is still padding."""
    before = network.embedding.weight.data.clone()
    network.embedding.weight.data.zero_()
    logits = network(documents)[:, 0].clone()
    network.embedding.weight.data.copy_(before)
    return logits


def test_targets_are_predicted_given_or_refused(summed):
    predicted = summed(DOCUMENTS).argmax(1)
    torch.testing.assert_close(word_saliency(summed, DOCUMENTS), word_saliency(summed, DOCUMENTS, predicted))
    one = torch.cat([word_saliency(summed, DOCUMENTS[:1], 2), word_saliency(summed, DOCUMENTS[1:], 0)])
    torch.testing.assert_close(word_saliency(summed, DOCUMENTS, torch.tensor([2, 0]), rows=1), one)
    with pytest.raises(ValueError, match="a class from 0 to 2"):
        word_saliency(summed, DOCUMENTS, 3)


class WithPlaces(nn.Module):
    """Two tables, of words and of places."""

    def __init__(self):
        super().__init__()
        self.words, self.places, self.linear = nn.Embedding(6, 2), nn.Embedding(64, 2), nn.Linear(2, 2)

    def forward(self, inputs):
        return self.linear((self.words(inputs) + self.places(torch.arange(inputs.shape[1]))).mean(1))


class Twice(WithPlaces):
    """Words in both tables."""

    def forward(self, inputs):
        return self.linear((self.words(inputs) * self.places(inputs)).mean(1))


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients"])
def test_of_several_tables_that_of_the_words_is_told_by_what_it_is_asked(method):
    """Linear in the vectors, whose mean is taken over all four places: a quarter of each word's vector by weights."""
    network = seeded(WithPlaces, 3)
    vectors = network.words.weight @ network.linear.weight[1] / 4
    if method == "integrated-gradients":  # from the vector of padding on, which is not zero here
        vectors = vectors - vectors[0]
    wanted = vectors[DOCUMENTS] * (DOCUMENTS != 0)
    torch.testing.assert_close(word_saliency(network, DOCUMENTS, 1, method), wanted.detach())


@pytest.mark.parametrize(
    ("network", "documents", "method", "said"),
    [
        (Twice(), DOCUMENTS, "gradient", "in 2 of its 2 tables of vectors"),
        (nn.Linear(4, 2), DOCUMENTS, "gradient", "0 tables of vectors"),
        (WordBag((4, 6), 2), DOCUMENTS, "gradients", "Did you mean 'gradient'"),
    ],
)
def test_what_cannot_be_explained_is_told(network, documents, method, said):
    with pytest.raises(ValueError, match=said):
        word_saliency(network, documents, 0, method)
