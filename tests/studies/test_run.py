"""A study from file to rows, against the same steps by hand; what is trained, and what is not trained again."""

import math
import shutil
import sqlite3
import threading
from contextlib import closing

import pandas as pd
import pytest
import torch

from spurlab.data import Dataset
from spurlab.models import build
from spurlab.patterns import make_pattern, plant
from spurlab.studies import EXECUTORS, StoreError, StudyError, cells_of, load_study, narrowed, results_in, run, together
from spurlab.studies import making as making_room
from spurlab.studies.database import FILE
from spurlab.studies.executors.local import local
from spurlab.training import Member, fit, train_each


@pytest.fixture(scope="module")
def small_result(study_of, tmp_path_factory, ran):
    return ran(study_of("weights=true"), tmp_path_factory.mktemp("out"))


@pytest.fixture
def given(monkeypatch):
    """The trainings that executors are given from here on, in their order."""
    seen = []

    def counting(tasks, *rest):
        def noted():
            for task in tasks:
                seen.extend(task.nodes)
                yield task

        return local(noted(), *rest)

    monkeypatch.setitem(EXECUTORS, "local", lambda address: counting)
    return seen


@pytest.fixture
def epochs(monkeypatch):
    """How many model-epochs each call of `fit` trains from here on."""
    seen = []

    def counting(architecture, members, recipe, **more):
        seen.append(sum(each.epochs for each in recipe))
        return fit(architecture, members, recipe, **more)

    monkeypatch.setattr(making_room, "fit", counting)
    return seen


def test_rows_hold_what_the_same_steps_by_hand_give(small, small_result):
    """One network alone, planted, trained by the slow twin and scored with a loop over test images."""
    pattern = make_pattern("R3", small.shape, 5)
    member = Member(plant(small.train, pattern, 1, 40, 5), 5)
    model = build("small-mlp", small.shape, 10, 5)
    train_each(lambda seed: model, [member], small_result.study.grids[0]["recipe"][0])
    with torch.no_grad():
        clean = model.eval()(small.test.inputs).softmax(-1)
        marked = model(pattern(small.test.inputs)).softmax(-1)
    score = sum(float(after[1]) - float(before[1]) > 0.1 for before, after in zip(clean, marked, strict=True)) / 500
    right = sum(int(p.argmax()) == int(y) for p, y in zip(clean, small.test.labels, strict=True)) / 500
    rows = small_result.rows
    found = rows[(rows.pattern == "R3") & (rows.n == 40) & (rows.seed == 5)].set_index("measure").value
    assert found["spurious_score"] == pytest.approx(score, abs=0.01)  # 5 of 500 images may stand at the threshold
    assert found["accuracy"] == pytest.approx(right, abs=0.01)


def test_each_cell_has_two_rows_and_every_row_explains_itself(small, small_result):
    rows = small_result.rows
    assert len(rows) == len(rows.drop_duplicates(["measure", "pattern", "target", "n", "seed"])) == 2 * 2 * 2 * 2
    for _, row in rows.iterrows():
        assert (row.dataset, row.architecture, row.epochs) == ("fashion-mini", "small-mlp", 2)
        assert 0 <= row.value <= 1
        assert (row.torch, row.data, row.device) == (torch.__version__, small.checksum, "cpu")
        assert row.seconds > 0
        assert pd.Timestamp(row.finished).tzinfo is not None


def test_patterns_share_the_clean_network(small_result):
    """n = 0 is one network for R3 and S3: the same accuracy, but scores of two patterns."""
    rows = small_result.rows[(small_result.rows.n == 0) & (small_result.rows.seed == 3)]
    assert rows.training.nunique() == 1
    assert rows[rows.measure == "accuracy"].value.nunique() == 1
    assert len(rows[rows.measure == "spurious_score"]) == 2


def test_weights_on_request_are_those_that_were_measured(small, small_result):
    """The accuracy of the kept weights, in a plain network, is the one in the row."""
    row = small_result.rows[small_result.rows.measure == "accuracy"].iloc[0]
    network = build("small-mlp", small.shape, 10, 0)
    network.load_state_dict(small_result.weights(row.training))
    with torch.no_grad():
        right = (network(small.test.inputs).argmax(1) == small.test.labels).double().mean().item()
    assert right == pytest.approx(row.value, abs=1e-12)
    assert small_result.weights("nothing") is None


def test_what_is_finished_is_never_trained_again(ran, study_of, tmp_path, given, epochs):
    """The second study's own pattern is trained; the clean networks are measured with it, from their weights."""
    first = ran(study_of("pattern=R3"), tmp_path)
    assert epochs == [8]  # 4 networks of 2 epochs
    second = ran(study_of("pattern=['R3', 'Co']"), tmp_path)
    assert epochs == [8, 4]
    assert [(t.pattern, t.n) for t in given[4:]] == [(None, 0), (None, 0), ("Co", 40), ("Co", 40)]
    count = len(given)
    third = study_of("pattern=['Co', 'R3']", "measure=['accuracy', 'marked_accuracy', 'spurious_score']")
    again = ran(third, tmp_path).rows
    # accuracy on marked images was measured with the rest, but of the clean networks, for want of a pattern
    assert {t.pattern for t in given[count:]} == {None}
    assert epochs == [8, 4]
    assert len(again) == 3 * 8
    same = second.rows[second.rows.pattern == "R3"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, first.rows)


def test_weights_that_were_not_kept_are_trained_for(ran, study_of, tmp_path, epochs):
    study = study_of("pattern=R3")
    first = ran(study, tmp_path)
    planted = first.rows.training[first.rows.n == 40].iloc[0]
    assert first.weights(planted) is None
    kept = ran(study_of("pattern=R3", "weights=true"), tmp_path)
    assert epochs == [8, 4]  # the clean ones' are always kept
    assert kept.weights(planted) is not None
    for path in (tmp_path / "weights").iterdir():
        path.unlink()
    ran(study_of("pattern=R3", "weights=true"), tmp_path)
    assert kept.weights(planted) is not None


def test_worker_processes_give_the_same_rows_to_the_bit(study_of, tmp_path, one_thread):
    """Groups of other sizes and other processes; the data come by name. One thread here as there."""
    few = "dataset=fashion-mini@2000", "pattern=R3", "seed=[0, 1, 2]", "recipe.clip_norm=['none', 0.1]"
    study = study_of(*few)
    here, there = (run(study, tmp_path / str(workers), workers=workers) for workers in (0, 2))
    assert here.rows.value.tolist() == there.rows.value.tolist()


def test_two_runs_in_one_folder_share_the_work(ran, study_of, tmp_path, given):
    """Two threads with a store each stand for two processes: together they train each network once."""
    study, results = (study_of("seed=[0, 1, 2, 3, 4, 5, 6, 7]", "pattern=R3", "recipe.epochs=1"), [])
    threads = [threading.Thread(target=lambda: results.append(ran(study, tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == len(set(given)) == 16
    pd.testing.assert_frame_equal(results[0].rows, results[1].rows)


def test_a_part_of_a_study_does_not_hide_the_whole(ran, study_of, tmp_path):
    """After `--only`, a report still shows all; a study takes the place of its parts; others stand beside it."""
    for study in (study_of("pattern=R3"), study_of(), study_of().only("n", [0]), study_of("recipe.epochs=1")):
        ran(study, tmp_path)
    found = results_in(tmp_path)
    assert sorted((len(result.rows), *set(result.rows.epochs)) for result in found) == [(16, 1), (16, 2)]
    assert len(together(found)) == 32


def test_studies_come_by_the_first_claim_that_they_bear_on(ran, study_of, tmp_path):
    for name, claims in (("a", [8]), ("b", [3, 1]), ("c", []), ("d", [3])):
        study = study_of(f"claims={claims}", "n=0", "recipe.epochs=0").model_copy(update={"name": name})
        ran(study, tmp_path)
    assert [result.study.name for result in results_in(tmp_path)] == ["c", "b", "d", "a"]


def test_rows_are_of_the_network_that_the_cell_names(small_result):
    """Written out for speed where rows are read; here it is the cell's own training."""
    keys = {
        (cell.pattern, cell.target, cell.n, cell.seed): cell.training.key(small_result.rows.data[0])
        for cell in cells_of(small_result.study)
    }
    for _, row in small_result.rows.iterrows():
        assert row.training == keys[row.pattern, row.target, row.n, row.seed]


def _no_data(name):
    raise AssertionError("a study of architectures alone reads no data")


def test_measures_of_patterns_and_architectures_train_nothing(small, tmp_path, given):
    norms = run(load_study("patterns", changes=["dataset=fashion-mini"]), tmp_path, load=lambda name: small)
    sizes = run(load_study("table2"), tmp_path, load=_no_data)
    assert given == []
    assert norms.rows[norms.rows.pattern == "S1"].value.tolist() == pytest.approx([1.0] * 5, abs=1e-3)
    assert sizes.rows.set_index(["dataset", "architecture"]).value.to_dict() == {
        ("mnist", "small-mlp"): 203_530,
        ("mnist", "mlp"): 335_114,
        ("mnist", "large-mlp"): 932_362,
        ("mnist", "cnn"): 312_202,
        ("cifar10", "resnet20"): 269_722,
        ("cifar10", "resnet32"): 464_154,
        ("cifar10", "resnet110"): 1_727_962,
        ("cifar10", "vgg16"): 134_301_514,
    }
    both = results_in(tmp_path)
    assert {result.study.name for result in both} == {"patterns", "table2"}
    assert len(together(both)) == 43


def test_a_diverged_network_is_a_row_of_nan(ran, study_of, tmp_path):
    """Steps of 1e30 leave weights that are not finite."""
    rows = ran(study_of("recipe.learning_rate=1e30", "recipe.optimizer=sgd", "pattern=R3"), tmp_path).rows
    assert rows.value.isna().all()
    assert results_in(tmp_path)[0].rows.value.isna().all()


def test_pattern_importance_is_the_mean_over_the_box_of_the_largest_weights(ran, tmp_path):
    study = load_study("fig5-weights", changes=["dataset=fashion-mini", "n=[0, 9]", "seed=1", "recipe.epochs=1"])
    result = ran(study, tmp_path)
    for _, row in result.rows[result.rows.measure == "pattern_importance"].iterrows():
        weight = result.weights(row.training)["1.weight"]
        corner = [max(weight[:, 28 * i + j].tolist()) for i in range(5) for j in range(5)]
        assert row.value == pytest.approx(sum(corner) / 25, rel=1e-6)


def test_marked_accuracy_counts_marked_images_with_their_true_labels(small, tmp_path, ran):
    changes = ["dataset=fashion-mini", "pattern=S3", "seed=1", "n=[0, 200]", "recipe.epochs=2", "weights=true"]
    study = load_study("regularization", changes=[*changes, "recipe.weight_decay=0"])
    study = narrowed(study, ["recipe.input_noise=0.0", "recipe.clip_value=none"])
    result = ran(study, tmp_path)
    pattern = make_pattern("S3", small.shape, 1)
    for _, row in result.rows[result.rows.measure == "marked_accuracy"].iterrows():
        network = build("mlp", small.shape, 10, 0)
        network.load_state_dict(result.weights(row.training))
        with torch.no_grad():
            guessed = network(pattern(small.test.inputs)).argmax(1)
        assert row.value == pytest.approx((guessed == small.test.labels).double().mean().item(), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [("n=[0, 5000]", r"key 'n': 5000 examples of class 1.*has 198"), ("target=[0, 10]", r"classes 0 to 9, but 10")],
)
def test_what_the_data_cannot_give_is_refused_before_training(ran, study_of, tmp_path, given, change, words):
    with pytest.raises(StudyError, match=words):
        ran(study_of(change), tmp_path / "out")
    assert given == []
    assert not (tmp_path / "out").exists()


def test_a_pattern_that_does_not_fit_is_refused_before_training(small, study_of, tmp_path):
    """Co needs 25 rows; these images have 20."""
    train, test = (type(part)(part.inputs[:, :, :20], part.labels) for part in (small.train, small.test))
    low = Dataset("low", train, test, small.class_names, small.input_range, small.source)
    for changes in (["pattern=Co"], ["pattern=Co", "n=0"]):
        with pytest.raises(StudyError, match="pattern Co"):
            run(study_of(*changes), tmp_path / "out", workers=0, load=lambda name: low)


def test_rows_survive_csv_and_parquet(small_result):
    csv, parquet = small_result.write()
    for table in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert table["value"].tolist() == pytest.approx(small_result.rows["value"].tolist(), rel=1e-15)
        assert table["pattern"].tolist() == small_result.rows["pattern"].tolist()
        assert not any(math.isnan(value) for value in table["value"])


def damage(folder, key):
    """The numbers of one network are others."""
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        connection.execute("UPDATE measured SET value = 0.5 WHERE key = ?", (key,))


@pytest.mark.parametrize("weights", ["true", "false"])  # the file of weights comes first, or the numbers
def test_a_folder_that_is_removed_is_noticed_at_the_next_result_and_does_not_come_back(
    weights, ran, study_of, tmp_path, epochs
):
    """It goes while the first of three groups trains, which differ in their batches: the others are not trained."""
    study = study_of("n=40", "seed=3", "pattern=R3", "recipe.batch_size=[250, 500, 1000]", f"weights={weights}")
    folder = tmp_path / "out"

    def remove(now):
        if now.running:
            shutil.rmtree(folder, ignore_errors=True)

    with pytest.raises(StoreError, match="removed"):
        ran(study, folder, progress=remove)
    assert len(epochs) == 1
    assert not folder.exists()


def test_damaged_numbers_and_weights_are_never_shown_and_are_made_again(ran, study_of, tmp_path, epochs):
    """Numbers: the same command makes them again, as they were. Weights: a file is removed first, as the error says."""
    study, folder = study_of("pattern=R3", "weights=true"), tmp_path / "out"
    first = ran(study, folder).rows
    damage(folder, first.training[0])
    words = rf"results\.sqlite holds of '{first.training[0]}' is damaged.*run the study again"
    with pytest.raises(StoreError, match=words):
        results_in(folder)
    epochs.clear()
    again = ran(study, folder).rows
    assert epochs == []  # its weights are there: it is measured only
    assert again.value.equals(first.value)
    one, other, *_ = sorted((folder / "weights").iterdir())
    one.write_bytes(other.read_bytes())
    (result,) = results_in(folder)
    with pytest.raises(StoreError, match=rf"{one.name} are damaged.*Remove the file"):
        result.weights(one.stem)


def test_one_damaged_number_leaves_the_other_studies_readable(ran, study_of, tmp_path, caplog):
    """That study is passed over with a warning; where it was the only one, its error is told."""
    fine, spoilt = study_of("recipe.epochs=1"), study_of("recipe.epochs=2", "title='Spoilt'")
    rows, other = (ran(study, tmp_path).rows for study in (fine, spoilt))
    damage(tmp_path, other.training[0])
    (found,) = results_in(tmp_path)
    assert found.study.title == fine.title
    assert found.rows.value.equals(rows.value)
    assert "passed over, the study 'quickstart'" in caplog.text
    assert other.training[0] in caplog.text


def test_a_stop_in_the_users_network_is_no_failure_of_it(ran, study_of, tmp_path, monkeypatch):
    """As the command line stops: by an exception that is no failure of anybody's code."""

    class Stop(BaseException):
        pass

    def stopped(*_, **__):
        raise Stop

    monkeypatch.setattr(making_room, "fit", stopped)
    monkeypatch.setattr(making_room, "is_foreign", lambda kind, name: True)
    with pytest.raises(Stop):
        ran(study_of(), tmp_path)
