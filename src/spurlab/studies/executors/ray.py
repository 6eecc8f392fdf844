"""The machines of a Ray cluster: a group of networks is one remote task, which keeps nothing and shares no folder.

Data are put into the cluster's memory once, and read there without a copy. Weights travel with tasks and outcomes, so
that the results folder is seen by this process alone, and nobody else writes. What is lost with a worker or a machine
is one group, which is carried out again.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from spurlab.errors import FailureError, InputError, one_line, worded
from spurlab.studies.executors.executor import Load, Room, Told
from spurlab.studies.executors.ray_worker import carry_out, free_memory, packed, versions
from spurlab.studies.task import Outcome, Task
from spurlab.study_files import StudyError
from spurlab.training.pool import TRIES, WorkerError, cores

log = logging.getLogger(__name__)

CHECK_EVERY = 1.0  # seconds between looks at the head of the cluster
ANSWERS = 5.0  # seconds in which it must answer
MISSES = 3  # times in a row that it does not, until it counts as gone
LOSSES = 5  # machines that may be lost over one group
STOPPED = "Ray on this machine has stopped."
LOCAL = ("", "local")  # addresses of a cluster on this machine alone, which ends with the study
NOWHERE = "nowhere"  # the results folder and its lock, to a worker, which sees neither


class HeadGoneError(FailureError):
    """The cluster does not answer any more, for which `why` is said in a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} What is finished is kept: start it again, and the same command goes on.")


class Running(NamedTuple):
    """A task under way: how many workers have died over it, and how many machines were lost."""

    task: Task
    deaths: int = 0
    losses: int = 0


@dataclass(frozen=True)
class OnRay:
    """Carries out tasks on a Ray cluster, each on a processor core or a share of a GPU.

    Args:
        address: ``auto``: the cluster that this machine is part of; ``HOST:PORT``: that of this head, which it
            must be part of; "" or ``local``: Ray on this machine alone, at 127.0.0.1 and without dashboard, until the
            study ends. Where this process is connected already (``ray.init``), that cluster is used, and left as it is.
        gpus: the share of a GPU that a task takes, where it works on one; above 1 whole ones.

    Raises:
        ValueError: Ray is not installed; or an address or share that is none.
    """

    address: str = ""
    gpus: float = 1.0
    _data: dict[tuple[str, str], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _ray()
        if self.address not in (*LOCAL, "auto"):
            _host_and_port(self.address)
        if not (0 < self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise InputError(f"`gpus` is the share of a GPU that a task takes, or a number of them, not {self.gpus}.")

    def opened(self, workers: int | None, device: str) -> AbstractContextManager[Room]:
        """Connected to the cluster, once it is entered.

        Args:
            workers: as many tasks at once at most; None: one for each core, or for each share of a GPU.
            device: where each works, ``cpu`` or ``cuda``.

        Raises:
            StudyError: no worker is asked for, or another device; or this process is connected to another cluster.
            FailureError: no cluster answers, or it has no room.
        """
        if workers is not None and workers < 1:
            raise StudyError(f"on Ray a study needs one worker or more, but `workers` is {workers}.")
        return self._opened(workers, _is_gpu(device))

    @contextmanager
    def _opened(self, workers: int | None, on_gpu: bool) -> Iterator[Room]:
        ray = _ray()
        if ray.is_initialized():
            own = ray.get_runtime_context().gcs_address
            if self.address not in (*LOCAL, "auto", own):
                raise StudyError(f"this process is connected to the Ray cluster at {own}, and not {self.address}.")
            yield self._room(workers, on_gpu)
            return
        try:
            self._connect(workers)
            yield self._room(workers, on_gpu)
        finally:
            self._data.clear()
            ray.shutdown()

    def __call__(
        self, tasks: Iterable[Task], workers: int, load: Load, told: Told
    ) -> Generator[tuple[Task, Outcome], None, None]:
        """Each task with its outcome, as they are finished; the cluster is open.

        Raises:
            FailureError: the cluster is gone, or has no room for the data.
            WorkerError: workers died twice over the same group, have other versions than this process, or could not
                carry it out.
        """
        ray, pending, running = _ray(), iter(tasks), dict[Any, Running]()
        head, remotes = _Head(self._slots), dict[bool, Any]()

        def start(one: Running) -> None:
            on_gpu = _is_gpu(one.task.device)
            if on_gpu not in remotes:  # one for all tasks: each would be exported to all workers
                remotes[on_gpu] = ray.remote(**self._resources(on_gpu), num_returns="streaming")(carry_out)
            sent = one.task.packed()
            about = replace(sent, folder=NOWHERE, lock=NOWHERE, given={}).as_json()
            data = self._sent(one.task.nodes[0].setting.dataset, load)
            running[remotes[on_gpu].remote(about, dict(sent.given), data, versions())] = one

        def fill() -> None:
            while len(running) < workers and (task := next(pending, None)) is not None:
                start(Running(task))

        try:
            fill()
            while running:
                head.check(_is_gpu(next(iter(running.values())).task.device))
                for stream in _ready(list(running)):
                    one = running[stream]
                    event = _next(stream, one)
                    if isinstance(event, Running):
                        del running[stream]
                        told(one.task, 0)
                        start(event)
                    elif "done" in event:
                        told(one.task, event["done"])
                    else:
                        del running[stream]
                        outcome = replace(Outcome.from_json(event["finished"]), weights=event["weights"])
                        yield one.task, outcome
                fill()
        except HeadGoneError:
            running.clear()  # gone with it
            raise
        except ray.exceptions.RayError as error:
            raise FailureError(f"the Ray cluster cannot take more tasks. {worded(error)}") from error
        finally:
            for stream in running:
                with suppress(ray.exceptions.RayError):  # it has ended meanwhile
                    ray.cancel(stream, force=True)

    def _sent(self, name: str, load: Load) -> Any:
        """A data set in the cluster's memory, put there once for each connection."""
        ray = _ray()
        key = ray.get_runtime_context().get_job_id(), name
        if key not in self._data:
            self._data[key] = ray.put(packed(load(name)))
        return self._data[key]

    def _resources(self, on_gpu: bool) -> dict[str, Any]:
        """What a task takes. Ray itself tries nothing twice: what was lost is known, and told, here."""
        return {"num_cpus": 0.0 if on_gpu else 1.0, "num_gpus": self.gpus if on_gpu else 0.0, "max_retries": 0}

    def _slots(self, machine: Mapping[str, Any], on_gpu: bool) -> int:
        """How many tasks a machine takes; a share of a GPU is of one."""
        has = int(machine["Resources"].get("GPU" if on_gpu else "CPU", 0)) if machine["Alive"] else 0
        if not on_gpu:
            return has
        return has // int(self.gpus) if self.gpus >= 1 else has * int(1 / self.gpus)

    def _room(self, workers: int | None, on_gpu: bool) -> Room:
        """One task for each core, or share of a GPU; of memory what the tightest machine has for each."""
        machines = _ray().nodes()
        slots = [self._slots(machine, on_gpu) for machine in machines]
        if not any(slots):
            alive, what = sum(machine["Alive"] for machine in machines), f"{self.gpus:g} GPU" if on_gpu else "1 CPU"
            raise FailureError(
                f"the Ray cluster has {alive} {'machine' if alive == 1 else 'machines'}, but none with {what}, which a "
                "task takes. Start a node that has."
            )
        each = min(
            machine["Resources"].get("memory", 0) / own for machine, own in zip(machines, slots, strict=True) if own
        )
        if on_gpu:
            each = self._of_gpu()
        most = sum(slots) if workers is None else min(workers, sum(slots))
        return Room(most, int(each * most))

    def _of_gpu(self) -> float:
        """Half of what is free on a GPU, or of a share of it: the data set and what kernels work with lie there too.

        Raises:
            FailureError: PyTorch cannot use it.
        """
        ray = _ray()
        asked = ray.remote(**self._resources(on_gpu=True))(free_memory).remote()
        try:
            return float(ray.get(asked)) * min(self.gpus, 1.0) / 2
        except ray.exceptions.RayError as error:
            raise FailureError(
                f"a worker of the Ray cluster cannot use its GPU ({_cause(error)}). Is PyTorch there one with CUDA?"
            ) from error

    def _connect(self, workers: int | None) -> None:
        """Raises FailureError where no cluster answers."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it asks the network
        how: dict[str, Any] = {"address": self.address, "log_to_driver": False, "logging_level": logging.ERROR}
        ray, alone = _ray(), self.address in LOCAL
        if alone:
            how |= {"address": "local", "num_cpus": workers or cores(), "include_dashboard": False}
        try:
            if not alone and (head := _head_address(self.address)):
                _check_answer(head)
            with _signals_kept(), _on_loopback(alone):
                ray.init(**how)
        except Exception as error:  # of many kinds, and some of no kind of Ray's
            raise FailureError(
                f"there is no way into a Ray cluster at {self.address or 'local'} ({worded(error)}). Start one there "
                "(ray start --head), or leave --address out."
            ) from error
        if alone and any(node["NodeManagerAddress"] != "127.0.0.1" for node in ray.nodes()):
            raise FailureError(
                f"Ray {ray.__version__} on this machine would listen to the network. Start it yourself (ray start "
                "--head), as safe as you want it, and say --address auto."
            )


class _Head:
    """The head of the cluster, looked at now and then.

    Args:
        slots: how many tasks a machine takes, on GPUs or not.
    """

    def __init__(self, slots: Callable[[Mapping[str, Any], bool], int]) -> None:
        self._slots, self._looked, self._misses, self._warned = slots, time.monotonic(), 0, False

    def check(self, on_gpu: bool) -> None:
        """Whether it is there, and Ray on this machine; a line where no machine has room for a task any more.

        Raises:
            HeadGoneError: one is not.
        """
        if time.monotonic() - self._looked < CHECK_EVERY:
            return
        context = _ray().get_runtime_context()
        try:
            _check_answer(context.gcs_address)
            self._misses = 0
        except OSError as error:
            self._misses += 1
            if self._misses >= MISSES:
                raise HeadGoneError(
                    f"the head of the Ray cluster, {context.gcs_address}, does not answer any more ({error})."
                ) from error
        else:
            machines = _ray().nodes()
            if not any(machine["Alive"] and machine["NodeID"] == context.get_node_id() for machine in machines):
                raise HeadGoneError(STOPPED)
            if not self._warned and not any(self._slots(machine, on_gpu) for machine in machines):
                log.warning("no machine of the Ray cluster has room for a task any more; the study waits for one.")
                self._warned = True
        self._looked = time.monotonic()


def _ready(streams: list[Any]) -> list[Any]:
    """All of these that have something to tell, once one has, or after a second."""
    ray = _ray()
    first, _ = ray.wait(streams, timeout=CHECK_EVERY)
    found: list[Any] = ray.wait(streams, num_returns=len(streams), timeout=0)[0] if first else []
    return found


def _next(stream: Any, one: Running) -> Mapping[str, Any] | Running:
    """What a task tells next; where it was lost, how it is to be started again.

    Raises:
        WorkerError: as `OnRay`.
        HeadGoneError: Ray on this machine has stopped.
    """
    ray, task = _ray(), one.task
    errors = ray.exceptions
    try:
        event: Mapping[str, Any] = ray.get(next(stream))
    except (errors.NodeDiedError, errors.ObjectLostError) as error:
        what, again = f"the machine that trained {task.name} is lost", one._replace(losses=one.losses + 1)
        if again.losses >= LOSSES:
            raise WorkerError(f"{what}, for the {LOSSES}th time. Does the group take its memory?") from error
    except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
        what, again = f"the worker that trained {task.name} died", one._replace(deaths=one.deaths + 1)
        if again.deaths >= TRIES:
            raise WorkerError(f"{what}, for the second time. Out of memory? Train with fewer workers.") from error
    except errors.LocalRayletDiedError as error:
        raise HeadGoneError(STOPPED) from error
    except errors.RayTaskError as error:
        raise WorkerError(
            f"{task.name} could not be carried out: {_cause(error)}. Is Spurlab on every machine?"
        ) from error
    except errors.RayError as error:
        raise WorkerError(f"{task.name} could not be carried out. {worded(error)}") from error
    else:
        if "failed" in event or "refused" in event:
            raise WorkerError(f"{task.name} could not be trained: {event.get('failed') or event['refused']}")
        return event
    log.warning("%s; the group is tried once more.", what)
    return again


def _cause(error: Exception) -> str:
    """The last line of what Ray says, which has the traceback of the worker."""
    return one_line(str(error).strip().splitlines()[-1]).rstrip(".")


def _ray() -> ModuleType:
    try:
        import ray  # noqa: PLC0415  # it is optional, and takes a second
    except ImportError as error:
        raise InputError("the executor 'ray' needs Ray, which is not installed: pip install 'spurlab[ray]'.") from error
    return ray


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray has a handler of its own for SIGTERM; a program's stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _on_loopback(alone: bool) -> Iterator[None]:
    """Ray's switch for machines that are to be reached by nobody: without it 127.0.0.1 becomes the outside address."""
    if not alone:
        yield
        return
    from ray._private import ray_constants as constants  # noqa: PLC0415  # with Ray alone

    name, was = constants.ENABLE_RAY_CLUSTERS_ENV_VAR, constants.ENABLE_RAY_CLUSTER
    given = os.environ.get(name)
    os.environ[name], constants.ENABLE_RAY_CLUSTER = "0", False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = was
        os.environ.pop(name)
        os.environ.update({} if given is None else {name: given})


def _is_gpu(device: str) -> bool:
    """Raises StudyError where it is neither the processor nor a GPU of whatever number Ray gives."""
    if device not in ("cpu", "cuda"):
        raise StudyError(f"on Ray the device is cpu or cuda, but it is {device!r}.")
    return device == "cuda"


def _host_and_port(address: str) -> tuple[str, int]:
    """Raises StudyError where it is no address."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise StudyError(f"the address of a Ray cluster is auto, local or HOST:PORT, but it is {address!r}.")
    return host.strip("[]"), int(port)


def _head_address(address: str) -> str:
    """Where the head is said to be; "" where nobody says. What was written when it started may be out of date."""
    if address != "auto":
        return address
    temporary = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108  # as Ray has it
    written = Path(temporary, "ray", "ray_current_cluster")
    return os.environ.get("RAY_ADDRESS") or (written.read_text().strip() if written.is_file() else "")


def _check_answer(address: str) -> None:
    """Whether somebody listens there. Ray itself asks for a minute, and then ends the process.

    Raises:
        OSError: nobody does.
    """
    socket.create_connection(_host_and_port(address), ANSWERS).close()
