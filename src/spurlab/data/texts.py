"""Documents of one's own: texts with labels, in memory or in a file (CSV, Parquet or JSON lines)."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from spurlab.data.arrays import LICENCE, assembled, checked_share, class_order, set_aside
from spurlab.data.errors import DamagedDataError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source, checked_names
from spurlab.data.files import check_bytes, given_path
from spurlab.data.names import Vocabulary, tokens
from spurlab.data.tables import Sheet, class_names_of
from spurlab.errors import brief, one_line

_log = logging.getLogger(__name__)

LENGTH = 200  # words of a document that are read, unless told otherwise
SHARE = 0.2  # of each class, set aside as test documents
LINES = (".jsonl", ".ndjson", ".json")  # how files of JSON lines end

Texts = Sequence[tuple[str, str]]  # each with its label


def documents(
    name: str,
    train: Texts,
    test: Texts,
    source: Source,
    *,
    length: int = LENGTH,
    at_least: int = 1,
    sources: tuple[Sequence[str], Sequence[str]] | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """A dataset of documents from texts with labels.

    A text is split into words in lower case, each punctuation mark by itself (`spurlab.data.tokens`). The vocabulary is
    that of the training documents. Longer documents are cut, and the log says how many.

    Args:
        name: of the dataset.
        train: the training texts, each with the name of its class.
        test: the test texts.
        source: where they came from.
        length: how many words of a document are read.
        at_least: how often a word stands in the training documents to have a number; others are ``<unknown>``.
        sources: of both parts, what each document is called in messages; None: its place.
        class_names: of all classes, in the order of their numbers; None: as stated below.

    Returns:
        Inputs are int64 ``n length``, numbers of words, 0 after the last. Classes are in alphabetical order, or by size
        where all are whole numbers. `Dataset.names` has the vocabulary.

    Raises:
        DataRequestError: a document without words, fewer than two classes, a test label that no training document has,
            no word that stands often enough, or a length or number below 1.

    >>> texts = [("Oil up!", "energy"), ("Wheat.", "grain")]
    >>> data = documents("toy", texts, [("oil wheat", "grain"), ("oil", "energy")], SOURCE, length=4)
    >>> data.train.inputs.tolist(), data.names.text(data.test.inputs[0])
    ([[4, 5, 2, 0], [6, 3, 0, 0]], 'oil wheat')
    """
    for what, value in (("length", length), ("at_least", at_least)):
        if value < 1:
            raise DataRequestError(f"{name}: `{what}` must be 1 word or more, but it is {value}.")
    if sources is None:
        sources = [f"document {i}" for i in range(len(train))], [f"test document {i}" for i in range(len(test))]
    split = [_words(part, called, name) for part, called in zip((train, test), sources, strict=True)]
    classes = class_order({label for _, label in train}) if class_names is None else [*class_names]
    place = {label: i for i, label in enumerate(checked_names(classes, name))}
    if len(classes) < 2:
        raise DataRequestError(
            f"{name} needs training documents of two classes or more, but there are those of {brief(classes)} alone."
        )
    if strange := [(i, label) for i, (_, label) in enumerate(test) if label not in place]:
        raise DataRequestError(
            f"{name}: {sources[1][strange[0][0]]} is of the class {brief(strange[0][1])}, of which there is no "
            "training document. Take it out, or add training documents of this class."
        )
    vocabulary = Vocabulary.of(split[0], at_least)
    if not vocabulary.known:
        raise DataRequestError(
            f"{name}: no word stands {at_least} times in the training documents, so that none has a number. Lower "
            "`at_least`."
        )
    check_bytes(8 * length * (len(train) + len(test)), f"the documents of {name}")
    known = set(vocabulary.known)
    if unknown := sum(word not in known for words in split[1] for word in words):
        _log.info("%s: %d words of the test documents have no number, and stand as <unknown>", name, unknown)
    if long := sum(len(words) > length for part in split for words in part):
        _log.info("%s: %d documents of more than %d words are cut (length)", name, long, length)
    parts = [
        Examples(
            vocabulary.encode(words, length),
            torch.tensor([place[label] for _, label in part], dtype=torch.int64),
            sources=np.array(whence),
            words=len(vocabulary),
        )
        for part, words, whence in zip((train, test), split, sources, strict=True)
    ]
    return replace(assembled(name, parts[0], parts[1], classes, source), names=vocabulary)


def _words(part: Texts, called: Sequence[str], name: str) -> list[list[str]]:
    """The words of each document of a part."""
    for whence, pair in zip(called, part, strict=True):
        if len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise DataRequestError(f"{name}: {whence} must be a text and the name of its class, but is {brief(pair)}.")
    words = [tokens(text) for text, _ in part]
    if empty := [i for i, found in enumerate(words) if not found]:
        also = f" (and {len(empty) - 1} others)" if len(empty) > 1 else ""
        raise DataRequestError(f"{name}: {called[empty[0]]}{also} has no word. Take it out, or give it some text.")
    return words


SOURCE = Source("not known to Spurlab: these are your own data", "texts", "in memory")


def text_file(
    file: str | Path,
    *,
    text: str,
    label: str,
    test: float | str | Path = SHARE,
    length: int = LENGTH,
    at_least: int = 1,
) -> Dataset:
    """A dataset of documents from a file: a table (CSV or Parquet) or JSON lines, one object for each document.

    By name: ``load("text,text=body,label=topic:news.csv")``, also with ``test=.2`` or ``test=later.csv``,
    ``length=100`` and ``at_least=3``.

    Args:
        file: the file. Names that end in ``.jsonl``, ``.ndjson`` or ``.json`` are of JSON lines.
        text: the column, or key, of the texts.
        label: that of the classes.
        test: the file of the test documents, or the share of each class to set aside, at least one; always the same.
        length, at_least: as of `documents`.

    Raises:
        DataRequestError: as `documents` and `spurlab.data.table`; the sentence names the file and the row.
        DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is none of these.

    >>> import tempfile
    >>> import pandas as pd
    >>> news = pd.DataFrame({"body": ["oil prices rise", "corn and wheat"] * 5, "topic": ["crude", "grain"] * 5})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "news.csv"
    ...     news.to_csv(file, index=False)
    ...     data = text_file(file, text="body", label="topic", length=8)
    >>> data.class_names, data.train.lengths.tolist()[:2], len(data.train), len(data.test)
    (('crude', 'grain'), [3, 3], 8, 2)
    """
    path = given_path(file)
    if text == label:
        raise DataRequestError(f"{file}: {text!r} is named for the texts and for the classes. Name two columns.")
    rows, texts, digest = _read(path, text, label)
    sha256, options = {"texts": digest}, [f"text={text}", f"label={label}"]
    if isinstance(test, str | Path):
        later, later_texts, sha256["test"] = _read(given_path(test), text, label)
    else:
        aside = _aside(rows, texts, checked_share(test, "documents"))
        later, later_texts = [rows[i] for i in sorted(aside)], [texts[i] for i in sorted(aside)]
        stay = [i for i in range(len(rows)) if i not in aside]
        rows, texts = [rows[i] for i in stay], [texts[i] for i in stay]
    options += [] if test == SHARE else [f"test={test}"]
    options += [
        f"{key}={value}"
        for key, value, usual in (("length", length, LENGTH), ("at_least", at_least, 1))
        if value != usual
    ]
    source = Source(LICENCE, f"texts; {label!r} has the classes", str(path), sha256)
    name = f"text,{','.join(options)}:{file}"
    return documents(name, texts, later_texts, source, length=length, at_least=at_least, sources=(rows, later))


def _aside(rows: Sequence[str], texts: Texts, share: float) -> set[int]:
    """Which documents are for the test."""
    aside: set[int] = set()
    for name in sorted({label for _, label in texts}):
        own = [i for i, (_, label) in enumerate(texts) if label == name]
        if len(own) < 2:
            raise DataRequestError(
                f"{rows[own[0]]} alone is of the class {brief(name)}, and one document must be set aside for "
                "the test. Add documents, or give a file of test documents."
            )
        aside |= {own[i] for i in set_aside(len(own), share, "test documents", name)}
    return aside


def _read(path: Path, text: str, label: str) -> tuple[list[str], list[tuple[str, str]], str]:
    """Where each document stands, the texts with their labels, and the sha256 of the file."""
    sheet = _lines(path, text, label) if path.suffix.casefold() in LINES else Sheet.of(path, label, text, None)
    texts, labels = sheet.texts(text), sheet.texts(label)
    class_names_of(sheet, label)  # which checks them
    names = [f"{path.name}, row {row}" for row in sheet.rows]
    return names, list(zip(texts, labels, strict=True)), sheet.sha256


def _lines(path: Path, text: str, label: str) -> Sheet:
    """A file of JSON lines as a sheet of two columns of texts; rows are lines, from 1 on."""
    content, digest = Sheet.content(path)
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path}: byte {error.start:,} is no text.", "Write it again in UTF-8.") from error
    columns: dict[str, list[str]] = {text: [], label: []}
    rows = []
    for number, line in enumerate(decoded.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = one_line(str(error))
            raise DamagedDataError(
                f"{path}, line {number}: this is no JSON ({why}).", "Write one object on each line."
            ) from error
        for key, column in columns.items():
            if not isinstance(found, dict) or key not in found:
                has = f"; it has {', '.join(map(brief, list(found)[:10])) or 'none'}" if isinstance(found, dict) else ""
                raise DataRequestError(
                    f"{path}, line {number} is no object with the key {key!r}{has}. Each line has one document: "
                    f"{{{text!r}: ..., {label!r}: ...}}."
                )
            value = found[key]
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise DataRequestError(
                    f"{path}, line {number} has {brief(value)} under {key!r}, where a text belongs"
                    f"{' (or a whole number)' if key == label else ''}."
                )
            column.append(str(value).strip())
        rows.append(number)
    if not rows:
        raise DataRequestError(f"{path} is empty. Each line has one document: {{{text!r}: ..., {label!r}: ...}}.")
    return Sheet(path, columns, rows, digest, typed=False)
