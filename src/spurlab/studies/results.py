"""Rows: one line for each measured number, with everything needed to explain it; read back from a results folder."""

import gc
import logging
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd
from markupsafe import Markup
from torch import Tensor

from spurlab.files import replacing
from spurlab.measures import Measure, is_number_of, measure_named, package_of
from spurlab.notebook import card, table
from spurlab.plugins import recorded, unqualified
from spurlab.studies.axes import METHODS, OF_TRAINING, PLACE, SHARES
from spurlab.studies.cells import Cell, cells_of
from spurlab.studies.database import FolderError, StoreError
from spurlab.studies.graph import Node, Setting
from spurlab.studies.recipes import columns_of
from spurlab.studies.records import Record, study_of
from spurlab.studies.store import Store
from spurlab.studies.study import Study, only_read
from spurlab.studies.subjects import Everything
from spurlab.studies.weights import read_weights, weights_file
from spurlab.studies.work import UNTRAINED, key_without_network

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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.study.name!r}: {self._told}, in {str(self.folder)!r}>"

    def _repr_html_(self) -> str:
        facts = {"question": self.study.title, "rows": self._told, "folder": str(self.folder)}
        return card("Study", self.study.name, facts | {"command": self.command}, *self._shown())

    def _shown(self) -> list[Markup]:
        """What stands below the facts in a notebook."""
        of = self.rows.groupby("measure", sort=False)["value"]
        lines = of.agg(["size", "mean", "min", "max"]).reset_index().values.tolist()
        return [table(("measure", "numbers", "mean", "lowest", "highest"), lines)]

    @property
    def _told(self) -> str:
        return f"{len(self.rows):,} numbers of {self.rows['training'].nunique():,} networks"

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
def results_in(folder: str | Path) -> list[StudyResult]:
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
    folder = Path(folder)
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
def studies_in(folder: str | Path) -> list[Study]:
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
    with Store(Path(folder), read_only=True) as store:
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
def rows_of(
    study: Study,
    checksums: Mapping[str, str],
    store: Store,
    some: Sequence[Cell] | None = None,
    subjects: Collection[str] | None = None,
    without: Container[tuple[str, str, str, int]] = (),
) -> pd.DataFrame:
    """The rows of a study that are there: for each cell and measure one line, in the order of the grid.

    Args:
        study: whose rows.
        checksums: of its data sets by name, of the modules of the user's methods, and the versions of plug-ins, as
            `Work.recorded`. No module is looked at, and no code is executed.
        store: where they are kept.
        some: of its cells these alone; None: all.
        subjects: of what was measured, that of these keys alone; None: of all.
        without: what is left out: key, measure, pattern and target, as in `Everything.values`.

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
    with recorded(checksums):
        cells = cells_of(study) if some is None else some
        stored = store.everything(subjects)
        values = {request: value for request, value in stored.values.items() if request not in without}
        return _rows(study, cells, checksums, stored, values, store)


def _rows(
    study: Study,
    cells: Sequence[Cell],
    checksums: Mapping[str, str],
    stored: Everything,
    values: Mapping[tuple[str, str, str, int], float | None],
    store: Store,
) -> pd.DataFrame:
    """`rows_of`, with plug-ins that are those of the record."""
    foreign = bool(study.users or study.plugins)
    known = stored.subjects.keys() | stored.damaged if foreign else set()
    kinds = _numbers_of(study, {name for _, name, _, _ in values})
    keys: dict[Node, str] = {}
    numbers: list[tuple[int, str, float | None, str]] = []
    for place, cell in enumerate(cells):
        node, checksum = cell.node, checksums[cell.setting.dataset]
        if (key := keys.get(node)) is None:
            own = foreign and bool(node.code)
            key = keys[node] = _key_of_own(node, checksums, store, known) if own else node.key(checksum)
        for name, stored_name, measure in kinds:
            if measure is not None and cell.attack is not None and not measure.suits_attack(cell.attack):
                continue  # an earlier version may have measured it
            for subject, pattern, target in _places(cell, key, measure, checksum):
                if (request := (subject, stored_name, pattern, target)) in values:
                    numbers.append((place, name, values[request], subject))
                    break
                if stored.damaged:
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


def _numbers_of(study: Study, stored: Collection[str]) -> list[tuple[str, str, Measure | None]]:
    """The numbers that are there of what a study measures, or else its own name: by name, as they are stored, of which
    measure. That of a plug-in is not known here, and its numbers are those whose names begin with its name.
    """
    by_length = sorted(stored, key=lambda name: (len(name), name))
    found: list[tuple[str, str, Measure | None]] = []
    for name in study.measure:
        if package := package_of(name):
            named = {unqualified(number): number for number in by_length if number.endswith(f" ({package})")}
            found += [(own, number, None) for own, number in named.items() if own == name or own.startswith(f"{name}_")]
        else:
            measure = measure_named(name)
            numbers = [number for number in by_length if is_number_of(number, name)] or [name]
            found += [(number, number, measure) for number in numbers]
    return found


def _places(cell: Cell, key: str, measure: Measure | None, checksum: str) -> Iterator[tuple[str, str, int]]:
    """Where a number of a cell can stand: of which subject, with which pattern and target.

    Args:
        cell: the cell.
        key: of its node.
        measure: which one; None: of a plug-in, of which it is not known what it looks at.
        checksum: of the data set.
    """
    by_pattern = [measure.by_pattern] if measure is not None else [True, False]
    needs = [measure.needs] if measure is not None else ["network", *UNTRAINED]
    for need, differs in product(needs, by_pattern):
        treated = cell.treatment is not None or need not in UNTRAINED
        subject = key if treated else key_without_network(cell, need, checksum)
        yield (subject, cell.mark, cell.target) if differs else (subject, "", -1)


def _key_of_own(node: Node, checksums: Mapping[str, str], store: Store, known: Container[str]) -> str:
    """The key of a node that code of the user's or a plug-in makes; "" where nothing of it was measured.

    It is that of the module's text, or of the plug-in's version, as the study recorded it. Where nothing was measured
    with that text, or an earlier version recorded none, it is that of the last text with which something was. The
    module itself is not looked at: its name may come from a file.
    """
    checksum = checksums[node.setting.dataset]
    key = node.key(checksum, checksums) if all(code.entry in checksums for code in node.code) else ""
    if key in known or all(code.origin for code in node.code):
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
