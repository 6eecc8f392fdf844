"""One-thread worker processes that train groups of members and share the data.

The base data stand in one file that every worker maps, so they are in memory once. A worker is ``python -m
spurlab.training.worker FOLDER``: it reads numbers of groups from its standard input, writes progress as JSON lines to
its standard output and each group's result to a file. Nothing but safetensors and JSON passes between processes, and a
caller's script needs no ``__main__`` guard.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.training.batches import Member
from spurlab.training.engines import Trained
from spurlab.training.recipe import Recipe

log = logging.getLogger(__name__)

TRIES = 2  # a group is tried once more after its worker died
NO_MORE = "no more"  # the order after which a worker ends by itself


class WorkerError(RuntimeError):
    """A worker process died twice before its group was trained, or could not train it."""


@dataclass(frozen=True, eq=False)
class Job:
    """What all groups of one call share."""

    architecture: str
    base: Examples
    classes: int
    recipe: Recipe
    engine: str

    def write(self, folder: Path) -> None:
        """Put the job in `folder`, where workers read it."""
        save_file(_columns(self.base), folder / "base.safetensors")
        about = {"architecture": self.architecture, "classes": self.classes, "engine": self.engine}
        (folder / "job.json").write_text(json.dumps(about | {"recipe": asdict(self.recipe)}))

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """What `write` wrote; the base data are mapped, not copied."""
        about = json.loads((folder / "job.json").read_text())
        recipe = about.pop("recipe")
        base = Examples(**load_file(folder / "base.safetensors"))
        return cls(base=base, recipe=Recipe(**recipe | {"milestones": tuple(recipe["milestones"])}), **about)


def _columns(examples: Examples) -> dict[str, torch.Tensor]:
    # clones of the small columns: groups may be the labels themselves, and safetensors refuses shared memory
    return {
        name: column.contiguous() if name == "inputs" else column.clone()
        for name, column in vars(examples).items()
        if column is not None
    }


def write_members(members: Sequence[Member], path: Path) -> None:
    """The members of one group: seeds and overlays, not the base data."""
    tensors = {}
    for i, member in enumerate(members):
        # clones: members may share an overlay, and safetensors refuses shared memory
        tensors[f"rows/{i}"], tensors[f"inputs/{i}"] = member.data.rows.clone(), member.data.inputs.clone().contiguous()
    about = [{"seed": member.seed, "how": member.data.how} for member in members]
    save_file(tensors, path, {"members": json.dumps(about)})


def read_members(base: Examples, path: Path) -> list[Member]:
    """What `write_members` wrote, on top of `base`."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["members"])
        overlays = [(file.get_tensor(f"rows/{i}"), file.get_tensor(f"inputs/{i}")) for i in range(len(about))]
    return [
        Member(Planted(base, rows, inputs, each["how"]), each["seed"])
        for each, (rows, inputs) in zip(about, overlays, strict=True)
    ]


def write_trained(trained: Trained, path: Path) -> None:
    """A group's result."""
    save_file({f"state/{name}": t for name, t in trained.state.items()} | {"losses": trained.losses}, path)


def read_trained(path: Path) -> Trained:
    """What `write_trained` wrote."""
    tensors = load_file(path)
    losses = tensors.pop("losses")
    return Trained({name.removeprefix("state/"): tensor for name, tensor in tensors.items()}, losses)


def run_in_workers(
    job: Job, groups: Sequence[Sequence[Member]], workers: int, advance: Callable[[int], None]
) -> list[Trained]:
    """Train each group in one of `workers` processes; results in the order of `groups`.

    Args:
        advance: called in this thread with the number of model-epochs that were just done (negative when a worker
            died and its group starts again).

    Raises:
        WorkerError: a group whose worker died twice, or that could not be trained; other workers are stopped.
    """
    with tempfile.TemporaryDirectory(prefix="spurlab-") as name:
        folder = Path(name)
        job.write(folder)
        for i, members in enumerate(groups):
            write_members(members, folder / f"group-{i}.safetensors")
        pool = _Pool(folder, len(groups), [list(group) for group in groups], advance)
        try:
            pool.run(min(workers, len(groups)))
        finally:
            pool.stop()
        return [read_trained(folder / f"trained-{i}.safetensors") for i in range(len(groups))]


class _Pool:
    """Hands groups to workers, one at a time each, and watches them."""

    def __init__(self, folder: Path, count: int, groups: list[list[Member]], advance: Callable[[int], None]) -> None:
        self._folder, self._groups, self._advance = folder, groups, advance
        self._waiting = deque(range(count))
        self._tries = [0] * count
        self._done = [0] * count  # model-epochs that the group's worker has told of
        self._finished = 0
        self._events: Queue[tuple[_Worker, dict[str, Any] | None]] = Queue()
        self._workers: list[_Worker] = []

    def run(self, workers: int) -> None:
        for _ in range(workers):
            self._start()
        while self._finished < len(self._groups):
            worker, event = self._events.get()
            if event is None:
                self._died(worker)
            elif "failed" in event:
                raise WorkerError(f"{self._name(worker.group)} could not be trained: {event['failed']}")
            elif event.get("finished"):
                self._finished += 1
                self._give(worker)
            else:
                self._done[worker.group] += event["model_epochs"]
                self._advance(event["model_epochs"])

    def stop(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _start(self) -> None:
        worker = _Worker(self._folder, self._events)
        self._workers.append(worker)
        self._give(worker)

    def _give(self, worker: "_Worker") -> None:
        if not self._waiting:
            worker.close()
            return
        group = self._waiting.popleft()
        self._tries[group] += 1
        worker.train(group)

    def _name(self, group: int) -> str:
        seeds = sorted({member.seed for member in self._groups[group]})
        return f"group {group} ({len(self._groups[group])} members, seeds {seeds})"

    def _died(self, worker: "_Worker") -> None:
        self._workers.remove(worker)
        end, group = worker.kill(), worker.group
        if group < 0:  # it had nothing left to do
            return
        what = f"the worker that trained {self._name(group)} {end}"
        self._advance(-self._done[group])
        self._done[group] = 0
        if self._tries[group] >= TRIES:
            advice = " Out of memory? Try a smaller `group_size`." if "signal 9" in end else ""
            raise WorkerError(f"{what}, for the second time.{advice}")
        log.warning("%s; the group is tried once more.", what)
        self._waiting.appendleft(group)
        self._start()


class _Worker:
    """One process; a thread turns its output into events, None when it has ended."""

    def __init__(self, folder: Path, events: "Queue[tuple[_Worker, dict[str, Any] | None]]") -> None:
        self.group = -1
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # -P: the current folder is not searched for modules; a user's queue.py there is no business of ours
            [sys.executable, "-P", "-m", "spurlab.training.worker", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends its workers
        )
        self._thread = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._thread.start()

    def _listen(self, events: "Queue[tuple[_Worker, dict[str, Any] | None]]") -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                try:
                    event = json.loads(line)
                except json.JSONDecodeError:  # somebody's print while Python starts; the protocol comes after it
                    log.debug("a worker said: %s", line.rstrip())
                    continue
                events.put((self, event))
        self._process.wait()
        events.put((self, None))

    def train(self, group: int) -> None:
        self.group = group
        self._say(str(group))

    def _say(self, order: str) -> None:
        if self._process.stdin is not None:
            try:
                print(order, file=self._process.stdin, flush=True)
            except BrokenPipeError:
                log.debug("the worker had ended already; its end is on the way as an event")

    def close(self) -> None:
        """No more groups: the worker ends by itself."""
        self.group = -1
        self._say(NO_MORE)

    def kill(self) -> str:
        """End the process now, whatever it does. Returns how it ended, with its last line of standard error."""
        self._process.kill()
        code = self._process.wait()
        self._thread.join()
        with self._errors:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # a group's name that nobody has read
                    pipe.close()
        said = f" (it said: {lines[-1]})" if lines else ""
        return (f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}") + said
