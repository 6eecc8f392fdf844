"""The table of methods: what the command line offers, studies name and tests walk through."""

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from spurlab.deletion.retrain import Make
from spurlab.errors import did_you_mean
from spurlab.models import is_user_name, user_function
from spurlab.prevention.afr import Afr
from spurlab.prevention.balancing import Reweighting, Subsampling
from spurlab.prevention.clean_only import CleanOnly
from spurlab.prevention.dfr import Dfr
from spurlab.prevention.erm import Erm
from spurlab.prevention.group_dro import GroupDro
from spurlab.prevention.irm import Irm
from spurlab.prevention.jtt import Jtt
from spurlab.prevention.lff import Lff
from spurlab.prevention.method import Prevention
from spurlab.prevention.mixup import Mixup
from spurlab.training import Recipe

Need = Literal["groups", "clean", "clean groups", "training"]
GIVEN = ("recipe", "seed", "make")  # not by name


@dataclass(frozen=True)
class Entry:
    """One method of the table.

    Args:
        title: what people call it.
        make: the method, for a network that was trained by a recipe, a seed for what it draws, and how a new network of
            that architecture is made, by seed (None: by resetting each layer of a copy).
        needs: with the settings of this entry: ``groups`` of the training examples, ``clean`` examples, ``clean
            groups``, and ``training`` of a network.
    """

    title: str
    make: Callable[[Recipe, int, Make | None], Prevention]
    needs: frozenset[Need] = frozenset()


def _refit(title: str, make: Callable[[int], Prevention], *needs: Need) -> Entry:
    """Of a method that trains no network."""
    return Entry(title, lambda _, seed, __: make(seed), frozenset(needs))


def _anew(title: str, make: Callable[..., Prevention], *needs: Need) -> Entry:
    """Of a method that trains a network, or may do so with other settings."""
    return Entry(title, lambda recipe, seed, new: make(recipe, seed, make=new), frozenset(needs))


# A new method is one file and one line here.
PREVENTIONS: Mapping[str, Entry] = {
    "erm": _refit("ERM", lambda _: Erm()),
    "clean-only": _anew("clean examples alone", CleanOnly, "clean", "training"),
    "dfr": _refit("DFR", Dfr, "clean", "clean groups"),
    "dfr-plain": _refit("DFR, one plain refit", partial(Dfr, norm="l2", balanced=False, refits=1), "clean"),
    "afr": _anew("AFR", Afr, "training"),
    "afr-train": _anew("AFR, weights from training data", partial(Afr, weights="train")),
    "group-dro": _anew("GroupDRO", GroupDro, "groups", "clean", "clean groups", "training"),
    "subg": _anew("SUBG", partial(Subsampling, by="group"), "groups", "training"),
    "suby": _anew("SUBY", partial(Subsampling, by="class"), "training"),
    "rwg": _anew("RWG", partial(Reweighting, by="group"), "groups", "training"),
    "rwy": _anew("RWY", partial(Reweighting, by="class"), "training"),
    "jtt": _anew("JTT", Jtt, "training"),
    "jtt-given": _anew("JTT, errors of the given network", partial(Jtt, first_epochs=None), "training"),
    "lff": _anew("LfF", Lff, "training"),
    "mixup": _anew("mixup", Mixup, "training"),
    "irm": _anew("IRM", Irm, "groups", "training"),
}


def prevention_named(name: str, recipe: Recipe, seed: int, make: Make | None = None) -> Prevention:
    """The method of this name.

    Args:
        name: an entry of `PREVENTIONS`, with settings after it where others than its own are wanted, e.g. ``afr gamma=4
            penalty=0.1``; or ``package.module:callable``: code of the user's, called as ``callable(model, data,
            clean)``.
        recipe: how the network was trained.
        seed: of what the method draws.
        make: a new network of the same architecture, by seed; None: a copy, every layer reset.

    Raises:
        ValueError: there is none, or no such setting, with the nearest name; a value that the setting cannot take; or
            the user's method cannot be imported.
    """
    if is_user_name(name):
        return user_function(name, "prevention method")
    base, settings = _read(name)
    method = PREVENTIONS[base].make(recipe, seed, make)
    return replace(method, **settings) if settings else method  # type: ignore[type-var]  # those with settings are such


def canonical_name(name: str) -> str:
    """The same name with its settings in alphabetical order and each value written in one way.

    Raises:
        ValueError: as `prevention_named`; a user's method is not imported.

    >>> canonical_name("afr penalty=0.10  gamma=4.0")
    'afr gamma=4 penalty=0.1'
    """
    if is_user_name(name):
        return name.strip()
    base, settings = _read(name)
    return " ".join([base, *(f"{key}={_written(settings[key])}" for key in sorted(settings))])


def trains(name: str) -> bool:
    """Whether the method of this name trains a network, as its entry says; of a user's nobody knows: true.

    Raises:
        ValueError: as `canonical_name`.

    >>> trains("dfr"), trains("afr gamma=8")
    (False, True)
    """
    return is_user_name(name) or "training" in PREVENTIONS[_read(name)[0]].needs


def title_of(name: str) -> str:
    """What people call the method of this name, with its settings; a user's is called by its name.

    Raises:
        ValueError: as `canonical_name`.

    >>> title_of("afr gamma=4")
    'AFR, gamma=4'
    """
    base, *settings = canonical_name(name).split()
    return ", ".join([PREVENTIONS[base].title if base in PREVENTIONS else base, *settings])


def settings_of(base: str) -> Mapping[str, Any]:
    """The settings that can stand after the name of an entry, and their values there.

    >>> settings_of("mixup")
    {'alpha': 1.0}
    """
    method = PREVENTIONS[base].make(Recipe(), 0, None)
    names = [each.name for each in fields(method)]  # type: ignore[arg-type]  # all methods here are dataclasses
    return {name: getattr(method, name) for name in names if name not in GIVEN}


def _read(name: str) -> tuple[str, dict[str, Any]]:
    """An entry of the table, and the settings after it."""
    base, *words = name.split() or [""]
    if base not in PREVENTIONS:
        raise ValueError(f"there is no prevention method {base!r}. {did_you_mean(base, PREVENTIONS)}")
    known = settings_of(base)
    method: Any = PREVENTIONS[base].make(Recipe(), 0, None)
    hints = _hints(type(method))  # type: ignore[arg-type]  # classes can be hashed
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not text:
            raise ValueError(f"{name!r}: a setting is written key=value, e.g. 'afr gamma=4', but {word!r} is not.")
        if key not in known:
            raise ValueError(f"{base!r} has no setting {key!r}. {did_you_mean(key, known)}")
        if key in settings:
            raise ValueError(f"{name!r} gives {key!r} twice.")
        settings[key] = _value(base, key, text, hints[key])
    replace(method, **settings)  # which refuses a value outside of its range
    return base, settings


_hints = cache(get_type_hints)  # of a method's class, which is asked for at every name


def _value(base: str, key: str, text: str, hint: Any) -> Any:
    """A value of the setting's type.

    Raises:
        ValueError: the text is none.
    """
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for kind in kinds:
        if get_origin(kind) is Literal and text in get_args(kind):
            return text
        if kind is type(None) and text.lower() == "none":
            return None
        if kind is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
    raise ValueError(f"`{key}` of {base!r} must be {_kinds(kinds)}, but it is {text!r}.")


def _kinds(kinds: tuple[Any, ...]) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}
    each = [", ".join(get_args(kind)) if get_origin(kind) is Literal else words[kind] for kind in kinds]
    return " or ".join(each)


def _written(value: Any) -> str:
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
