"""The recipes of docs/trackers.md, as they stand there, on a small study."""

import re
import sys
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

import spurlab
from spurlab import report

PAGE = Path(__file__).parents[1] / "docs" / "trackers.md"
CHANGES = ("n=[0, 40]", "seed=[3, 5]", "recipe.epochs=1", "architecture=small-mlp", "target=1")


def recipe(words):
    """The one block of the page with these words in it."""
    [block] = [block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if words in block]
    return block


@pytest.fixture
def follow(small, tmp_path, monkeypatch):
    """words, mark -> the rows of the study, once the recipe with these words was followed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    kept, changes = [], [*CHANGES]

    def run(*given, run=spurlab.run, **settings):
        kept.append(run(*given, **settings, changes=changes, workers=0, load=lambda name: small))
        return kept[-1]

    monkeypatch.setattr(spurlab, "run", run)
    monkeypatch.setattr(report, "study_figures", lambda result: {})  # which take longer than all else

    def followed(words, mark="R3"):
        changes.append(f"pattern={mark!r}")
        exec(compile(recipe(words), str(PAGE), "exec"), {})  # noqa: S102 - our own page
        [finished] = kept
        rows = finished.rows
        return {
            (f"{row['measure']}/{row['pattern']}/seed {row['seed']}", row["n"]): row["value"]
            for row in rows.to_dict("records")
        }

    return followed


@pytest.mark.filterwarnings("ignore")  # of the library itself
def test_mlflow(follow, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri("file:./mlruns")
    wanted = follow("mlflow.log_metric", mark="box, size=2")
    assert {name for name, _ in wanted} >= {"accuracy/box, size=2x2, row=0, col=0, value=1.0/seed 3"}
    wanted = {(name.replace(",", "_").replace("=", "_"), step): value for (name, step), value in wanted.items()}
    client = mlflow.MlflowClient()
    [tracked] = client.search_runs(["0"])
    found = {
        (metric.key, metric.step): metric.value
        for name in tracked.data.metrics
        for metric in client.get_metric_history(tracked.info.run_id, name)
    }
    assert found == pytest.approx(wanted)
    assert len(found) == 8
    assert [file.path for file in client.list_artifacts(tracked.info.run_id)] == ["quickstart.csv"]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(follow):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    wanted = follow("SummaryWriter")
    events = EventAccumulator("runs/quickstart").Reload()
    found = {(name, event.step): event.value for name in events.Tags()["scalars"] for event in events.Scalars(name)}
    assert {(name.replace("seed_", "seed "), step): value for (name, step), value in found.items()} == pytest.approx(
        wanted, rel=1e-6
    )


def test_weights_and_biases_played(follow, monkeypatch):
    """Its library wants an account; what the recipe asks of it is noted."""
    logged = defaultdict(dict)

    @contextmanager
    def init(project, name):
        yield SimpleNamespace(
            define_metric=lambda name, step_metric: logged["axis"].update({name: step_metric}),
            log=lambda row: logged["rows"].update({(key, row["n"]): value for key, value in row.items() if key != "n"}),
        )

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    wanted = follow("wandb.init")
    assert logged == {"axis": {"*": "n"}, "rows": wanted}


def test_a_loop_of_ones_own(capsys, monkeypatch, mini):
    """The network of the page learns no mark that no image has: its score is small."""
    monkeypatch.setattr(spurlab, "load", partial(lambda data, name: data, mini))
    exec(compile(recipe("for epoch in range(2)"), str(PAGE), "exec"), {})  # noqa: S102 - our own page
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"0 \{'spurious_score': 0\.\d+\}", first)
    assert float(re.search(r"0\.\d+", second)[0]) < 0.5


def test_recipes_are_ten_lines():
    """As they are called: without imports and empty lines."""
    for words in ("mlflow.log_metric", "wandb.init", "SummaryWriter"):
        lines = [line for line in recipe(words).splitlines() if line.strip() and "import" not in line]
        assert len(lines) <= 10
