"""Where the networks of a study look: what the saliency strips show, in numbers.

This is the one module of reports in which networks are fitted: last layers, again, in seconds.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.explain import class_maps, gradient
from spurlab.models import is_user_name
from spurlab.prevention import title_of
from spurlab.report.featured import Featured, featured
from spurlab.report.titles import dataset_title
from spurlab.report.view import NotDrawnError, OnlyReadError
from spurlab.studies import StoreError, StudyResult
from spurlab.studies.axes import PLAIN
from spurlab.studies.cells import cells_of
from spurlab.studies.graph import Treat
from spurlab.studies.materials import materials_in
from spurlab.studies.store import weights_file
from spurlab.studies.treating import DIVERGED, Preventing

# methods that only refit the last layer; of each line the first that the study has
_REFITS = {"DFR": ("dfr-plain", "dfr"), "AFR": ("afr-train",)}


@dataclass(frozen=True, eq=False)
class NetworkMaps:
    """Signals, and each network's saliency on them; see `spurlab.report.strips_figure`."""

    signals: Float[Tensor, "n d"]
    maps: dict[str, Float[Tensor, "n d"]]
    blocks: Bool[Tensor, "n d"]
    names: list[str]
    title: str
    clean: Float[Tensor, "n d"]
    note: str


def network_maps(result: StudyResult) -> NetworkMaps:
    """A training signal with the feature, and the mean over those of its class, in the networks of one seed.

    Raises:
        OnlyReadError: the network is the user's own, and the study was read from a folder.
        NotDrawnError: there is no such training set, or no such network.
    """
    case = featured(result)
    data, mask, architecture = case.data, case.planted.mask, case.cell.setting.architecture
    if is_user_name(architecture) and not result.study.typed:
        raise OnlyReadError(
            f"There is no saliency to show: the network {architecture!r} is code of your own, and nothing is executed "
            "that a results folder names. `spurlab run` draws it."
        )
    try:
        networks, notes = _networks(result, case)
    except (StoreError, ValueError) as error:
        raise NotDrawnError(f"There is no saliency to show: {error}") from error
    c = int(data.train.labels[mask.nonzero()[0, 0]])
    rows = (mask & (data.train.labels == c)).nonzero().squeeze(1)
    few, clean = case.planted[rows], data.train.inputs[rows]
    maps = {}
    for name, network in networks.items():
        slopes = gradient(network, few.inputs, few.labels)
        maps[name] = torch.stack([slopes[0].double(), class_maps(slopes, few.labels, data.classes)[c]])
    about = f"class {data.class_names[c]}"
    return NetworkMaps(
        torch.stack([few.inputs[0], few.inputs.mean(0)]),
        maps,
        case.blocks[[c, c]],
        [f"a signal of {about}", f"mean of {len(rows)} signals of {about}"],
        f"{dataset_title(data.name)}: where the networks look when the feature is there",
        torch.stack([clean[0], clean.mean(0)]),
        f"Saliency: the gradient of the true class's logit. Training signals: the first that has "
        f"the feature, and all of its class that have it. {notes}",
    )


def _networks(result: StudyResult, case: Featured) -> tuple[dict[str, nn.Module], str]:
    """The networks trained without the feature and with it, and the latter's refits; what they are, in words.

    Raises:
        StoreError: weights are damaged.
        ValueError: a network is not there, or diverged.
    """
    cell, data = case.cell, case.data
    base = cell._replace(share=0.0).training
    for training in (base, cell.training):
        if not weights_file(result.folder, training.key(data.checksum)).is_file():
            raise InputError(f"weights of the networks of seed {cell.seed} are not kept in the results folder.")
    materials = materials_in(result.folder, data)
    network, diverged = materials.trained(base)
    bench = Preventing(Treat("prevention", cell.training, PLAIN, cell.clean or 1.0), materials)
    spurious, _, failed = bench.network_after(PLAIN)
    if diverged or spurious is None:
        raise InputError(f"{failed or DIVERGED} (seed {cell.seed}).")
    networks = {"base": network, "spurious": spurious}
    notes = f"Networks of seed {cell.seed}. base: trained without the feature; spurious: with it ({case.spread}); "
    tried = [
        other.prevention for other in cells_of(result.study) if other.training == cell.training and other.prevention
    ]
    for row, names in _REFITS.items():
        methods = [method for name in names for method in tried if method.split()[0] == name]
        if not methods:
            continue
        refitted, _, failed = bench.network_after(methods[0])
        outcome = f"failed ({failed})" if failed else "the last layer of spurious fitted again"
        notes += f"{title_of(methods[0])}: {outcome}; "
        if refitted is not None:
            networks[row] = refitted
    return networks, notes.removesuffix("; ") + "."
