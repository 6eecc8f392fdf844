"""Marks of one's own by their text: a picture, a box or noise, a spike, a sine or an offset, or one of the table."""

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast, get_args

from spurlab.data import Columns, Dataset, Vocabulary, tokens
from spurlab.errors import InputError, brief, did_you_mean
from spurlab.patterns.additive import Family
from spurlab.patterns.cells import GONE, Cells
from spurlab.patterns.image import Noise
from spurlab.patterns.mark import Mark, MarkLike
from spurlab.patterns.misspelt import Misspelling
from spurlab.patterns.overlay import PLACES, How, box, picture
from spurlab.patterns.table import MARKS, make_mark, pattern_name
from spurlab.patterns.waves import Offset, Sine, Spike
from spurlab.patterns.words import At, Phrase, PutIn

_log = logging.getLogger(__name__)

Asked: TypeAlias = str | Mapping[str, Any]
Names: TypeAlias = Vocabulary | Columns | None
ByValue: TypeAlias = Phrase | Cells  # marks that say themselves which examples carry them
WAVES: Mapping[str, Any] = {"spike": Spike, "sine": Sine, "offset": Offset}  # their settings are fields
OF_WORDS = ("token", "misspelt")
NAMED = (*OF_WORDS, "column", "missing")  # kinds that are followed by a colon and what they put in
_SUITS = {3: "images", 2: "documents", 1: "signals"}  # the marks of `MARKS`, by their axes
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def own_mark(
    asked: Asked,
    shape: tuple[int, ...],
    seed: int = 0,
    clip: tuple[float, float] | None = (0.0, 1.0),
    names: Names = None,
) -> Mark:
    """A mark from what names it and its settings, ``key=value`` after commas, or from a table of the same.

    Args:
        asked: ``logo.png,at=top-right,size=8,how=blend``: a picture with its opacity, see `spurlab.patterns.picture`;
            instead of `at`, ``row`` and ``col`` are pixels above it and to the left of it.
            ``box,row=0,col=0,size=5x5,value=.5,how=replace``: a box of one value.
            ``noise,r=.5``: noise in [0, r) on the whole image, drawn under the seed.
            ``spike,height=4,at=12``: one feature of a signal raised, without `at` one that is drawn under the seed.
            ``sine,height=.5,period=8,phase=0`` and ``offset,height=.5``: over the whole signal.
            ``token:crude,times=1,at=random,how=insert``: a word, or several in a row, in documents, see
            `spurlab.patterns.Phrase`; a new word is ``new-1``. What has the form ``,key=value`` at the end is a
            setting, all else are words: ``token:,`` is the comma.
            ``misspelt:oil,as=new-1,times=1,at=random,how=insert``: a word in another spelling where it stands, see
            `spurlab.patterns.Misspelling`.
            ``column:zip=99999``: a value in a column of a table, several with ``&`` between them; ``missing:zip&age``:
            columns without a value; see `spurlab.patterns.Cells`. These have no settings. A name or a value of the
            table that has ``&``, ``=`` or a comma itself is written as it is: the longest that there is is meant.
            ``S3``: a mark of `MARKS`.
            As tables: ``{"picture": "logo.png", "at": "top-right"}``, ``{"box": [5, 5], "value": 0.5}``,
            ``{"noise": 0.5}``, ``{"spike": 4, "at": 12}``, ``{"sine": 0.5, "period": 8}``, ``{"offset": 0.5}``,
            ``{"token": "crude", "times": 3}``, ``{"misspelt": "oil"}``,
            ``{"column": "zip=99999"}``, ``{"missing": "zip"}``.
        shape: of one input.
        seed: of what is drawn.
        clip: the range of the inputs, or None.
        names: the words of documents or the columns of a table, as `Dataset.names` has them.

    Raises:
        ValueError: an unknown name or setting, inputs of another kind than the mark is for, a word or a column that
            there is not, a picture that cannot be read or does not fit.

    >>> own_mark("box,row=1,col=2,size=3,value=.5", (1, 28, 28)).name
    'box of 3 x 3 at row 1, column 2'
    """
    kind, head, settings = settings_of(asked)
    wanted = _KINDS[kind].suits if kind else _SUITS[MARKS[pattern_name(head)].template.axes]
    given = _given(shape, names)
    vectors = wanted == "signals" and given == "rows of a table"  # what signals bear, other vectors do
    if given != wanted and not vectors:
        raise InputError(
            f"the mark {asked!r} is for {wanted}, but the inputs are {_called(shape, names)}. {_advice(given)}"
        )
    if kind in NAMED and names is None:
        raise InputError(
            f"the mark {asked!r} needs the words of the documents: give `names`, as `Dataset.names` has them."
        )
    if not kind:
        return make_mark(head, shape, seed, clip)
    return _KINDS[kind].make(head, settings, _Inputs(shape, seed, clip, names))


def mark_on(asked: str | MarkLike, data: Dataset, seed: int) -> MarkLike:
    """A mark for the inputs of a data set: by its text, as of `own_mark`, or itself.

    >>> from spurlab import load
    >>> mark_on("noise,r=.5", load("fashion-mini"), seed=0).name
    'noise of 0.5'
    """
    if not isinstance(asked, str):
        return asked
    return own_mark(asked, data.shape, seed, data.input_range, data.names)


def tell_carriers(mark: MarkLike, data: Dataset, name: str | None = None) -> None:
    """Logs how many training examples have a mark before it is planted, if any do and it knows them; each once.

    Args:
        mark: which one; rows and documents may have it as they are.
        data: where it is to be planted.
        name: what to call it, if not by its own name.
    """
    if isinstance(mark, ByValue) and (count := int(mark.carried(data.train.inputs).sum())):
        _warn_once(
            f"{count:,} of {len(data.train):,} training {data.kind} of {data.name} have {name or mark.name} before it "
            "is planted: n is not how many have it in all."
        )


@cache
def _warn_once(sentence: str) -> None:
    _log.warning("%s", sentence)


def _given(shape: tuple[int, ...], names: Names) -> str:
    if isinstance(names, Vocabulary):
        return "documents"
    return "rows of a table" if isinstance(names, Columns) else _SUITS.get(len(shape), "other inputs")


def _called(shape: tuple[int, ...], names: Names) -> str:
    if names is not None:
        return _given(shape, names)
    return f"vectors of {shape[0]} numbers" if len(shape) == 1 else f"of shape {shape}"


def _advice(given: str) -> str:
    """What marks there are for such inputs."""
    own = {"documents": "token:WORD and misspelt:WORD", "rows of a table": "column:NAME=VALUE and missing:NAME"}.get(
        given, ""
    )
    suited = [name for name, entry in MARKS.own.items() if _SUITS[entry.template.axes] == given]
    by_name = own or ", ".join(suited)
    return f"In Python any function of the inputs is a mark{f', and {by_name} suit them by name' * bool(by_name)}."


def settings_of(asked: Asked) -> tuple[str, str, dict[str, Any]]:
    """What a mark is; nothing is read.

    Args:
        asked: as of `own_mark`.

    Returns:
        ``picture``, ``box``, ``noise``, ``spike``, ``sine``, ``offset``, ``token``, ``column``, ``missing`` or, of a
        mark of the table, ""; the file, the name or what follows the colon; and the settings.

    Raises:
        ValueError: a kind or a setting that there is not, or a value that a setting cannot have.

    >>> settings_of("logo.png,at=top,size=8"), settings_of({"box": [5, 8]}), settings_of("S3")
    (('picture', 'logo.png', {'at': 'top', 'size': (8, 8)}), ('box', 'box', {'size': (5, 8)}), ('', 'S3', {}))
    """
    kind, head, parts = _of_text(asked) if isinstance(asked, str) else _of_table(asked)
    settings: dict[str, Any] = {}
    for key, value in parts:
        known = _KINDS[kind].settings
        if key not in known:
            raise InputError(f"the mark {asked!r} has the setting {key!r}. {did_you_mean(key, known)}")
        if key in settings:
            raise InputError(f"the mark {asked!r} has the setting {key!r} twice.")
        try:
            settings[key] = known[key](value)
        except ValueError as error:
            raise InputError(f"the mark {asked!r}: {key} is {error}.") from None
    if "at" in settings and settings.keys() & {"row", "col"}:
        raise InputError(f"the mark {asked!r} has `at` beside `row` or `col`. Say its place by one of them.")
    return kind, head, settings


def place_of(settings: Mapping[str, Any]) -> str | tuple[int, int]:
    """Where a picture of these settings lies: one of `PLACES`, or pixels above it and to the left of it."""
    if "row" in settings or "col" in settings:
        return settings.get("row", 0), settings.get("col", 0)
    return str(settings.get("at", PLACES[0]))


def size_of(settings: Mapping[str, Any]) -> int | tuple[int, int] | None:
    """The size of a picture of these settings; one number is for the longer side."""
    size: tuple[int, int] | None = settings.get("size")
    return size[0] if size and size[0] == size[1] else size


def _of_text(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    kind, colon, named = text.partition(":")
    if colon and (kind := kind.strip().lower()) in NAMED:
        return (kind, *_of_words(named)) if kind in OF_WORDS else (kind, named, [])
    head, *words = (word.strip() for word in text.split(","))
    if head.casefold().endswith(PICTURES):
        kind = "picture"
    else:
        in_table = head in MARKS and not words  # a spike as it is there
        kind = head if head in _KINDS and head not in ("picture", *NAMED) and not in_table else ""
    if colon and not kind and head not in MARKS:
        near = did_you_mean(head.partition(":")[0], NAMED)
        if near.startswith("Did you mean"):
            raise InputError(f"the mark {text!r} is none of {', '.join(f'{name}:...' for name in NAMED)}. {near}")
    if words and not kind:
        known = [f"{name}:..." if name in NAMED else name for name in _KINDS if name != "picture"]
        raise InputError(f"the mark {text!r} has settings, but {head!r} is none of picture files, {', '.join(known)}.")
    parts = [word.partition("=") for word in words]
    if no_setting := [key for key, equals, _ in parts if not equals]:
        raise InputError(f"the mark {text!r} has {no_setting[0]!r}, but a setting is key=value, e.g. size=8.")
    return kind, head, [(key, value) for key, _, value in parts]


def _of_words(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Words and the settings after them; a comma may be a word."""
    parts = list[tuple[str, str]]()
    while found := re.fullmatch(r"(.*),\s*([A-Za-z_]+)=([^,]*)", text, re.DOTALL):
        text, key, value = found.groups()
        parts.insert(0, (key, value.strip()))
    return text.strip(), parts


def _of_table(table: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, str]]]:
    kinds = [key for key in table if key in _KINDS]
    if len(kinds) != 1:
        raise InputError(
            f"the mark {table!r} must be one of {', '.join(_KINDS)}: {{ picture = 'logo.png', at = 'top-right' }}, "
            "{ box = 5, value = 0.5 }, { noise = 0.5 }, { spike = 4, at = 12 }, { token = 'crude', times = 3 } or "
            "{ column = 'zip=99999' }."
        )
    [kind] = kinds
    parts = [(_KINDS[kind].first if key == kind else key, _text(value)) for key, value in table.items()]
    head = _text(table[kind]) if kind == "picture" or kind in NAMED else kind
    return kind, head, [part for part in parts if part[0]]


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"a number, but it is {text!r}") from None


def _pixels(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise InputError(f"a number of pixels, but it is {text!r}")
    return int(text)


def _feature(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(f"a feature, counted from 0, but it is {text!r}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text, re.ASCII)
    if not found:
        raise InputError(f"pixels, e.g. 5, or 5x8 for height and width, but it is {text!r}")
    return int(found[1]), int(found[2] or found[1])


class _Inputs(NamedTuple):
    """What a mark is made for; the arguments of `own_mark`."""

    shape: tuple[int, ...]
    seed: int
    clip: tuple[float, float] | None
    names: Names


class _Kind(NamedTuple):
    """How a mark is made, of which inputs, which setting a table says by the kind's own key ("": the file, or what
    follows the colon), and all settings.
    """

    make: Callable[[str, dict[str, Any], _Inputs], Mark]
    suits: str
    first: str
    settings: Mapping[str, Callable[[str], Any]]


def _picture(head: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    shape, how = (of.shape[0], of.shape[1], of.shape[2]), settings.get("how", "blend")
    return picture(Path(head), shape, place_of(settings), size_of(settings), how, of.clip)


def _box(_: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    size, (height, width) = settings.get("size", (5, 5)), of.shape[1:]
    place = settings.get("row", 0), settings.get("col", 0)
    return box((height, width), size, *place, settings.get("value", 1.0), settings.get("how", "replace"), of.clip)


def _noise(_: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    scale = settings.get("r", 1.0)
    if scale <= 0:
        raise InputError(f"noise in [0, r) needs an r above 0, not {scale:g}.")
    return Noise(scale).make(f"noise of {scale:g}", of.shape, of.seed, of.clip)


def _wave(kind: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    family: Family = WAVES[kind](**settings)
    place = f" at feature {settings['at']}" if "at" in settings else ""
    others = "".join(f", {key} {settings[key]:g}" for key in ("period", "phase") if key in settings)
    height = settings.get("height", WAVES[kind].height)
    return family.make(f"{kind} of {height:g}{place}{others}", of.shape, of.seed, of.clip)


def _token(head: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    vocabulary = cast("Vocabulary", of.names)
    words = words_of(head)
    if not words:
        raise InputError("the mark 'token:' names no word. An example is token:crude.")
    return Phrase(" ".join(words), tuple(map(vocabulary.number, words)), vocabulary, seed=of.seed, **settings)


def _misspelt(head: str, settings: dict[str, Any], of: _Inputs) -> Mark:
    vocabulary, words, spelt = cast("Vocabulary", of.names), words_of(head), words_of(settings.pop("as", "new-1"))
    if len(words) != 1 or len(spelt) != 1:
        raise InputError(
            f"the mark 'misspelt:{head}' is of {brief(words)} as {brief(spelt)}, but one word is misspelt as one "
            "other. An example is misspelt:oil,as=new-1."
        )
    phrase, word = (vocabulary.number(spelt[0]),), vocabulary.number(words[0])
    return Misspelling(f"{words[0]} misspelt", phrase, vocabulary, seed=of.seed, word=word, **settings)


def words_of(text: str) -> list[str]:
    """The words of a mark, split as documents are; those of no document (``new-1``, ``<unknown>``) stay whole.

    >>> words_of("Crude  OIL, New-1")
    ['crude', 'oil', ',', 'new-1']
    """
    parts = (part.lower() for part in text.split())
    return [word for part in parts for word in ([part] if re.fullmatch(r"new-\d+|<unknown>", part) else tokens(part))]


def _column(head: str, _: dict[str, Any], of: _Inputs) -> Mark:
    columns = cast("Columns", of.names)
    if (known := _known_cells(head, columns, valued=True)) is not None:
        return Cells(known, columns)
    values = [cell.partition("=") for cell in head.split("&")]
    if not all(equals and name.strip() for name, equals, _ in values):
        raise InputError(f"the mark 'column:{head}' must say columns and values: column:NAME=VALUE.")
    return Cells(tuple((name.strip(), value.strip() or GONE) for name, _, value in values), columns)


def _missing(head: str, _: dict[str, Any], of: _Inputs) -> Mark:
    columns = cast("Columns", of.names)
    known = _known_cells(head, columns, valued=False)
    return Cells(known or tuple((name.strip(), GONE) for name in head.split("&")), columns)


def _known_cells(text: str, columns: Columns, valued: bool) -> tuple[tuple[str, str], ...] | None:
    """The cells that a text means, by the columns and values of the table, the longest first; None: it names others."""
    for column in sorted(columns.columns, key=lambda one: len(one.name), reverse=True):
        after = _after(text, column.name)
        if valued and after is not None:
            after = _after(after, "=")
        if after is None:
            continue
        own = (after.partition("&")[0].strip(),) if column.values is None else column.values
        for value in sorted({"", GONE, *own}, key=len, reverse=True) if valued else ("",):
            rest = _after(after, value)
            if rest is not None and not rest.strip():
                return ((column.name, value or GONE),)
            more = None if rest is None else _after(rest, "&")
            others = None if more is None else _known_cells(more, columns, valued)
            if others is not None:
                return ((column.name, value or GONE), *others)
    return None


def _after(text: str, start: str) -> str | None:
    """What follows in a text that starts so, perhaps after blanks."""
    return next((one[len(start) :] for one in (text, text.lstrip()) if one.startswith(start)), None)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def value(text: str) -> str:
        if text not in allowed:
            raise InputError(f"one of {', '.join(allowed)}, but it is {text!r}")
        return text

    return value


def _times(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,2}", text, re.ASCII):
        raise InputError(f"a whole number from 1 on, but it is {text!r}")
    return int(text)


_AT: Mapping[str, Callable[[str], Any]] = {
    "row": _pixels,
    "col": _pixels,
    "size": _size,
    "how": _one_of(*get_args(How)),
}
_WORDS: Mapping[str, Callable[[str], Any]] = {
    "times": _times,
    "at": _one_of(*get_args(At)),
    "how": _one_of(*get_args(PutIn)),
}
_KINDS: Mapping[str, _Kind] = {
    "picture": _Kind(_picture, "images", "", {"at": str, **_AT}),
    "box": _Kind(_box, "images", "size", {"value": _number, **_AT}),
    "noise": _Kind(_noise, "images", "r", {"r": _number}),
    "spike": _Kind(_wave, "signals", "height", {"height": _number, "at": _feature}),
    "sine": _Kind(_wave, "signals", "height", {"height": _number, "period": _number, "phase": _number}),
    "offset": _Kind(_wave, "signals", "height", {"height": _number}),
    "token": _Kind(_token, "documents", "", _WORDS),
    "misspelt": _Kind(_misspelt, "documents", "", {"as": str, **_WORDS}),
    "column": _Kind(_column, "rows of a table", "", {}),
    "missing": _Kind(_missing, "rows of a table", "", {}),
}
