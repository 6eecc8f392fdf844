"""Cells share trainings: what is counted here is what a machine would spend its time on."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spurlab.models import source_digest
from spurlab.studies import Cell, Setting, StudyError, Task, Train, Treat, cells_of, groups_of, load_study, trainings_of
from spurlab.studies.graph import KEY_DEFAULTS, digests_of, from_json, rank
from spurlab.training import RECIPES, Recipe

FIVE = "seed=[0,1,2,3,4]"


def test_the_quickstart_trains_88_networks_for_96_cells():
    """2 patterns x 5 counts x 8 seeds, and 8 networks without a pattern that both patterns share."""
    cells = cells_of(load_study("quickstart"))
    assert (len(cells), len(trainings_of(cells))) == (96, 88)


def test_figure_2_of_the_paper_needs_495_trainings_not_560():
    """7 patterns x 2 targets x 7 counts x 5 seeds = 490, and 5 clean networks for all patterns and both targets."""
    grid = ["pattern=['S1','S2','S3','R1','R2','R3','Co']", "target=[0,1]", "n=[0,3,5,10,20,100,2000,5000]", FIVE]
    for study in load_study("quickstart", changes=grid), load_study("fig2-mnist", "paper"):
        cells = cells_of(study)
        assert (len(cells), len(trainings_of(cells))) == (560, 495)


def test_counts_of_shipped_studies():
    """By hand: 2 optimizers x (5 clean + 2 patterns x 2 n x 5), twice for two data sets; with clipping 3 ways."""
    cells = {name: cells_of(load_study(name)) for name in ("fig7-optimizer", "fig8-clipping", "regularization")}
    assert {name: len(trainings_of(of)) for name, of in cells.items()} == {
        "fig7-optimizer": 2 * 2 * 25,
        "fig8-clipping": 2 * 3 * 25,
        "regularization": (4 + 3 + 2) * (5 + 2 * 5),
    }
    figure2 = {name: len(trainings_of(cells_of(load_study(f"fig2-{name}", "paper")))) for name in ("mnist", "cifar10")}
    assert figure2 == {"mnist": 7 * 2 * 7 * 5 + 5, "cifar10": 7 * 2 * 6 * 5 + 5}  # 495 and 425
    together = [*cells["fig7-optimizer"], *cells["fig8-clipping"]]  # Adam without clipping is in both
    assert len(trainings_of(together)) == 100 + 150 - 50


SETTING = Setting("mnist", "mlp", "replace", RECIPES["quick"])
APPENDED = replace(SETTING, how="append")


def cell(pattern="R3", target=0, n=0, seed=4, setting=SETTING):
    return Cell(setting, SETTING, pattern, target, n, seed)


def test_cells_share_a_training_only_without_planted_examples():
    assert cell("R3").training == cell("S3", 1).training == cell(setting=APPENDED).training
    assert cell().training != cell(seed=3).training
    assert cell("R3", 0, 3).training != cell("R3", 1, 3).training
    assert cell(n=3).training != cell(n=3, setting=APPENDED).training


def test_every_setting_of_a_training_is_in_its_key():
    """Each change gives another key, and other data too."""
    one = Train(SETTING, "R3", 0, 3, 4)
    recipe = SETTING.recipe
    others = [
        one._replace(pattern="S3"),
        one._replace(target=1),
        one._replace(n=30),
        one._replace(seed=40),
        one._replace(setting=APPENDED),
        one._replace(setting=replace(SETTING, dataset="fashion-mnist")),
        one._replace(setting=replace(SETTING, architecture="large-mlp")),
        *(
            one._replace(setting=replace(SETTING, recipe=recipe.but(**{name: value})))
            for name, value in [
                ("optimizer", "sgd"),
                ("learning_rate", 0.1),
                ("weight_decay", 0.1),
                ("batch_size", 64),
                ("epochs", 11),
                ("milestones", (6,)),
                ("decay", 0.5),
                ("clip_norm", 0.1),
                ("clip_value", 0.1),
                ("input_noise", 0.1),
                ("precision", "bfloat16"),
            ]
        ),
    ]
    slow, fast = (recipe.but(optimizer="sgd", momentum=momentum) for momentum in (0.5, 0.8))
    others += [one._replace(setting=replace(SETTING, recipe=other)) for other in (slow, fast)]
    assert {field.name for field in fields(Recipe)} == set(KEY_DEFAULTS)  # a new setting belongs here and there
    keys = [training.key("data") for training in (one, *others)] + [one.key("other data")]
    assert len(set(keys)) == len(keys)
    assert one.key("data") == Train(replace(SETTING), "R3", 0, 3, 4).key("data")


def test_adam_has_no_momentum():
    other = replace(SETTING, recipe=SETTING.recipe.but(momentum=0.5))
    assert Train(other, "R3", 0, 3, 4).key("data") == Train(SETTING, "R3", 0, 3, 4).key("data")


def test_keys_are_for_ever():
    """Written down on the day they came: a change here would orphan everybody's results, or mistake them for others.

    Where it is meant (other numbers for the same settings), raise `TRAINING_VERSION` and write them down again.
    """
    assert Train(SETTING, "R3", 0, 3, 4).key("data") == "67c0b707a227b5618460"
    sgd = replace(APPENDED, recipe=RECIPES["paper"].but(optimizer="sgd", momentum=0.5, clip_norm=0.1))
    assert Train(sgd, "S3", 1, 10, 0).key("data") == "943456689135c11042b2"


def test_a_setting_at_its_default_is_not_in_the_key():
    """So a setting that a later version adds does not change the keys of what is trained already."""
    assert "input_noise" not in SETTING.identity
    assert json.loads(SETTING.identity)["recipe"] == {"epochs": 10, "milestones": [6, 8]}


def test_a_training_survives_json():
    one = Train(APPENDED, "R3", 0, 3, 4)
    assert from_json(json.loads(json.dumps(one.as_json()))) == one


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 5))
def test_groups_are_even_hold_each_training_once_and_keep_workers_busy(count, size, workers):
    trainings = [Train(SETTING, None, None, 0, seed) for seed in range(count)]
    groups = groups_of(trainings, [10] * count, [size] * count, workers)
    assert [training for group in groups for training in group] == trainings
    assert max(map(len, groups)) <= size
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    assert len(groups) % max(workers, 1) == 0 or len(groups) == count


def test_groups_hold_one_kind_each():
    """Members may differ in what lockstep keeps apart, not in the optimizer or the number of examples."""
    recipes = [RECIPES["quick"].but(**change) for change in ({}, {"weight_decay": 0.1}, {"optimizer": "sgd"})]
    trainings = [Train(replace(SETTING, recipe=recipe), "R3", 0, 3, 4) for recipe in recipes]
    assert [len(group) for group in groups_of(trainings, [10, 10, 10], [10] * 3, 1)] == [2, 1]
    assert [len(group) for group in groups_of(trainings, [10, 13, 10], [10] * 3, 1)] == [1, 1, 1]


def test_a_network_of_the_users_is_known_by_the_text_of_its_module(tmp_path, monkeypatch):
    """As a method is: the same name with another text is another network, and what is done to it another treatment."""
    monkeypatch.syspath_prepend(tmp_path)
    own = Train(replace(SETTING, architecture="my_networks:make"), "R3", 0, 3, 4)
    treatment = Treat("prevention", own, "dfr", 0.25)
    keys = []
    for width in (3, 4):
        (tmp_path / "my_networks.py").write_text(f"def make(shape, classes):\n    return {width}\n")
        source_digest.cache_clear()  # as in the next process
        assert own.key("data") == own.key("data", digests_of(own))
        keys += [own.key("data"), treatment.key("data")]
    assert len(set(keys)) == 4
    recorded = digests_of(treatment)
    (tmp_path / "my_networks.py").unlink()
    source_digest.cache_clear()
    assert [own.key("data", recorded), treatment.key("data", recorded)] == keys[2:]  # the module is not looked at
    with pytest.raises(ValueError, match="the module 'my_networks' cannot be found"):
        own.key("data")


def test_a_task_is_refused_where_the_network_s_module_is_another(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_networks.py").write_text("one = 1\n")
    source_digest.cache_clear()
    own = Train(replace(SETTING, architecture="my_networks:make"), "R3", 0, 3, 4)
    sent = json.loads(json.dumps(Task((own,), ((),), "data", str(tmp_path)).as_json()))
    assert Task.from_json(sent).nodes == (own,)
    (tmp_path / "my_networks.py").write_text("one = 2\n")
    source_digest.cache_clear()
    with pytest.raises(StudyError, match="architecture 'my_networks:make': its module is not the one"):
        Task.from_json(sent)


def test_what_is_needed_is_of_a_lower_rank():
    training = Train(SETTING, "R3", 0, 3, 4)
    removal = Treat("deletion", training, "oracle", 3, (0, 4))
    assert rank(training) == 0
    assert rank(removal) == 1
    assert [needed.without for needed in removal.needs] == [0, 3, 3]
    assert [needed.seed for needed in removal.needs] == [4, 4, 0]
    assert Treat("prevention", training, "dfr", 0.5).needs == (training,)
