"""Datasets: what they are, where their files come from, and the value that carries them."""

from spurlab.data.arrays import from_npz as from_npz
from spurlab.data.catalogue import DATASETS as DATASETS
from spurlab.data.catalogue import available as available
from spurlab.data.catalogue import dataset_named as dataset_named
from spurlab.data.catalogue import described as described
from spurlab.data.catalogue import fetch as fetch
from spurlab.data.catalogue import known as known
from spurlab.data.catalogue import load as load
from spurlab.data.catalogue import locate as locate
from spurlab.data.description import Description as Description
from spurlab.data.errors import DamagedDataError as DamagedDataError
from spurlab.data.errors import DataError as DataError
from spurlab.data.errors import DataFailureError as DataFailureError
from spurlab.data.errors import DataNotFoundError as DataNotFoundError
from spurlab.data.errors import DataRequestError as DataRequestError
from spurlab.data.examples import Dataset as Dataset
from spurlab.data.examples import Examples as Examples
from spurlab.data.examples import Source as Source
from spurlab.data.folder import image_folder as image_folder
from spurlab.data.idx import read_idx as read_idx
from spurlab.data.official import FilesEntry as FilesEntry
from spurlab.data.own import without_paths as without_paths
from spurlab.data.subset import first_examples as first_examples
from spurlab.data.subset import only_classes as only_classes
from spurlab.data.tables import table as table
from spurlab.data.torch_data import from_torch as from_torch
