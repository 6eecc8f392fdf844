"""Names as people say them: of datasets, classes, targets and panels."""

from collections.abc import Sequence

from spurlab.data import known


def dataset_title(name: str) -> str:
    """Its title in the catalogue; the name itself where it is not in there."""
    return entry.title if (entry := known(name)) else name


def class_name(dataset: str, target: int) -> str:
    """The name of a class; "" where it is not known."""
    names = entry.class_names if (entry := known(dataset)) else ()
    return names[target] if 0 <= target < len(names) else ""


def target_title(dataset: str, target: int) -> str:
    """The target with its name, unless that is its number."""
    name = class_name(dataset, target)
    return f"target {target}" + (f" ({name})" if name and name != str(target) else "")


def panel_title(dataset: str, *parts: str) -> str:
    """Dataset and what else tells this panel from others."""
    return ", ".join(part for part in (dataset_title(dataset), *parts) if part)


def in_a_row(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> in_a_row(["S1"]), in_a_row(["S1", "S2", "Co"])
    ('S1', 'S1, S2 and Co')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
