"""The names of the paper's public code, for people who come from there (yangarbiter/rare-spurious-correlation)."""

import re
from dataclasses import dataclass

from spurlab.errors import InputError

REFERENCE_PATTERNS = {"v1": "S1", "v3": "S2", "v8": "S3", "v18": "R1", "v19": "R2", "v20": "R3", "v30": "Co"}
REFERENCE_DATASETS = {
    "mnist": "mnist",
    "fashion": "fashion-mnist",
    "cifar10": "cifar10",
    "cifar100": "cifar100",
    "cifar100coarse": "cifar100-coarse",
}
TEMPLATE = f"{{{'|'.join(REFERENCE_DATASETS)}}}{{v}}-{{n}}-{{target}}-{{seed}}"
TWO_TARGETS = "twoclassmnist{v}-{n}-{c1}-{c2}-{seed}"

_PLANTED = re.compile(rf"({'|'.join(REFERENCE_DATASETS)})(v\d+)-(\d+)-(\d+)-(\d+)")
_TWO_TARGETS = re.compile(r"twoclass(mnist)(v\d+)-(\d+)-(\d+)-(\d+)-(\d+)")


@dataclass(frozen=True)
class ReferenceDataset:
    """What a dataset name of the public code means, in Spurlab's names."""

    dataset: str  # the clean one
    pattern: str | None = None  # None for clean data
    count: int = 0  # how many examples are planted; of each class, where there are two
    target: int | tuple[int, int] | None = None  # None for clean data; two classes for ``twoclassmnist``
    seed: int = 0  # of the choice and of the random patterns


def parse_reference_dataset(name: str) -> ReferenceDataset:
    """Translate a dataset name of the public code.

    The code writes a planted training set as ``{mnist|fashion|cifar10}{v}-{n}-{target}-{seed}``, with v1, v3, v8 for
    S1, S2, S3; v18, v19, v20 for R1, R2, R3; and v30 for Co. Clean data is the bare name; ``cifar100`` and
    ``cifar100coarse`` are there as clean data only, and accepted in the template all the same.
    ``twoclassmnist{v}-{n}-{c1}-{c2}-{seed}`` is MNIST with all its ten classes, and the same pattern planted in n
    examples of c1 and n of c2. The translation keeps the meaning, not the random draws: the same seed picks other
    examples there.

    Raises:
        ValueError: a name that does not follow the templates, a v-name of no pattern, or the same class twice.

    Source: yangarbiter/rare-spurious-correlation, spurious_ml/datasets/__init__.py.

    >>> parse_reference_dataset("mnistv8-3-0-0")
    ReferenceDataset(dataset='mnist', pattern='S3', count=3, target=0, seed=0)
    >>> parse_reference_dataset("twoclassmnistv8-10-3-7-0")
    ReferenceDataset(dataset='mnist', pattern='S3', count=10, target=(3, 7), seed=0)
    >>> parse_reference_dataset("fashion").dataset
    'fashion-mnist'
    """
    wanted = name.casefold()
    if wanted in REFERENCE_DATASETS:
        return ReferenceDataset(REFERENCE_DATASETS[wanted])
    planted = _PLANTED.fullmatch(wanted) or _TWO_TARGETS.fullmatch(wanted)
    if planted is None:
        raise InputError(
            f"{name!r} is no dataset name of the paper's public code. Those are {TEMPLATE}, e.g. mnistv8-3-0-0, "
            f"{TWO_TARGETS}, or {', '.join(REFERENCE_DATASETS)} for clean data."
        )
    dataset, version, count, *targets, seed = planted.groups()
    if version not in REFERENCE_PATTERNS:
        known = ", ".join(f"{code} ({pattern})" for code, pattern in REFERENCE_PATTERNS.items())
        raise InputError(f"{name!r} asks for pattern {version}, which is none of the paper's. Those are {known}.")
    first, *second = map(int, targets)
    if first in second:
        raise InputError(f"{name!r} names class {first} twice. {TWO_TARGETS} plants in two classes.")
    target = (first, second[0]) if second else first
    return ReferenceDataset(REFERENCE_DATASETS[dataset], REFERENCE_PATTERNS[version], int(count), target, int(seed))
