"""What a Ray worker runs; see `spurlab.studies.executors.ray`. Nothing here imports Ray."""

import platform
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from queue import Queue
from typing import Any

import torch

import spurlab
from spurlab.data import Dataset, Examples, Source
from spurlab.errors import worded
from spurlab.studies.making import carried_out
from spurlab.studies.task import Task

ABOUT = ("name", "class_names", "input_range", "group_names", "names")  # of a data set, beside its examples
TELLS = 0.2  # seconds between two words on how far a task is

_kept: dict[str, Dataset] = {}  # the last data set of this process, by checksum


def free_memory() -> int:
    """Bytes that are free on the GPU of this worker.

    Raises:
        RuntimeError: PyTorch cannot use it.
    """
    return int(torch.cuda.mem_get_info()[0])


def versions() -> dict[str, str]:
    """What numbers go by, of this process."""
    return {"Spurlab": spurlab.__version__, "PyTorch": torch.__version__, "Python": platform.python_version()}


def packed(data: Dataset) -> dict[str, Any]:
    """A data set as arrays and plain values, without the sources of its examples."""
    about = {name: getattr(data, name) for name in ABOUT}
    parts = {part: _arrays(getattr(data, part)) for part in ("train", "test")}
    about["words"] = data.train.words
    return about | parts | {"checksum": data.checksum}


def _arrays(examples: Examples) -> dict[str, Any]:
    return {name: column.detach().cpu().contiguous().numpy() for name, column in examples.columns.items()}


def unpacked(sent: Mapping[str, Any]) -> Dataset:
    """The data set of `packed`, whose tensors are the arrays themselves."""
    if sent["checksum"] not in _kept:
        _kept.clear()
        about = {name: sent[name] for name in ABOUT}
        train, test = (Examples.of(_tensors(sent[part]), sent["words"]) for part in ("train", "test"))
        _kept[sent["checksum"]] = Dataset(train=train, test=test, source=Source("", "sent by the driver", ""), **about)
    return _kept[sent["checksum"]]


def _tensors(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    with warnings.catch_warnings():  # the arrays cannot be written to, and nothing here does
        warnings.filterwarnings("ignore", "The given NumPy array is not writ", UserWarning)
        return {name: torch.from_numpy(column) for name, column in arrays.items()}


def carry_out(
    about: Mapping[str, Any], given: Mapping[str, bytes], sent: Mapping[str, Any], wanted: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    """Carry out a task and tell how far it is: ``done`` now and then, and ``finished``, ``failed`` or ``refused`` last.

    Args:
        about: the task, as JSON, without weights.
        given: the files of the weights that it needs, by key.
        sent: its data, as `packed` gives it.
        wanted: the `versions` of the driver, which this process must have too.
    """
    if (own := versions()) != dict(wanted):
        found = " and ".join(f"{name} {own[name]} and not {wanted[name]}" for name in own if own[name] != wanted[name])
        yield {"refused": f"a worker on {platform.node()} has {found}. Install the same everywhere."}
        return
    torch.set_num_threads(1)
    events: Queue[dict[str, Any]] = Queue()

    def work() -> None:
        try:
            task = replace(Task.from_json(about), given=dict(given))
            outcome = carried_out(task, lambda name: unpacked(sent), lambda done: events.put({"done": done}))
            events.put({"finished": replace(outcome, weights={}).as_json(), "weights": dict(outcome.weights)})
        except BaseException as error:  # else nobody would hear of it
            events.put({"failed": worded(error)})

    threading.Thread(target=work, daemon=True).start()
    told = time.monotonic()
    while "done" in (event := events.get()):
        if time.monotonic() - told >= TELLS:
            told = time.monotonic()
            yield event
    yield event
