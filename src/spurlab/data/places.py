"""The folders that data are looked for in and put into."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from spurlab.data.errors import DataRequestError
from spurlab.data.files import listed


def given_folder() -> Path | None:
    """The folder that ``$SPURLAB_DATA`` names, or None where it is not set.

    Raises DataRequestError: there is no such folder.
    """
    if not (given := os.environ.get("SPURLAB_DATA")):
        return None
    folder = Path(given).expanduser()
    if listed(folder) is None:
        raise DataRequestError(
            f"SPURLAB_DATA is {given}, but there is no such folder. Correct the variable or unset it."
        )
    return folder


def cache_folder() -> Path:
    """The folder that downloads, and what was generated, are put into."""
    return user_cache_path("spurlab") / "data"
