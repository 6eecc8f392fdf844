"""Rows on disk: CSV to read, Parquet to compute with."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spurlab.studies.run import Row
from spurlab.studies.study import Study, StudyError

STUDY, CSV, PARQUET = "study.json", "rows.csv", "rows.parquet"


def claim_folder(folder: Path, study: Study) -> None:
    """Make the folder for a study's results, before anything is trained.

    Raises:
        StudyError: the folder cannot be written to, or holds the results of another study, which stay as they are.
    """
    record = folder / STUDY
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(record.read_text()) if record.exists() else None
        if (folder / CSV).exists() and known != study.model_dump(mode="json"):
            raise StudyError(f"{folder} holds the results of other settings. Choose another folder with --out.")
        record.write_text(study.model_dump_json(indent=2))
    except (OSError, json.JSONDecodeError) as error:
        raise StudyError(
            f"results cannot be written to {folder}: {error}. Choose another folder with --out."
        ) from error


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table, one line each."""
    return pd.DataFrame([row.flat() for row in rows])


def write_rows(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the rows as CSV and Parquet.

    Returns:
        The files.
    """
    table = frame(rows)
    paths = [folder / CSV, folder / PARQUET]
    table.to_csv(paths[0], index=False)
    table.to_parquet(paths[1], index=False)
    return paths
