"""What there is: data sets, marks and networks, with their numbers."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from spurlab import report
from spurlab.data import DATASETS, Vocabulary, available, described, known, locate
from spurlab.data import load as load_dataset
from spurlab.errors import InputError
from spurlab.metrics import empirical_norm
from spurlab.models import ARCHITECTURES, parameter_count, skeleton
from spurlab.patterns import MARKS, marked_rows, parse_reference_dataset
from spurlab.studies.executors import Load
from spurlab.terminal import status_line


def datasets() -> list[dict[str, Any]]:
    """Each data set that there is, by name.

    Returns:
        For each: ``name``, ``title``, ``train`` and ``test`` (the numbers of examples), ``shape`` (of one input; of an
        image ``c h w``) and ``location`` (the folder; None: not here).

    Raises:
        DataRequestError: ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.

    >>> [(about["name"], about["train"], about["shape"]) for about in datasets()][:2]
    [('fashion-mini', 10000, [1, 28, 28]), ('fashion-mnist', 60000, [1, 28, 28])]
    """
    return [
        {
            "name": name,
            "title": DATASETS[name].title,
            "train": DATASETS[name].sizes[0],
            "test": DATASETS[name].sizes[1],
            "shape": list(DATASETS[name].shape),
            "location": str(folder) if folder else None,
        }
        for name, folder in available().items()
    ]


def about_dataset(name: str) -> dict[str, Any]:
    """What a data set is, where it came from, its checksums; nothing is fetched. Names of the paper's code are known.

    Args:
        name: as `spurlab.data.load` takes it, or a name of the paper's code, e.g. ``mnistv8-20-0-0``.

    Returns:
        Always ``name``, ``title``, ``train`` and ``test`` (the numbers of examples; None: not known without the files),
        ``shape`` (of one input), ``classes`` (their names), ``licence``, ``origin`` and ``location`` (the folder; None:
        not here). Where it is here, also ``input_range`` (None: no bounds), ``class_sizes`` (how many training examples
        each class has, in their order) and ``sha256`` (by file or array); with groups that have names, ``train_groups``
        and ``test_groups`` (how many examples, by group). Of a table ``features`` (what each number of an input is), of
        documents ``length`` (how many words of each are read), ``words`` (how many different ones) and ``commonest``.
        Of a name of the paper's code, also ``reference_name`` and ``planted`` (the fields of
        `spurlab.patterns.ReferenceDataset`).

    Raises:
        ValueError: there is none of that name, or its options are wrong.

    >>> about = about_dataset("fashion-mini")
    >>> about["train"], about["classes"][:2], about["class_sizes"][:2]
    (10000, ['T-shirt/top', 'Trouser'], [1000, 1000])
    """
    about: dict[str, Any] = {}
    if name not in DATASETS and re.fullmatch(r"(mnist|fashion|cifar100coarse|cifar100?|twoclassmnist)(v\d.*)?", name):
        meant = parse_reference_dataset(name)
        about, name = {"reference_name": name, "planted": asdict(meant)}, meant.dataset
    entry = known(name)
    about |= {"name": entry.name if entry else name, "title": entry.title if entry else name}
    if entry and locate(name) is None:  # what is known without the files
        train, test = entry.sizes or (None, None)
        about |= {"train": train, "test": test, "shape": list(entry.shape), "classes": list(entry.class_names)}
        return about | {"licence": entry.licence, "origin": entry.origin, "location": None}
    with status_line(f"reading {name}"):
        data = load_dataset(name, offline=True)
    about |= {"train": len(data.train), "test": len(data.test)}
    about |= {"shape": list(data.shape), "classes": list(data.class_names)}
    about |= {"input_range": data.input_range, "class_sizes": _sizes(data.train.labels, data.classes)}
    if data.group_names and data.train.groups is not None and data.test.groups is not None:
        for part, groups in (("train", data.train.groups), ("test", data.test.groups)):
            sizes = _sizes(groups, len(data.group_names))
            about[f"{part}_groups"] = dict(zip(data.group_names, sizes, strict=True))
    if isinstance(data.names, Vocabulary):
        about |= {"length": data.shape[0], "words": len(data.names.known), "commonest": list(data.names.known[:20])}
    elif data.features:
        about["features"] = list(data.features)
    return about | asdict(data.source)


def _sizes(groups: torch.Tensor, count: int) -> list[int]:
    sizes: list[int] = groups.bincount(minlength=count).tolist()
    return sizes


def pattern_norms(
    dataset: str = "fashion-mini", seed: int = 0, folder: Path | None = None, *, load: Load = load_dataset
) -> tuple[list[dict[str, Any]], list[Path]]:
    """The empirical norm of each mark that suits a data set, over its test examples (Table 1 of arXiv:2202.05189).

    Args:
        dataset: its name.
        seed: draws the random marks.
        folder: where to draw the gallery; None: nowhere.
        load: gives a data set by its name.

    Returns:
        For each mark ``pattern`` (its name), ``norm`` (the mean over the test examples of the Euclidean norm of what
        it changes, in units of the inputs) and ``stderr`` (the standard error of that mean); and the files of the
        gallery.

    Raises:
        InputError: no mark suits the data.

    >>> norms, _ = pattern_norms("fashion-mini")
    >>> [(line["pattern"], round(line["norm"], 1)) for line in norms][:3]
    [('S1', 1.0), ('S2', 3.0), ('S3', 5.0)]
    """
    data = load(dataset)
    suited = {name: entry.template for name, entry in MARKS.items() if entry.template.axes == len(data.shape)}
    if not suited:
        raise InputError(f"there is no pattern for {dataset}, whose inputs have the shape {data.shape}.")
    marks = {name: template.make(name, data.shape, seed, data.input_range) for name, template in suited.items()}
    lines, rows = [], torch.arange(len(data.test))
    for name, mark in marks.items():
        norms = empirical_norm(data.test.inputs, marked_rows(mark, data.test, rows, seed))
        lines.append({"pattern": name, "norm": norms.mean().item(), "stderr": (norms.std() / len(norms) ** 0.5).item()})
    if folder is None:
        return lines, []
    folder.mkdir(parents=True, exist_ok=True)
    shown = data.test[rows[:6]]
    strips = {"clean": shown.inputs}
    strips |= {name: marked_rows(mark, shown, rows[:6], seed) for name, mark in marks.items()}
    stem = f"patterns-{re.sub(r'[^A-Za-z0-9.-]+', '-', dataset)}"  # a name can hold a path
    return lines, report.save_figure(
        report.pattern_gallery(strips, f"patterns on {dataset}, seed {seed}"), folder / stem
    )


def parameter_counts(dataset: str = "fashion-mini") -> tuple[list[dict[str, Any]], list[str]]:
    """How many parameters each network of the zoo has on a data set (Table 2 of arXiv:2202.05189).

    Args:
        dataset: its name.

    Returns:
        For each network ``name`` and ``parameters`` (their number; None where it needs other inputs); and why it does,
        in sentences.

    Raises:
        DataRequestError: there is no such data set.

    >>> counts, reasons = parameter_counts("mnist1d")
    >>> counts[:2]
    [{'name': 'small-mlp', 'parameters': 13066}, {'name': 'mlp', 'parameters': 144650}]
    >>> reasons[0]
    "the CNN takes images, c x h x w, but one input here is 40. Use a perceptron ('mlp')."
    """
    entry, reasons = described(dataset), []
    zoo = dict(ARCHITECTURES.items())  # without what a package adds and that cannot be had
    lines: list[dict[str, Any]] = [{"name": name, "parameters": None} for name in zoo]
    suited = [line for line in lines if not entry.tokens or zoo[line["name"]].words]
    if len(suited) < len(lines):
        reasons.append(f"{len(lines) - len(suited)} networks multiply their inputs, which are numbers of words here.")
    for line in suited:
        try:
            line["parameters"] = parameter_count(skeleton(line["name"], entry.shape, len(entry.class_names)))
        except ValueError as error:
            reasons.append(str(error))
    return lines, reasons
