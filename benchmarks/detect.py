"""Which training examples teach a mark that nobody named: how well each detector of the audit finds them.

    python benchmarks/detect.py [--data fashion-mini] [--architecture mlp] [--marks R3,S3] [--counts 3,10]
        [--targets 0,3,7] [--seeds 5] [--detectors shared,transplant:2] [--art] [--score]
        [--workers 1]

One row of a markdown table for each mark and n: mean average precision and, in brackets, recall at 2 n, over targets
and seeds. ``transplant:2`` has two seeds, whatever the others have. Networks are trained where a detector asks one.
Marks are those of `spurlab.patterns.MARKS` and texts as of ``spurlab audit --mark``, beside

- ``picture``: a ring at the top right, and ``faint``: the same with an opacity of .2,
- ``moved``: the same at another place in each example, and ``varied``: with another opacity in each, in [.2, 1).

``--score``: a last column, how far the score of the mark in networks of the first seed is above that in a clean one.
``--art``: beside them the spectral signatures and the activation clustering of the Adversarial Robustness Toolbox
(``pip install adversarial-robustness-toolbox``) on the same networks.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from itertools import product
from statistics import mean

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from spurlab import RECIPES, Member, fit, load, plant
from spurlab.audit.detect import DETECTORS, TRAINING_DETECTORS, Detector, TrainingDetector
from spurlab.data import Dataset, Examples
from spurlab.errors import did_you_mean
from spurlab.metrics import spurious_score
from spurlab.models import features
from spurlab.patterns import MarkLike, Overlay, Planted, marked, own_mark
from spurlab.seeds import rng_for

SIZE = 8  # of the ring, in pixels


def mark_of(name: str, shape: tuple[int, ...], seed: int) -> MarkLike:
    """A mark by its text, see above."""
    rows, columns = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")
    away = ((rows - 3.5) ** 2 + (columns - 3.5) ** 2).sqrt()
    ring = ((away > 2) & (away < 4)).float()
    ring = Overlay("picture", 0.8 * torch.ones(1, SIZE, SIZE), ring, (shape[1], shape[2]), 0, shape[2] - SIZE)
    if name == "faint":
        return replace(ring, name=name, opacity=0.2 * ring.opacity)
    if name in ("moved", "varied"):
        return _drawn(ring, name, seed)
    return ring if name == "picture" else own_mark(name, shape, seed)


def _drawn(mark: Overlay, name: str, seed: int) -> Callable[[Tensor], Tensor]:
    """The mark at a place, or with an opacity, drawn for each input in turn."""

    def drawn(inputs: Tensor) -> Tensor:
        rng, n = rng_for(seed, "places"), len(inputs)
        if name == "moved":
            tops, lefts = (torch.randint(side - SIZE + 1, (n,), generator=rng).tolist() for side in mark.image)
            own = [replace(mark, top=top, left=left) for top, left in zip(tops, lefts, strict=True)]
        else:
            shares = (0.2 + 0.8 * torch.rand(n, generator=rng)).tolist()
            own = [replace(mark, opacity=share * mark.opacity) for share in shares]
        return torch.cat([each(one[None]) for each, one in zip(own, inputs, strict=True)])

    return drawn


class Features(nn.Module):
    """The inputs of a network's last layer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """See `spurlab.models.features`."""
        return features(self.network, inputs)


def art_detectors() -> dict[str, Detector]:
    """The two defences of ART, if it is installed, on the features that ours have; scores as it gives them."""
    try:
        version = metadata.version("adversarial-robustness-toolbox")
    except metadata.PackageNotFoundError:
        print("ART is not installed: pip install adversarial-robustness-toolbox\n")
        return {}
    from art.defences.detector.poison import ActivationDefence, SpectralSignatureDefense  # noqa: PLC0415
    from art.estimators.classification import PyTorchClassifier  # noqa: PLC0415

    def asked(network: nn.Module, train: Examples) -> tuple[PyTorchClassifier, object, object]:
        classes = int(train.labels.max()) + 1
        body = nn.Sequential(Features(network))  # it looks at the last layer that it is told of
        wrapped = PyTorchClassifier(body, nn.CrossEntropyLoss(), train.shape, classes, device_type="cpu")
        return wrapped, train.inputs.numpy(), nn.functional.one_hot(train.labels, classes).numpy()

    def spectral(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Tensor:
        # a share of 1 has every example reported, with its score
        report, _ = SpectralSignatureDefense(*asked(network, train), 1.0, eps_multiplier=1.0).detect_poison()
        return torch.tensor([float(report.get(row, 0)) for row in range(len(train))])

    def clustering(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Tensor:
        _, clean = ActivationDefence(*asked(network, train)).detect_poison(nb_clusters=2, nb_dims=10, reduce="PCA")
        return 1 - torch.tensor(clean).float()  # it tells clean or not, no more

    return {
        "art-spectral": Detector(f"ART {version} spectral", spectral),
        "art-clustering": Detector(f"ART {version} activations", clustering),
    }


def training_detectors(architecture: str, classes: int) -> dict[str, Detector]:
    """Those that train networks of their own."""

    def scores(way: TrainingDetector) -> Callable[[nn.Module, Examples, Examples, int], Tensor]:
        return lambda _, train, __, seed: way.score(train, architecture, RECIPES["quick"], classes=classes, seed=seed)

    return {name: Detector(way.title, scores(way), asks_network=False) for name, way in TRAINING_DETECTORS.items()}


def recall_at(scores: Tensor, mask: Tensor, first: int) -> float:
    """The share of the marked examples that is among the first."""
    return float(mask[scores.topk(first).indices].sum() / mask.sum())


def detect(arguments: argparse.Namespace) -> None:
    """Print the table, each row as soon as it is known, and what one call of each detector took."""
    data, targets = load(arguments.data), [int(target) for target in arguments.targets.split(",")]
    chosen = [word.partition(":") for word in arguments.detectors.split(",")]
    seeds = {name: min(int(few or arguments.seeds), arguments.seeds) for name, _, few in chosen}
    table, outside = DETECTORS | training_detectors(arguments.architecture, data.classes), {}
    if arguments.art:
        outside = art_detectors()
    if unknown := seeds.keys() - table.keys():
        raise SystemExit(f"there is no detector {', '.join(unknown)}. {did_you_mean(min(unknown), list(table))}")
    detectors = {name: table[name] for name in seeds} | outside
    titles = [f"{way.title} ({len(targets) * seeds.get(name, arguments.seeds)})" for name, way in detectors.items()]
    titles += ["score, above a clean network's"] * arguments.score
    print(f"{arguments.data}, {len(data.train):,} examples; {arguments.architecture}; targets {arguments.targets}.")
    print("Mean average precision (recall at 2 n); in brackets of the titles the number of networks or data sets.\n")
    print(f"| | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}")
    seconds: dict[str, list[float]] = defaultdict(list)
    for name, n in product(arguments.marks.split(","), [int(count) for count in arguments.counts.split(",")]):
        found: dict[str, list[tuple[float, float]]] = defaultdict(list)
        cells = list(product(targets, range(arguments.seeds)))
        planted = [plant(data.train, mark_of(name, data.shape, seed), target=target, count=n, seed=seed)
                   for target, seed in cells]  # fmt: skip
        trained = networks(planted, cells, detectors, seeds, arguments, data.classes, seconds)
        for some, network, (_, seed) in zip(planted, trained, cells, strict=True):
            train = some.materialize()
            for detector, way in detectors.items():
                if seed >= seeds.get(detector, arguments.seeds):
                    continue
                begin = time.perf_counter()
                scores = way.score(network, train, data.test, seed)
                seconds[way.title].append(time.perf_counter() - begin)
                precision = float(average_precision_score(some.mask.numpy(), scores.numpy()))
                found[detector].append((precision, recall_at(scores, some.mask, 2 * n)))
        means = [tuple(map(mean, zip(*found[detector], strict=True))) for detector in detectors]
        texts = [f"{precision:.2f} ({recall:.2f})" for precision, recall in means]
        if arguments.score:
            texts.append(f"{rise(data, name, n, targets, arguments):+.2f}")
        print(f"| {name}, n = {n} | {' | '.join(texts)} |", flush=True)
    print("\nSeconds a call: " + ", ".join(f"{title} {mean(some):.1f}" for title, some in seconds.items()))


def rise(data: Dataset, name: str, n: int, targets: list[int], arguments: argparse.Namespace) -> float:
    """The mean score of the mark in networks that were taught it, above that of a clean one; one for each target."""
    planted = [plant(data.train, mark_of(name, data.shape, 0), target=target, count=n, seed=0) for target in targets]
    members = [Member(some, 0) for some in [*planted, Planted.none(data.train)]]
    trained = fit(arguments.architecture, members, RECIPES["quick"], classes=data.classes, workers=arguments.workers)
    clean = trained.predict(data.test.inputs)
    with_it = trained.predict(marked(mark_of(name, data.shape, 0), data.test.inputs))
    rises = []
    for i, target in enumerate(targets):
        others = data.test.labels != target
        scores = spurious_score(clean[:, others], with_it[:, others], target)
        rises.append(float(scores[i] - scores[-1]))
    return mean(rises)


def networks(
    planted: list[Planted],
    cells: list[tuple[int, int]],
    detectors: dict[str, Detector],
    seeds: dict[str, int],
    arguments: argparse.Namespace,
    classes: int,
    seconds: dict[str, list[float]],
) -> Iterator[nn.Module]:
    """One for each cell, or a stand-in where no detector asks it."""
    most = max((seeds.get(name, arguments.seeds) for name, way in detectors.items() if way.asks_network), default=0)
    asked = [i for i, (_, seed) in enumerate(cells) if seed < most]
    members = [Member(planted[i], cells[i][1]) for i in asked]
    if not members:
        yield from (nn.Identity() for _ in cells)
        return
    begin = time.perf_counter()
    trained = fit(arguments.architecture, members, RECIPES["quick"], classes=classes, workers=arguments.workers)
    seconds["training of a network"].append((time.perf_counter() - begin) / len(members))
    yield from (trained.member(asked.index(i)) if i in asked else nn.Identity() for i in range(len(cells)))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mini")
    parser.add_argument("--architecture", default="mlp")
    parser.add_argument("--marks", default="R3,S3,S2,picture")
    parser.add_argument("--counts", default="1,3,5,10,20")
    parser.add_argument("--targets", default="0,3,7")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--detectors", default=",".join(DETECTORS))
    parser.add_argument("--art", action="store_true")
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--workers", type=int, default=None, help="processes that train; 0: this one")
    detect(parser.parse_args())


if __name__ == "__main__":
    main()
