"""The page as text: complete, escaped, self-contained."""

import base64
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spurlab.claims import decide
from spurlab.report import VIEWS, file_names, file_stem, study_figure, write_report
from spurlab.report.glossary import glossary
from spurlab.report.groups import networks
from spurlab.report.page import command_of, facts_of, progress_of
from spurlab.report.style import spoken
from spurlab.report.svg import inline_svg
from spurlab.report.views import brief
from spurlab.studies import FolderError, Grid, StoreError

EVIL = '<script>alert(1)</script> & "quotes" and $x_1$ \'};--></style>'
STEERING = "\x1b[2J\x9b\u202eexe"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Outline(HTMLParser):
    """Tags, ids and headings; fails on tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.ids, self.links = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.ids += [value for key, value in attributes if key == "id"]
        self.links += [value for key, value in attributes if key in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    made = [results.make(kind, large=False) for kind in VIEWS]
    evil = results.rows(patterns=("R3",), counts=(0, 3)).assign(dataset=EVIL, machine=STEERING, pattern=EVIL)
    made.append(results.of(evil, "scores", title=EVIL, name=f"../{EVIL}", source=EVIL))
    paths = write_report(made, decide(made[2].rows, [1, 3]), folder)
    return folder, paths, paths[0].read_text("utf-8")


def test_figures_stand_beside_the_page(written):
    folder, paths, _ = written
    assert paths[0] == folder / "report.html"
    assert sorted(paths) == sorted(folder.iterdir())
    assert len(paths) == 1 + 3 * (len(VIEWS) + 1)


def test_tags_close_and_ids_are_unique_between_figures(written):
    outline = Outline()
    outline.feed(written[2])
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    inside = [link[1:] for link in outline.links if link.startswith("#")]
    assert set(inside) <= set(outline.ids)
    assert outline.tags.count("svg") == len(VIEWS) + 1 + 1  # and the one on the first screen


def test_studies_of_one_name_are_told_apart(results, tmp_path):
    """The quick and the paper profile of one study, another quick one of it, and a study whose name is in the way."""
    small = {"large": False, "name": "weights"}
    made = [results.make("importance", **small, profile=profile) for profile in ("quick", "paper", "quick")]
    made.append(results.make("importance", **small | {"name": "Weights-2"}, profile=None, title="Another?"))
    page, *drawn = write_report(made, [], tmp_path)
    assert [path.name for path in drawn if path.suffix == ".png"] == [
        "weights.png",
        "weights-paper.png",
        "weights-2.png",
        "Weights-2-2.png",  # not "Weights-2", which some file systems do not tell from "weights-2"
    ]
    outline = Outline()
    outline.feed(page.read_text("utf-8"))
    headings = re.findall(r"<h2 id=\"study-.*>(.*)</h2>", page.read_text("utf-8"))
    title = made[0].study.title
    assert headings == [f"{title} (weights)", f"{title} (profile paper)", f"{title} (weights-2)", "Another?"]
    assert len(set(outline.ids)) == len(outline.ids)
    assert [link for link in outline.links if link.startswith("#study")] == [f"#study-{i}" for i in (1, 2, 3, 4)]
    regions = re.findall(r'aria-label="(Importance .*)" tabindex', page.read_text("utf-8"))
    assert len(set(regions)) == 4


def test_studies_of_one_title_are_told_apart_by_what_differs(results, tmp_path):
    """By the data set, then the profile, then n; of two that have all of these alike, by their files."""
    grids = [{}, {"dataset": "mnist"}, {"dataset": "mnist@600"}, {"n": (0, 1000)}, {}]
    made = [
        results.of(results.rows(), "scores", name=f"s{i}", profile="paper" if i == 4 else "quick",
                   grids=(Grid(**{"dataset": "fashion-mini", "architecture": "mlp", "pattern": "R3"} | grid),))
        for i, grid in enumerate(grids)
    ]  # fmt: skip
    page, *_ = write_report([*made, made[0]], [], tmp_path)
    headings = re.findall(r"<h2 id=\"study-[^(]* \((.*)\)</h2>", page.read_text("utf-8"))
    assert headings == ["s0", "MNIST", "MNIST (600 images)", "n = 0 and 1,000", "profile paper", "s0-2"]


def test_every_figure_of_a_study_is_on_the_page_with_its_files_and_words(results, tmp_path):
    """A study whose plain name is that of a further figure's file gets another name."""
    one = results.make("scores", large=False, name="mine")
    several = replace(one, study=one.study.model_copy(update={"figure": ("scores", "accuracy", "bars")}))
    other = results.make("bars", large=False, name="Mine-Bars", title="Another?")
    for made in ([several, other], [other, several]):
        names = file_names([result.study for result in made])
        files = {f"{name}{end}".casefold() for name in names for end in ("", "-accuracy", "-bars")}
        assert len(files) == 6
    page, *drawn = write_report([several, other], [], tmp_path)
    stems = ["mine", "mine-accuracy", "mine-bars", "Mine-Bars-2"]
    assert [path.name for path in drawn if path.suffix == ".png"] == [f"{stem}.png" for stem in stems]
    text = page.read_text("utf-8")
    outline = Outline()
    outline.feed(text)
    assert outline.tags.count("svg") == 4 + 1
    assert len(set(outline.ids)) == len(outline.ids)
    links = [f"{stem}.{ending}" for stem in stems for ending in ("png", "pdf", "svg")]
    assert [link for link in outline.links if link.endswith((".png", ".pdf", ".svg"))] == links
    title = several.study.title
    regions = re.findall(r'aria-label="Figure: (.*)" tabindex', text)
    assert regions == [title, f"{title}, accuracy", f"{title}, bars", "Another?"]
    told = [html.unescape(words) for words in re.findall(r"in words</summary><p>(.*)</p>", text)]
    assert told[:3] == [spoken(study_figure(several, kind)) for kind in several.study.figure]


def test_a_name_makes_a_plain_file(results):
    odd = results.make("scores", large=False, name="../a b", profile="../x").study
    assert file_stem(odd) == "a-b-x"
    assert file_stem(odd.model_copy(update={"profile": "quick"})) == "a-b"
    assert file_stem(odd.model_copy(update={"name": "..", "profile": None})) == "study"


@pytest.mark.parametrize("spoil", ["folder", "figure", "page"])
def test_a_folder_that_cannot_be_written_to_is_said(spoil, results, tmp_path):
    """Something else has the name of the folder, of a figure, or of the page."""
    folder = tmp_path / "out"
    if spoil == "folder":
        folder.write_text("a file")
    else:
        (folder / {"figure": "scores.png", "page": "report.html"}[spoil]).mkdir(parents=True)
    error, words = (FolderError, "may write to") if spoil == "folder" else (StoreError, "make room")
    with pytest.raises(error, match=f"out.* cannot be written .*{words}"):
        write_report([results.make("scores", large=False)], [], folder)


def test_settings_that_vary_together_stand_in_a_table(results, tmp_path):
    rows = results.rows(patterns=("R3",), counts=(0, 3), variants=[{}, {"clip_norm": 0.1}, {"clip_value": 0.2}])
    result = results.of(rows, "bars")
    assert not {"clip norm", "clip value"} & set(facts_of(result))
    assert "<caption>Settings that were run</caption>" in write_report([result], [], tmp_path)[0].read_text("utf-8")
    assert facts_of(results.of(rows[rows["clip_value"].isna()], "bars"))["clip norm"] == "none, 0.1"


def test_nothing_is_fetched(written):
    outline = Outline()
    outline.feed(written[2])
    files = [link for link in outline.links if not link.startswith(("#", "data:"))]
    assert all(re.fullmatch(r"[\w-]+\.(png|pdf|svg)", link) for link in files)
    assert "default-src 'none'" in written[2]


def test_text_from_studies_and_data_is_escaped(written):
    page = written[2]
    assert page.count("<script>") == 1
    assert page.count("</script>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("</style>") == 1
    assert "$x_1$" in page
    assert r"\x1b[2J\x9b\u202eexe" in page  # for those who read it in a terminal
    assert not {"\x1b", "\x9b", "\u202e"} & set(page)
    odd = [path for path in written[1] if path.suffix == ".svg" and "alert" in path.name]
    assert len(odd) == 1
    assert "<script" not in odd[0].read_text("utf-8")


def test_a_figure_reaches_nothing_beyond_itself(results):
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">
    <metadata>when</metadata><style>*{color: red}</style><!-- words --><path id="a" d="M 1.23456 -0.00001"/>
    <use id="b" xlink:href="#a" style="clip-path: url(#c); fill: #a0b0c0"/><clipPath id="c"/></svg>"""
    element = inline_svg(svg, "f1", 'say "hello" & <b>')
    assert 'id="f1-a"' in element
    assert 'href="#f1-a"' in element
    assert "url(#f1-c)" in element
    assert "#a0b0c0" in element
    assert "M 1.23 -0" in element
    assert not re.search(r"<style|metadata|words|id=\"f1-b|width=", element)
    assert 'aria-label="say &quot;hello&quot; &amp; &lt;b&gt;"' in element


def test_the_page_of_nothing_says_so(tmp_path):
    (page,) = write_report([], [], tmp_path / "new")
    assert "No study has been run." in page.read_text("utf-8")


def test_facts_count_each_network_once(results):
    facts = facts_of(results.of(results.rows(targets=(0, 1), seeds=(7,)), "scores"))
    networks = 1 + 2 * 2 * 3  # n = 0, and two patterns with two targets at three n
    assert facts["networks"] == str(networks)
    assert facts["training time"] == f"{3.5 * networks:.0f} s"
    assert facts["seeds"] == "7"
    assert facts["first run"] == "2026-11-22 05:00 UTC"
    assert "clip norm" not in facts


def test_the_study_that_asks_most_leads_the_page(results, tmp_path):
    """`bars` has more networks, but `scores` asks what the folder is about; its title is the page's question."""
    bars = results.make("bars", title="Which way?")
    scores = results.make("scores", large=False, title="How many?")
    assert networks(bars.rows) > networks(scores.rows)
    text = write_report([bars, scores], [], tmp_path)[0].read_text("utf-8")
    assert "<h1>How many?</h1>" in text
    assert text.index('id="study-2-title"') < text.index('id="study-1-title"')
    [first] = re.findall(r'<p class="lead">(.*?)</p>\n<figure class="card glance">', text)
    assert html.unescape(first).replace("\xa0", " ") == brief(scores)


def test_half_a_study_says_so_at_the_top(results, tmp_path):
    """The grid has n = 0 and 3 for two patterns and three seeds: 3 + 2 x 3 networks, of which 5 are there."""
    axes = {"dataset": "fashion-mnist", "architecture": "mlp", "pattern": ("S3", "R3"), "n": (0, 3), "seed": (0, 1, 2)}
    rows = results.rows(patterns=("R3", "S3"), counts=(0, 3), seeds=(0, 1, 2))
    whole = results.of(rows, "scores", grids=(Grid(**axes),))
    assert progress_of(whole) is None
    kept = rows["training"].isin(rows["training"].unique()[:5])
    half = results.of(rows[kept], "scores", grids=(Grid(**axes),))
    assert progress_of(half) == (5, 9)
    said = "<strong>Not finished</strong>: 5 of 9 networks"
    text = write_report([half], [], tmp_path / "half")[0].read_text("utf-8")
    assert text.index(said) < text.index("<main")
    assert "Not finished" not in write_report([whole], [], tmp_path / "whole")[0].read_text("utf-8")


def test_commands_name_the_folder_that_the_reader_has(results, tmp_path):
    folder = tmp_path / "my results"
    result = results.make("scores", large=False, folder=folder)
    result = replace(result, command="spurlab run scores --set 'n=[0, 3]' --out elsewhere --device cuda")
    assert command_of(result) == f"spurlab run scores --set 'n=[0, 3]' --out '{folder}' --device cuda"
    assert command_of(replace(result, command="")) == ""
    text = write_report([result], [], folder)[0].read_text("utf-8")
    assert html.escape(command_of(result), quote=True).replace("&#x27;", "&#39;") in text
    assert "elsewhere" not in text


def test_the_glossary_has_what_the_rows_speak_of(results):
    """A picture for each pattern of images: of S3 the corner of 5 x 5 pixels is white, all others black."""
    terms = {term.name: term for term in glossary(results.rows(), ["forgets"])}
    assert {"spurious score", "baseline", "interval", "R3", "S3", "forgets"} <= terms.keys()
    assert not {"oracle", "worst group", "S1", "partly"} & terms.keys()
    with Image.open(BytesIO(base64.b64decode(terms["S3"].picture.partition(",")[2]))) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.sum() == 25 * 255
    assert pixels[:5, :5].min() == 255
    assert {"oracle", "known"} <= {term.name for term in glossary(results.deletion_rows())}
    rows = results.rows()
    waves = {name: glossary(rows.assign(pattern=name))[-1] for name in ("spike", "sine", "offset")}
    assert "One feature" in waves["spike"].meaning
    assert "8 features" in waves["sine"].meaning
    assert "raised by 1." in waves["offset"].meaning
    assert {term.picture for term in waves.values()} == {""}
    assert {"worst group", "clean", "blocks"} <= {term.name for term in glossary(results.make("repairs").rows)}


def test_few_words_stand_unfolded(results, tmp_path):
    """What is folded does not count; a page of two large studies is read in a minute."""
    made = [results.make("deletion"), results.make("scores", title="How many?")]
    text = write_report(made, decide(made[1].rows, [1, 2, 3]), tmp_path)[0].read_text("utf-8")
    bare = re.sub(r"<(style|script|svg).*?</\1>", "", text, flags=re.DOTALL)
    while (inner := re.sub(r"<details(?:(?!<details).)*?</details>", "", bare, flags=re.DOTALL)) != bare:
        bare = inner
    assert len(re.sub(r"<[^>]*>", " ", bare).split()) < 250
    assert len(re.sub(r"<[^>]*>", " ", text).split()) > 2000  # it is all there
