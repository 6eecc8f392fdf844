"""Studies on a Ray cluster of this machine: the rows of a local run, whatever is lost meanwhile."""

import signal
import socket

import numpy as np
import psutil
import pytest
import torch

from spurlab.data import Dataset, Examples, Source
from spurlab.errors import FailureError, InputError
from spurlab.studies import OnRay, StudyError, run
from spurlab.studies.executors import ray as on_ray
from spurlab.studies.executors import workplace
from spurlab.studies.executors.ray_worker import carry_out, packed, unpacked, versions
from spurlab.studies.weights import WEIGHTS
from spurlab.training.pool import WorkerError

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own
DELETION = ("pattern=R3", "n=[0, 40]", "recipe.epochs=1")
METHODS = '''
import os, signal
from pathlib import Path

HERE = Path(__file__).parent

def once(network, examples, forget):
    """Its worker dies over it, the first time."""
    if not (HERE / "died").exists():
        (HERE / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return network

def always(network, examples, forget):
    os.kill(os.getpid(), signal.SIGKILL)

def fails(network, examples, forget):
    with (HERE / "failed").open("a") as file:
        print("once more", file=file)
    raise RuntimeError("no way")
'''


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes with a core each, of this machine, and the methods above, which their workers find."""
    folder = tmp_path_factory.mktemp("methods")
    (folder / "ray_methods.py").write_text(METHODS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # of this process; nodes and their workers have it from the environment
        patch.setenv("PYTHONPATH", str(folder))
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
        yield made
        made.shutdown()


@pytest.fixture
def connected(cluster):
    """This process is, and stays so."""
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    assert ray.is_initialized()
    ray.shutdown()


@pytest.fixture
def on(small):
    """(study, folder, executor) -> its result, on the small data."""
    return lambda study, folder, executor, **more: run(study, folder, executor=executor, load=lambda _: small, **more)


def same_rows(result, local):
    """But for the time that methods took."""
    rows, others = (part.rows.drop(columns=["seconds", "finished"]) for part in (result, local))
    timed = rows["measure"] == "time_share"
    return rows[~timed].equals(others[~timed]) and len(rows) > 0


@pytest.mark.slow
def test_a_node_that_is_lost_without_warning_costs_its_groups_and_no_folder_is_shared(
    cluster, study_of, on, ran, tmp_path, caplog
):
    """Deletions need weights of networks that were trained elsewhere. The lost node takes a task with it."""
    study, lost = study_of(*DELETION, 'deletion=["retrain", "neggrad+"]', "seed=[0, 1, 2, 3]"), []
    third = cluster.add_node(num_cpus=1)

    def lose(now):
        if len(now.running) == 3 and not lost:
            lost.append(now)
            cluster.remove_node(third, allow_graceful=False)

    there = on(study, tmp_path / "there", OnRay(cluster.address), progress=lose)
    assert lost
    assert "is lost; the group is tried once more" in caplog.text
    assert not ray.is_initialized()
    assert same_rows(there, ran(study, tmp_path / "here"))
    kept = [{path.name for path in (tmp_path / place / WEIGHTS).iterdir()} for place in ("here", "there")]
    assert kept[0] == kept[1]


def test_a_worker_that_dies_costs_its_group_and_an_exception_is_a_row(connected, study_of, on, ran, tmp_path, caplog):
    study = study_of(*DELETION, 'deletion=["ray_methods:once", "ray_methods:fails"]', "seed=3", "n=40")
    there = on(study, tmp_path / "there", OnRay())
    assert caplog.text.count("died; the group is tried once more") == 1
    why = there.rows.groupby("deletion")["failed"].unique().to_dict()
    assert why["ray_methods:fails"].tolist() == ["RuntimeError: no way"]
    import ray_methods

    assert (ray_methods.HERE / "failed").read_text().count("once more") == 1
    assert same_rows(there, ran(study, tmp_path / "here"))


@pytest.mark.slow
def test_a_worker_that_dies_twice_over_a_group_ends_the_study(connected, study_of, on, tmp_path):
    study = study_of(*DELETION, 'deletion="ray_methods:always"', "seed=3", "n=40")
    with pytest.raises(WorkerError, match=r"that trained 3 deletions from .* died, for the second time\. Out of mem"):
        on(study, tmp_path, OnRay())


def test_workers_with_other_versions_are_refused(connected, study_of, on, tmp_path, monkeypatch):
    monkeypatch.setattr(on_ray, "versions", lambda: versions() | {"PyTorch": "2.0.0"})
    with pytest.raises(WorkerError, match=r"has PyTorch .* and not 2.0.0. Install the same"):
        on(study_of("n=0", "seed=3"), tmp_path, OnRay())


def test_no_more_workers_than_there_is_room_for(connected):
    connected.wait_for_nodes()  # one that was lost before is known to be
    with OnRay().opened(None, "cpu") as room:
        assert room.workers == 2
    with OnRay().opened(1, "cpu") as one:
        assert one.workers == 1
        assert one.memory == pytest.approx(room.memory / 2, rel=0.01)
    with pytest.raises(FailureError, match="the Ray cluster has 2 machines, but none with 1 GPU"):
        OnRay().opened(None, "cuda").__enter__()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU that is there can be used")
def test_a_gpu_that_pytorch_cannot_use_is_a_sentence(cluster):
    """A node says that it has one."""
    node = cluster.add_node(num_cpus=0, num_gpus=1)
    try:
        with pytest.raises(FailureError, match=r"a worker of the Ray cluster cannot use its GPU .*Is PyTorch there"):
            OnRay(cluster.address).opened(None, "cuda").__enter__()
    finally:
        cluster.remove_node(node)


@pytest.mark.slow
def test_a_head_that_is_gone_is_a_sentence_and_the_same_command_goes_on(study_of, on, ran, tmp_path):
    study, killed = study_of("recipe.epochs=40", "seed=3"), []
    own = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})

    def kill(now):
        if now.running and not killed:
            killed.append(now)
            own.head_node.kill_gcs_server()

    try:
        with pytest.raises(
            FailureError, match=r"the head of the Ray cluster, .*, does not answer any more .*the same c"
        ):
            on(study, tmp_path / "there", OnRay(own.address), progress=kill)
    finally:
        own.shutdown()
    assert killed
    assert same_rows(ran(study, tmp_path / "there"), ran(study, tmp_path / "here"))


def test_ray_on_this_machine_alone_listens_to_nobody_else_and_leaves_signals_as_they_are(study_of, small, tmp_path):
    """And data are read once, though a deletion comes after the training; a finished study needs no Ray."""
    read, handler = [], signal.getsignal(signal.SIGTERM)

    def load(name):
        read.append(name)
        return small

    def listening():
        us = psutil.Process()
        for process in (us, *us.children(recursive=True)):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    yield process.name(), connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port

    seen, before = {}, set(listening())  # of the cluster of other tests

    def look(now):
        if ray.is_initialized():
            names, addresses, _ = zip(*(set(listening()) - before), strict=True)
            seen["addresses"] = seen.get("addresses", set()) | set(addresses)
            seen["names"] = seen.get("names", set()) | set(names)
            seen["handler"] = signal.getsignal(signal.SIGTERM)

    study = study_of(*DELETION, "deletion=retrain", "seed=3")
    run(study, tmp_path, executor=OnRay(), workers=1, load=load, progress=look)
    assert seen["addresses"] == {"127.0.0.1"}
    assert {"raylet", "gcs_server"} <= seen["names"]
    assert seen["handler"] == handler
    assert len(read) == 2  # by the study, and for the cluster
    assert not ray.is_initialized()
    run(study, tmp_path, executor=OnRay("127.0.0.1:1"), load=load)  # where nobody is


# -- without a cluster --


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)

    def part(n):
        columns = (torch.from_numpy(rng.random((n, 3), dtype=np.float32)), torch.arange(n) % 2, torch.arange(n) % 4)
        return Examples(*columns, sources=np.array([f"row {i}" for i in range(n)]))

    return Dataset("mine", part(8), part(4), ("x", "y"), None, Source("", "", ""))


def test_what_is_sent_is_the_same_data_in_the_same_memory(data):
    sent = packed(data)
    sent["train"]["inputs"].flags.writeable = False  # as Ray gives it
    again = unpacked(sent)
    assert again.checksum == data.checksum
    assert again.train.inputs.data_ptr() == sent["train"]["inputs"].ctypes.data
    assert (again.name, again.class_names, again.input_range) == (data.name, data.class_names, data.input_range)
    assert again.test.groups.equal(data.test.groups)
    assert unpacked(sent) is again  # kept for the next task


def test_a_task_is_refused_before_anything_is_done():
    [word] = carry_out({}, {}, {}, versions() | {"Spurlab": "0.0.1"})
    assert "and not 0.0.1. Install the same everywhere." in word["refused"]


@pytest.mark.parametrize("address", ["here", "here:", "here:port", "here:0", "here:65536", ":", "ray://head:10001"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(StudyError, match="the address of a Ray cluster is auto, local or HOST:PORT, but it is"):
        OnRay(address)


def test_where_nobody_listens_it_is_told_at_once(tmp_path, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(FailureError, match=f"no way into a Ray cluster at 127.0.0.1:{port} .Conn.*ray start"):
        OnRay(f"127.0.0.1:{port}").opened(None, "cpu").__enter__()
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{port}")  # of a cluster that is no more
    for name in ("RAY_TMPDIR", "TMPDIR"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(tmp_path))
            with pytest.raises(FailureError, match=r"no way into a Ray cluster at auto .Conn.*ray start"):
                OnRay("auto").opened(None, "cpu").__enter__()
    with pytest.raises(StudyError, match="one worker or more, but `workers` is 0"):
        OnRay().opened(0, "cpu").__enter__()
    with pytest.raises(StudyError, match="the device is cpu or cuda, but it is 'cuda:1'"):
        OnRay().opened(None, "cuda:1").__enter__()
    with pytest.raises(StudyError, match=r"`executor` is a class, OnRay. Give one of it: OnRay\(\)"):
        workplace(OnRay, None, "cpu")


@pytest.mark.parametrize("gpus", [0.0, -1.0, 1.5, float("nan"), float("inf")])
def test_what_is_no_share_of_a_gpu_is_told(gpus):
    with pytest.raises(InputError, match="share of a GPU"):
        OnRay(gpus=gpus)


@pytest.mark.parametrize(
    "how", [{"executor": OnRay(), "workers": 0}, {"executor": OnRay(), "device": "warp"}, {"device": "warp"}]
)
def test_a_wrong_place_to_work_is_told_before_anything_is_recorded(study_of, on, tmp_path, how):
    with pytest.raises(ValueError, match=r"worker|device"):
        on(study_of(), tmp_path / "out", **{"executor": "local"} | how)
    assert not (tmp_path / "out").exists()
