"""The tables of methods: what the command line offers, studies name and tests walk through; and settings in a name."""

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from spurlab.errors import InputError, did_you_mean
from spurlab.methods.anew import Make
from spurlab.models import is_user_name, user_function
from spurlab.plugins import Extensible, base_name, is_recorded, of_type
from spurlab.training import Recipe

Method = TypeVar("Method")
Need = Literal["groups", "clean", "clean groups", "training", "logits", "population"]
GIVEN = ("recipe", "seed", "make")  # not by name
SAID = {  # what `_said` would say less well
    "balanced=false": "not balanced",
    "best_epoch=false": "last epoch",
    "first_epochs=none": "errors of the given network",
    "resample=false": "not resampled",
    "sample=none": "all examples",
    "stop_early=true": "stopped early",
    "weight_decay=none": "weight decay of the training",
    "weights=train": "weights from training data",
}
WORDS = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}


@dataclass(frozen=True)
class Entry(Generic[Method]):
    """One method of a table.

    Args:
        title: what people call it.
        make: the method, for a network that was trained by a recipe, a seed for what it draws, and how a new network of
            that architecture is made, by seed (None: by resetting each layer of a copy).
        needs: with the settings of this entry: ``groups`` of the training examples, ``clean`` examples, ``clean
            groups``, and ``training`` of a network; of an attack ``logits`` of all classes, and a ``population`` that
            no network learnt from, with features.
        family: what stands before settings of other values, where the title tells those of this entry; "": the title.
    """

    title: str
    make: Callable[[Recipe, int, Make | None], Method]
    needs: frozenset[Need] = frozenset()
    family: str = ""

    @classmethod
    def of(
        cls, title: str, kind: Callable[..., Method], *needs: Need, family: str = "", **settings: Any
    ) -> "Entry[Method]":
        """Of a frozen dataclass with these settings. It is given recipe, seed and make where it has such fields."""
        takes = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # all methods here are dataclasses

        def make(*given: Any) -> Method:
            named = {name: value for name, value in zip(GIVEN, given, strict=True) if name in takes}
            return kind(**named, **settings)

        return cls(title, make, frozenset(needs), family)


class Table(Extensible[str, Entry[Method]], Generic[Method]):
    """Methods by name. Settings may stand after a name: ``scrub,alpha=0.3`` and ``scrub alpha=0.3`` are the same.

    Stored results are found by the names that `canonical` gives, so these stay as they are. All that take a name raise
    as `named` does, but import no code of the user's.

    Args:
        what: what the methods are, for messages, e.g. ``deletion method``.
        entries: by name, our own.
        kind: of the plug-ins that add to the table, see `spurlab.plugins.KINDS`; "": there are none.
        shortest: whether a name is written without settings that change nothing, and as that of an entry that is the
            same method. False where stored results have such settings in their names.

    >>> @dataclass(frozen=True)
    ... class Shrink:
    ...     recipe: Recipe
    ...     by: float = 0.5
    >>> table = Table("method", {"shrink": Entry.of("shrunk", Shrink), "shrink-9": Entry.of("by 0.9", Shrink, by=0.9)})
    >>> [table.canonical(name) for name in ("shrink,by=.10", "shrink by=0.5", "shrink,by=9e-1")]
    ['shrink by=0.1', 'shrink', 'shrink-9']
    >>> table.named("shrink,by=0.1", Recipe(), seed=0).by, table.title_of("shrink,by=0.1"), table.trains("shrink")
    (0.1, 'shrunk, by 0.1', False)
    """

    def __init__(
        self, what: str, entries: Mapping[str, Entry[Method]], kind: str = "", *, shortest: bool = True
    ) -> None:
        super().__init__(kind, entries, of_type(Entry))
        self._what, self._shortest = what, shortest

    def named(self, name: str, recipe: Recipe, seed: int, make: Make | None = None) -> Method:
        """The method of this name.

        Args:
            name: an entry, with settings after it where others than its own are wanted, e.g. ``afr gamma=4
                penalty=0.1``; or ``package.module:callable``: code of the user's, called as the table's methods are.
            recipe, seed, make: as `Entry.make` takes them.

        Raises:
            ValueError: there is none, or no such setting, with the nearest name; a value that the setting cannot take;
                or the user's method cannot be imported.
        """
        if is_user_name(name):
            user: Any = user_function(name, self._what)
            return user  # type: ignore[no-any-return]
        base, settings = self._read(name)
        method: Any = self[base].make(recipe, seed, make)
        return replace(method, **settings) if settings else method  # type: ignore[no-any-return]

    def canonical(self, name: str) -> str:
        """The one name of a method: its settings in alphabetical order, each value written in one way."""
        if is_user_name(name) or self._is_recorded(name):
            return name.strip()
        base, settings = self._read(name)
        if settings and self._shortest:
            base, settings = self._shortened(replace(self._plain(base), **settings), base)
        return " ".join([base, *(f"{key}={_written(settings[key])}" for key in sorted(settings))])

    def needs(self, name: str) -> frozenset[Need]:
        """What the method of this name needs, as its entry says; of a user's nobody knows: all."""
        return frozenset(get_args(Need)) if is_user_name(name) else self[self._read(name)[0]].needs

    def trains(self, name: str) -> bool:
        """Whether the method of this name trains a network; a user's may."""
        return "training" in self.needs(name)

    def anew(self, name: str) -> bool:
        """Whether the method of this name asks nothing of the given network but its answers, so that it may be of
        trees, which have no gradients; a user's may.
        """
        return is_user_name(name) or getattr(self._plain(self._read(name)[0]), "anew", False)

    def title_of(self, name: str) -> str:
        """What people call the method of this name, with its settings; a user's is called by its name."""
        if is_user_name(name) or base_name(name.strip()) not in self:  # as it was recorded: what it is called is not
            return name.strip()
        base, *settings = self.canonical(name).split()
        entry = self[base]
        return ", ".join([entry.family or entry.title, *map(_said, settings)]) if settings else entry.title

    def settings_of(self, base: str) -> Mapping[str, Any]:
        """The settings that can stand after the name of an entry, and their values there."""
        method = self._plain(base)
        return {key: value for key, value in _settings(method).items() if _can_be_written(_kinds_of(method, key))}

    def _plain(self, base: str) -> Any:
        """The method of an entry, for its settings alone."""
        return self[base].make(Recipe(), 0, None)

    def _read(self, name: str) -> tuple[str, dict[str, Any]]:
        """An entry of the table, and the settings after it."""
        base, *words = re.split(r"[\s,]+", name.strip())
        if base not in self:
            raise InputError(f"there is no {self._what} {base!r}. {did_you_mean(base, self)}")
        self[base]  # which refuses what is registered wrongly
        if not words:
            return base, {}
        method, known = self._plain(base), self.settings_of(base)
        example = next((f", e.g. '{base} {key}={_written(value)}'" for key, value in known.items()), "")
        settings: dict[str, Any] = {}
        for word in words:
            key, equals, text = word.partition("=")
            if not equals or not text:
                raise InputError(f"{name!r}: a setting is written key=value{example}, but {word!r} is not.")
            if key not in known:
                raise InputError(f"{base!r} has no setting {key!r}. {did_you_mean(key, known)}")
            if key in settings:
                raise InputError(f"{name!r} gives {key!r} twice.")
            settings[key] = _value(f"`{key}` of {base!r}", text, _kinds_of(method, key))
        replace(method, **settings)  # which refuses a value outside of its range
        return base, settings

    def _is_recorded(self, name: str) -> bool:
        """Whether a study that is being read was recorded with a plug-in's method of this name."""
        return is_recorded(self.kind, name.strip())

    def _shortened(self, method: Any, base: str) -> tuple[str, dict[str, Any]]:
        """The entry that is this method; else the first that is it with other settings, and these.

        Of a plug-in's method it is that itself: others are not imported to look.
        """
        ways = []
        for name in self.own if base in self.own else (base,):
            if type(plain := self._plain(name)) is type(method):
                defaults = _settings(plain)
                others = {key: value for key, value in _settings(method).items() if value != defaults[key]}
                if others.keys() <= self.settings_of(name).keys():
                    ways.append((name, others))
        return min(ways, key=lambda way: bool(way[1]))


def _settings(method: Any) -> dict[str, Any]:
    names = [field.name for field in fields(method)] if is_dataclass(method) else []
    return {name: getattr(method, name) for name in names if name not in GIVEN}


_hints = cache(get_type_hints)  # of a method's class, which is asked for at every name


def _kinds_of(method: Any, key: str) -> tuple[Any, ...]:
    """The types that a setting may have."""
    hint = _hints(type(method))[key]  # type: ignore[arg-type]  # classes can be hashed
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _can_be_written(kinds: tuple[Any, ...]) -> bool:
    return all(kind in WORDS or get_origin(kind) in (Literal, tuple) for kind in kinds)


def _value(what: str, text: str, kinds: tuple[Any, ...]) -> Any:
    """A value of the setting's type; a ValueError where the text is none."""
    for kind in kinds:
        if get_origin(kind) is Literal and text in get_args(kind):
            return text
        if get_origin(kind) is tuple:
            return tuple(_value(what, part, get_args(kind)[:1]) for part in text.split("/"))
        if kind is type(None) and text.lower() == "none":
            return None
        if kind is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in (int, float):
            try:
                number = kind(text)
            except ValueError:
                continue
            if math.isfinite(number):
                return number
    raise InputError(f"{what} must be {' or '.join(map(_in_words, kinds))}, but it is {text!r}.")


def _in_words(kind: Any) -> str:
    return ", ".join(get_args(kind)) if get_origin(kind) is Literal else WORDS[kind]


def _said(setting: str) -> str:
    """A setting as people say it; where it is none, the method chooses.

    >>> [_said(setting) for setting in ("gamma=4", "c=1", "gamma=none", "best_epoch=true", "same_steps=false")]
    ['gamma 4', 'c = 1', 'gamma chosen', 'best epoch', 'without same steps']
    """
    key, _, value = setting.partition("=")
    key = key.replace("_", " ")
    usual = f"{key} = {value}" if len(key) == 1 else f"{key} {value}"
    return SAID.get(setting) or {"none": f"{key} chosen", "true": key, "false": f"without {key}"}.get(value, usual)


def _written(value: Any) -> str:
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple):
        return "/".join(map(_written, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
