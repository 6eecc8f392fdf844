"""How files of ours come into their place: whole, as the umask says, and not through links that lie there."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from spurlab.files import DRAFT, LEFT_AFTER, replacing
from spurlab.report import save_figure, write_report
from spurlab.studies import Store, StudyResult, load_study
from spurlab.studies.database import FILE
from spurlab.studies.weights import write_weights
from spurlab.training import Ensemble, Trained


def ensemble():
    state = {"weight": torch.zeros(1, 2)}
    return Ensemble("mlp", (1, 4, 4), 2, (0,), Trained(state, torch.zeros(1, 1)))


WRITERS = {
    "figure": (("a.png", "a.pdf", "a.svg"), lambda folder: save_figure(Figure(), folder / "a")),
    "page": (("report.html",), lambda folder: write_report([], [], folder)),
    "rows": (
        ("a.csv", "a.parquet"),
        lambda folder: StudyResult(load_study("quickstart"), pd.DataFrame({"value": [0.5]}), folder).write("a"),
    ),
    "weights": (
        ("weights/a.safetensors",),
        lambda folder: write_weights(folder / "weights" / "a.safetensors", {"w": torch.ones(2)}, diverged=False),
    ),
    "ensemble": (("a.safetensors",), lambda folder: ensemble().save(folder / "a.safetensors")),
}


@pytest.fixture
def umask():
    """Sets the umask until the test ends."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(writer, tmp_path):
    """One points to a file of the user's, the other to where there is none: both stay as they were."""
    names, write = WRITERS[writer]
    folder, precious = tmp_path / "out", tmp_path / "precious"
    for target in (precious, tmp_path / "nothing"):
        precious.write_text("mine")
        for name in names:
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(target)
        write(folder)
        assert precious.read_text("utf-8") == "mine"
        assert not (tmp_path / "nothing").exists()
        for name in names:
            assert not (folder / name).is_symlink()
            assert (folder / name).stat().st_size > 0
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(names)


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o027])
@pytest.mark.parametrize("writer", WRITERS)
def test_the_umask_decides_who_may_read(writer, mask, tmp_path, umask):
    """A new file may be read and written by all, less what the umask takes away: so POSIX has it."""
    umask(mask)
    names, write = WRITERS[writer]
    write(tmp_path)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o666 & ~mask}


def test_a_new_store_follows_the_umask_too(tmp_path, umask):
    umask(0o002)
    Store(tmp_path).close()
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o664


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail():
        with replacing(path) as draft:
            draft.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_its_draft(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(OSError, match=r"a\.csv") as caught, replacing(tmp_path / "a.csv"):
        pass
    assert DRAFT not in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"none/a\.csv'$"), replacing(tmp_path / "none" / "a.csv"):
        pass


def test_drafts_of_killed_processes_go_after_a_day(tmp_path):
    old, young = tmp_path / f"{DRAFT}old", tmp_path / f"{DRAFT}young"
    for path in (old, young):
        path.touch()
    os.utime(old, (0, old.stat().st_mtime - LEFT_AFTER - 60))
    with replacing(tmp_path / "a"):
        pass
    assert not old.exists()
    assert young.exists()


def test_writers_in_one_folder_do_not_meet_each_others_drafts(tmp_path):
    """A draft that is seen by one is put into its place by the other before it is looked at."""

    def write(who):
        for i in range(100):
            with replacing(tmp_path / f"{who}-{i % 3}") as draft:
                draft.write_text(f"{who}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{who}-{i}" for who in range(4) for i in range(3)]
