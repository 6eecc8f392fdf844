"""Rows: one line for each measured number, with everything needed to explain it; read back from a results folder."""

import gc
import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from spurlab.files import replacing
from spurlab.measures import is_number_of, measure_named
from spurlab.studies.axes import METHODS, OF_TRAINING, PLACE, SHARES
from spurlab.studies.cells import Cell, cells_of
from spurlab.studies.database import FolderError, StoreError
from spurlab.studies.graph import Node, Setting, Treat, entry_of
from spurlab.studies.recipes import columns_of
from spurlab.studies.records import Record, study_of
from spurlab.studies.store import Store
from spurlab.studies.study import Study, only_read
from spurlab.studies.weights import read_weights, weights_file
from spurlab.studies.work import key_of

log = logging.getLogger(__name__)

MADE = ("data", "device", "spurlab", "torch", "machine", "seconds", "finished", "failed")


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study and its rows.

    Args:
        study: what was asked.
        rows: one line for each number that is there, in the order of the grid.
        folder: where they are kept.
        command: what gives them again.
        when: it was started first, UTC.
        part_of: the study in the folder that holds all these rows and more, if there is one; its files stay.
    """

    study: Study
    rows: pd.DataFrame
    folder: Path
    command: str = ""
    when: str = ""
    part_of: Study | None = None

    def weights(self, training: str) -> dict[str, Tensor] | None:
        """The weights of one network by name, or None where they were not kept.

        Args:
            training: its key, as in the rows.

        Raises:
            StoreError: the file is damaged, or holds those of another network.
        """
        path = weights_file(self.folder, training)
        return read_weights(path)[0] if path.is_file() else None

    def write(self, stem: str | None = None) -> list[Path]:
        """Write the rows as CSV to read and Parquet to compute with.

        Args:
            stem: the files' name without its ending; None: the study's name.

        Returns:
            The files.

        Raises:
            StoreError: they cannot be written.
        """
        paths = [self.folder / f"{stem or self.study.name}{ending}" for ending in (".csv", ".parquet")]
        try:
            with replacing(paths[0]) as draft:
                self.rows.to_csv(draft, index=False)
            with replacing(paths[1]) as draft:
                self.rows.to_parquet(draft, index=False)
        except OSError as error:
            raise StoreError(
                f"the rows cannot be written to {self.folder} ({error}). They are kept in its store."
            ) from error
        return paths


@only_read()
def results_in(folder: Path) -> list[StudyResult]:
    """Every study that was run in a folder, with the rows that are there; by the first claim that they bear on.

    A study that cannot be read, or a number of which is damaged, is passed over, with a warning. No code is executed
    and no path followed that the folder names.

    Raises:
        FolderError: there are no results.
        StoreError: they are damaged, or of a newer version; or no study can be read.

    >>> import tempfile
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run(narrowed(load_study("table2"), ["architecture=['mlp', 'cnn']"]), Path(folder), workers=0)
    ...     [result] = results_in(Path(folder))
    >>> result.study.name, result.rows["value"].tolist()
    ('table2', [335114.0, 312202.0])
    """
    with Store(folder, read_only=True) as store:
        results, damaged = [], None
        for study, record in _recorded(store):
            try:
                rows = rows_of(study, record.data, store)
            except StoreError as error:
                damaged = error
                log.warning("%s: passed over, the study %r: %s", folder, study.name, error)
            else:
                results.append(StudyResult(study, rows, folder, record.command, record.started))
        if damaged is not None and not results:
            raise damaged
        if not results:
            raise FolderError(f"no study was run in {folder} yet. `spurlab run STUDY --out {folder}` runs one.")
        return results


@only_read()
def studies_in(folder: Path) -> list[Study]:
    """The studies of `results_in`, in its order, without their rows.

    Raises:
        FolderError: there are no results.
        StoreError: they are damaged, or of a newer version.

    >>> import tempfile
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = run(narrowed(load_study("table2"), ["architecture=mlp"]), Path(folder), workers=0)
    ...     [study] = studies_in(Path(folder))
    >>> study.name, study.axis("architecture")
    ('table2', ('mlp',))
    """
    with Store(folder, read_only=True) as store:
        return [study for study, _ in _recorded(store)]


def _recorded(store: Store) -> list[tuple[Study, Record]]:
    """The studies that can be read.

    Raises:
        StoreError: there are some, but none of them can.
    """
    studies, error = [], None
    for record in store.records():
        try:
            studies.append((study_of(record), record))
        except StoreError as why:
            error = why
            log.warning("%s: passed over, %s", store.folder, why)
    if error is not None and not studies:
        raise StoreError(f"no study in {store.folder} can be read: {error}") from error
    return sorted(studies, key=lambda pair: min(pair[0].claims, default=0))


def together(results: Sequence[StudyResult]) -> pd.DataFrame:
    """The rows of several studies; what two of them share stands there once, with the larger `most`.

    >>> import tempfile
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asked = [["architecture=mlp"], ["architecture=['mlp', 'cnn']"]]
    ...     results = [run(narrowed(load_study("table2"), only), Path(folder), workers=0) for only in asked]
    >>> together(results)["architecture"].tolist()
    ['mlp', 'cnn']
    """
    rows = pd.concat([result.rows for result in results], ignore_index=True)
    if "most" in rows:
        rows = rows.sort_values("most", ascending=False, kind="stable")  # those without stand last
    return rows.drop_duplicates([name for name in rows if name != "most"]).sort_index().reset_index(drop=True)


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection meanwhile: it would look through all that is read again and again, a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@only_read()
@_without_collector()
def rows_of(study: Study, checksums: Mapping[str, str], store: Store) -> pd.DataFrame:
    """The rows of a study that are there: for each cell and measure one line, in the order of the grid.

    Args:
        study: whose rows.
        checksums: of its data sets by name and of the modules of the user's methods, as `Work.recorded`. No module is
            looked at, and no code is executed.
        store: where they are kept.

    Returns:
        Columns ``measure, value``, the cell's (``dataset, architecture, how, pattern, target, n, seed``), what was
        done to the network (``deletion`` and ``prevention``: the method), the shares (``known`` of the planted
        examples, ``share`` of the training examples that have a common feature, ``clean`` of those that a prevention
        has clean; None and NaN where there is none), the recipe's fields, ``training`` (the key of what was measured),
        and how it was made: the data's checksum, device, versions, machine, seconds of training or of the method, when
        it was finished, and why a method failed. A value of NaN: the network diverged, or the method failed. Where
        seeds are added until it is decided, also ``most``: up to how many networks.

    Raises:
        StoreError: the store cannot be read, some of these numbers are damaged, or the checksum of a data set is not
            among `checksums`.
    """
    if unknown := set(study.axis("dataset")) - checksums.keys():
        raise StoreError(
            f"the study {study.name!r} in {store.folder} was recorded without the checksum of its data set "
            f"{min(unknown)!r}. Run it again in this folder: what was measured is there, and is not made again."
        )
    cells, stored = cells_of(study), store.everything()
    values = stored.values
    users = bool(study.users)
    known = stored.subjects.keys() | stored.damaged if users else set()
    stored_names = sorted({name for _, name, _, _ in values}, key=lambda name: (len(name), name))
    kinds = [
        (number, measure_named(name))
        for name in study.measure
        for number in [number for number in stored_names if is_number_of(number, name)] or [name]
    ]
    keys: dict[Node, str] = {}
    numbers: list[tuple[int, str, float | None, str]] = []
    for place, cell in enumerate(cells):
        node, checksum = cell.node, checksums[cell.setting.dataset]
        if (key := keys.get(node)) is None:
            own = users and bool(node.code)
            key = keys[node] = _key_of_own(node, checksums, store, known) if own else node.key(checksum)
        mark = cell.mark
        for name, measure in kinds:
            if cell.attack is not None and not measure.suits_attack(cell.attack):
                continue  # an earlier version may have measured it
            subject = key if measure.needs_network or type(node) is Treat else key_of(cell, name, checksum)
            request = (subject, name, mark, cell.target) if measure.by_pattern else (subject, name, "", -1)
            if request in values:
                numbers.append((place, name, values[request], subject))
            elif stored.damaged:
                stored.undamaged([subject])
    rows = pd.DataFrame(numbers, columns=["place", "measure", "value", "training"])
    rows = rows.astype({"place": int, "value": float})
    table = pd.DataFrame(cells, columns=list(Cell._fields)).astype(dict.fromkeys(SHARES, float))
    for name, axis in OF_TRAINING.items():
        table[name] = [dict(extras).get(name, axis.off) for extras in table["extras"]]
    made = pd.DataFrame.from_dict(stored.subjects, orient="index", columns=list(MADE))
    recipes = _settings_table(list(dict.fromkeys(table["setting"])))
    rows = rows.join(table, on="place").join(recipes, on="setting").join(made, on="training")
    first = ["measure", "value", "dataset", "architecture", "how", *PLACE, *METHODS, *SHARES, *OF_TRAINING, "training"]
    rows = rows[[*first, *(name for name in recipes if name not in first), *MADE]]
    return rows if study.most is None else rows.assign(most=study.most)


def _key_of_own(node: Node, checksums: Mapping[str, str], store: Store, known: Container[str]) -> str:
    """The key of a node that code of the user's makes; "" where nothing of it was measured.

    It is that of the module's text as the study recorded it. Where nothing was measured with that text, or an earlier
    version recorded none, it is that of the last text with which something was. The module itself is not looked at: its
    name may come from a file.
    """
    checksum = checksums[node.setting.dataset]
    recorded = all(entry_of(what, name) in checksums for name, what in node.code.items())
    if recorded and (key := node.key(checksum, checksums)) in known:
        return key
    return store.last_of(node.as_json(), checksum) or ""


def _settings_table(settings: Sequence[Setting]) -> pd.DataFrame:
    """One line for each setting, by which it is found: data set, architecture, how marks come in, the recipe."""
    lines = []
    for setting in settings:
        recipe = columns_of(setting.recipe)
        about = {"dataset": setting.dataset, "architecture": setting.architecture, "how": setting.how}
        lines.append(about | {key: float("nan") if value is None else value for key, value in recipe.items()})
    return pd.DataFrame(lines, index=list(settings))
