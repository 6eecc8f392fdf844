"""The pages hold together: links lead somewhere, examples have the gallery's form, every public name has its place."""

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

from spurlab.data import Column, Columns, Vocabulary
from spurlab.data.adult import CATEGORIES, NUMBERS
from spurlab.patterns import make_named, mark_named
from spurlab.patterns.own import WAVES, settings_of

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *(file for file in sorted((ROOT / "docs").rglob("*.md")) if "gallery" not in file.parts),
]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def prose(file: Path) -> str:
    """A page without its blocks and pieces of code."""
    text = re.sub(r"^ *(```+|~~~+).*?^ *\1 *$", "", file.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(file: Path) -> set[str]:
    """The places of a page that can be linked to, as code hosts name headings."""
    text = file.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([\w-]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (place and place not in anchors(file)):
            broken.append(target)
    assert not broken


def test_a_broken_link_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[here](#one) `[no](link)`\n```\n[no](link)\n```\n[gone](away.md)", "utf-8")
    assert re.findall(r"\]\(([^)\s]+)\)", prose(page)) == ["#one", "away.md"]
    assert anchors(page) == {"one"}


WORDS = Vocabulary.of([["crude", "oil", "!"]])
ADULT = Columns((*map(Column, NUMBERS), *(Column(name, values) for name, values in CATEGORIES.items())))
PIECES = [
    pytest.param(piece, id=f"{file.stem}-{i}")
    for file in PAGES
    for i, piece in enumerate(re.findall(r"^```toml\n(.*?)^```", file.read_text("utf-8"), re.MULTILINE | re.DOTALL))
]


def test_pieces_of_study_files_are_found():
    assert len([piece for [piece] in (one.values for one in PIECES) if "pattern" in tomllib.loads(piece)]) >= 5


@pytest.mark.parametrize("piece", PIECES)
def test_the_marks_of_a_piece_of_toml_are_marks(piece, tmp_path, monkeypatch):
    """Those that it names, and those that its remarks have in quotes, on inputs such as they are for."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGBA", (9, 9), "red").save("logo.png")
    study = tomllib.loads(piece)
    asked = study.get("pattern", [])
    remarks = " ".join(re.findall(r"#(.*)", piece)) if asked else ""
    more = [text for text in re.findall(r'"([^"]*)"', remarks) if re.search("[,:]", text)]
    names = {"r8": WORDS, "adult": ADULT}.get(study.get("dataset"))
    for one in [*(asked if isinstance(asked, list) else [asked]), *more]:
        shape = (60, len(WORDS)) if names is WORDS else (len(ADULT.features),) if names is ADULT else (3, 32, 32)
        shape = (40,) if settings_of(one)[0] in WAVES else shape
        assert make_named(mark_named(one), shape, 0, (0.0, 1.0) if names is None else None, names)


def test_ten_examples_or_more():
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_a_question_in_cells_with_a_figure(file):
    text = file.read_text("utf-8")
    title, underline = (ast.get_docstring(ast.parse(text), clean=False) or "").splitlines()[:2]
    assert title.endswith("?")
    assert set(underline) == {"="}
    assert len(underline) >= len(title)
    assert text.count("\n# %%\n# ") >= 2  # cells that say something
    assert re.search(r"^(    )?figures? = ", text, flags=re.MULTILINE)  # what the gallery draws


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_what_an_example_imports_is_there(file):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("spurlab"):
            module = importlib.import_module(node.module)
            assert not [alias.name for alias in node.names if not hasattr(module, alias.name)]


def test_every_public_name_has_one_place_in_the_reference(monkeypatch):
    """All that `__init__.pyi` lists is documented once, on the page of one room, under a path that can be imported."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "_site")
    api = importlib.import_module("api")
    try:
        rooms, names = api.stub()
        pages = {room: api.page(room, names) for room in (*rooms, *api.FLAT, *api.INNER)}
        found = re.findall(r"^\.\. (?:auto\w+|py:data):: (spurlab\.\S+)", "\n".join(pages.values()), flags=re.MULTILINE)
        paths = [path for path in found if path.removeprefix("spurlab.") not in pages]
        assert len(paths) == len(set(paths))
        for name, room in names.items():
            value = getattr(importlib.import_module(f"spurlab.{room}"), name)
            assert api.homes().get(id(value), f"spurlab.{room}.{name}") in paths
        module, _, name = paths[0].rpartition(".")
        assert hasattr(importlib.import_module(module), name)
    finally:
        sys.modules.pop("api", None)
