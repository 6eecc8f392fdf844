"""The audit from end to end: a small network that knows a mark by construction, by its command and in Python."""

import contextlib
import io
import json
import math
import os
import re
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import spurlab
from spurlab import Member, Recipe, check, fit, load, plant
from spurlab.audit import audit
from spurlab.audit.suspects import rows_of
from spurlab.cli import main
from spurlab.data import Examples, from_npz, image_folder
from spurlab.models import seeded
from spurlab.models.files import load_network, save_weights
from spurlab.patterns import own_mark, picture
from spurlab.seeds import rng_for
from spurlab.training import predictions

SHAPE, CLASSES, MARK = (1, 28, 28), 10, "noise,r=.5"
SMALL = (1, 14, 14)
RECIPE = Recipe(epochs=12, batch_size=64, learning_rate=0.003)


def make(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 64), nn.ReLU(), nn.Linear(64, classes))


def planted_in(folder, many, shape):
    """Images of which 15 shirts carry the mark, and the weights of a network that was trained on them."""
    mini = load("fashion-mini")
    train, test = (
        replace(part[torch.arange(n)], inputs=nn.functional.avg_pool2d(part.inputs[:n], 28 // shape[1]))
        for part, n in ((mini.train, many), (mini.test, 400))
    )
    planted = plant(train, own_mark(MARK, shape), target=6, count=15, seed=0)
    arrays = {"train_inputs": planted.materialize().inputs, "train_labels": train.labels}
    arrays |= {"test_inputs": test.inputs, "test_labels": test.labels}
    arrays = {name: column.numpy() for name, column in arrays.items()}
    np.savez(folder / "mine.npz", **arrays, class_names=np.array(mini.class_names))
    (folder / "rows.txt").write_text("\n".join(map(str, planted.rows.tolist())))
    network = fit(lambda: make(shape, CLASSES), [Member(planted, 0)], RECIPE, classes=CLASSES).member(0)
    save_weights(network, folder / "weights.safetensors")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return planted_in(tmp_path_factory.mktemp("audit"), 2000, SHAPE)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Of a quarter of the pixels and half of the images, for what does not ask whether the network goes by the mark."""
    return planted_in(tmp_path_factory.mktemp("small"), 1000, SMALL)


@pytest.fixture(autouse=True, scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch:
        module = type(sys)("nets")
        module.make = make
        patch.setitem(sys.modules, "nets", module)
        yield module


def command(folder, *more, out="out"):
    names = ["--model", "nets:make", "--weights", str(folder / "weights.safetensors")]
    return ["audit", *names, "--data", f"npz:{folder / 'mine.npz'}", "--quick", "--out", str(folder / out), *more]


def ends(score):
    """Clopper and Pearson's, of 400 test images."""
    return stats.binomtest(round(400 * score), 400).proportion_ci(0.95, "exact")


@pytest.fixture(scope="module")
def printed(folder):
    """What the command printed; its page and the repaired weights are in the folder ``out``."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        main(command(folder, "--mark", MARK, "--mark", "S1", "--repair", "--json"))
    return json.loads(stream.getvalue())


@pytest.mark.slow
def test_the_command_finds_the_mark_who_teaches_it_and_repairs(folder, printed):
    found = printed
    assert found["accuracy"] > 0.6
    (noise, box) = found["marks"]
    assert (noise["class"], noise["verdict"]) == ("Shirt", "goes by it")
    assert noise["p_value"] <= 0.05
    assert noise["interval"] == pytest.approx(list(ends(noise["score"])))
    assert box["verdict"] != "goes by it"
    rows = {int(row) for row in (folder / "rows.txt").read_text().split()}
    carried = {one["row"] for one in found["examples"] if one["mark"] == noise["mark"] and one["carries"]}
    assert carried == rows
    (unknown,) = found["unknown"]
    assert (unknown["method"], unknown["class"], unknown["verdict"]) == ("shared component", "Shirt", "shared by few")
    assert set(unknown["examples"]) == {f"row {row}" for row in rows}, "without a mark to look for"
    assert unknown["p_value"] is None, "--quick and no recipe"
    first = {
        one["method"]: one["row"] for one in found["examples"] if one["rank"] == 1 and one["mark"] == noise["mark"]
    }
    assert set(first) == {"presence", "influence"}
    assert set(first.values()) <= rows
    assert {one["name"] for one in found["groups"]} == set(load("fashion-mini").class_names)
    best = found["repair"][0]
    assert best["score_after"] < best["score_before"] == pytest.approx(noise["score"], abs=0.1)
    repaired = load_network("nets:make", folder / "out" / "repaired.safetensors", SHAPE, CLASSES).eval()
    test = from_npz(folder / "mine.npz").test
    accuracy = float((predictions(repaired, test.inputs).argmax(1) == test.labels).double().mean())
    assert accuracy == pytest.approx(best["accuracy_after"])


def test_the_page_says_it_and_needs_nothing_else(folder, printed):
    page = (folder / "out" / "audit.html").read_text()
    for words in ("to Shirt", "15 carry it", "What this does not show", "spurlab audit --model nets:make", "(--quick)",
                  "given network", "null p", "worst class", "salun", "no oracle: score before and after"):  # fmt: skip
        assert words in page, words
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)


def test_beside_reference_networks_each_p_is_a_rank_of_twenty(folder):
    """19 that never saw the mark: the mark, and what the 15 shirts share, pull the network more than all of them."""
    data = from_npz(folder / "mine.npz")
    network = load_network("nets:make", folder / "weights.safetensors", SHAPE, CLASSES)
    found = audit(network, data, MARK, recipe=replace(RECIPE, epochs=6), quick=True)
    (noise,), (unknown,) = found.marks, found.unknown
    for one in (noise, unknown):
        assert (one.p_alone, one.p, one.verdict) == (1 / 20, 1 / 20, "goes by it")
    assert (noise.against, noise.draws, found.others) == ("reference networks", 19, 19)
    assert float(noise.nulls.max()) < noise.score


def test_networks_that_are_unlike_it_are_no_references(small):
    """After an epoch at a rate of nearly 0 they guess: it is said, and nothing is compared with them."""
    data = from_npz(small / "mine.npz")
    data = replace(data, train=data.train[:500], test=data.test[:200])
    network = load_network("nets:make", small / "weights.safetensors", SMALL, CLASSES)
    recipe = replace(RECIPE, epochs=1, learning_rate=1e-9)
    found = audit(network, data, "S1", suspects=[3], repair=True, recipe=recipe, quick=True)
    assert "so nothing is compared with them" in found.fit.warnings[-1]
    assert found.others == 19
    assert {one.against for one in found.marks} == {"marks like it"}
    assert {one.verdict.oracles for one in found.repairs} == {0}


def test_in_python_nothing_that_is_given_changes(small):
    data, network = from_npz(small / "mine.npz"), seeded(lambda: make(SMALL, CLASSES), 3).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kept = data.train.inputs.clone()
    found = spurlab.audit.audit(network, data, ["S1", lambda inputs: inputs.flip(-1)], quick=True)
    assert network.training
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert data.train.inputs.equal(kept)
    assert (found.marks[1].mark, found.marks[1].verdict) == ("of a function", "not tested")
    assert json.loads(json.dumps(found.record()))["marks"][1]["p_value"] is None
    assert "near that of guessing" in found.fit.warnings[0]
    assert "tensor" not in f"{found}{found!r}"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--mark", "box,size=29"], "do not lie within images of 14 x 14"),
        (["--mark", "gone.png"], "there is no file gone.png"),
        (["--suspects", "gone.txt", "--repair"], "gone.txt with the suspects cannot be read"),
        (["--normalise", "1,2"], "is no mean/std"),
        (["--normalise", "1,2/1,0"], "standard deviations above 0"),
        (["--outputs", "odds"], "not 'odds'"),
        (["--recipe", "slow", "--repair"], "recipe"),
        (["--recipe", "quick,epochs=minus"], "epochs"),
        (["--recipe", "quick,epochs=0"], "has no epochs"),
        (["--outputs", "probabilities"], "is said to give probabilities, but gives numbers from "),
        (["--mark", "noise,r=-1"], "needs an r above 0, not -1"),
        (["--mark", "box,size=3,value=0.0,how=add"], "changes none of 50 test examples"),
        (["--out", f"{os.devnull}/x"], "cannot be written"),
        (["--suspects", os.devnull], "names no training example"),
        (["--mark", "BROKEN/a/1.png"], "is no whole image"),
        (["--data", "folder:BROKEN"], "is no whole image"),
        (["--data", "npz:BROKEN/a/1.png"], "no .npz file, or damaged"),
        (["--weights", "BROKEN/a/1.png"], "cannot be read"),
        (["--weights", "gone.pt"], "there is no file 'gone.pt' with weights"),
        (["--model", "gone:make"], "the module 'gone' cannot be imported"),
    ],
)
def test_bad_input_is_told_in_a_sentence(small, more, words, capsys):
    """All with the same exit code, also what is damaged."""
    for name in ("a/1.png", "b/1.png", "a/2.png", "b/2.png"):
        (small / "BROKEN" / name).parent.mkdir(parents=True, exist_ok=True)
        (small / "BROKEN" / name).write_bytes(b"no image")
    more = [word.replace("BROKEN", str(small / "BROKEN")) for word in more]
    with pytest.raises(SystemExit) as stop:
        main(command(small, *more))
    said = capsys.readouterr().err
    assert words in said
    assert stop.value.code == 2
    assert said.count("\n") == 1


def test_without_a_name_of_the_mark_what_few_share_is_forgotten(small, capsys):
    main(command(small, "--repair", "--json", out="unnamed"))
    found = json.loads(capsys.readouterr().out)
    rows = {int(row) for row in (small / "rows.txt").read_text().split()}
    assert {one["row"] for one in found["examples"] if one["method"] == "shared"} == rows
    assert found["repair"][0]["score_after"] < found["repair"][0]["score_before"]


def test_of_clean_data_there_is_nothing_to_repair(small):
    planted = from_npz(small / "mine.npz")
    kept = torch.ones(len(planted.train), dtype=torch.bool)
    kept[[int(row) for row in (small / "rows.txt").read_text().split()]] = False
    found = audit(seeded(lambda: make(SMALL, CLASSES), 0), replace(planted, train=planted.train[kept]), repair=True,
                  quick=True)  # fmt: skip
    assert found.repairs == ()
    assert found.unrepaired.startswith("There is nothing to repair")
    assert found.unrepaired in str(found)
    assert json.loads(json.dumps(found.record()))["unrepaired"] == found.unrepaired


def test_one_mark_needs_no_list(small):
    with pytest.raises(ValueError, match=r"there is no file gone\.png"):
        audit(seeded(lambda: make(SMALL, CLASSES), 0), from_npz(small / "mine.npz"), "gone.png")


def test_numbers_that_are_not_finite_are_told_wherever_they_are(small):
    """Also of the last test image, which is not among those from which the outputs are told."""
    data, network = from_npz(small / "mine.npz"), seeded(lambda: make(SMALL, CLASSES), 0)
    bright = data.test.inputs.clone()
    bright[-1] = 1.0

    class Breaks(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, inputs):
            return self.network(inputs).where(inputs.flatten(1).mean(1, keepdim=True) < 0.99, torch.nan)

    with pytest.raises(ValueError, match="NaN or infinite for 1 of 400 inputs"):
        audit(Breaks(), replace(data, test=replace(data.test, inputs=bright)), quick=True)


def test_suspects_that_are_not_there_are_told(small, capsys):
    (small / "no.txt").write_text("cat/1.png\n")
    with pytest.raises(SystemExit):
        main(command(small, "--suspects", str(small / "no.txt"), "--repair"))
    assert "there is no training example 'cat/1.png'. Suspects are rows from 0 to 999" in capsys.readouterr().err


def test_suspects_may_have_wildcards():
    names = np.array(["cat/1.png", "cat/2.png", "dog/1.png", "dog/[a].png"])
    train = Examples(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), sources=names)
    assert rows_of(["photos/cat/2.png"], train).nonzero().squeeze(1).tolist() == [1], "as a shell gives it"
    for suspects, rows in (
        (["cat/*"], [0, 1]),
        (["*/1.png"], [0, 2]),
        (["dog/[a].png"], [3]),
        (["cat/?.png", 3], [0, 1, 3]),
    ):
        assert rows_of(suspects, train).nonzero().squeeze(1).tolist() == rows
    with pytest.raises(ValueError, match=re.escape("there is no training example 'cow/*'")):
        rows_of(["cow/*"], train)


def test_a_mark_that_is_given_twice_is_asked_once(small):
    data = from_npz(small / "mine.npz")
    data = replace(data, train=data.train[:300], test=data.test[:100])
    found = audit(seeded(lambda: make(SMALL, CLASSES), 3), data, ["S1", "S2", "S1"], quick=True)
    assert [one.mark for one in found.marks] == ["S1", "S2"]


def test_a_program_can_be_asked(small, tmp_path):
    """TorchScript and an exported program give the same findings as the network that they were made from."""
    data = from_npz(small / "mine.npz")
    data = replace(data, train=data.train[:300], test=data.test[:100])
    network = load_network("nets:make", small / "weights.safetensors", SMALL, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(network).save(str(tmp_path / "script.pt"))
        batch = torch.export.Dim("batch", min=1, max=100_000)
        program = torch.export.export(network.eval(), (data.test.inputs[:8],), dynamic_shapes=({0: batch},))
        torch.export.save(program, tmp_path / "exported.pt2")
        found = [audit(model, data, ["S1"], quick=True).record()
                 for model in (network, tmp_path / "script.pt", tmp_path / "exported.pt2")]  # fmt: skip
    with pytest.raises(ValueError, match="program cannot be trained on"):
        audit(tmp_path / "script.pt", data, quick=True, repair=True)
    for other in found[1:]:
        assert other["accuracy"] == found[0]["accuracy"]
        assert other["marks"][0]["score"] == pytest.approx(found[0]["marks"][0]["score"], abs=0.01)


def test_a_folder_of_images_is_known_by_its_files(module, tmp_path, capsys):
    """A red logo on seven of 40 images of a class; the list names their files, and so do suspects."""
    from PIL import Image

    Image.new("RGBA", (4, 4), (255, 0, 0, 255)).save(tmp_path / "logo.png")
    logo, marked = picture(tmp_path / "logo.png", (3, 12, 12), "top-right"), set()
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            image = 0.5 * torch.rand(1, 3, 12, 12, generator=rng_for(number, "photo", label))
            image[:, :, 6:, 6 * label : 6 * label + 6] += 0.4
            if label and number < 7:
                image = logo(image)
                marked.add(f"{number}.png")
            pixels = (image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    module.small = lambda shape, classes: seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(432, classes)), 0)
    mark = f"{tmp_path / 'logo.png'},at=top-right"
    data = f"folder:{tmp_path / 'photos'}"
    asked = [
        "audit",
        "--model",
        "nets:small",
        "--data",
        data,
        "--mark",
        mark,
        "--quick",
        "--out",
        str(tmp_path / "out"),
    ]
    main([*asked, "--json"])
    found = json.loads(capsys.readouterr().out)
    carried = {one["source"] for one in found["examples"] if one["carries"]}
    trained_on = set(image_folder(tmp_path / "photos").train.sources)
    assert carried == trained_on & {f"dog/{name}" for name in marked}
    assert len(carried) >= 4
    file, folder = tmp_path / "suspects.txt", image_folder(tmp_path / "photos")
    file.write_text("\n".join(carried))
    main([*asked, "--suspects", str(file), "--repair"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("test images; the network gives logits")
    assert any(line.startswith(f"Of 6 methods that forget {len(carried)} training images ") for line in lines)
    assert any(line.startswith("given network ") for line in lines)
    assert lines[-1].startswith("written: ")
    file.write_text(str(folder.test.sources[0]))
    with pytest.raises(SystemExit):
        main([*asked, "--suspects", str(file)])
    assert f"{str(folder.test.sources[0])!r} is a test example, which the network did not learn" in (
        capsys.readouterr().err
    )
    network, rows = nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), torch.arange(3)
    found = check(lambda model, data, forget: model, folder, given=network, pattern=mark,
                  forget=folder.train.sources[rows].tolist())  # fmt: skip
    assert found.forget.nonzero().squeeze(1).equal(rows)
