"""Studies of deletion: what is trained for them, what a method's numbers are, and that a failing one ends nothing."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch

from spurlab.data import Examples
from spurlab.deletion import DELETIONS, deletion_named, forget_mask
from spurlab.deletion.table import Entry
from spurlab.measures import effects
from spurlab.measures.forgotten import losses
from spurlab.metrics import accuracy, margins, membership_auc, oracle_distance, spurious_score
from spurlab.models import source_digest
from spurlab.patterns import make_pattern, plant
from spurlab.studies import Room, Store, StudyError, cells_of, load_study, plan, results_in, run, trainings_of
from spurlab.studies.graph import Train, Treat, from_json
from spurlab.studies.materials import materials_in
from spurlab.studies.task import Task
from spurlab.studies.work import work_of
from spurlab.training import predictions

MEASURED = [name for name in effects() if name != "relearn_steps"]  # which takes long, and has tests of its own
CHANGES = [
    'n=[0, 40]', 'seed=[3, 5, 6]', 'recipe.epochs=2', 'architecture=small-mlp', 'target=1', 'pattern=R3', 'claims=[]',
    'deletion=["incremental-1e-2", "retrain"]', 'known=[1.0, 0.5]', f"measure={MEASURED}", 'figure="deletion"',
]  # fmt: skip


def study_of(*changes):
    return load_study("quickstart", changes=[*CHANGES, *changes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("deletion")


@pytest.fixture(scope="module")
def result(ran, folder):
    return ran(study_of(), folder)


def test_cells_and_trainings_by_hand():
    """3 seeds x 2 shares x (before, oracle, 2 methods); 3 networks and 3 oracles are trained before.

    n = 0 has nothing to delete, so it is no cell.
    """
    cells = cells_of(study_of())
    assert len(cells) == 3 * 2 * 4
    assert {cell.n for cell in cells} == {40}
    assert len(trainings_of(cells)) == 3 + 3
    assert {training.without for training in trainings_of(cells)} == {0, 40}


def test_a_network_without_deletion_keeps_its_key():
    """Studies of deletion share their networks with all others."""
    planted = Train(cells_of(study_of())[0].setting, "R3", 1, 40, 3)
    assert planted in trainings_of(cells_of(load_study("quickstart", changes=[*CHANGES[:7]])))
    keys = {planted._replace(without=count).key("data") for count in (0, 20, 40)}
    assert len(keys) == 3
    removal = Treat("deletion", planted, "incremental", 20, (3, 5))
    others = [removal._replace(**change) for change in ({"method": "none"}, {"amount": 40}, {"oracles": (3, 6)})]
    assert len({each.key("data") for each in (removal, *others)}) == 4
    assert from_json(removal.as_json()) == removal


def test_a_task_for_another_text_of_a_users_method_is_refused(tmp_path, monkeypatch):
    """A worker imports the module later than the study was planned: results must not stand under another text's key."""
    (tmp_path / "mymethod_17.py").write_text("def forget(model, data, forget): return model\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    planted = Train(cells_of(study_of())[0].setting, "R3", 1, 40, 3)
    removal = Treat("deletion", planted, "mymethod_17:forget", 20, (3, 5))
    task = Task((removal,), ((),), "data", str(tmp_path))
    sent = json.loads(json.dumps(task.as_json()))
    assert Task.from_json(sent) == task
    (tmp_path / "mymethod_17.py").write_text("def forget(model, data, forget): return model.eval()\n")
    source_digest.cache_clear()  # a worker is another process
    with pytest.raises(StudyError, match="'mymethod_17:forget': its module is not the one that the study began with"):
        Task.from_json(sent)


def test_a_rarely_known_share_still_deletes_one():
    cells = cells_of(study_of("known=0.001"))
    assert {cell.treatment.amount for cell in cells} == {1}


def test_numbers_are_those_of_the_same_steps_by_hand(small, folder, result, number):
    """Seed 5: its network from the folder, half of its marks deleted, measured by the functions of the other rooms."""
    pattern = make_pattern("R3", small.shape, 5, clip=small.input_range)
    planted = plant(small.train, pattern, 1, 40, 5)
    training = next(t for t in trainings_of(cells_of(study_of())) if t.seed == 5 and not t.without)

    def read(**changes):
        return materials_in(folder, small).trained(training._replace(**changes))[0]

    before = read()
    clean, marked = (predictions(before, inputs) for inputs in (small.test.inputs, pattern(small.test.inputs)))
    score = spurious_score(clean, marked, 1).item()
    assert number(result.rows, "spurious_score", seed=5, deletion="none", known=0.5) == score
    assert number(result.rows, "accuracy", seed=5, deletion="none", known=0.5) == accuracy(clean, small.test.labels)
    forget = forget_mask(planted.rows[:20], len(small.train))
    after = deletion_named("incremental-1e-2", training.setting.recipe, 5)(before, planted.materialize(), forget)
    test, networks = small.test, [after, *(read(seed=seed, without=40) for seed in (3, 6))]
    marked_test = Examples(pattern(test.inputs), test.labels)
    own, *others = (margins(predictions(each, test.inputs), test.labels) for each in networks)
    own_marked, *others_marked = (margins(predictions(each, marked_test.inputs), test.labels) for each in networks)
    clean, marked = (predictions(after, inputs) for inputs in (test.inputs, marked_test.inputs))
    known, unseen = planted.materialize()[forget], marked_test[test.labels == 1]
    by_hand = {
        "spurious_score": spurious_score(clean, marked, 1),
        "accuracy": accuracy(clean, test.labels),
        "forgotten_accuracy": accuracy(predictions(after, small.train.inputs[forget]), small.train.labels[forget]),
        "membership_auc": membership_auc(losses(after, known), losses(after, unseen)),
        "oracle_distance": oracle_distance(own, torch.stack(others)),
        "oracle_distance_marked": oracle_distance(own_marked, torch.stack(others_marked)),
    }
    assert {*by_hand, "time_share"} == set(MEASURED)
    for name, value in by_hand.items():
        found = number(result.rows, name, seed=5, deletion="incremental-1e-2", known=0.5)
        assert found == pytest.approx(value.item(), abs=1e-6), name
    found = number(result.rows, "accuracy", seed=5, deletion="oracle", known=0.5)
    assert found == accuracy(predictions(read(without=40), small.test.inputs), small.test.labels).item()


def test_the_oracle_was_trained_without_the_marked_images(small, folder, result):
    """As one network, in plain PyTorch, on all that is not marked."""
    from spurlab.models import build
    from spurlab.patterns import Planted
    from spurlab.training import Member, train_each

    planted = plant(small.train, make_pattern("R3", small.shape, 5), 1, 40, 5)
    training = next(t for t in trainings_of(cells_of(study_of())) if t.seed == 5 and t.without == 40)
    retained = small.train[~planted.mask]
    make = lambda seed: build("small-mlp", small.shape, small.classes, seed)  # noqa: E731
    alone = train_each(make, [Member(Planted.none(retained), 5)], training.setting.recipe)
    kept, _ = materials_in(folder, small).trained(training)
    for name, tensor in kept.state_dict().items():
        torch.testing.assert_close(tensor, alone.state[name][0], rtol=1e-3, atol=1e-4)


def test_every_row_says_what_was_deleted(result):
    rows = result.rows
    assert len(rows) == 3 * 2 * 4 * len(MEASURED)
    assert set(rows["deletion"]) == {"none", "oracle", "incremental-1e-2", "retrain"}
    assert set(rows["known"]) == {0.5, 1.0}
    assert rows["failed"].isna().all()
    took = rows[(rows["measure"] == "time_share")].groupby("deletion")["value"]
    assert took.max()["none"] == 0
    assert took.min()["oracle"] == took.max()["oracle"] == 1
    assert took.min()["retrain"] > 0


def test_nothing_is_done_twice(small, folder, result, monkeypatch, ran):
    """A third method on the same networks: neither they nor their oracles are trained again, and old rows stay."""
    before = dict(Store(folder, read_only=True).everything().undamaged().values)
    monkeypatch.setattr("spurlab.studies.making.fit", lambda *args, **more: pytest.fail("something was trained"))
    more = ran(study_of('deletion=["incremental-1e-2", "retrain", "incremental-1e-3"]'), folder)
    after = Store(folder, read_only=True).everything().undamaged().values
    assert before.items() <= after.items()
    assert len(more.rows) == 3 * 2 * 5 * len(MEASURED)
    left = plan(study_of(), folder, load=lambda _: small, calibrate=False)
    assert (left.treatments, left.treatments_to_do, left.to_do) == (24, 0, 0)


@pytest.fixture
def copied(folder, result, tmp_path):
    """The folder, to be changed."""
    return shutil.copytree(folder, tmp_path / "copied")


def test_only_what_was_asked_for_is_measured(small, copied, monkeypatch):
    """Some of it takes longer than the deletion."""
    for name in ("forgotten.losses", "relearning.relearn_steps", "oracles.oracle_distance"):
        monkeypatch.setattr(f"spurlab.measures.{name}", lambda *_, name=name: pytest.fail(f"{name} was called"))
    asked = 'measure=["spurious_score", "accuracy"]', 'deletion="dampening"', "known=1.0"
    rows = run(study_of(*asked), copied, workers=0, load=lambda name: small).rows
    assert set(rows["measure"]) == {"spurious_score", "accuracy"}
    assert len(rows) == 3 * 3 * 2
    assert rows["value"].notna().all()


class Broken:
    def __call__(self, model, data, forget):
        raise RuntimeError("matrix is singular")


FRAGILE = """
def forget(model, data, forget):  # its result takes one image at a time
    forward = model.forward
    model.forward = lambda inputs: forward(inputs) if len(inputs) == 1 else forward(inputs[:, :0])
    return model
"""


class Spoiling:
    """Draws where it may not, and spoils what it is given."""

    def __call__(self, model, data, forget):
        data.inputs.zero_()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1e-3 * torch.randn(parameter.shape))
        return model.requires_grad_(False)


def test_methods_that_fail_are_rows_with_their_reason(ran, folder, copied, tmp_path, monkeypatch, caplog):
    """In the call, or a user's only when its result is measured; the methods after them are not touched by it."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    monkeypatch.syspath_prepend(tmp_path)
    for method in (Broken, Spoiling):
        entry = Entry(method.__name__, lambda *_, method=method: method())
        monkeypatch.setitem(DELETIONS, method.__name__.lower(), entry)
    asked = 'deletion=["broken", "fragile:forget", "spoiling", "incremental-1e-2"]', "known=1.0"
    rows = ran(study_of(*asked), copied).rows
    for name, reason in (("broken", "RuntimeError: matrix is singular"), ("fragile:forget", "RuntimeError: ")):
        failed = rows[rows["deletion"] == name]
        assert failed["value"].isna().all()
        assert failed["failed"].str.startswith(reason).all()
    spoiling = rows[rows["deletion"] == "spoiling"]
    assert spoiling["failed"].isna().all()
    assert "broken failed. RuntimeError: matrix is singular" in caplog.text
    torch.rand(3)  # the global generator stands elsewhere now
    fresh = shutil.copytree(folder, copied.parent / "fresh")
    again = ran(study_of(*asked), fresh).rows
    same = rows["measure"] != "time_share"
    assert again.loc[same, "value"].equals(rows.loc[same, "value"])


@pytest.mark.slow
def test_worker_processes_give_the_same_numbers(mini, tmp_path):
    """Here and in processes of their own; only the time differs."""
    few = "seed=[3, 5]", "known=1.0", "recipe.epochs=1", 'deletion="dampening"', "dataset=fashion-mini@1000"
    study = study_of(*few)
    here, there = (run(study, tmp_path / str(workers), workers=workers).rows for workers in (0, 2))
    columns = ["measure", "deletion", "seed", "value"]
    same = here["measure"] != "time_share"
    assert here.loc[same, columns].equals(there.loc[same, columns])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            'deletion="incremental-1e5"',
            "there is no deletion method 'incremental-1e5'. Did you mean 'incremental-1e-5'?",
        ),
        ("known=0", "key 'known': must be greater than 0"),
        ("known=1.5", "key 'known': must be less than or equal to 1"),
        ("n=0", "key 'deletion': there is nothing to delete"),
        (
            'measure=["spurious_score", "accuracy", "marked_accuracy"]',
            "'marked_accuracy' is not measured after deletion",
        ),
        ("deletion=[]", "is about deletion, but no method is named"),
        ('deletion=["incremental", "incremental"]', "a value stands twice"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(change, words):
    with pytest.raises(StudyError) as error:
        study_of(change)
    assert words in str(error.value)


def test_a_method_of_ones_own_comes_from_the_command_line_alone(tmp_path, small, copied, monkeypatch, ran):
    file = tmp_path / "own.toml"
    file.write_text(
        'title = "mine"\ndataset = "fashion-mini"\narchitecture = "small-mlp"\npattern = "R3"\nn = [3]\n'
        'deletion = "mymethod:forget"\nfigure = "deletion"\n'
    )
    with pytest.raises(StudyError, match="names code of your own, and nothing is executed that a study file names"):
        load_study(file)
    (tmp_path / "mymethod.py").write_text("def forget(model, data, forget):\n    return model\n")
    monkeypatch.syspath_prepend(tmp_path)
    rows = ran(study_of("deletion=mymethod:forget"), copied).rows
    for measure in ("spurious_score", "accuracy", "forgotten_accuracy"):
        one = rows[(rows["measure"] == measure) & (rows["deletion"] == "mymethod:forget")]["value"].tolist()
        other = rows[(rows["measure"] == measure) & (rows["deletion"] == "none")]["value"].tolist()
        assert one == other
        assert not any(map(math.isnan, one))


def test_another_text_is_another_method(tmp_path, monkeypatch):
    """What was measured of the old one is not taken for the new one's; a module that is not there is told."""
    monkeypatch.syspath_prepend(tmp_path)
    removal = next(cell.treatment for cell in cells_of(study_of("deletion=edited:forget")) if ":" in cell.deletion)
    keys = []
    for body in ("model", "None"):
        (tmp_path / "edited.py").write_text(f"def forget(model, data, forget):\n    return {body}\n")
        source_digest.cache_clear()  # as in the next process
        keys.append(removal.key("data"))
    assert keys[0] != keys[1] == removal.key("data")
    with pytest.raises(ValueError, match=r"the module 'gone' cannot be found\. Install it, or put its folder on"):
        removal._replace(method="gone:forget").key("data")


def test_results_of_a_users_method_are_read_without_its_module(tmp_path, monkeypatch, ran):
    """After an edit those of the old text are shown until the new one was measured; without the module too."""
    module = tmp_path / "kept.py"
    module.write_text("def forget(model, data, forget):\n    return model\n")
    monkeypatch.syspath_prepend(tmp_path)
    study = study_of("deletion=kept:forget", "seed=[3]", "recipe.epochs=1")
    out = tmp_path / "out"
    before = ran(study, out).rows
    assert "kept:forget" in set(before["deletion"])
    module.write_text("def forget(model, data, forget):\n    return model.eval()\n")
    source_digest.cache_clear()
    [edited] = results_in(out)
    assert edited.rows["value"].equals(before["value"])
    module.unlink()
    source_digest.cache_clear()
    monkeypatch.setattr("spurlab.models.user.find_spec", lambda name: None)
    [gone] = results_in(out)
    assert gone.rows["value"].equals(before["value"])


def test_more_seeds_ask_for_no_deletion_again():
    """Outputs are compared with the oracles of the first five seeds."""
    few, more = ({cell.treatment for cell in cells_of(study_of(f"seed={list(range(count))}"))} for count in (5, 8))
    assert few < more
    assert all(removal.oracles == (0, 1, 2, 3, 4) for removal in more)


def test_results_are_read_back(folder, result):
    assert all(each.rows["deletion"].notna().all() for each in results_in(folder))


def test_what_failed_is_tried_again(ran, copied, monkeypatch):
    """Say, memory was short. What was not finite is a result, and stays."""

    def rows_with(moody, hot):
        monkeypatch.setitem(DELETIONS, "moody", Entry("moody", lambda *_: moody))
        monkeypatch.setitem(DELETIONS, "hot", Entry("hot", lambda *_: hot))
        asked = study_of('deletion=["moody", "hot"]', "known=1.0")
        rows = ran(asked, copied).rows
        return rows.drop_duplicates(["deletion", "seed"]).groupby("deletion")["failed"].agg(lambda why: why.count())

    def infinite(model, data, forget):
        next(model.parameters()).data.fill_(math.inf)
        return model

    def same(model, data, forget):
        return model

    first = rows_with(Broken(), infinite)
    assert (first["moody"], first["hot"]) == (3, 3)
    again = rows_with(same, same)
    assert (again["moody"], again["hot"]) == (0, 3)


def test_tasks_are_small_and_have_one_set_of_oracles(small, tmp_path):
    methods = list(DELETIONS)[:10]
    study = study_of(f"deletion={json.dumps(methods)}")
    work = work_of(study, {"fashion-mini": small})
    removals = list(work.treatments)
    other = [removal._replace(oracles=(5, 6)) for removal in removals[:3]]
    both = replace(work, requests={**work.requests, **dict.fromkeys(other, ())})
    tasks = both.phases(Room(1, 10**10), tmp_path)[1]
    done = [removal for task in tasks for removal in task.nodes]
    assert len(done) == len(set(done)) == len(removals) + 3
    assert set(done) == {*removals, *other}
    for task in tasks:
        assert len(task.nodes) <= 8
        assert len({(removal.training, removal.oracles) for removal in task.nodes}) == 1


def test_a_method_that_cannot_be_imported_is_told_before_anything_is_trained(tmp_path, ran, monkeypatch):
    (tmp_path / "halfway.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"'halfway:forget': the module 'halfway' cannot be imported\."):
        ran(study_of("deletion=halfway:forget"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
