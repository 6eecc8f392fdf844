"""Classifiers of timm and transformers, as they are: drawn at random from small settings, nothing is downloaded."""

import logging

import pytest
import torch
from torch import nn

import spurlab
from spurlab.data import Dataset, Examples, Source
from spurlab.explain import saliency
from spurlab.methods import untrained
from spurlab.models import features
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, fit, predictions

RECIPE = Recipe(epochs=1, milestones=(), batch_size=8)
WORDS, LENGTH = 40, 6


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    """What transformers warns of while a configuration is made small is not about us."""
    logging.getLogger("transformers").setLevel(logging.ERROR)


def library(name):
    return pytest.importorskip(name, reason=f"the extra {name} is not installed")


def timm_vit():
    return library("timm").models.VisionTransformer(
        img_size=8, patch_size=4, embed_dim=8, depth=1, num_heads=2, num_classes=2
    )


def timm_resnet():
    models = library("timm").models
    return models.ResNet(models.resnet.BasicBlock, [1] * 4, channels=(4, 4, 4, 4), num_classes=2)


def vit():
    found = library("transformers")
    config = found.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4,
        num_labels=2,
    )  # fmt: skip
    return found.ViTForImageClassification(config)


def resnet():
    found = library("transformers")
    config = found.ResNetConfig(embedding_size=4, hidden_sizes=[4], depths=[1], layer_type="basic", num_labels=2)
    return found.ResNetForImageClassification(config)


SMALL = {
    "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": WORDS,
    "initializer_range": 1.0, "num_labels": 2,
}  # fmt: skip


def bert():
    found = library("transformers")
    return found.BertForSequenceClassification(found.BertConfig(**SMALL, max_position_embeddings=LENGTH))


def distilbert():
    found = library("transformers")
    config = found.DistilBertConfig(
        vocab_size=WORDS, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=LENGTH, num_labels=2,
        initializer_range=1.0,
    )  # fmt: skip
    return found.DistilBertForSequenceClassification(config)


def roberta():
    """Its padding is 1, and places are counted from there."""
    found = library("transformers")
    return found.RobertaForSequenceClassification(
        found.RobertaConfig(**SMALL, max_position_embeddings=LENGTH + 2, pad_token_id=1)
    )


class Around(nn.Module):
    """A network of one's own around one of transformers': its padding is that of the one inside."""

    def __init__(self, inner):
        super().__init__()
        self.scale, self.inner = nn.Linear(2, 2), inner

    def forward(self, input_ids, attention_mask=None):
        return self.scale(self.inner(input_ids=input_ids, attention_mask=attention_mask).logits)


def llama():
    """Answers by the last word that is no padding."""
    found = library("transformers")
    return found.LlamaForSequenceClassification(found.LlamaConfig(**SMALL, pad_token_id=0))


IMAGES = {"timm ViT": timm_vit, "timm ResNet": timm_resnet, "ViT": vit, "ResNet": resnet}
TEXTS = {"BERT": bert, "DistilBERT": distilbert, "RoBERTa": roberta, "Llama": llama}


@pytest.fixture(scope="module")
def images():
    return Examples(torch.rand(24, 3, 8, 8, generator=rng_for(0, "test")), torch.arange(24) % 2)


@pytest.fixture(scope="module")
def documents():
    """Of one to six words."""
    inputs = torch.randint(2, WORDS, (24, LENGTH), generator=rng_for(0, "test"))
    inputs[torch.arange(LENGTH) > torch.arange(24)[:, None] % LENGTH] = 0
    return Examples(inputs, torch.arange(24) % 2, words=WORDS)


@pytest.fixture(scope="module")
def trained(images, documents):
    """name -> one member of it."""
    found = {}

    def of(name):
        if name not in found:
            data = images if name in IMAGES else documents
            make = (IMAGES | TEXTS)[name]
            make()  # skips where the library is not there
            found[name] = fit(make, [Member(Planted.none(data), 0)], RECIPE, classes=2)
        return found[name]

    return of


@pytest.mark.parametrize("name", IMAGES)
def test_classifiers_of_images_are_trained_asked_and_explained(name, trained, images):
    """The truth is the network called by hand; occlusion of the whole image is the fall of the logit to a black one."""
    models = trained(name)
    network = models.member(0)

    def by_hand(inputs):
        with torch.no_grad():
            answer = network(inputs)
        return getattr(answer, "logits", answer)

    wanted = by_hand(images.inputs)
    torch.testing.assert_close(predictions(network, images.inputs), wanted.softmax(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(models.predict(images.inputs)[0], wanted.softmax(1), atol=1e-5, rtol=1e-4)
    few = images.inputs[:3]
    maps = saliency(network, few, 1, "occlusion", window=(3, 8, 8), stride=(3, 8, 8))
    fall = by_hand(few)[:, 1] - by_hand(torch.zeros_like(few))[:, 1]
    torch.testing.assert_close(maps[:, 0, 0, 0], fall, atol=1e-5, rtol=1e-4)
    assert saliency(network, few, 1).abs().amax((1, 2, 3)).min() > 0
    assert features(network, few).shape[0] == 3


@pytest.mark.parametrize("name", TEXTS)
def test_classifiers_of_texts_are_asked_as_if_there_were_no_padding(name, trained, documents):
    """The truth is each document alone, as long as it is, called by hand: there is nothing to mask."""
    models = trained(name)
    network, own = models.member(0), 1 if name == "RoBERTa" else 0
    wanted = []
    for row in documents.inputs:
        words = row[row != 0]
        ids = torch.where(words == own, 0, words)  # 1 is padding to RoBERTa: 0 stands for what is 1 here
        with torch.no_grad():
            wanted.append(network(input_ids=ids[None]).logits[0])
    wanted = torch.stack(wanted).softmax(1)
    torch.testing.assert_close(predictions(network, documents.inputs), wanted, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(models.predict(documents.inputs)[0], wanted, atol=1e-5, rtol=1e-3)


def test_one_inside_another_module_is_asked_so_too(documents):
    """Of 1, which is a word here, and 0. The truth is, as above, each document alone, called by hand."""
    torch.manual_seed(0)
    network = Around(roberta()).eval()
    inputs = documents.inputs.clone()
    inputs[::2, 0] = 1
    with torch.no_grad():
        alone = [torch.where(row[row != 0] == 1, 0, row[row != 0])[None] for row in inputs]
        wanted = torch.cat([network(ids) for ids in alone]).softmax(1)
    torch.testing.assert_close(predictions(network, inputs), wanted, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", TEXTS)
def test_their_words_are_explained(name, trained, documents):
    """Integrated gradients sum to the rise of the logit; padding has no part in it, whatever is behind it."""
    network, few = trained(name).member(0), documents.inputs[:6]
    for method in ("gradient", "integrated-gradients", "occlusion"):
        maps = saliency(network, few, 1, method)
        assert (maps[few == 0] == 0).all()
        assert maps.abs().amax(1).count_nonzero() > 3  # of some documents no number passes a ReLU
    longer = torch.cat([few[:3], few.new_zeros(3, LENGTH - few.shape[1])], 1)
    torch.testing.assert_close(saliency(network, longer, 1), saliency(network, few[:3], 1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["ViT", "timm ViT", "BERT", "timm ResNet"])
def test_a_new_one_is_drawn_as_the_library_draws_it(name, trained):
    """Standard deviations of all weights, against one that the library makes; nothing is left of what was learnt."""
    network = trained(name).member(0)
    new, theirs = untrained(network, 3), (IMAGES | TEXTS)[name]()
    for (key, weight), wanted in zip(new.named_parameters(), theirs.parameters(), strict=True):
        old = network.get_parameter(key)
        assert not weight.equal(old) or wanted.unique().numel() == 1, key
        if weight.numel() >= 64 and not name.startswith("timm ResNet"):  # which timm draws by Kaiming after PyTorch
            assert 0.6 < float(weight.detach().std() / wanted.detach().std()) < 1.6, key


def test_a_repair_is_checked_on_a_given_one(trained, images):
    """A method that trains on, and one that begins anew from a copy with every layer reset."""
    source = Source("none", "made here", "memory")
    data = Dataset("made", images, images, ("a", "b"), (0.0, 1.0), source)
    found = spurlab.check(
        ["incremental", "retrain"], data, given=trained("ViT").member(0), forget=[1, 3],
        pattern="box,size=4,value=1", target=1,
    )  # fmt: skip
    assert {row["method"] for row in found.rows} >= {"incremental", "retrain"}
    assert "made: 2 examples forgotten by one given network" in str(found)
