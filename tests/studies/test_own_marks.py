"""Marks of one's own in study files: pictures are known by their content and kept with the results."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from spurlab.cli import main
from spurlab.data import Vocabulary
from spurlab.patterns import kept, make_named, mark_content, mark_named, marked
from spurlab.studies import (
    Grid,
    Room,
    Study,
    StudyError,
    Task,
    cells_of,
    load_study,
    pattern_of,
    results_in,
    run,
    work_of,
)
from spurlab.studies.records import Record, study_of

HEAD = 'title = "Is the logo learnt?"\ndataset = "fashion-mini"\narchitecture = "logistic"\nn = [0, 3]\n'
LOGO = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
FROZEN = ["bf11315e26c974c28e57", "f9f7179812217406fb41", "2a931ccb55e99e09161f", "3368c1ff3bb6116b4970"]
AT = '{ picture = "logo.png", at = "top-right" }'


def draw(pixels, file):
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels, "RGBA").save(file)
    return file


@pytest.fixture
def study(tmp_path):
    """(the TOML of a pattern, further lines) -> the study, whose file lies beside a logo in a folder of its own."""
    draw(LOGO, tmp_path / "mine" / "logo.png")

    def load(pattern, more="", changes=(), name="mine"):
        path = tmp_path / name / "study.toml"
        path.write_text(f"{HEAD}pattern = {pattern}\n{more}")
        return load_study(path, changes=changes)

    return load


def key_of(study):
    """Of the network with the mark."""
    [key] = {cell.training.key("data") for cell in cells_of(study) if cell.n}
    return key


def test_a_key_goes_by_pixels_place_and_how_and_never_by_the_path(study, tmp_path):
    """A changed pixel, alpha, place, size or `how` is another network; the same picture elsewhere is not."""
    key, again = key_of(study(AT)), draw(LOGO, tmp_path / "else" / "an other.png")
    assert key_of(study('"logo.png,at=top-right"')) == key
    assert key_of(study('{ picture = "an other.png", at = "top-right", size = [6, 4] }', name="else")) == key
    assert key_of(study("[]", changes=[f"pattern={again},at=top-right"])) == key  # from the command line: from here
    other = ["at = 'top'", "row = 0, col = 24", "size = 3", "at = 'top-right', how = 'replace'"]
    keys = [key, *(key_of(study(f"{{ picture = 'logo.png', {settings} }}")) for settings in other)]
    for channel in (1, 3):
        changed = LOGO.copy()
        changed[2, 1, channel] ^= 1
        draw(changed, tmp_path / "mine" / "logo.png")
        keys.append(key_of(study(AT)))
    assert len(set(keys)) == len(keys)


def test_keys_of_own_marks_are_frozen(study):
    """Taken when they came: another key here means that stored results are made again."""
    patterns = [AT, "{ box = [2, 3], row = 1, value = 0.5 }", "{ noise = 0.5 }", '"S3"']
    assert [key_of(study(pattern)) for pattern in patterns] == FROZEN


def test_a_study_lays_on_what_the_picture_says(study, small):
    """As `picture` of the same file, whose pixels are those of the logo; the record alone gives it again."""
    [name] = (read := study(AT)).axis("pattern")
    assert name == f"logo.png 6x4, top right {name[-11:]}"
    grey = pattern_of(small, name, 0)
    by_hand = Image.fromarray(LOGO, "RGBA").convert("LA")
    over, colour = (torch.tensor(np.asarray(by_hand)[..., i] / 255.0).float() for i in (1, 0))
    expected = small.test.inputs[:5].clone()
    expected[:, :, :6, -4:] = (1 - over) * expected[:, :, :6, -4:] + over * colour
    assert torch.allclose(marked(grey, small.test.inputs[:5]), expected, atol=1e-6)
    settings = read.model_dump_json()
    assert "mine/" not in settings  # no path
    kept._PICTURES.clear()
    again = study_of(Record("study", settings, {"fashion-mini": ""}, "", ""))
    assert again.grids == read.grids
    assert marked(pattern_of(small, name, 0), small.test.inputs[:5]).equal(marked(grey, small.test.inputs[:5]))


def test_a_worker_needs_no_file(study, small, tmp_path):
    """What it is sent has the pixels."""
    work = work_of(study(f"[{AT}, 'S3']"), {"fashion-mini": small})
    sent = [json.dumps(task.as_json()) for task in work.phases(Room(1, 10**10), tmp_path)[0]]
    kept._PICTURES.clear()
    nodes = [node for text in sent for node in Task.from_json(json.loads(text)).nodes if node.pattern]
    names = {node.pattern for node in nodes}
    assert len(names) == 2
    assert all(pattern_of(small, name, 0) for name in names)


def test_pictures_of_one_name_are_told_apart(study, tmp_path):
    draw(255 - LOGO, tmp_path / "mine" / "new" / "logo.png")
    [one, two] = study('["logo.png", "new/logo.png"]').axis("pattern")
    assert one[:-11] == two[:-11] == "logo.png 6x4, top left "
    assert mark_content(one) != mark_content(two)
    draw(LOGO, tmp_path / "mine" / "copy.png")
    with pytest.raises(StudyError, match=r"two of these pictures are one and the same: copy.png .*, logo.png "):
        study('["logo.png", "copy.png"]')


def test_tables_stand_wherever_patterns_do(study):
    """In lists, grids, which replace and do not merge them, and on the command line."""
    read = study("{ box = 3, value = 0.5 }", f"[[grid]]\n[[grid]]\npattern = [{AT}, 'R3']\n")
    [box], [logo, noise] = (grid["pattern"] for grid in read.grids)
    assert (box, noise) == ("box, size=3x3, row=0, col=0, value=0.5", "R3")
    assert logo.startswith("logo.png 6x4, top right #")
    assert [grid["pattern"] for grid in read.only("pattern", [logo]).grids] == [(logo,)]
    typed = study(AT, changes=['pattern=["S3", { box = "4x5", how = "add" }]'])
    assert typed.axis("pattern") == ("S3", "box, size=4x5, row=0, col=0, value=1.0, how=add")
    assert Grid(dataset="mnist", architecture="mlp", pattern={"noise": 0.5})["pattern"] == ("noise, r=0.5",)
    draws = study("{ noise = 0.5 }", "draw = [0, 1]").grids[0]
    assert draws["draw"] == (0, 1)  # another one for each seed, as R2


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ('"gone.png"', r"study.toml: key 'pattern': there is no picture .*mine/gone.png. Correct the path"),
        ('"text.png"', "text.png is no whole image"),
        ('{ picture = "logo.png", at = "topright" }', "there is no place 'topright'. Did you mean 'top-right'"),
        ('{ picture = "logo.png", colour = 3 }', "has the setting 'colour'"),
        ('{ picture = "logo.png", size = true }', "size is pixels"),
        ('{ picture = "logo.png", size = 513 }', "has 513 x 342 pixels .* 512 x 512. Give a size"),
        ("{ at = 3 }", "must be one of picture, box, noise"),
        ("{ box = 3, size = 3 }", "has the setting 'size' twice"),
        ("{ box = 3, value = nan }", "box of 3 x 3 .* needs colours that are finite"),
        ("{ box = 29 }", "29 x 29 pixels .* do not lie within images of 28 x 28"),
        (
            '{ picture = "logo.png", size = 40 }',
            "the mark logo.png has 40 x 27 pixels .* do not lie within images of 28",
        ),
        ('"clear.png"', "clear.png 2x2, top left #.* changes none of 500 examples of fashion-mini"),
        ("{ noise = 0 }", "needs an r above 0, not 0"),
        ("[[1]]", "key 'pattern': must be text"),
    ],
)
def test_what_is_no_mark_is_refused_before_training(study, small, tmp_path, pattern, words):
    (tmp_path / "mine" / "text.png").write_text("no picture")
    draw(np.zeros((2, 2, 4), np.uint8), tmp_path / "mine" / "clear.png")
    with pytest.raises(StudyError, match=words):
        work_of(study(pattern), {"fashion-mini": small})


@pytest.mark.parametrize(
    "mark", ["logo.png", {"picture": "logo.png"}, {"picture": "a", "at": "top", "how": "add", "png": "bm8="}, {"at": 1}]
)
def test_of_a_record_no_path_is_followed(study, tmp_path, monkeypatch, mark):
    monkeypatch.chdir(tmp_path / "mine")
    about = json.loads(study('"logo.png"').model_dump_json())
    about["grids"][0]["pattern"] = [mark]
    with pytest.raises(ValueError, match=r"without its pixels|that is no mark|is no whole image"):
        Study.model_validate_json(json.dumps(about))


def test_a_study_with_a_logo_from_end_to_end(study, tmp_path, capsys):
    """Run, moved and reported without the picture; only a changed pixel trains anew."""
    study(AT.replace("}", ", size = 3 }"), "seed = [0, 1]\nrecipe.epochs = 1\n")
    file, out, logo = (tmp_path / "mine" / name for name in ("study.toml", "out", "logo.png"))
    file.write_text(file.read_text().replace("fashion-mini", "fashion-mini@200"))
    main(["run", str(file), "--workers", "0", "--out", str(out)])
    assert "logo.png 3x2" in capsys.readouterr().out
    before = pd.read_parquet(out / "study.parquet")
    [name] = before["pattern"].unique()
    assert name.startswith("logo.png 3x2, top right #")

    logo.rename(logo.with_name("new.png"))
    with pytest.raises(SystemExit) as refused:
        main(["plan", str(file), "--no-time"])
    assert refused.value.code == 2
    assert "there is no picture" in capsys.readouterr().err
    kept._PICTURES.clear()
    main(["report", str(out)])
    page = (out / "report.html").read_text()
    assert name in page
    assert "A picture of your own" in page
    main(["claims", str(out)])
    [result] = results_in(out)
    assert result.rows["training"].tolist() == before["training"].tolist()

    file.write_text(file.read_text().replace("logo.png", "new.png"))
    moved = run(load_study(file), out, workers=0).rows
    assert moved["finished"].tolist() == before["finished"].tolist()  # nothing was made anew
    pixels = np.asarray(Image.open(logo.with_name("new.png"))).copy()
    pixels[0] ^= 255
    draw(pixels, logo.with_name("new.png"))
    anew = run(load_study(file), out, workers=0).rows
    assert (anew["training"] == moved["training"]).tolist() == (anew["n"] == 0).tolist()


@pytest.mark.parametrize("name", ["token:c #", "column:flat=Apt #5", "column:city=New  York"])
def test_a_word_or_value_with_a_number_sign_is_no_picture(name):
    assert mark_content(mark_named(name)) == name


@pytest.mark.parametrize(
    ("name", "anew"),
    [
        ("token:a", False),
        ("token:a b,at=end", False),
        ("token:a,times=10", False),
        ("token:a,times=10,at=start", False),
        ("token:a,times=1,how=replace", False),
        ("token:a,times=10,at=end", True),
        ("token:a,how=replace,times=10", True),
        ("token:a b,times=2", True),
    ],
)
def test_words_that_are_put_in_otherwise_than_once_have_keys_of_their_own(name, anew):
    """Stored results of the others are found as they were; one mark is made of both names."""
    content = mark_content(mark_named(name))
    assert content == name + ",v2" * anew
    words = Vocabulary.of([["a", "b"]])
    one, other = (make_named(each, (6, len(words)), 0, None, words) for each in (name, content))
    assert (one.phrase, one.times, one.at, one.how) == (other.phrase, other.times, other.at, other.how)
