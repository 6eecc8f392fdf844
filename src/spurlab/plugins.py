"""What installed packages add to our tables, by entry points; docs/plugins.md says it for their authors.

Names come from the packages' metadata: a package is imported when one of its names is asked for, and not before. A
results folder is read while the tables are `closed`: they have our own entries alone then, and what a package has added
there is known by the names that were recorded.
"""

import logging
import re
from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import Any, Generic, NamedTuple, TypeVar

from spurlab.errors import FAILURES, InputError, one_line, worded

log = logging.getLogger(__name__)

K = TypeVar("K", bound=str | int)
V = TypeVar("V")

# The kinds of plug-ins, and what one of each is called. The entry points of a kind are in the group ``spurlab.KIND``.
KINDS: Mapping[str, str] = {
    "datasets": "dataset",
    "models": "architecture",
    "marks": "mark",
    "measures": "measure",
    "views": "figure",
    "executors": "executor",
    "deletion": "deletion method",
    "prevention": "prevention method",
    "attacks": "attack",
    "claims": "claim",
}
# Kinds of which a name can also be ``package.module:callable``, code of the user's.
CODE = frozenset({"models", "deletion", "prevention", "attacks"})
# Names that mean something else where a name of this kind is asked for.
RESERVED: Mapping[str, frozenset[str]] = {
    "datasets": frozenset({"npz", "folder", "table", "text", "hf"}),
    "marks": frozenset(
        {"box", "noise", "spike", "sine", "offset", "token", "misspelt", "column", "missing", "picture"}
        | {"v1", "v3", "v8", "v18", "v19", "v20", "v30"}  # of the paper's public code
    ),
    "deletion": frozenset({"none", "oracle"}),
}
# What a name of a kind may look like: what follows a name (settings, classes, draws, versions) begins with other signs.
LOOKS: Mapping[str, str] = {
    "marks": r"[A-Za-z][A-Za-z0-9_+-]{0,60}",
    "measures": r"[a-z][a-z0-9_]{0,60}",
    "views": r"[a-z][a-z0-9-]{0,40}",
    "claims": r"[1-9][0-9]{0,8}",
}
ANY = r"[A-Za-z0-9][A-Za-z0-9+._-]{0,60}"
_QUALIFIED = re.compile(rf"({ANY}) \(([^()\s]+ [^()\s]+)\)")


class PluginError(InputError):
    """What a package has registered cannot be used, and why."""


class Registered(NamedTuple):
    """One entry point.

    Args:
        kind: of `KINDS`.
        name: as the package calls what it adds.
        package: the name of the distribution.
        version: its version.
        point: what leads to the object.
    """

    kind: str
    name: str
    package: str
    version: str
    point: EntryPoint

    @property
    def origin(self) -> str:
        """The package and its version."""
        return f"{self.package} {self.version}"

    def __str__(self) -> str:
        return f"the {KINDS[self.kind]} {self.name!r} of {self.origin} ({self.point.value})"


@cache
def everything_registered() -> Mapping[str, Mapping[str, tuple[Registered, ...]]]:
    """By kind and name all entry points of the installed packages; nothing is imported. Looked for once a process.

    Several packages can have the same name for what they add.
    """
    found: dict[str, dict[str, tuple[Registered, ...]]] = {kind: {} for kind in KINDS}
    seen: set[str] = set()
    for distribution in distributions():
        try:  # the metadata of one package may be broken
            package, version = distribution.metadata["Name"], distribution.version
            points = list(distribution.entry_points)
        except Exception as error:
            log.debug("the metadata of %s cannot be read: %s", distribution, worded(error))
            continue
        normal = re.sub(r"[-_.]+", "-", str(package)).lower()
        if normal in seen:  # another one of that name stands before it on the path, and is what would be imported
            continue
        seen.add(normal)
        for point in points:
            kind = point.group.removeprefix("spurlab.")
            if point.group == f"spurlab.{kind}" and kind in KINDS:
                one = Registered(kind, point.name, one_line(str(package)), one_line(str(version or "?")), point)
                found[kind][point.name] = (*found[kind].get(point.name, ()), one)
    return {
        kind: {name: tuple(sorted(names[name], key=lambda one: one.package)) for name in sorted(names)}
        for kind, names in found.items()
    }


def refusal(kind: str, name: str, own: Collection[object]) -> str:
    """Why what is registered under a name cannot be used, in a sentence; "" where it can, as far as metadata say.

    Args:
        kind: of `KINDS`.
        name: of an entry point.
        own: the names of our own.
    """
    first, *others = everything_registered()[kind][name]
    what = KINDS[kind]
    ours = {str(known).casefold() for known in own} | RESERVED.get(kind, frozenset())
    if name.casefold() in ours:
        return (
            f"the {what} {name!r} is registered by {first.origin}, but Spurlab has one of that name. Uninstall "
            f"{first.package}, or ask its authors for another name."
        )
    if others:
        packages = " and by ".join(one.origin for one in (first, *others))
        return f"the {what} {name!r} is registered by {packages}. Uninstall one of them: which is meant is not known."
    if not re.fullmatch(LOOKS.get(kind, ANY), name):
        return f"{first} cannot be called so: names of this kind look like {LOOKS.get(kind, ANY)}."
    return ""


_OWN: dict[str, Collection[Any]] = {}  # the names of our own, by kind
_CLOSED: ContextVar[bool] = ContextVar("whether tables have our own entries alone", default=False)
_OPENED: ContextVar[bool] = ContextVar("whether they have all, whatever is read", default=False)
_RECORDED: ContextVar[Mapping[str, str] | None] = ContextVar("what a study was recorded with", default=None)


@contextmanager
def closed() -> Iterator[None]:
    """Meanwhile no entry point is loaded, and tables have our own entries alone, unless they were `opened` before."""
    before = _CLOSED.set(True)
    try:
        yield
    finally:
        _CLOSED.reset(before)


@contextmanager
def opened(really: bool = True) -> Iterator[None]:
    """Meanwhile tables have all entries, also where a results folder is read: for who asks for it."""
    before = _OPENED.set(_OPENED.get() or really)
    try:
        yield
    finally:
        _OPENED.reset(before)


@contextmanager
def recorded(entries: Mapping[str, str]) -> Iterator[None]:
    """Meanwhile plug-ins are those that a study was recorded with, whatever is installed.

    Args:
        entries: package and version by `recorded_as`; what is named otherwise is no matter.
    """
    before = _RECORDED.set(entries)
    try:
        yield
    finally:
        _RECORDED.reset(before)


def are_closed() -> bool:
    """Whether tables have our own entries alone."""
    return _CLOSED.get() and not _OPENED.get()


def recorded_as(kind: str, name: str) -> str:
    """Under which the package and version of what has this name are recorded; no data set is named so.

    Random marks are recorded under the kind ``random`` too: a reader must know that they are.

    >>> recorded_as("deletion", "shrink,by=0.5")
    'plug-in deletion shrink'
    """
    return f"plug-in {kind} {base_name(name)}"


def base_name(name: str) -> str:
    """The name of the entry, without settings, classes or a number of examples that follow it.

    >>> [base_name(name) for name in ("shrink by=0.5", "waves@100:0,1")]
    ['shrink', 'waves']
    """
    return re.split(r"[\s,:@]", name, maxsplit=1)[0]


def is_recorded(kind: str, name: str) -> bool:
    """Whether a study that is being read was recorded with a plug-in of this name."""
    entries = _RECORDED.get()
    return entries is not None and recorded_as(kind, name) in entries


def names_of(kind: str) -> Collection[str]:
    """The names of plug-ins of a kind: what is installed, or what a study that is being read was recorded with."""
    if (entries := _RECORDED.get()) is not None:
        start = recorded_as(kind, "")
        return [entry.removeprefix(start) for entry in entries if entry.startswith(start)]
    return () if are_closed() else everything_registered()[kind].keys()


def origin_of(kind: str, name: str) -> str:
    """The package and version that have added what is called so; "" for all else.

    While a study is being read (`recorded`) it is what that was recorded with.

    Args:
        kind: of `KINDS`.
        name: with what may follow it.
    """
    if ":" in name and kind != "datasets":  # code of the user's, or a mark with a word
        return ""
    if (entries := _RECORDED.get()) is not None:
        return entries.get(recorded_as(kind, name), "")
    base = base_name(name)
    if are_closed() or base in RESERVED.get(kind, ()) or not re.fullmatch(LOOKS.get(kind, ANY), base):
        return ""
    if base in {str(own) for own in _OWN.get(kind, ())}:
        return ""
    several = everything_registered()[kind].get(base)
    return several[0].origin if several else ""


def is_foreign(kind: str, name: str) -> bool:
    """Whether code that is not ours is behind a name: a function of the user's, or a plug-in.

    Args:
        kind: of `KINDS`.
        name: with what may follow it.

    >>> is_foreign("models", "my.networks:wide"), is_foreign("models", "mlp"), is_foreign("marks", "token:oil")
    (True, False, False)
    """
    return (kind in CODE and ":" in name) or bool(origin_of(kind, name))


def qualified(name: str, origin: str) -> str:
    """A name with the package and version that it is of, as stored results have it; our own names are as they are.

    >>> qualified("ring", "spurlab-example 0.1.0"), unqualified("ring (spurlab-example 0.1.0)"), unqualified("S3")
    ('ring (spurlab-example 0.1.0)', 'ring', 'S3')
    """
    return f"{name} ({origin})" if origin else name


def unqualified(name: str) -> str:
    """The name that `qualified` was given."""
    found = _QUALIFIED.fullmatch(name)
    return found[1] if found else name


def check_here(entries: Mapping[str, str]) -> None:
    """Whether what others work with is installed here too.

    Args:
        entries: package and version by `recorded_as`.

    Raises:
        PluginError: a package is not here, or another version of it.
    """
    for entry, origin in entries.items():
        _, kind, name = entry.split(" ")
        kind = {"random": "marks"}.get(kind, kind)  # see `recorded_as`
        if (here := origin_of(kind, name)) != origin:
            there = f"of {here}" if here else "it is not installed"
            raise PluginError(
                f"the {KINDS[kind]} {name!r} is of {origin}, but here {there}. Install the same everywhere."
            )


def of_type(wanted: type, called: str = "") -> Callable[[Any, object], str]:
    """What `Extensible` asks of an object: its type, and that an attribute of it is the name that it is registered by.

    Args:
        wanted: the type.
        called: the attribute; "": it has no name of its own.
    """

    def wrong(name: Any, found: object) -> str:
        if not isinstance(found, wanted):
            what = found.__name__ if isinstance(found, type) else f"of the type {type(found).__name__}"
            return f"must be a {wanted.__module__}.{wanted.__qualname__}, but it is {what}"
        if called and (own := getattr(found, called)) != name:
            return f"must have that name as its {called!r}, but that is {own!r}"
        return ""

    return wrong


class Extensible(MutableMapping[K, V], Generic[K, V]):
    """One of our tables, with what installed packages add to it.

    Names are known at once; an object of a package is imported when it is asked for by its name, ``table[name]``, and
    is kept. A name that we have is ours, whoever registers it. `items` and `values` import all, and pass over what
    cannot be had, with a warning. What is set is an entry of our own.

    Args:
        kind: of `KINDS`.
        own: our own entries.
        wrong: what is wrong with an object of this name, as a part of a sentence that goes on from what it is; "" for
            nothing. See `of_type`.
        key: what a name of an entry point is in this table.

    Raises:
        PluginError: (when asked for) a name that we have in other letters, that two packages have, or that names of
            this kind cannot look like; an import that fails; or an object of another type.
    """

    def __init__(
        self, kind: str, own: Mapping[K, V], wrong: Callable[[Any, object], str], key: Callable[[str], Any] = str
    ) -> None:
        self.kind, self.own = kind, dict(own)
        self._wrong, self._key = wrong, key
        self._loaded: dict[Registered, V | PluginError] = {}
        _OWN.setdefault(kind, self.own)

    @property
    def registered(self) -> Mapping[str, tuple[Registered, ...]]:
        """By name, what packages add; nothing while the tables are `closed`."""
        return {} if are_closed() else everything_registered().get(self.kind, {})

    def __getitem__(self, name: K) -> V:
        several = self.registered.get(str(name))
        if name in self.own or not several:
            return self.own[name]
        if why := refusal(self.kind, str(name), self.own):
            raise PluginError(why)
        if several[0] not in self._loaded:
            self._loaded[several[0]] = self._load(name, several[0])
        found = self._loaded[several[0]]
        if isinstance(found, PluginError):
            raise found
        return found

    def _load(self, name: K, one: Registered) -> V | PluginError:
        try:
            found: Any = one.point.load()
        except FAILURES as error:
            return PluginError(f"{one} cannot be imported: {worded(error)}. Mend or uninstall the package.")
        if wrong := self._wrong(name, found):
            return PluginError(f"{one} {wrong}. Its authors can mend that: see docs/plugins.md.")
        loaded: V = found
        return loaded

    def __contains__(self, name: object) -> bool:
        return name in self.own or str(name) in self.registered

    def __iter__(self) -> Iterator[K]:
        yield from self.own
        for name in self.registered:
            if re.fullmatch(LOOKS.get(self.kind, ANY), name) and (key := self._key(name)) not in self.own:
                yield key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __setitem__(self, name: K, value: V) -> None:
        self.own[name] = value

    def __delitem__(self, name: K) -> None:
        del self.own[name]

    def items(self) -> ItemsView[K, V]:
        """All names with their objects, which are imported."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """All objects, which are imported."""
        return _Values(self)


class _Items(ItemsView[K, V]):
    """Without what cannot be had, of which a warning tells once."""

    _mapping: Extensible[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        for name in self._mapping:
            try:
                found = self._mapping[name]
            except PluginError as error:
                _tell(str(error))
            else:
                yield name, found


class _Values(ValuesView[V]):
    _mapping: Extensible[Any, V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.items())


@cache
def _tell(problem: str) -> None:
    log.warning("passed over, %s", problem)
