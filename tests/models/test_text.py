"""Networks for documents: against PyTorch's own bag, without a say for padding, and trained in every way the same."""

import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from spurlab.data import Examples, Vocabulary
from spurlab.models import ARCHITECTURES, TextCNN, TextTransformer, WordBag, build, seeded, takes_words, trial_inputs
from spurlab.patterns import Phrase, Planted, plant
from spurlab.seeds import rng_for
from spurlab.training import Ensemble, Member, Recipe, fit, predictions, train_each, train_group

NAMES = [name for name, entry in ARCHITECTURES.items() if entry.words]
LENGTH, CLASSES = 9, 3


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="module")
def words():
    """A vocabulary of twenty words and the added ones."""
    return Vocabulary.of([[f"w{i:02}" for i in range(20)]])


@pytest.fixture(scope="module")
def base(words):
    """48 documents of 1 to 9 words; the class is told by the first word."""
    rng = rng_for(0, "test")
    inputs = torch.randint(2, 22, (48, LENGTH), generator=rng)
    inputs *= torch.arange(LENGTH) < torch.randint(1, LENGTH + 1, (48, 1), generator=rng)
    return Examples(inputs, (inputs[:, 0] - 2) % CLASSES, words=len(words))


@pytest.fixture(scope="module")
def members(base, words):
    """Four, each with another mark or none."""
    marks = [Phrase("one", (words.number("new-1"),), words), Phrase("two", (5, words.number("new-2")), words, at="end")]
    plants = [plant(base, marks[i % 2], 0, n, seed=i) for i, n in enumerate((0, 4, 9))]
    plants.append(plant(base, marks[0], 1, 5, seed=7, how="relabel"))
    return [Member(planted, seed) for seed, planted in enumerate(plants)]


def named(name, base):
    return lambda seed: build(name, base.shape, CLASSES, seed)


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_a_bag_is_that_of_pytorch(base, pooling):
    """`nn.EmbeddingBag` takes each document's words alone, from one row of all words with offsets: no padding there."""
    bag = seeded(lambda: WordBag(base.shape, CLASSES, pooling, dimensions=6), 0)
    theirs = nn.EmbeddingBag.from_pretrained(bag.embedding.weight.detach(), mode=pooling)
    offsets = F.pad(base.lengths.cumsum(0), (1, 0))[:-1]
    assert_close(bag(base.inputs), bag.linear(theirs(base.inputs[base.inputs != 0], offsets)))


def moved(network):
    """All weights moved a little, as noise does to them: the vector of the padding is then no longer zero."""
    rng = rng_for(3, "test")
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=rng))
    return network


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_more_padding_changes_nothing(base, name, noisy):
    """Whole documents too, whose last place has a word: padding beyond them is then the first that there is."""
    full = Examples(base.inputs.where(base.inputs != 0, 3), base.labels, words=base.words)
    for data in (base, full):
        short = build(name, data.shape, CLASSES, seed=1).eval()
        long = build(name, (LENGTH + 6, data.shape[1]), CLASSES, seed=1).eval()
        state = short.state_dict()
        if "places" in state:
            state["places"] = torch.cat([state["places"], torch.ones(6, state["places"].shape[1])])
        long.load_state_dict(state)
        if noisy:
            moved(short)
            long.load_state_dict({**short.state_dict(), **({"places": state["places"]} if "places" in state else {})})
            if "places" in state:
                long.places.data[:LENGTH] = short.places.data
        assert_close(long(F.pad(data.inputs, (0, 6))), short(data.inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_order_matters_to_all_but_bags(base, name):
    network = build(name, base.shape, CLASSES, seed=1).eval()
    whole = base.inputs[base.lengths == LENGTH]
    assert len(whole) > 1
    same = torch.allclose(network(whole.flip(1)), network(whole), atol=1e-5)
    assert same == name.startswith("bag")


@pytest.mark.parametrize("name", NAMES)
def test_a_document_without_words_gives_numbers_and_finite_gradients(base, name):
    network = build(name, base.shape, CLASSES, seed=2)
    inputs = base.inputs[:4].clone()
    inputs[1] = 0
    logits = network(inputs)
    logits.square().sum().backward()
    assert logits.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())
    assert network.embedding.weight.grad[0].abs().max() == 0, "of padding nothing is learnt"
    assert network.embedding.weight.grad[inputs[0, 0]].abs().max() > 0


TRAINING = Recipe(epochs=3, batch_size=16, milestones=(), learning_rate=0.02)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("name", ["bag-mean", "bag-sum", "bag-max", "text-cnn"])
def test_in_lockstep_they_are_the_networks_that_are_trained_one_at_a_time(base, members, name, optimizer):
    """To rounding, whatever each is marked with; dropout is drawn alike."""
    recipe = Recipe(epochs=2, batch_size=16, milestones=(), learning_rate=0.01, optimizer=optimizer, weight_decay=1e-3)
    together, alone = (
        train(named(name, base), members, [recipe] * len(members)) for train in (train_group, train_each)
    )
    for key, weights in together.state.items():
        assert_close(weights, alone.state[key], rtol=1e-3, atol=1e-4, msg=lambda said, key=key: f"{key}: {said}")
    first = build(name, base.shape, CLASSES, 0).state_dict()["embedding.weight"]
    assert not torch.allclose(together.state["embedding.weight"][0], first), "something was learnt"
    assert together.state["embedding.weight"][:, 0].abs().max() == 0, "the vector of the padding stays zero"


@pytest.fixture(scope="module")
def trained(members):
    """architecture -> its ensemble, trained in this process."""
    kept = {}

    def of(name):
        if name not in kept:
            kept[name] = fit(name, members, TRAINING, classes=CLASSES, workers=0)
        return kept[name]

    return of


@pytest.mark.parametrize("name", NAMES)
def test_an_ensemble_predicts_as_its_members_and_comes_back_from_a_file(base, trained, tmp_path, name):
    ensemble = trained(name)
    alone = torch.stack([predictions(ensemble.member(i), base.inputs) for i in range(len(ensemble))])
    assert_close(ensemble.predict(base.inputs), alone)
    assert_close(ensemble.predict(base.inputs, rows=7), alone)
    ensemble.save(tmp_path / "kept.safetensors")
    again = Ensemble.load(tmp_path / "kept.safetensors")
    assert again.shape == base.shape
    assert_close(again.predict(base.inputs), alone)
    assert alone.var(0).max() > 1e-4, "the members differ"


def test_worker_processes_train_the_same_networks(members, trained):
    """Words, marks and wrong labels pass to the workers through files."""
    here = trained("bag-mean")
    there = fit("bag-mean", members, TRAINING, classes=CLASSES, workers=2)
    for key, weights in there.trained.state.items():
        assert_close(weights, here.trained.state[key], rtol=1e-4, atol=1e-5)


class Own(nn.Module):
    """A network of the user's: whole numbers in, an average of vectors."""

    def __init__(self, words, classes):
        super().__init__()
        self.vectors = nn.EmbeddingBag(words, 4, padding_idx=0)
        self.last = nn.Linear(4, classes)

    def forward(self, inputs):
        assert inputs.dtype == torch.int64
        return self.last(self.vectors(inputs))


def test_a_network_of_ones_own_is_tried_with_whole_numbers(base, members, tmp_path, monkeypatch):
    ensemble = fit(lambda: Own(base.words, CLASSES), members, TRAINING, classes=CLASSES)
    assert ensemble.predict(base.inputs).shape == (4, len(base), CLASSES)
    (tmp_path / "own_words.py").write_text(
        "from torch import nn\n"
        "def make(shape, classes):\n"
        "    return nn.Sequential(nn.Embedding(shape[1], 3), nn.Flatten(), nn.Linear(3 * shape[0], classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    named = fit("own_words:make", members, TRAINING, classes=CLASSES, workers=0)
    assert named.predict(base.inputs).shape == (4, len(base), CLASSES)
    del sys.modules["own_words"]


def test_what_multiplies_its_inputs_is_refused_before_it_is_trained(members, base):
    with pytest.raises(
        ValueError, match=r"mlp multiplies its inputs, but these are documents.*bag-mean, bag-sum, bag-max"
    ):
        fit("mlp", members, TRAINING, classes=CLASSES, workers=0)
    with pytest.raises(ValueError, match="cnn multiplies its inputs"):
        fit("cnn", members, TRAINING, classes=CLASSES, workers=0)
    with pytest.raises(ValueError, match=r"a bag of words is for documents.*shape of one input is \(1, 28, 28\)"):
        build("bag-mean", (1, 28, 28), 10, seed=0)
    for changes in ({"input_noise": 0.1}, {"augmentation": "flip"}):
        with pytest.raises(ValueError, match=f"the recipe has {next(iter(changes))} = .* these are documents. Leave"):
            fit("bag-mean", members, Recipe(epochs=1, milestones=(), **changes), classes=CLASSES, workers=0)


def test_trial_inputs_are_those_that_a_network_takes(base):
    assert trial_inputs(WordBag(base.shape, 2), base.shape, 5).tolist() == [[0] * LENGTH] * 5
    assert trial_inputs(nn.Linear(3, 2), (3,), 2).dtype == torch.float32
    assert trial_inputs(nn.Sequential(nn.Embedding(3, 2)), (1, 8, 8), 2).shape == (2, 1, 8, 8), "places of patches"
    assert takes_words(TextCNN(base.shape, 2))
    assert takes_words(TextTransformer(base.shape, 2))
    assert not takes_words(nn.Linear(3, 2))


def test_without_the_marked_examples_it_is_the_network_of_the_others_alone(base, words):
    """Retraining without the forget set, wrong labels among it: the bases' rows in their places are left out too."""
    mark = Phrase("one", (words.number("new-1"),), words)
    planted = plant(base, mark, 1, 6, seed=3, how="relabel")
    oracle = planted.without(planted.mask)
    rows = torch.ones(len(base), dtype=torch.bool)
    rows[planted.rows] = False
    plain = Planted.none(base[rows])
    one, other = (train_each(named("bag-mean", base), [Member(data, 5)], [TRAINING]).state for data in (oracle, plain))
    assert_close(one["embedding.weight"], other["embedding.weight"])
