"""Where datasets are looked for: ``$SPURLAB_DATA``, the user's cache, system folders; in this order."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from spurlab.data.entry import Entry, Layout
from spurlab.data.errors import DataRequestError
from spurlab.data.files import listed


def given_folder() -> Path | None:
    """The folder that ``$SPURLAB_DATA`` names, or None where it is not set.

    Raises:
        DataRequestError: there is no such folder.
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
    """The folder that downloads are put into."""
    return user_cache_path("spurlab") / "data"


def candidates(entry: Entry) -> list[tuple[Layout, Path]]:
    """Every folder that may hold the dataset, with the layout to expect there; the first whole one is taken.

    A later layout comes after all places of an earlier one.
    """
    if entry.download is None:
        return [(entry.layouts[0], place) for place in entry.places]
    roots = [root for root in (given_folder(), cache_folder()) if root is not None]
    return [
        (layout, folder)
        for layout in entry.layouts
        for folder in (*(root / layout.folder for root in roots), *(entry.places if layout is entry.layouts[0] else ()))
    ]


def missing(layout: Layout, folder: Path) -> str:
    """Why a folder does not hold the dataset, in a few words; nothing where it does."""
    if (there := listed(folder)) is None:
        return "no such folder"
    absent = [name for name in layout.files if not any(name + suffix in there for suffix in layout.suffixes)]
    return f"{', '.join(absent)} missing" if absent else ""
