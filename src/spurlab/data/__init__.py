"""Datasets: what they are, where their files come from, and the value that carries them."""

from spurlab.data.arrays import from_npz
from spurlab.data.catalogue import DATASETS, available, dataset_named, described, fetch, known, load, locate
from spurlab.data.entry import Description, Entry
from spurlab.data.errors import (
    DamagedDataError,
    DataError,
    DataFailureError,
    DataNotFoundError,
    DataRequestError,
)
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.folder import image_folder
from spurlab.data.idx import read_idx
from spurlab.data.official import FilesEntry, Layout
from spurlab.data.own import without_paths
from spurlab.data.places import cache_folder
from spurlab.data.subset import first_examples, only_classes
from spurlab.data.torch_data import from_torch

__all__ = [
    "DATASETS",
    "DamagedDataError",
    "DataError",
    "DataFailureError",
    "DataNotFoundError",
    "DataRequestError",
    "Dataset",
    "Description",
    "Entry",
    "Examples",
    "FilesEntry",
    "Layout",
    "Source",
    "available",
    "cache_folder",
    "dataset_named",
    "described",
    "fetch",
    "first_examples",
    "from_npz",
    "from_torch",
    "image_folder",
    "known",
    "load",
    "locate",
    "only_classes",
    "read_idx",
    "without_paths",
]
