"""Rows: one line for each measured number, with everything needed to explain it; read back from a results folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from spurlab.studies.grid import Setting, Training, cells_of
from spurlab.studies.measures import MEASURES
from spurlab.studies.store import WEIGHTS, FolderError, Store, StoreError
from spurlab.studies.study import Study
from spurlab.studies.work import key_of, request_of
from spurlab.training import Recipe

ABOUT = ("data", "device", "spurlab", "torch", "machine", "seconds", "finished")


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study and its rows.

    Args:
        study: what was asked.
        rows: one line for each number that is there, in the order of the grid.
        folder: where they are kept.
        command: what gives them again.
        when: it was started last, UTC.
    """

    study: Study
    rows: pd.DataFrame
    folder: Path
    command: str = ""
    when: str = ""

    def weights(self, training: str) -> dict[str, Tensor] | None:
        """The weights of one network by name, or None where they were not kept.

        Args:
            training: its key, as in the rows.

        Raises:
            StoreError: the file is damaged.
        """
        path = self.folder / WEIGHTS / f"{training}.safetensors"
        if not path.is_file():
            return None
        try:
            return load_file(path)
        except SafetensorError as error:
            raise StoreError(
                f"the weights in {path} are damaged ({error}). Remove the file and run the study again."
            ) from error

    def write(self) -> list[Path]:
        """Write the rows as CSV to read and Parquet to compute with.

        Returns:
            The files.

        Raises:
            StoreError: they cannot be written.
        """
        paths = [self.folder / f"{self.study.name}{ending}" for ending in (".csv", ".parquet")]
        try:
            self.rows.to_csv(paths[0], index=False)
            self.rows.to_parquet(paths[1], index=False)
        except OSError as error:
            raise StoreError(
                f"the rows cannot be written to {self.folder} ({error}). They are kept in its store."
            ) from error
        return paths


def results_in(folder: Path) -> list[StudyResult]:
    """Every study that was run in a folder, with the rows that are there.

    Raises:
        FolderError: there are no results.
        StoreError: they are damaged, or of a newer version.
    """
    with Store(folder, read_only=True) as store:
        found = []
        for record in store.records():
            try:
                study = Study.model_validate_json(record.settings)
            except ValidationError as error:
                raise StoreError(
                    f"the study {record.name!r} in {folder} has settings that this version does not know "
                    f"({error.errors()[0]['msg']}). Run it again."
                ) from error
            found.append(StudyResult(study, rows_of(study, record.data, store), folder, record.command, record.started))
        if not found:
            raise FolderError(f"no study was run in {folder} yet. `spurlab run STUDY --out {folder}` runs one.")
        return found


def together(results: Sequence[StudyResult]) -> pd.DataFrame:
    """The rows of several studies; what two of them share stands there once."""
    return pd.concat([result.rows for result in results], ignore_index=True).drop_duplicates(ignore_index=True)


def rows_of(study: Study, checksums: Mapping[str, str], store: Store) -> pd.DataFrame:
    """The rows of a study that are there: for each cell and measure one line, in the order of the grid.

    Args:
        checksums: of its data sets, by name.
        store: where they are kept.

    Returns:
        Columns ``measure, value``, the cell's (``dataset, architecture, how, pattern, target, n, seed``), the recipe's
        fields, ``training`` (the key of what was measured), and how it was made: the data's checksum, device,
        versions, machine, seconds of training, when it was finished. A value of NaN: the network diverged.
    """
    values, subjects = store.values(), store.subjects()
    keys: dict[Training, str] = {}
    settings: dict[Setting, int] = {}
    lines: list[tuple[object, ...]] = []
    abouts: list[tuple[object, ...]] = []
    places: list[int] = []
    unseen = object()
    for cell in cells_of(study):
        checksum = checksums[cell.setting.dataset]
        place = settings.setdefault(cell.setting, len(settings))
        for measure in study.measure:
            if MEASURES[measure].of == "network":
                training = cell.training
                key = keys.get(training) or keys.setdefault(training, training.key(checksum))
            else:
                key = key_of(cell, measure, checksum)
            value = values.get((key, *request_of(cell, measure)), unseen)
            if value is not unseen:
                lines.append((measure, value, cell.pattern, cell.target, cell.n, cell.seed, key))
                abouts.append(subjects[key])
                places.append(place)
    table = pd.DataFrame(lines, columns=["measure", "value", "pattern", "target", "n", "seed", "training"])
    shared = _settings_table(list(settings)).iloc[np.array(places, dtype=int)].reset_index(drop=True)
    made = pd.DataFrame(abouts, columns=list(ABOUT))
    first = ["measure", "value", "dataset", "architecture", "how", "pattern", "target", "n", "seed"]
    whole = pd.concat([table, shared, made], axis=1)
    return whole[[*first, *(name for name in whole.columns if name not in first)]]


def _settings_table(settings: Sequence[Setting]) -> pd.DataFrame:
    lines = []
    for setting in settings:
        recipe = asdict(setting.recipe) | {"milestones": " ".join(map(str, setting.recipe.milestones))}
        about = {"dataset": setting.dataset, "architecture": setting.architecture, "how": setting.how}
        lines.append(about | {key: float("nan") if value is None else value for key, value in recipe.items()})
    columns = ["dataset", "architecture", "how", *(each.name for each in fields(Recipe))]
    return pd.DataFrame(lines, columns=columns)
