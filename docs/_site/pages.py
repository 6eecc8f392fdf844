"""What the site's pages need beside Sphinx: the glossary, the gallery's order and figures, links between folders."""

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

from spurlab.report.glossary import MEANINGS

# The order of the gallery; an example that is not here comes last, by name.
EXAMPLES = [
    "how_many",
    "study",
    "marks",
    "law",
    "sensitivity",
    "forgetting",
    "own_method",
    "prevention",
    "one_dimension",
    "membership",
    "null_marks",
    "natural",
    "saliency",
    "words",
    "tables",
]
_drawn: set[int] = set()


def example_order(file: str) -> tuple[int, str]:
    """Where an example stands in the gallery."""
    stem = Path(file).stem
    return (EXAMPLES.index(stem) if stem in EXAMPLES else len(EXAMPLES), stem)


def figures_of(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """The figures that a cell of an example has made: plain matplotlib Figures among its variables, each once."""
    files = []
    for value in list(block_vars["example_globals"].values()):
        for figure in value if isinstance(value, list | tuple) else [value]:
            if isinstance(figure, Figure) and id(figure) not in _drawn:
                _drawn.add(id(figure))
                _kept.append(figure)
                file = next(block_vars["image_path_iterator"])
                figure.savefig(file, dpi=150)
                files.append(file)
    return figure_rst(files, gallery_conf["src_dir"])


_kept: list[Figure] = []  # so that no id is given twice within an example


def reset(gallery_conf: dict[str, Any], name: str) -> None:
    """Between two examples."""
    _drawn.clear()
    _kept.clear()


# What is a file or a folder of the repository on a code host and a page of the site here.
PAGES = [
    (r"examples/(\w+)\.py", r"gallery/\1.rst"),
    (r"examples/?", "gallery/index.rst"),
    (r"src/spurlab/__init__\.pyi", "api/index.rst"),
    (r"src/spurlab/report/glossary\.py", "glossary.rst"),
    (r"CHANGELOG\.md", "changelog.md"),
    (r"CONTRIBUTING\.md", "contributing.md"),
]


def links(app: Sphinx, page: str, text: list[str]) -> None:
    """Markdown pages are read on a code host too, where examples are files: here these links lead to the gallery.

    A link to another folder of the repository, or to a page in one, has no page here, and is left as its text.
    """
    up = "../" * page.count("/")
    for file, here in PAGES:
        text[0] = re.sub(rf"\]\((?:\.\./)+{file}\)", rf"]({up}{here})", text[0])
    here = (Path(app.srcdir) / page).parent

    def outside(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        away = target.suffix == ".md" and not target.is_relative_to(app.srcdir)
        return link[1] if target.is_dir() or away else link[0]

    text[0] = re.sub(r"(?<!!)\[([^\]\n]*)\]\(((?:\.\./)+[\w./-]*)\)", outside, text[0])


def one_gallery(app: Sphinx) -> None:
    """A README.md in a folder of `examples` makes no section of the gallery."""
    app.config.sphinx_gallery_conf["source_suffix"] = {".rst": "restructuredtext"}


def anchors(app: Sphinx, tree: nodes.document) -> None:
    """`<a id="...">` in a Markdown page can be linked to as `page.md#...`, on a code host and here."""
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for raw in tree.findall(nodes.raw):
        slugs |= {name: (0, name, "") for name in re.findall(r'<a id="([\w-]+)"', raw.astext()) if name not in slugs}


def glossary(app: Sphinx) -> None:
    """The words of `spurlab.report.glossary`, as a page."""
    lines = ["Glossary", "========", "", ".. glossary::", "   :sorted:", ""]
    for name, meaning in MEANINGS.items():
        lines += [f"   {name}", f"      {meaning}", ""]
    text, file = "\n".join(lines).replace("n*", "n\\*"), Path(app.srcdir) / "glossary.rst"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", glossary, priority=100)
    app.connect("builder-inited", one_gallery, priority=100)
    app.connect("source-read", links)
    app.connect("doctree-read", anchors)
    return {"parallel_read_safe": True}
