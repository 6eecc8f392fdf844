"""Where the networks of a study look: saliency maps, made when the study is run and kept beside its rows.

Of the largest share of training signals that have the feature: the networks of one seed without it and with it, and the
latter with its last layer fitted again.
"""

import hashlib
import logging
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spurlab.data import Dataset
from spurlab.errors import FAILURES, one_line, worded
from spurlab.explain import class_maps, gradient
from spurlab.patterns import Planted
from spurlab.plugins import is_foreign
from spurlab.studies.axes import PLAIN
from spurlab.studies.cells import Cell, cells_of
from spurlab.studies.database import StoreError
from spurlab.studies.graph import Train, Treat
from spurlab.studies.materials import materials_in
from spurlab.studies.study import Study
from spurlab.studies.training_sets import planted
from spurlab.studies.treating import DIVERGED, Preventing
from spurlab.studies.weights import UNREADABLE, put_weights, sealed, unsealed, weights_file
from spurlab.studies.work import Work

log = logging.getLogger(__name__)

FOLDER = "maps"
BASE, SPURIOUS = "base", "spurious"
# methods that only refit the last layer; of each line the first that the study has
REFITS = {"DFR": ("dfr-plain", "dfr"), "AFR": ("afr-train",)}


class Mapped(NamedTuple):
    """The networks whose maps are kept.

    Args:
        cell: of the network that was trained with the feature.
        methods: for each network that is shown, by its name in the figure, the prevention that made it from that one.
    """

    cell: Cell
    methods: Mapping[str, str]

    @property
    def base(self) -> Train:
        """The network of the same seed that was trained without the feature."""
        return self.cell._replace(share=0.0).training

    def treatment(self, method: str) -> Treat:
        """What this prevention makes of the network that was trained with the feature."""
        clean = 1.0 if self.cell.clean is None else self.cell.clean  # of no matter where nothing is prevented
        return Treat("prevention", self.cell.training, method, clean)

    def file(self, folder: Path, checksum: str) -> Path:
        """Where their maps are, if they were kept: named by all that makes them."""
        keys = self.base.key(checksum), *(self.treatment(method).key(checksum) for method in self.methods.values())
        name = hashlib.sha256("|".join(keys).encode()).hexdigest()[:20]
        return folder / FOLDER / f"{name}.safetensors"


def mapped_in(study: Study) -> Mapped | None:
    """The networks of the first training set in which the largest share has a feature; None where none has."""
    cells = cells_of(study)
    featured = [(cell.share, cell) for cell in cells if cell.share]
    if not featured:
        return None
    _, cell = max(featured, key=itemgetter(0))
    tried = [other.prevention for other in cells if other.training == cell.training and other.prevention]
    methods = {SPURIOUS: PLAIN}
    for title, names in REFITS.items():
        if refits := [method for name in names for method in tried if method.split()[0] == name]:
            methods[title] = refits[0]
    return Mapped(cell, methods)


def rows_mapped(data: Dataset, examples: Planted) -> Tensor:
    """The rows of the training signals that the maps are taken on.

    The first signal with the feature has a class; these are all signals with the feature of that class, the first
    included.

    Args:
        data: the data set.
        examples: its training set, with the feature.
    """
    mask, labels = examples.mask, data.train.labels
    return (mask & (labels == labels[mask.nonzero()[0, 0]])).nonzero().flatten()


def keep_maps(work: Work, folder: Path) -> None:
    """Keep the maps of a study that shows saliency or measures it, unless they are there; and what failed.

    Raises:
        StoreError: they cannot be written.
    """
    study = work.study
    if "saliency" not in study.figure and "block_saliency" not in study.measure:
        return
    if (mapped := mapped_in(study)) is None:
        return
    data = work.data[mapped.cell.setting.dataset]
    examples, path = planted(data, mapped.cell.training), mapped.file(folder, data.checksum)
    if path.is_file() or not len(examples.rows):
        return
    files = [weights_file(folder, training.key(data.checksum)) for training in (mapped.base, mapped.cell.training)]
    if not all(file.is_file() for file in files):
        return
    try:
        maps, failed = _maps(mapped, data, examples, folder)
    except StoreError as error:
        log.warning("%s: where the networks look is not kept. %s", folder, error)
        return
    put_weights(path, sealed(path, maps, "failed", failed), "maps")


def read_maps(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """By network, the maps of the first signal (see `rows_mapped`) and of all, ``2 d``; and why others have none.

    Raises:
        StoreError: they are damaged.
    """
    try:
        return unsealed(path, "failed")
    except UNREADABLE as error:
        raise StoreError(
            f"the maps in {path} are damaged ({one_line(str(error))}). Remove the file, and the same `spurlab run` "
            "makes them again."
        ) from error


def _maps(mapped: Mapped, data: Dataset, examples: Planted, folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The gradient of the true class's logit, on the first signal and in the mean over all; and what failed.

    Raises:
        StoreError: weights are damaged.
    """
    materials = materials_in(folder, data)
    signals = examples[rows_mapped(data, examples)]
    c = int(signals.labels[0])
    base, diverged = materials.trained(mapped.base)
    networks: dict[str, tuple[nn.Module | None, str]] = {BASE: (base, DIVERGED if diverged else "")}
    bench = Preventing(mapped.treatment(PLAIN), materials)
    for name, method in mapped.methods.items():
        after = bench.network_after(method)
        networks[name] = after.result, after.failed
    maps, failed = {}, {}
    for name, (network, why) in networks.items():
        if why or network is None:
            failed[name] = why
            continue
        try:
            slopes = gradient(network, signals.inputs, signals.labels)
        except FAILURES as error:
            if not is_foreign("models", mapped.cell.setting.architecture):
                raise
            failed[name] = worded(error)
        else:
            maps[name] = torch.stack([slopes[0].double(), class_maps(slopes, signals.labels, data.classes)[c]])
    return maps, failed
