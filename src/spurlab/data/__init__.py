"""Datasets: what they are, where their files come from, and the value that carries them."""

from spurlab.data.catalogue import DATASETS, available, described, fetch, load, locate
from spurlab.data.entry import Entry, Layout
from spurlab.data.errors import DamagedDataError, DataError, DataFailureError, DataNotFoundError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.idx import read_idx
from spurlab.data.places import cache_folder

__all__ = [
    "DATASETS",
    "DamagedDataError",
    "DataError",
    "DataFailureError",
    "DataNotFoundError",
    "DataRequestError",
    "Dataset",
    "Entry",
    "Examples",
    "Layout",
    "Source",
    "available",
    "cache_folder",
    "described",
    "fetch",
    "load",
    "locate",
    "read_idx",
]
