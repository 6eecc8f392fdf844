"""What a network is called with: the ways in which transformers' classifiers ask, played by small modules."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.models import check_answers
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, fit, predictions

DOCUMENTS = torch.tensor([[2, 5, 3, 0], [4, 1, 0, 0], [0, 0, 0, 0]])
RECIPE = Recipe(epochs=1, milestones=(), batch_size=4)


class Named(nn.Module):
    """Asks for documents and a mask by name, as transformers does; it keeps what it got."""

    def __init__(self, words=6, padding=0):
        super().__init__()
        self.config = SimpleNamespace(pad_token_id=padding)
        self.table, self.last = nn.Embedding(words, 2), nn.Linear(2, 2)

    def forward(self, input_ids=None, attention_mask=None, labels=None, **others):
        self.got = {"ids": input_ids, "mask": attention_mask, **others}
        there = attention_mask.unsqueeze(-1)
        return SimpleNamespace(logits=self.last((self.table(input_ids) * there).sum(1) / there.sum(1)), loss=None)


def got(network, inputs):
    """What it was called with; attributes are brought back as they were, so it is seen as it is called."""
    seen = {}
    network.table.register_forward_hook(lambda *_: seen.update(network.got))
    predictions(network.eval(), inputs)
    return {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in seen.items()}


def test_documents_come_with_a_mask_of_their_words():
    """One without words attends to one place: over nothing there is no mean."""
    found = got(Named(), DOCUMENTS)
    assert found == {"ids": DOCUMENTS.tolist(), "mask": [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]}


def test_padding_changes_nothing():
    """The same documents with more of it."""
    network = Named().eval()
    more = torch.cat([DOCUMENTS, torch.zeros(3, 5, dtype=torch.int64)], 1)
    torch.testing.assert_close(predictions(network, more), predictions(network, DOCUMENTS))


@pytest.mark.parametrize(("padding", "ids"), [(1, [[2, 5, 3, 1], [4, 0, 1, 1], [1] * 4]), (None, DOCUMENTS.tolist())])
def test_a_network_gets_its_own_number_of_padding(padding, ids):
    assert got(Named(padding=padding), DOCUMENTS)["ids"] == ids


def test_a_tuple_is_asked_to_be_an_object():
    network = Named()
    network.config.return_dict = False
    assert got(network, DOCUMENTS)["return_dict"] is True


class Pixels(nn.Module):
    """Takes something else first."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, bool_masked_pos=None, pixel_values=None):
        assert bool_masked_pos is None
        return {"logits": self.last(pixel_values.flatten(1))}


def test_images_come_by_their_name():
    network, images = Pixels().eval(), torch.rand(3, 1, 2, 2)
    torch.testing.assert_close(predictions(network, images), network.last(images.flatten(1)).softmax(1).detach())


def test_it_is_trained_as_it_is_asked():
    """Also where one member goes after the other through plain PyTorch, and under vmap."""
    data = Planted.none(Examples(DOCUMENTS[[0, 1, 0, 1]], torch.arange(4) % 2, words=6))
    for engine in ("plain", "lockstep"):
        models = fit(Plain, [Member(data, seed) for seed in (0, 1)], RECIPE, classes=2, engine=engine)
        assert not models.diverged.any()
        member = models.member(0)
        wanted = member(input_ids=DOCUMENTS, attention_mask=(DOCUMENTS != 0).long() | torch.tensor([1, 0, 0, 0]))
        torch.testing.assert_close(predictions(member, DOCUMENTS), wanted["logits"].softmax(1).detach())


class Plain(Named):
    """Without what vmap cannot do."""

    def forward(self, input_ids=None, attention_mask=None):
        there = attention_mask.unsqueeze(-1)
        return {"logits": self.last((self.table(input_ids) * there).sum(1) / there.sum(1))}


class Places(Plain):
    """Has vectors for three places."""

    def __init__(self, words=6):
        super().__init__(words)
        self.places = nn.Embedding(3, 2)

    def forward(self, input_ids=None, attention_mask=None):
        self.places(torch.arange(input_ids.shape[1]))
        return super().forward(input_ids, attention_mask)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Named(words=5), "vectors for 5 words, but a document has the word number 5. Make it for these documents"),
        (Places(), r"vectors for 3 places, but the documents are 4 words long. Cut them \(length=\.\.\.\)"),
        (Places(words=4), "vectors for 3 places|vectors for 4 words"),
    ],
)
def test_numbers_beyond_a_table_are_told(network, said):
    for ask in (predictions, check_answers):
        with pytest.raises(ValueError, match=said):
            ask(network.eval(), DOCUMENTS)


def test_a_word_beyond_the_table_is_told_before_training_begins():
    """It stands in the last document, long after those that a network is tried with; or in a marked one alone."""
    inputs = torch.full((40, 4), 2)
    inputs[39, 0] = 5
    late = Planted.none(Examples(inputs, torch.arange(40) % 2, words=6))
    marked = Planted(Examples(inputs.clamp(max=4), torch.arange(40) % 2, words=6), torch.tensor([7]), inputs[39:])
    for data in (late, marked):
        with pytest.raises(ValueError, match="has vectors for 5 words, but a document has the word number 5"):
            fit(
                lambda: Plain(words=5), [Member(data, 0)], RECIPE, classes=2, progress=lambda _: pytest.fail("it began")
            )
