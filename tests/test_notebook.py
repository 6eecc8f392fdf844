"""How values show themselves: by a short `repr`, in HTML, and in a notebook that a real kernel executes."""

import ast
import base64
import io
import math
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import spurlab
from spurlab import Estimate, Examples, Member, Planted, Recipe, load_study, notebook
from spurlab.data import Column, Columns, Dataset, Source, shown
from spurlab.data.texts import documents
from spurlab.deletion import Verdict
from spurlab.patterns import Cells, Pattern, Rare, box, mark_on, plant
from spurlab.report import pattern_gallery, save_figure
from spurlab.stats import Learnt, Share
from spurlab.training import RECIPES, Ensemble
from spurlab.training.engines import Trained

BAD = '<script>alert("&")</script>'


def pixels_of(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def images(n=24, shape=(1, 8, 8), classes=2):
    inputs = torch.arange(n * math.prod(shape)).float().reshape(n, *shape) % 256 / 255
    return Examples(inputs, torch.arange(n) % classes)


@pytest.fixture
def dataset():
    return Dataset("<b>mine", images(), images(4), ("cat & dog", BAD), (0.0, 1.0), Source("<u>", "<i>", ""))


def test_a_dataset_is_shown_by_an_image_of_each_class_and_all_names_are_words(dataset, page):
    seen = page(dataset)
    assert [image["alt"] for image in seen.of("img")] == ["cat & dog", BAD]
    assert np.array_equal(pixels_of(seen.of("img")[1]["src"]), (dataset.train.inputs[1, 0] * 255).round().numpy())
    assert f"cat & dog, {BAD}: 12 each" in seen.text
    assert {"<b>mine", "<u>", "<i>"} <= {word.strip() for word in seen.words}
    assert repr(dataset) == "<Dataset '<b>mine': 24 training and 4 test images of 1 x 8 x 8, 2 classes>"


def test_planted_examples_stand_below_those_that_they_were(page):
    data, mark = images(), box((8, 8), (2, 2), 0, 0, 1.0)
    seen = page(plant(data, mark, Rare(1, 3), seed=0, how="relabel"))
    pictures = [pixels_of(image["src"]) for image in seen.of("img")]
    clean, marked = pictures[:3], pictures[3:]
    assert len(marked) == 3
    for one, other in zip(clean, marked, strict=True):
        assert (other[:2, :2] == 255).all()
        assert (one[2:] == other[2:]).all()
        assert not (one[:2, :2] == 255).all()
    assert seen.text.count("label 0, planted as 1") == 6
    control = Planted.none(data)
    assert page(control).of("img") == []
    assert repr(control) == "<Planted: 24 examples, of which 0 are marked (replace)>"


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 8, 8), (5, 8, 8), (3, 300, 200), (0, 8, 8), (4, 4), (2, 2, 2, 2), ()])
def test_inputs_of_any_shape_are_shown_or_passed_over(shape, page):
    page(Examples(torch.randn(12, *shape), torch.arange(12)))


def test_pictures_are_small_and_no_more_than_there_is_room_for(page):
    """Noise is what no compression makes smaller."""
    seen = page(Examples(torch.rand(12, 3, 300, 200), torch.arange(12)))
    found = [pixels_of(image["src"]).shape for image in seen.of("img")]
    assert 5 <= len(found) <= 10
    assert set(found) == {(64, 43)}  # 200 of 300, times 64; of 64 colours, each a number


def test_signals_are_lines_on_one_scale_and_a_mark_stands_before_what_it_changes(page):
    data = Examples(torch.zeros(3, 40), torch.tensor([0, 0, 1]))
    spike = Pattern("spike", torch.eye(40)[20], low=None, high=None)
    clean, marked = page(plant(data, spike, Rare(0, 1), seed=0)).of("polyline")
    heights = [[float(point.split(",")[1]) for point in line["points"].split()] for line in (clean, marked)]
    assert len(set(heights[0])) == 1
    assert [i for i, (one, other) in enumerate(zip(*heights, strict=True)) if one != other] == [20]
    assert float(clean["opacity"]) < float(marked["opacity"])


def test_a_long_line_keeps_its_spikes(page):
    line = torch.zeros(5000)
    line[3217] = 1.0
    [drawn] = page(Examples(line[None], torch.tensor([0]))).of("polyline")
    heights = [point.split(",")[1] for point in drawn["points"].split()]
    assert len(heights) <= notebook.POINTS
    assert len(set(heights)) == 2


def test_documents_are_shown_by_their_words_and_marked_ones_from_where_they_differ(page):
    texts = [(f"{'wheat ' * 50}fell < <b>", "grain"), ("oil is up", BAD)] * 2
    data = documents("news", texts, texts, Source("", "", ""))
    seen = page(data)
    assert "oil is up" in seen.text
    assert BAD in seen.text
    planted = plant(data.train, mark_on("token:oil,at=end", data, 0), Rare(data.class_names.index("grain"), 1), seed=0)
    number = str(data.names.number("oil"))
    cells = [word for word in page(planted).words if word.startswith("... ")]
    assert [cell.split().count(number) for cell in cells] == [0, 1]


def test_rows_of_a_table_are_shown_by_the_values_of_their_columns(page):
    """The mean 40 and deviation 10 of age, as the table had them."""
    columns = Columns((Column("age<", mean=40.0, sd=10.0), Column("sex", ("f", "<m>"))))
    rows = Examples(torch.tensor([[-0.25, 0.0, 1.0], [1.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    data = Dataset("people", rows, rows, ("low", "high"), None, Source("", "", ""), names=columns)
    words = page(data).words
    assert words[words.index("age<") :] == ["age<", "sex", "low", "37.5", "<m>", "high", "50"]
    assert len(repr(Cells((("age<", "9"),), columns))) < 300


def test_an_ensemble_is_shown_by_its_members(page):
    state = {"weight": torch.zeros(2, 3, 4)}
    losses = torch.tensor([[0.75, 0.25], [0.5, math.nan]])
    ensemble = Ensemble("mlp", (1, 2, 2), 3, (7, 9), Trained(state, losses))
    seen = page(ensemble)
    assert "12 numbers each" in seen.text
    assert "1 diverged" in seen.text
    assert seen.words[-9:] == ["loss at first", "at last", "7", "0.750", "0.250", "9", "0.500", "-", "diverged"]
    assert repr(ensemble.trained) == "Trained(state={'weight': float32[2, 3, 4]}, losses=float32[2, 2])"
    page(Ensemble("", (), 3, (), Trained({"weight": torch.zeros(0, 3)}, torch.zeros(0, 0))))


def test_a_recipe_is_written_as_what_makes_it_again(page):
    for recipe in (*RECIPES.values(), RECIPES["quick"].but(clip_norm=1.0, optimizer="sgd", learning_rate=0.05)):
        assert eval(repr(recipe), {"Recipe": Recipe}) == recipe  # noqa: S307 - our own
        page(recipe)
    assert repr(Recipe()) == "Recipe()"
    assert "'quick'" in page(RECIPES["quick"]).text


def test_numbers_are_shown_with_their_uncertainty(page):
    estimate = Estimate.across_models(torch.tensor([0.80, 0.90, 0.86, 0.84]), bounds=(0.0, 1.0))
    assert "0.850 [0.25, 0.96]" in page(estimate).text
    assert "no interval" in page(Estimate.across_models(torch.tensor([0.5]))).text
    verdict = Verdict("method failed", failed=2, why=BAD)
    assert BAD in page(verdict).text
    assert repr(verdict) == "<Verdict: failed, 0 networks>"


def test_a_study_a_member_and_the_rest_are_shown_by_what_they_are(page, dataset):
    study = load_study("quickstart")
    assert repr(study) == "<Study 'quickstart' (quick): How many examples does it take?>"
    text = " ".join(page(study).text.split())
    assert "Study quickstart (quick)" in text
    assert "0, 1, 3, 10, 30, 100" in text
    assert "known" not in text  # nothing is deleted in it
    member = " ".join(page(Member(Planted.none(dataset.train), 7)).text.split())
    assert "Member seed 7" in member
    learnt = page(Learnt(n=3, above=1, shares={1: Share(0, 5), 3: Share(5, 5)}, why="")).text
    assert "1 < n* <= 3" in learnt
    assert "5 of 5" in learnt


def test_marks_are_shown_by_what_they_put_on(page):
    [picture] = page(Pattern(BAD, torch.eye(8)[None])).of("img")
    assert np.array_equal(pixels_of(picture["src"]), 255 * np.eye(8))
    assert len(page(box((8, 8), (2, 2), 0, 0, 1.0)).of("img")) == 1


def test_a_table_says_how_many_lines_it_leaves_out_and_numbers_end_on_the_right(page):
    seen = page(notebook.table(("name", "score"), [(f"b{i}", i / 7) for i in range(40)]))
    assert seen.text.endswith("and 28 more")
    assert ["right" in cell["style"] for cell in seen.of("td")] == [False, True] * 12
    assert notebook.table(("name",), []) == ""


def test_what_begins_like_a_number_is_a_word(page):
    """Words stand on the left of their column, numbers with what belongs to them, and what is missing, on the right."""
    words = ("nanny", "information", "20newsgroups", "28x28", "-f", "3-class")
    numbers = ("0.412 [0.3, 0.5]", "12 %", "< 0.001", "1e-05", "nan", "-inf", "-", "", 1234, 0.5, float("nan"))
    seen = page(notebook.table(("", ""), [*zip(words, numbers[:6], strict=True)], most=20))
    assert ["right" in cell["style"] for cell in seen.of("td")] == [False, True] * 6
    seen = page(notebook.table(("", ""), [("a", number) for number in numbers], most=20))
    assert ["right" in cell["style"] for cell in seen.of("td")] == [False, True] * 11
    assert seen.text.endswith("-")  # of NaN


def test_what_would_steer_a_terminal_or_turn_letters_around_is_written_out(page):
    seen = page(notebook.card("Dataset", "a\x1b[31m\u202eb", {"long": "x" * 10_000}))
    assert r"a\x1b[31m\u202eb" in seen.text
    assert len(seen.text) < 400


def test_counts_of_many_classes_are_few_words():
    assert shown.counted(torch.arange(1000)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 990 more: 1 each"


def test_no_value_prints_its_tensors():
    """Each dataclass with tensors or tables has a `repr` of its own; functions of tensors are none."""
    holds = re.compile("Tensor|DataFrame|NDArray|Trained")
    generated = []
    for file in Path(spurlab.__file__).parent.rglob("*.py"):
        text = file.read_text("utf-8")
        for kind in ast.parse(text).body if "@dataclass" in text and holds.search(text) else []:
            if not isinstance(kind, ast.ClassDef) or kind.name.startswith("_"):
                continue
            fields = [ast.unparse(part) for part in kind.body if isinstance(part, ast.AnnAssign)]
            held = [one for one in fields if holds.search(one) and not re.search("Callable|ClassVar|repr=False", one)]
            frozen = any("dataclass" in ast.unparse(decorator) for decorator in kind.decorator_list)
            if frozen and held and "__repr__" not in ast.unparse(kind):
                generated.append(f"{file.name}: {kind.name}: {held[0]}")
    assert generated == []


def test_a_figure_that_was_shown_is_written_as_if_it_had_not_been(tmp_path):
    """Its layout is found when it is drawn, the same each time; the user's settings of matplotlib play no part."""
    strips = {"clean": images().inputs[:2], "marked": images().inputs[2:4]}
    shown_, other = (pattern_gallery(strips, "costs $5 or $6") for _ in range(2))
    with mpl.rc_context({"savefig.facecolor": "red", "font.size": 30}):
        picture, size = shown_._repr_png_()
    assert Image.open(io.BytesIO(picture)).size == (2 * size["width"], 2 * size["height"])
    assert isinstance(shown_, Figure)
    for one, two in zip(save_figure(shown_, tmp_path / "a"), save_figure(other, tmp_path / "b"), strict=True):
        assert one.read_bytes() == two.read_bytes()
    one, two = (np.asarray(Image.open(png)) for png in (tmp_path / "a.png", io.BytesIO(picture)))
    assert np.array_equal(one, two)
