"""The machines of a Ray cluster: a group of networks is one remote task, which keeps nothing and shares no folder.

Data are put into the cluster's memory once, and read there without a copy. Weights travel with tasks and outcomes, so
that the results folder is seen by this process alone, and nobody else writes. What is lost with a worker or a machine
is one group, which is carried out again.
"""

import logging
import os
import socket
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from spurlab.errors import FailureError, InputError, one_line, worded
from spurlab.studies.executors.executor import Load, Room, Told
from spurlab.studies.executors.local import cores
from spurlab.studies.executors.ray_worker import carry_out, free_memory, packed, versions
from spurlab.studies.task import Outcome, Task
from spurlab.study_files import StudyError
from spurlab.training.pool import TRIES, WorkerError

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks at the head of the cluster
ANSWERS = 5.0  # seconds in which the head of a cluster must answer
HERE = ("", "local")  # addresses of a cluster on this machine alone, which ends with the study


class HeadGoneError(FailureError):
    """The cluster does not answer any more."""


@dataclass(frozen=True)
class OnRay:
    """Carries out tasks on a Ray cluster, each on a processor core or a share of a GPU.

    Args:
        address: ``auto``: the cluster that was started on this machine; ``HOST:PORT``: that of this head; "" or
            ``local``: Ray on this machine alone, at 127.0.0.1 and without dashboard, until the study ends. Where this
            process is connected already (``ray.init``), that cluster is used, and left as it is.
        gpus: the share of a GPU that a task takes, where it works on one.

    Raises:
        ValueError: Ray is not installed; or an address or share that is none.
    """

    address: str = ""
    gpus: float = 1.0

    def __post_init__(self) -> None:
        _ray()
        if self.address not in (*HERE, "auto"):
            _host_and_port(self.address)
        if self.gpus <= 0:
            raise InputError(f"`gpus` is the share of a GPU that a task takes, above 0, but it is {self.gpus}.")

    @contextmanager
    def opened(self, workers: int | None, device: str) -> Iterator[Room]:
        """Connected to the cluster.

        Args:
            workers: as many tasks at once at most; None: one for each core, or for each share of a GPU.
            device: where each works.

        Raises:
            StudyError: no worker is asked for.
            FailureError: no cluster answers, or it has no room.
        """
        if workers is not None and workers < 1:
            raise StudyError(f"on Ray a study needs one worker or more, but `workers` is {workers}.")
        ray = _ray()
        if ray.is_initialized():
            yield self._room(workers, device)
            return
        self._connect(workers)
        try:
            yield self._room(workers, device)
        finally:
            ray.shutdown()

    def __call__(
        self, tasks: Iterable[Task], workers: int, load: Load, told: Told
    ) -> Generator[tuple[Task, Outcome], None, None]:
        """Each task with its outcome, as they are finished; the cluster is open.

        Raises:
            FailureError: the cluster is gone.
            WorkerError: workers died twice over the same group, have other versions than this process, or could not
                carry it out.
        """
        ray, pending = _ray(), iter(tasks)
        running: dict[Any, tuple[Task, int]] = {}  # by what a task tells: the task, and how many workers died over it
        put = cache(lambda name: ray.put(packed(load(name))))

        def start(task: Task, deaths: int = 0) -> None:
            sent = replace(task.packed(), folder="")  # not to be seen, also where it could be
            data = put(task.nodes[0].setting.dataset)
            running[self._remote(task.device).remote(sent.as_json(), data, versions())] = task, deaths

        def fill() -> None:
            while len(running) < workers and (task := next(pending, None)) is not None:
                start(task)

        looked = time.monotonic()
        try:
            fill()
            while running:
                if time.monotonic() - looked >= LOOK:
                    _check_head()
                    looked = time.monotonic()
                for stream in ray.wait(list(running), timeout=LOOK)[0]:
                    task, deaths = running[stream]
                    event = _next(stream, task, deaths)
                    if "done" in event:
                        told(task, event["done"])
                        continue
                    del running[stream]
                    if "finished" in event:
                        yield task, Outcome.from_json(event["finished"])
                    else:
                        told(task, 0)
                        start(task, deaths + event["deaths"])
                fill()
        except HeadGoneError:
            running.clear()  # gone with it
            raise
        finally:
            for stream in running:
                ray.cancel(stream, force=True)

    def _remote(self, device: str) -> Any:
        """The remote task. Ray itself tries nothing twice: what was lost is claimed here, and told."""
        room = {"num_cpus": 1.0} if _on_cpu(device) else {"num_cpus": 0.0, "num_gpus": self.gpus}
        return _ray().remote(**room, max_retries=0, num_returns="streaming")(carry_out)

    def _room(self, workers: int | None, device: str) -> Room:
        """One task for each core, or share of a GPU; of memory what the tightest machine has for each."""
        kind, share = ("CPU", 1.0) if _on_cpu(device) else ("GPU", self.gpus)
        machines = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
        slots = [int(machine.get(kind, 0) / share) for machine in machines]
        if not any(slots):
            raise FailureError(
                f"the Ray cluster has {len(machines)} {'machine' if len(machines) == 1 else 'machines'}, but none with "
                f"{share:g} {kind}, which a task takes. Start a node that has."
            )
        each = min(machine.get("memory", 0) / own for machine, own in zip(machines, slots, strict=True) if own)
        if not _on_cpu(device):
            each = self._of_gpu(device)
        most = sum(slots) if workers is None else min(workers, sum(slots))
        return Room(most, int(each * most))

    def _of_gpu(self, device: str) -> float:
        """Half of what is free on a GPU, or of a share of it: the data set and what kernels work with lie there too.

        Raises:
            FailureError: PyTorch cannot use it.
        """
        ray = _ray()
        asked = ray.remote(num_cpus=0.0, num_gpus=self.gpus, max_retries=0)(free_memory).remote(device)
        try:
            return float(ray.get(asked)) * min(self.gpus, 1.0) / 2
        except ray.exceptions.RayError as error:
            raise FailureError(
                f"a worker of the Ray cluster cannot use its GPU ({_cause(error)}). Is PyTorch there one with CUDA?"
            ) from error

    def _connect(self, workers: int | None) -> None:
        """Raises FailureError where no cluster answers."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it asks the network
        how: dict[str, Any] = {"address": self.address}
        if self.address in HERE:
            how = {
                "address": "local",
                "num_cpus": workers or cores(),
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
            }
        try:
            if said := _said(self.address):
                _check_answer(said)
            _ray().init(**how, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
        except Exception as error:  # of many kinds, and some of no kind of Ray's
            raise FailureError(
                f"there is no way into a Ray cluster at {self.address or 'local'} ({worded(error)}). Start one there "
                "(ray start --head), or leave --address out."
            ) from error


def _cause(error: Exception) -> str:
    """The last line of what Ray says, which has the traceback of the worker."""
    return one_line(str(error).strip().splitlines()[-1]).rstrip(".")


def _ray() -> ModuleType:
    try:
        import ray  # noqa: PLC0415  # it is optional, and takes a second
    except ImportError as error:
        raise InputError("the executor 'ray' needs Ray, which is not installed: pip install 'spurlab[ray]'.") from error
    return ray


def _on_cpu(device: str) -> bool:
    return torch.device(device).type == "cpu"


def _host_and_port(address: str) -> tuple[str, int]:
    """Raises StudyError where it is no address."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise StudyError(f"the address of a Ray cluster is auto, local or HOST:PORT, but it is {address!r}.")
    return host.strip("[]"), int(port)


def _said(address: str) -> str:
    """Where the head is said to be; "" where nobody says. What was written when it started may be out of date."""
    if address in HERE:
        return ""
    if address != "auto":
        return address
    written = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # noqa: S108  # Ray's own
    return os.environ.get("RAY_ADDRESS") or (written.read_text().strip() if written.is_file() else "")


def _check_answer(address: str) -> None:
    """Whether somebody listens there. Ray itself asks for a minute, and then ends the process.

    Raises:
        OSError: nobody does.
    """
    socket.create_connection(_host_and_port(address), ANSWERS).close()


def _check_head() -> None:
    """Whether the head of the cluster, and Ray on this machine, are there.

    Raises:
        HeadGoneError: one is not.
    """
    ray = _ray()
    context = ray.get_runtime_context()
    try:
        _check_answer(context.gcs_address)
    except OSError as error:
        raise HeadGoneError(
            f"the head of the Ray cluster, {context.gcs_address}, does not answer any more ({error}). What is finished "
            "is kept: start it again, and the same command goes on."
        ) from error
    if not any(node["Alive"] and node["NodeID"] == context.get_node_id() for node in ray.nodes()):
        raise HeadGoneError(
            "Ray on this machine has stopped. What is finished is kept: start it again, and the same command goes on."
        )


def _next(stream: Any, task: Task, deaths: int) -> Mapping[str, Any]:
    """What a task tells next; ``deaths``, 0 or 1 workers that died over it, where it was lost.

    A machine that is lost does not count: it is lost once.

    Raises:
        WorkerError: as `OnRay`.
        FailureError: the cluster is gone.
    """
    ray = _ray()
    errors = ray.exceptions
    try:
        event: Mapping[str, Any] = ray.get(next(stream))
    except (errors.NodeDiedError, errors.ObjectLostError, errors.LocalRayletDiedError) as error:
        log.warning("the machine that trained %s is lost; the group is tried once more.", task.name)
        log.debug("%s", error)
        return {"deaths": 0}
    except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
        what = f"the worker that trained {task.name} died"
        if deaths + 1 >= TRIES:
            raise WorkerError(f"{what}, for the second time. Out of memory? Train with fewer workers.") from error
        log.warning("%s; the group is tried once more.", what)
        return {"deaths": 1}
    except errors.RayTaskError as error:
        raise WorkerError(
            f"{task.name} could not be carried out: {_cause(error)}. Is Spurlab on every machine?"
        ) from error
    except errors.RayError as error:
        raise HeadGoneError(f"the Ray cluster is gone. {worded(error)} The same command goes on.") from error
    if "failed" in event or "refused" in event:
        raise WorkerError(f"{task.name} could not be trained: {event.get('failed') or event['refused']}")
    return event
