"""What can be measured and what was: a request, what is finished, and what a store holds, be it damaged or not.

A subject is a network that was trained or made from one, a pattern on a data set, or an architecture.
"""

import json
import os
import platform
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

from spurlab.plugins import unqualified
from spurlab.studies.database import StoreError, digest, named

SUBJECT_TYPES = (str, str, str, str, str, str, str, float, str)
MEASURED_TYPES = {(str, str, str, int, float), (str, str, str, int, NoneType)}


class Request(NamedTuple):
    """A measure to take of one subject; pattern and target are "" and -1 where it does not differ by them.

    The measure of a plug-in, and the pattern, stand with package and version, so that those of another are others.
    """

    measure: str
    pattern: str
    target: int

    @property
    def number(self) -> str:
        """The name of the number."""
        return unqualified(self.measure)


@dataclass(frozen=True)
class Finished:
    """A subject and what was measured of it.

    Args:
        key: its name by content.
        settings: all that fixes it, as plain values.
        data: the checksum of the data set.
        values: by request; NaN for a network that diverged, or a deletion that failed.
        seconds: of training, shared evenly among a group that was trained together; or of deletion.
        device: where it was trained.
    """

    key: str
    settings: Mapping[str, Any]
    data: str
    values: Mapping[Request, float]
    seconds: float = 0.0
    device: str = "cpu"


@dataclass(slots=True)
class Stored:
    """The rows of one subject as they are in the file, whatever they hold.

    Args:
        about: its row of the table ``subject``; empty where there is none.
        measured: its rows of the table ``measured``, in the order of their key.
        sha256: what the table ``checksum`` says.
        whole: whether the rows are those that were written; of a file without checksums, whether they could be.
    """

    about: tuple[Any, ...] = ()
    measured: list[tuple[Any, ...]] = field(default_factory=list)
    sha256: object = None
    whole: bool = False

    @property
    def well_formed(self) -> bool:
        """Whether the rows are such as `Store.put` writes."""
        if (
            tuple(map(type, self.about)) != SUBJECT_TYPES
            or not {tuple(map(type, row)) for row in self.measured} <= MEASURED_TYPES
        ):
            return False
        try:
            self.failed  # noqa: B018 - must be readable
        except (ValueError, AttributeError, RecursionError):
            return False
        return True

    @property
    def digest(self) -> bytes:
        """The checksum of rows that are well formed."""
        return digest([self.about, self.measured])

    @property
    def failed(self) -> str | None:
        """Why it failed, if it did."""
        if '"failed"' not in self.about[1]:
            return None
        return str(why) if (why := json.loads(self.about[1]).get("failed")) is not None else None


class Everything(NamedTuple):
    """What a store holds.

    Args:
        values: every measured number by key, measure, pattern and target; None for a network that diverged.
        subjects: by key: data checksum, device, versions of both, machine, seconds, when it was finished, why it
            failed.
        damaged: the keys of the subjects that are damaged, which are not among these; a key itself may be damaged, and
            be no text.
        path: the file.
    """

    values: dict[tuple[str, str, str, int], float | None]
    subjects: dict[str, tuple[Any, ...]]
    damaged: set[Any]
    path: Path

    def undamaged(self, keys: Collection[str] | None = None) -> "Everything":
        """The same, if none of these subjects is damaged; None: if none is at all.

        Raises:
            StoreError: one is.
        """
        if damaged := self.damaged if keys is None else self.damaged.intersection(keys):
            raise StoreError(
                f"what {self.path} holds of {named(damaged)} is damaged. Restore the file from a copy, or run the "
                "study again in this folder: what is damaged is made again, and the rest is kept."
            )
        return self


@cache
def machine() -> str:
    """The machine in short: kind, processor, cores."""
    processor = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return ", ".join(part for part in (platform.machine(), processor, f"{os.cpu_count()} cores") if part)
