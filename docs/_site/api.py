"""The pages of the API: one a room, made from `spurlab/__init__.pyi` and each room's own list of names.

A name is documented once, in its room, under the path by which a user imports it (`spurlab.data.load`). Signatures are
the text of the source, so that annotations such as ``Float[Tensor, "n c h w"]`` stand there as they were written.
"""

import ast
import copy
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx  # tests read the pages without it

# Rooms in the order in which users meet them. One that the stub names and that is missing here comes last.
ORDER = [
    "data",
    "patterns",
    "models",
    "training",
    "stats",
    "metrics",
    "explain",
    "checking",
    "deletion",
    "prevention",
    "methods",
    "privacy",
    "audit",
    "callbacks",
    "studies",
    "commands",
    "claims",
    "measures",
    "report",
    "theory",
]
FIRST = [
    "load",
    "make_pattern",
    "plant",
    "fit",
    "spurious_score",
    "learnt_at",
    "check",
    "prepare",
    "run",
    "audit",
    "pull",
]
INNER = ("audit.detect", "privacy.attacks", "privacy.extraction", "report.views", "methods.settings")
# single files whose names are public, with no line of their own in the stub
FLAT = [name for name in ("callbacks", "seeds", "errors") if find_spec(f"spurlab.{name}")]


def stub() -> tuple[list[str], dict[str, str]]:
    """What `__init__.pyi` lists: the rooms, and each name with the room that it comes from."""
    tree = ast.parse((Path(importlib.import_module("spurlab").__file__ or "").parent / "__init__.pyi").read_text())
    rooms: list[str] = []
    names: dict[str, str] = {}
    for line in tree.body:
        if isinstance(line, ast.ImportFrom) and line.module is None:
            rooms += [alias.name for alias in line.names]
        elif isinstance(line, ast.ImportFrom):
            names |= {alias.name: str(line.module) for alias in line.names}
    return sorted(rooms, key=lambda room: (ORDER.index(room) if room in ORDER else len(ORDER), room)), names


def public(module: ModuleType) -> dict[str, Any]:
    """The names that a room offers: of its `import ... as` lines, then what it defines; no modules, none private."""
    tree = ast.parse(inspect.getsource(module))
    listed = [
        alias.name
        for line in tree.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
        if alias.name == alias.asname
    ]
    own = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    own += [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    ]
    names = dict.fromkeys(name for name in listed + own if not name.startswith("_"))
    found = {name: getattr(module, name) for name in names}
    return {name: value for name, value in found.items() if not isinstance(value, ModuleType)}


def kind(value: Any) -> int:
    """What users call comes first: functions, then values that are made and given, tables and numbers, errors."""
    if inspect.isclass(value):
        return 3 if issubclass(value, BaseException) else 1
    return 0 if callable(value) and hasattr(value, "__name__") else 2


def rank(name: str, top: dict[str, str]) -> int:
    """What nearly all programs call, then what can be imported from `spurlab` itself, then the others."""
    return FIRST.index(name) if name in FIRST else len(FIRST) + (name not in top)


def first_sentence(value: Any, within: ModuleType, name: str) -> str:
    if kind(value) == 2:
        return _comment(within, name)
    text = inspect.cleandoc(value.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    if inspect.isclass(value) and text.startswith(f"{name}("):  # what `dataclass` writes where there is no docstring
        return ""
    sentence = re.split(r"(?<![.][.])(?<!e[.]g)[.:] (?=[A-Z`:])", text)[0].rstrip(".:")
    return sentence if not sentence or sentence.endswith("?") else f"{sentence}."


def _comment(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if isinstance(value, dict) or hasattr(value, "keys"):
        names = [f"``{key}``" for key in value]
        return f"{', '.join(names)}." if len(names) < 7 else f"A table of {len(names)} names."
    shown = repr(value)
    return f"``{shown}``" if len(shown) < 60 else ""


@cache
def homes() -> dict[int, str]:
    """Where each function and class is documented: in the first room that offers it, whatever others do too."""
    where: dict[int, str] = {}
    for room in dict.fromkeys((*stub()[0], *FLAT, *INNER)):
        for name, value in public(importlib.import_module(f"spurlab.{room}")).items():
            if kind(value) != 2:
                where.setdefault(id(value), f"spurlab.{room}.{name}")
    return where


@cache
def by_name() -> dict[str, str]:
    """The paths of names that only one room has."""
    paths = list(homes().values())
    last = [path.rsplit(".", 1)[1] for path in paths]
    return {name: path for name, path in zip(last, paths, strict=True) if last.count(name) == 1}


def page(name: str, top: dict[str, str]) -> str:
    """The page of one room, as reStructuredText."""
    module = importlib.import_module(f"spurlab.{name}")
    values = public(module)
    home = {each: homes().get(id(value), f"spurlab.{name}.{each}") for each, value in values.items()}
    order = sorted(values, key=lambda each: (kind(values[each]), rank(each, top), list(values).index(each)))
    title = f"spurlab.{name}"
    out = [title, "=" * len(title), "", f".. py:module:: spurlab.{name}", "", f".. automodule:: spurlab.{name}",
           "   :no-members:", "   :no-index:", ""]  # fmt: skip
    out += table((home[each], each, first_sentence(values[each], module, each)) for each in order)
    for heading, which in (("Functions", 0), ("Classes", 1), ("Tables and numbers", 2), ("Errors", 3)):
        chosen = [each for each in order if kind(values[each]) == which and home[each] == f"spurlab.{name}.{each}"]
        if chosen:
            out += [heading, "-" * len(heading), ""]
        for each in chosen:
            out += entry(f"spurlab.{name}.{each}", values[each], which)
    return "\n".join(out) + "\n"


def entry(path: str, value: Any, which: int) -> list[str]:
    if which == 0:
        return [f".. autofunction:: {path}", ""]
    if which == 2:
        return [f".. py:data:: {path}", "", *_shown(value), ""]
    return [f".. autoclass:: {path}", *([] if which == 3 else ["   :members:"]), ""]


def _shown(value: Any) -> list[str]:
    """The names in a table, or the number."""
    if hasattr(value, "keys"):
        return [f"   {', '.join(f'``{key}``' for key in value)}"]
    shown = repr(value)
    return [f"   ``{shown}``"] if len(shown) < 200 and "`" not in shown else []


def table(rows: Iterator[tuple[str, str, str]]) -> list[str]:
    out = [".. list-table::", "   :class: names", "   :widths: 30 70", ""]
    for path, shown, what in rows:
        out += [f"   * - :py:obj:`{shown} <{path}>`", f"     - {what}"]
    return [*out, ""]


def write(app: "Sphinx") -> None:
    """Make the pages anew where their text has changed, and none else, so that a second build is quick."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    rooms, top = stub()
    pages = {name: page(name, top) for name in dict.fromkeys((*rooms, *FLAT, *INNER))}
    out = ["The API", "=======", "", "One page a room. What is used most can be imported from ``spurlab`` itself:", ""]
    modules = {name: importlib.import_module(f"spurlab.{room}") for name, room in top.items()}
    first = sorted(top, key=lambda name: (kind(getattr(modules[name], name)), rank(name, top), list(top).index(name)))
    values = {name: getattr(modules[name], name) for name in first}
    out += table(
        (homes().get(id(values[name]), f"spurlab.{top[name]}.{name}"), name,
         first_sentence(values[name], modules[name], name))
        for name in first
    )  # fmt: skip
    out += ["The rooms", "---------", "", ".. toctree::", "   :maxdepth: 1", ""]
    out += [f"   {name}" for name in pages]
    pages["index"] = "\n".join(out) + "\n"
    for name, text in pages.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    for stale in set(folder.glob("*.rst")) - {folder / f"{name}.rst" for name in pages}:
        stale.unlink()


class Linked(ast.NodeTransformer):
    """Names in an annotation become the paths under which they are documented; `python_use_unqualified_type_names`
    shows them as they were.
    """

    def __init__(self, within: ModuleType | None) -> None:
        self.names = vars(within) if within else {}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        path = homes().get(id(self.names.get(node.id)))
        return ast.parse(path, mode="eval").body if path else node


@cache
def _parsed(value: Any) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def written(_: "Sphinx", what: str, name: str, value: Any, options: Any, signature: str, returns: str) -> Any:
    """The signature as it stands in the source."""
    if what in ("function", "method"):
        node = _parsed(inspect.unwrap(value))
        if isinstance(node, ast.FunctionDef):
            node = Linked(inspect.getmodule(inspect.unwrap(value))).visit(copy.deepcopy(node))
            arguments = node.args
            if what == "method" and not any(isinstance(each, ast.Name) and each.id == "staticmethod"
                                            for each in node.decorator_list):  # fmt: skip
                (arguments.posonlyargs or arguments.args or [None]).pop(0)
            return f"({ast.unparse(arguments)})", ast.unparse(node.returns) if node.returns else ""
    if what == "class" and dataclasses.is_dataclass(value):
        return f"({', '.join(_fields(value))})", ""
    return None


def _fields(value: type) -> Iterator[str]:
    lines: dict[str, ast.AnnAssign] = {}
    modules: dict[str, ModuleType | None] = {}
    for owner in reversed(value.__mro__):
        node = _parsed(owner) if dataclasses.is_dataclass(owner) else None
        if isinstance(node, ast.ClassDef):
            own = {line.target.id: line for line in node.body
                   if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)}  # fmt: skip
            lines |= own
            modules |= dict.fromkeys(own, inspect.getmodule(owner))
    for field in dataclasses.fields(value):
        if not field.init or field.name not in lines:
            continue
        line = lines[field.name]
        made = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = "" if made or line.value is None else f" = {_default(line.value)}"
        annotation = Linked(modules[field.name]).visit(copy.deepcopy(line.annotation))
        yield f"{field.name}: {ast.unparse(annotation)}{default}"


def _default(value: ast.expr) -> str:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field":
        for keyword in value.keywords:
            if keyword.arg == "default":
                return ast.unparse(keyword.value)
        return "..."
    return ast.unparse(value)


def elsewhere(app: "Sphinx", env: Any, node: Any, shown: Any) -> Any:
    """A name in single backticks that another room documents."""
    if node.get("refdomain") != "py" or (path := by_name().get(node["reftarget"].removeprefix("spurlab."))) is None:
        return None
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", path, node, shown)


def setup(app: "Sphinx") -> dict[str, Any]:
    app.connect("builder-inited", write, priority=100)
    app.connect("autodoc-process-signature", written)
    app.connect("missing-reference", elsewhere)
    return {"parallel_read_safe": True}
