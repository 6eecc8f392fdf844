"""MNIST-1D against its own generator, and what is kept of it in the cache."""

import errno
import hashlib
import json
import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from spurlab.data import DATASETS, DataFailureError, DataRequestError, Examples, described, fetch, load, locate, mnist1d


@pytest.fixture(scope="module")
def theirs():
    """What the generator gives for its own defaults."""
    from mnist1d.data import get_dataset_args, make_dataset

    return make_dataset(get_dataset_args())


@pytest.fixture(scope="module")
def ours():
    """Generated once for all tests here: it takes seconds."""
    return mnist1d.generate()


@pytest.fixture
def made(monkeypatch, ours):
    """Every making in a list; it takes no time."""
    calls = []

    def make():
        calls.append(len(calls))
        return ours

    monkeypatch.setitem(DATASETS, "mnist1d", replace(mnist1d.ENTRY, make=make))
    return calls


def test_data_are_those_of_the_generator(theirs, ours):
    """To the last bit, after its float64 have become float32."""
    train, test = ours
    assert_close(train.inputs, torch.tensor(theirs["x"], dtype=torch.float32), rtol=0, atol=0)
    assert_close(test.inputs, torch.tensor(theirs["x_test"], dtype=torch.float32), rtol=0, atol=0)
    assert train.labels.tolist() == theirs["y"].tolist()
    assert test.labels.tolist() == theirs["y_test"].tolist()


def test_arguments_are_the_generators_own():
    """Written out in our file, so that another version of the package cannot change them unseen."""
    from mnist1d.data import get_dataset_args

    defaults = get_dataset_args(as_dict=True)
    assert {key: value for key, value in defaults.items() if key != "url"} == mnist1d.ARGUMENTS


def test_the_data_are_still_the_same(ours):
    """Checksums of the arrays: alike with numpy 1.26 and scipy 1.11 as with 2.4 and 1.17, on x86-64.

    The labels are an order of whole numbers, which no rounding can change; the last bits of the signals could differ on
    other processors, for those of the generator's float64 differ between these versions.
    """
    train, test = ours
    labels = [hashlib.sha256(part.labels.numpy().tobytes()).hexdigest()[:16] for part in (train, test)]
    inputs = [hashlib.sha256(part.inputs.numpy().tobytes()).hexdigest()[:16] for part in (train, test)]
    assert labels == ["d97dc7aecec8ad6b", "8de99be3ff9dab15"]
    assert inputs == ["d53506bddd12d3b7", "30addc43827c82aa"]


def test_sizes_and_scale_are_the_published_ones(ours):
    """Greydanus and Kobak: 5,000 signals of 40 values, as many of each class, four fifths for training; centred and
    scaled over all of them."""
    train, test = ours
    assert (train.inputs.shape, test.inputs.shape) == ((4000, 40), (1000, 40))
    assert (train.labels.bincount() + test.labels.bincount()).tolist() == [500] * 10
    whole = torch.cat([train.inputs, test.inputs]).double()
    assert whole.mean().item() == pytest.approx(0, abs=1e-6)
    assert whole.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def test_global_random_states_stay_as_they_were(monkeypatch):
    """Also where the generator fails half-way; it seeds Python's and numpy's, and an earlier version PyTorch's too."""
    monkeypatch.setitem(mnist1d.ARGUMENTS, "num_samples", 20)
    before = states()
    train, test = mnist1d.generate()
    assert (len(train), len(test)) == (16, 4)
    assert states() == before

    def fails(args):
        torch.manual_seed(args.seed)
        random.seed(args.seed)
        np.random.seed(args.seed)  # noqa: NPY002
        raise MemoryError

    monkeypatch.setattr("mnist1d.data.make_dataset", fails)
    with pytest.raises(MemoryError):
        mnist1d.generate()
    assert states() == before


def test_it_is_generated_once_and_then_found(made, cache, ours):
    """No network is needed, so offline forbids nothing."""
    assert locate("mnist1d") is None
    first, again = load("mnist1d", offline=True), load("mnist1d", offline=True)
    assert made == [0]
    assert locate("mnist1d") == fetch("mnist1d") == cache / "mnist1d"
    assert [path.name for path in cache.iterdir()] == ["mnist1d"]
    for data in (first, again):
        assert (data.name, data.shape, data.input_range) == ("mnist1d", (40,), None)
        assert data.class_names == data.group_names == tuple("0123456789")
        for part, wanted in ((data.train, ours[0]), (data.test, ours[1])):
            assert_close(part.inputs, wanted.inputs, rtol=0, atol=0)
            assert part.labels.tolist() == part.groups.tolist() == wanted.labels.tolist()
    assert first.checksum == again.checksum
    assert first.source == again.source
    assert first.source.location == str(cache / "mnist1d")
    digest = hashlib.sha256(ours[0].inputs.numpy().tobytes()).hexdigest()
    assert first.source.sha256["train_inputs"] == digest


def test_the_generator_is_not_asked_where_the_cache_has_it(made, monkeypatch):
    """The real one, which must not even be imported then."""
    load("mnist1d")
    monkeypatch.setitem(DATASETS, "mnist1d", mnist1d.ENTRY)
    for module in ("mnist1d", "mnist1d.data"):
        monkeypatch.setitem(sys.modules, module, None)  # an import of it fails
    assert len(load("mnist1d").train) == 4000


def test_fetch_makes_it(made, cache):
    assert fetch("mnist1d", offline=True) == cache / "mnist1d"
    assert (cache / "mnist1d" / "mnist1d.npz").exists()
    load("mnist1d")
    assert made == [0]


def rewritten(change):
    """The cached file with other columns; `change` alters a dictionary of arrays."""

    def spoil(file):
        with np.load(file) as found:
            columns = dict(found)
        change(columns)
        np.savez(file, **columns)

    return spoil


def made_of(**other):
    def change(columns):
        about = json.loads(str(columns["about"]))
        about["made_of"] |= other
        columns["about"] = np.array(json.dumps(about))

    return rewritten(change)


def one_array(file):
    with file.open("wb") as stream:
        np.save(stream, np.zeros(3))


SPOILT = {
    "value": rewritten(lambda columns: np.add.at(columns["test_inputs"], (3, 5), 1e-6)),
    "label": rewritten(lambda columns: np.put(columns["train_labels"], 0, (columns["train_labels"][0] + 1) % 10)),
    "argument": made_of(arguments=mnist1d.ARGUMENTS | {"seed": 43}),
    "generator": made_of(generator="mnist1d 0.0.1"),
    "column": rewritten(lambda columns: columns.pop("train_groups")),
    "about": rewritten(lambda columns: columns.pop("about")),
    "objects": rewritten(lambda c: c.update(train_labels=c["train_labels"].astype(object))),  # numpy pickles these
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "empty": lambda file: file.write_bytes(b""),
    "rubbish": lambda file: file.write_bytes(b"rubbish" * 100),
    "one array": one_array,
    "folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("spoil", SPOILT)
@pytest.mark.parametrize("ask", [load, fetch])
def test_a_copy_that_is_damaged_or_made_of_something_else_is_made_anew(made, cache, ask, spoil):
    """Two of them hold what belongs there to the eye: a value changed by a millionth, or another seed stated."""
    load("mnist1d")
    file = cache / "mnist1d" / "mnist1d.npz"
    wanted = load("mnist1d").checksum
    SPOILT[spoil](file)
    if spoil == "folder" and ask is fetch:
        with pytest.raises(DataFailureError, match="MNIST-1D was made, but cannot be kept in"):
            fetch("mnist1d")
        return
    ask("mnist1d")
    assert made == [0, 1]
    if spoil != "folder":  # that one cannot be replaced by a file
        assert load("mnist1d").checksum == wanted
        assert made == [0, 1]


def test_a_cache_that_cannot_be_written_is_no_error(made, cache):
    """Where a folder should be there is a file: that stops root too. To fetch is to put it there, and that fails."""
    cache.parent.parent.mkdir(parents=True)
    cache.parent.touch()
    assert len(load("mnist1d").train) == len(load("mnist1d").train) == 4000
    assert load("mnist1d").source.location == "made when it was asked for, and not kept"
    assert made == [0, 1, 2]
    with pytest.raises(DataFailureError, match=r"MNIST-1D was made, but cannot be kept in .*mnist1d: .*make room"):
        fetch("mnist1d")


def test_a_full_disk_leaves_no_half_file(made, cache, monkeypatch):
    def full(file, **columns):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    monkeypatch.setattr(np, "savez", full)
    assert len(load("mnist1d").train) == 4000
    assert list(cache.iterdir()) == []


def test_while_one_process_writes_another_sees_nothing(made, cache, monkeypatch):
    """The file gets its name only when it is whole."""
    write, seen = np.savez, []

    def watched(file, **columns):
        seen.append(locate("mnist1d"))
        write(file, **columns)
        seen.append(locate("mnist1d"))

    monkeypatch.setattr(np, "savez", watched)
    load("mnist1d")
    assert seen == [None, None]
    assert locate("mnist1d") == cache / "mnist1d"


def test_parts_of_it_by_name(made):
    """Groups are the classes, so they are numbered anew with them."""
    few = load("mnist1d@2000")
    assert few.train.labels.bincount().tolist() == [200] * 10
    assert few.name == "mnist1d@2000"
    two = load("mnist1d:7,3")
    assert two.class_names == two.group_names == ("7", "3")
    for part in (two.train, two.test):
        assert part.groups.tolist() == part.labels.tolist()
        assert set(part.labels.tolist()) == {0, 1}
    both = load("mnist1d@2000:7,3")
    assert both.train.groups.bincount().tolist() == [200, 200]
    with pytest.raises(DataRequestError, match="mnist1d cannot be as many of each of its 10 classes"):
        load("mnist1d@15")


def test_it_is_described_without_being_made(made):
    about = described("mnist1d@2000:7,3")
    assert (about.title, about.shape, about.input_range) == ("MNIST-1D (2,000 examples) (7 and 3)", (40,), None)
    assert about.group_names == ("7", "3")
    assert "arXiv:2011.14439" in about.origin
    assert made == []


def test_what_is_kept_is_checked_by_the_dataset(monkeypatch, ours):
    """A generator that gives something else than its entry says is found out."""
    wrong = Examples(ours[0].inputs, ours[0].labels, ours[0].labels * 0)
    monkeypatch.setitem(DATASETS, "mnist1d", replace(mnist1d.ENTRY, make=lambda: (wrong, ours[1])))
    with pytest.raises(ValueError, match=r"mnist1d: training example .* the group 0"):
        load("mnist1d")
