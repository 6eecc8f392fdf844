"""The examples are programs that run, and what they say is so."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from spurlab import ClassBlocks, Common, Member, Planted, Recipe, fit, load, plant

EXAMPLES = Path(__file__).parents[1] / "examples"
SEEDS, EPOCHS = (0, 1), 4


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the story of MNIST-1D says with two seeds and few epochs: by its number, each step's lines; the folder."""
    spec = importlib.util.spec_from_file_location("one_dimension", EXAMPLES / "one_dimension.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder, said = tmp_path_factory.mktemp("story") / "out", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "tell", lambda *lines: said.append(lines))
        module.main(SEEDS, EPOCHS, folder)
    return {int(heading.split(".")[0]): lines for heading, *lines in said}, folder


def numbers(line):
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+(?:e-\d+)?", line)]


@pytest.fixture(scope="module")
def alone():
    """The same networks, each trained alone in plain PyTorch: by kind, what they say of the test signals, `m n k`."""
    data = load("mnist1d")
    marked = [plant(data.train, ClassBlocks(), Common(0.9), seed=seed) for seed in SEEDS]
    recipe = Recipe(learning_rate=1e-3, batch_size=100, epochs=EPOCHS, milestones=())
    lessons = {"without bump": [Planted.none(data.train)] * 2, "with bump": marked}
    return {
        name: fit(
            "mnist1d-cnn-25",
            [Member(lesson, seed) for lesson, seed in zip(some, SEEDS, strict=True)],
            recipe,
            classes=10,
            engine="plain",
            workers=0,
        )
        for name, some in lessons.items()
    }


def right_by_class(probabilities):
    """`m 10`: the accuracy on each class of the test signals."""
    test = load("mnist1d").test
    right = (probabilities.argmax(-1) == test.labels).double()
    return torch.stack([right[:, test.labels == label].mean(1) for label in range(10)], 1)


def test_the_steps_follow_each_other_and_figures_are_there(told):
    steps, folder = told
    assert list(steps) == list(range(1, 9))
    assert all(lines for lines in steps.values())
    assert {path.name for path in folder.glob("*.png")} == {"signals.png", "strips.png"}


def test_neighbours_by_all_pairs(told):
    """Every distance is computed, in float64; ties are as good as impossible among such signals."""
    [line], train = told[0][3], load("mnist1d").train
    marked = plant(train, ClassBlocks(), Common(0.9), seed=SEEDS[0]).materialize()
    for examples, said in zip((train, marked), numbers(line), strict=False):
        distance = torch.cdist(examples.inputs.double(), examples.inputs.double()).fill_diagonal_(torch.inf)
        near = distance.topk(10, largest=False).indices
        share = (train.labels[near] == train.labels.unsqueeze(1)).double().mean().item()
        assert said == pytest.approx(share, abs=0.0006)  # three digits are printed


def test_accuracies_and_losses_are_those_of_networks_trained_alone(told, alone):
    """To rounding, which four epochs have not made large: a test signal or two of 1,000 may tip over."""
    for line in told[0][5]:
        name, rest = line.split(": ")
        by_class = right_by_class(alone[name].predict(load("mnist1d").test.inputs))
        sizes = load("mnist1d").test.labels.bincount().double()
        accuracy, worst = (numbers(part)[0] for part in rest.split(", worst class "))
        assert accuracy == pytest.approx((by_class * sizes).sum(1).mean().item() / 1000, abs=0.003)
        assert worst == pytest.approx(by_class.amin(1).mean().item(), abs=0.025)
    for said, name in zip(numbers(told[0][4][0]), alone, strict=False):
        assert said == pytest.approx(alone[name].trained.losses[:, -1].mean().item(), abs=0.002)


def test_the_share_on_the_bump_by_autograd(told, alone):
    """Of all test signals with a bump: the gradient of the logit of the class, on 5 features (4 of the last class)."""
    data = load("mnist1d")
    for line in told[0][6][:2]:
        name, _ = line.split(": ")
        shares = []
        for i, seed in enumerate(SEEDS):
            inputs = plant(data.test, ClassBlocks(), Common(1.0), seed=seed).materialize().inputs.requires_grad_()
            network: nn.Module = alone[name].member(i)
            network(inputs).gather(1, data.test.labels.unsqueeze(1)).sum().backward()
            size = inputs.grad.abs()
            on = torch.stack([size[k, 4 * label : 4 * label + 5].sum() for k, label in enumerate(data.test.labels)])
            shares.append((on / size.sum(1)).mean())
        assert numbers(line)[0] == pytest.approx(torch.stack(shares).mean().item(), abs=0.003)


def test_the_verdict_is_the_difference_of_what_was_said_before(told):
    """Means of paired differences are differences of means; what is printed has three digits."""
    steps, _ = told
    means = {line.split(": ")[0]: [numbers(part)[0] for part in line.split(", worst class ")] for line in steps[7]}
    spoiled = means["with bump"]
    wanted = {"The bump": (spoiled, means["without bump"])}
    wanted |= {name: (means[name], spoiled) for name in ("DFR", "AFR, training", "AFR, held out")}
    for line in steps[8]:
        name, rest = line.split(": ", 1)
        after, before = wanted.pop(name)
        told_change = [numbers(part)[0] for part in rest.split(", worst class ")]
        assert told_change == pytest.approx([a - b for a, b in zip(after, before, strict=True)], abs=0.0016)
        if name != "The bump":
            better, of = map(int, re.search(r"better in (\d) of (\d) networks", rest).groups())
            assert of == len(SEEDS)
            assert better < of or told_change[1] > -0.0016  # where all are better, so is their mean; to three digits
            assert better > 0 or told_change[1] < 0.0016
            assert "not shown to help" in rest  # two of two come once in four by chance
    assert not wanted


@pytest.mark.slow
def test_words_are_learnt_from_few_documents_and_forgotten():
    """The tutorial on text, with two seeds and three epochs: what it says of scores lies where it must."""
    spec = importlib.util.spec_from_file_location("words", EXAMPLES / "words.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "tell", lambda *lines: said.append(lines))
        module.main((0, 1), epochs=3)
    once, often = ([numbers(line) for line in lines] for heading, *lines in said if heading.startswith("3."))
    for scores in (*once, *often):
        assert scores[0] < 0.02  # n = 0: a word that no document has
    assert min(scores[3] for scores in often) > 0.3  # n = 30, ten times in each document
    looks = next(lines for heading, *lines in said if heading.startswith("4."))
    assert numbers(looks[0])[0] == 0  # the word is in no clean document
    assert numbers(looks[0])[1] > 0.2
    deleted = next(lines for heading, *lines in said if heading.startswith("5."))
    assert numbers(deleted[0])[0] > 0.3
    assert numbers(deleted[1])[0] < 0.05  # retrained


@pytest.mark.slow
def test_the_story_of_tables_says_what_its_models_do(tmp_path, monkeypatch):
    """Two seeds and a small file. Thirty rows of a postcode teach every model, three no trees whose leaves have twenty;
    after the rows are deleted the score is far below what it was.
    """
    spec = importlib.util.spec_from_file_location("tables", EXAMPLES / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    said = []
    monkeypatch.setattr(module, "tell", lambda *lines: said.append(lines))
    module.main(SEEDS, 600, tmp_path / "out")
    steps = {int(heading.split(".")[0]): lines for heading, *lines in said}
    assert list(steps) == list(range(1, 7))
    assert "480 rows to learn from, 120 for the test" in said[0][0]
    assert re.match(r"Training rows that have it already: [1-9]\.", steps[2][0])
    learnt = {line.split(": ")[0]: re.findall(r"(\d) of 2 networks with (\d+)", line) for line in steps[6]}
    assert learnt["boosted trees"][0] == ("0", "3")
    assert [learnt[title][-1] for title in module.MODELS.values()] == [("2", "30")] * 4
    before = {line.split(": ")[0]: numbers(line.split("; ")[-1])[0] for line in steps[3]}
    assert all(numbers(rest)[0] < before[title] / 2 for title, rest in (line.split(": ") for line in steps[5]))
