"""How long a few steps took on this machine, kept: what was timed once is not timed at each plan.

A file of JSON in the user's cache. One that is damaged or cannot be written is as good as none: all is timed then.
"""

import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path

import spurlab
from spurlab.files import replacing
from spurlab.studies.subjects import machine

log = logging.getLogger(__name__)

LASTS = timedelta(days=30)


def calibration_file() -> Path:
    """The file of this user."""
    return user_cache_path("spurlab") / "calibration.json"


@dataclass(frozen=True)
class Timed:
    """What a plan needs of the trials of one kind.

    Args:
        make_seconds: of the steps of the whole group.
        measure_seconds: of measuring it.
        peak_bytes: of memory, of one process.
        steps: how many were timed.
        start_up: seconds until workers began.
        day: when it was timed, as in ISO 8601.
    """

    make_seconds: float
    measure_seconds: float
    peak_bytes: int
    steps: int
    start_up: float
    day: str


class Calibration:
    """What was timed, by what was timed.

    Args:
        path: of the file; None: nothing is kept.
        anew: time all again.
    """

    def __init__(self, path: Path | None, *, anew: bool = False) -> None:
        self._path = path
        self._all: dict[str, Timed] = {} if path is None or anew else _read(path)

    def get(self, kind: object) -> Timed | None:
        """What was timed of this kind, on this machine with these versions, in the last month."""
        timed = self._all.get(_key(kind))
        return timed if timed and _is_new(timed) else None

    def put(self, timed: dict[Any, Timed]) -> None:
        """Keep more, by kind."""
        if self._path is None or not timed:
            return
        kept = {key: one for key, one in _read(self._path).items() if _is_new(one)}
        self._all = kept | {_key(kind): one for kind, one in timed.items()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as draft:
                draft.write_text(json.dumps({key: vars(one) for key, one in self._all.items()}), "utf-8")
        except OSError as error:
            log.info("what was timed is not kept: %s", error)


def today() -> date:
    """In the time of the tables."""
    return datetime.now(UTC).date()


def _is_new(one: Timed) -> bool:
    return today() - LASTS < date.fromisoformat(one.day) <= today()


def _key(kind: object) -> str:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    what = repr((kind, machine(), gpu, torch.__version__, spurlab.__version__))
    return hashlib.sha256(what.encode()).hexdigest()[:20]


def _read(path: Path) -> dict[str, Timed]:
    with suppress(OSError, ValueError, TypeError, AttributeError, RecursionError):
        kept = {key: Timed(**one) for key, one in json.loads(path.read_text("utf-8")).items()}
        if all(_is_sound(one) for one in kept.values()):
            return kept
    return {}


def _is_sound(one: Timed) -> bool:
    numbers = (one.make_seconds, one.measure_seconds, one.peak_bytes, one.steps, one.start_up)
    date.fromisoformat(one.day)
    return all(isinstance(number, int | float) and 0 <= number < 1e15 for number in numbers) and one.steps > 0
