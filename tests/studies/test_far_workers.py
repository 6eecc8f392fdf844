"""Workers that do not see the results folder: weights travel with tasks and outcomes, and nothing is made twice."""

import json
from dataclasses import replace
from functools import partial

import pytest

from spurlab.studies import Outcome, StoreError, Task, carried_out
from spurlab.studies.weights import WEIGHTS

DELETION = ("pattern=R3", "deletion=retrain", "n=[0, 40]", "recipe.epochs=1")


@pytest.fixture
def far(tmp_path):
    """An executor on "another machine", and its tasks: what passes is JSON, and the results folder is not seen."""
    tasks = []

    def elsewhere(whole, workers, load, told):
        for task in whole:
            tasks.append(task.packed())
            sent = Task.from_json(json.loads(json.dumps(tasks[-1].as_json())))
            outcome = carried_out(replace(sent, folder=str(tmp_path / "not here")), load, partial(told, task))
            yield task, Outcome.from_json(json.loads(json.dumps(outcome.as_json())))

    return elsewhere, tasks


def test_a_study_with_weights_is_made_once_far_from_its_folder(ran, study_of, tmp_path, far):
    """Its rows are those of a run beside the folder, to the bit, but for the time that methods took."""
    study = study_of(*DELETION)
    here = ran(study, tmp_path / "here")
    there = ran(study, tmp_path / "there", executor=far[0])
    timed = ["value", "seconds", "finished"]
    plain = here.rows["measure"] != "time_share"
    assert there.rows["value"][plain].equals(here.rows["value"][plain])
    assert there.rows.drop(columns=timed).equals(here.rows.drop(columns=timed))
    kept = [{path.name for path in (tmp_path / place / WEIGHTS).iterdir()} for place in ("here", "there")]
    assert kept[0] == kept[1]
    assert len(kept[0]) > 0
    done = len(far[1])
    ran(study, tmp_path / "there", executor=far[0])
    assert len(far[1]) == done  # nothing was left to do
    trained = [node for task in far[1] for node in task.nodes if not node.needs]
    assert len(trained) == len(set(trained))


def test_a_finished_task_that_left_no_weights_is_an_error(study_of, tmp_path, ran):
    """Else the same networks would be trained for ever."""

    def forgetful(tasks, workers, load, told):
        for task in tasks:
            yield task, replace(carried_out(replace(task, folder=str(tmp_path / "x")), load, int), weights={})

    with pytest.raises(StoreError, match=r"2 x small-mlp .*it is finished, but of 2 the weights or numbers are not in"):
        ran(study_of(*DELETION, "n=0", "deletion=[]", "weights=true"), tmp_path, executor=forgetful)


def test_attacks_have_their_shadows_with_them(ran, study_of, tmp_path, far):
    study = study_of(
        *("pattern=R3", "n=3", "seed=[0, 1, 2, 3]", "halves=0", "attack=lira-fixed", "recipe.epochs=1"),
        *('measure=["member_auc", "group_scores"]', "figure=scores"),
    )
    here = ran(study, tmp_path / "here")
    there = ran(study, tmp_path / "there", executor=far[0])
    assert there.rows["value"].equals(here.rows["value"])
    assert len(here.rows) == 4 * 2 + 4 * 2  # at n = 0 and 3 each area; the group's two numbers at 3
