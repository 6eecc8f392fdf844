"""Every function that a user calls shows how, in an example that runs with the tests (``--doctest-modules``)."""

import ast
import importlib
import inspect
from pathlib import Path

import spurlab

SOURCE = Path(spurlab.__file__).parent


def exported(module):
    """What a module lets others import, by mypy's rule: what it defines, and what it imports ``as`` its own name."""
    names = set()
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names if alias.asname == alias.name}
    return {name for name in names if not name.startswith("_")}


def has_example(what):
    """Lines that are skipped show something, but nobody learns when they are wrong."""
    lines = [line for line in (what.__doc__ or "").splitlines() if line.lstrip().startswith(">>>")]
    return any("+SKIP" not in line for line in lines)


def in_the_rooms():
    rooms = [spurlab, *(room for room in vars_of_the_package() if inspect.ismodule(room))]
    for room in rooms:
        names = spurlab.__all__ if room is spurlab else exported(room)
        for name in names:
            yield getattr(room, name)


def vars_of_the_package():
    return [getattr(spurlab, name) for name in spurlab.__all__]


if __name__ == "__main__":
    fs = {f"{o.__module__}.{o.__qualname__}": o for o in in_the_rooms() if inspect.isfunction(o) and o.__module__.startswith("spurlab")}
    lack = sorted(n for n, o in fs.items() if not has_example(o))
    print(len(fs), len(lack))
    for n in lack: print(n)
    cs = {f"{o.__module__}.{o.__qualname__}": o for o in in_the_rooms() if inspect.isclass(o) and o.__module__.startswith("spurlab")}
    lack = sorted(n for n, o in cs.items() if not has_example(o))
    print("CLASSES", len(cs), len(lack)); print(*lack)
