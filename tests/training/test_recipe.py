"""Recipes: the paper's numbers, and settings that cannot be meant."""

import dataclasses
import inspect
import math

import pytest
import torch

from spurlab.training import PER_MEMBER, RECIPES, Recipe
from spurlab.training.recipe import recipe_of_each


def test_the_recipe_of_the_paper():
    """Section 3.1 of arXiv:2202.05189: Adam, 0.01, 70 epochs, a tenth after 40, 50 and 60, batch 128."""
    assert dataclasses.asdict(RECIPES["paper"]) == {
        "optimizer": "adam",
        "learning_rate": 0.01,
        "momentum": 0.9,  # of SGD, section 3.3.3
        "weight_decay": 0,
        "batch_size": 128,
        "epochs": 70,
        "milestones": (40, 50, 60),
        "decay": 0.1,
        "clip_norm": None,
        "clip_value": None,
        "input_noise": 0,
        "precision": "float32",
        "loss": "ce",
        "augmentation": "none",
        "schedule": "steps",
    }


def test_quick_is_the_paper_in_ten_epochs():
    """Milestones near the same fractions: 6 and 8 of 10 epochs, as 40 and 50 (or 60) of 70."""
    assert RECIPES["quick"] == dataclasses.replace(RECIPES["paper"], epochs=10, milestones=(6, 8))


WRONG = {
    "optimizer": ["newton", ""],
    "learning_rate": [0.0, -0.1, math.inf, math.nan],
    "momentum": [-0.1, 1.0, math.nan],
    "weight_decay": [-1e-4, math.inf, math.nan],
    "batch_size": [0, -1],
    "epochs": [-1, "3", None],
    "milestones": [(6, 3), (3, 3), (0, 3), (-1,)],
    "decay": [0.0, 1.1, -0.1, math.nan],
    "clip_norm": [0.0, -1.0, math.nan],
    "clip_value": [0.0, -1.0, math.nan],
    "input_noise": [-0.1, math.inf, math.nan],
    "precision": ["float16", ""],
    "loss": ["bce", ""],
    "augmentation": ["mixup", ""],
    "schedule": ["cosine", ""],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_setting_is_refused_by_name(name, value):
    """The tests check annotations: a wrong literal is set afterwards, as an untyped caller would get it in."""
    recipe = Recipe()
    object.__setattr__(recipe, name, value)
    with pytest.raises(ValueError, match=f"^`{name}`"):
        recipe.__post_init__()


def test_every_setting_has_a_wrong_value_above():
    assert set(WRONG) == {setting.name for setting in dataclasses.fields(Recipe)}


@pytest.mark.parametrize(
    "right",
    [
        {"epochs": 0},
        {"momentum": 0.0},
        {"decay": 1.0},
        {"milestones": ()},
        {"milestones": (1,)},
        {"batch_size": 1},
        {"clip_norm": 1e9, "clip_value": 1e-9},
    ],
)
def test_settings_at_the_border_are_allowed(right):
    recipe = Recipe(**right)
    assert all(getattr(recipe, name) == value for name, value in right.items())


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
def test_an_infinite_bound_is_none(name):
    """They train the same network, so they must be found as the same recipe."""
    assert Recipe(**{name: math.inf}) == Recipe()
    assert getattr(RECIPES["paper"].but(**{name: math.inf}), name) is None


def test_shared_forgets_what_a_member_may_have_for_itself():
    """Four settings by name, and no other."""
    own = {"weight_decay": 0.1, "input_noise": 0.2, "clip_norm": 0.3, "clip_value": 0.4}
    assert set(PER_MEMBER) == set(own)
    assert Recipe(**own).shared == Recipe().shared == Recipe()
    others = {"optimizer": "sgd", "learning_rate": 0.5, "momentum": 0.5, "batch_size": 7, "epochs": 3} | {
        "milestones": (1,), "decay": 0.5, "precision": "bfloat16", "loss": "mse", "augmentation": "crop",
        "schedule": "one-cycle",
    }  # fmt: skip
    assert set(own) | set(others) == {setting.name for setting in dataclasses.fields(Recipe)}
    for name, value in others.items():
        recipe = Recipe(**{name: value}, **({"milestones": ()} if name == "schedule" else {}))
        assert recipe.but(**own).shared == recipe.shared == recipe != Recipe()


def test_one_recipe_is_for_all_and_several_are_one_for_each():
    one, two = Recipe(), Recipe(epochs=2)
    assert recipe_of_each(one, 3) == [one, one, one]
    assert recipe_of_each((one, two), 2) == [one, two]
    with pytest.raises(ValueError, match="there are 2 recipes for 3 members"):
        recipe_of_each([one, two], 3)


@pytest.mark.parametrize(("given", "words"), [("quick", r"'quick'. Take RECIPES\['quick'\]"), ([3], r"\[3\]. Take ")])
def test_what_is_no_recipe_is_said_to_be_none(given, words):
    with pytest.raises(TypeError, match="`recipe` is a `Recipe`, or one for each member, but it is " + words):
        inspect.unwrap(recipe_of_each)(given, 1)


def test_but_changes_what_it_is_told_and_checks_again():
    recipe = RECIPES["paper"].but(optimizer="sgd", learning_rate=0.1)
    assert recipe == Recipe(optimizer="sgd", learning_rate=0.1)
    assert RECIPES["paper"] == Recipe()
    with pytest.raises(ValueError, match="`decay`"):
        recipe.but(decay=2.0)
    with pytest.raises(ValueError, match="a recipe has no setting 'nesterov'"):
        recipe.but(nesterov=True)


def test_a_recipe_cannot_be_changed_and_names_a_result():
    """Results are found again by their settings, so equal settings must hash alike."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3
    assert len({Recipe(), Recipe().but(epochs=70), Recipe(epochs=3)}) == 2


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_learning_rate_of_each_epoch(optimizer):
    """Milestones count epochs that are done: with (2, 3) the third epoch is the first at a fifth."""
    recipe = Recipe(optimizer=optimizer, learning_rate=0.5, epochs=5, milestones=(2, 3), decay=0.2)
    assert rates(recipe, batches=1) == pytest.approx([0.5, 0.5, 0.1, 0.02, 0.02])
    assert rates(recipe, batches=3)[4:10] == pytest.approx([0.5, 0.5, 0.1, 0.1, 0.1, 0.02])


def rates(recipe, batches):
    """At each batch."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    optimizer = recipe.optimizer_for([weight])
    schedule = recipe.schedule_for(optimizer, batches)
    found = []
    for _ in range(recipe.epochs * batches):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_one_cycle_is_that_of_pytorch():
    """PyTorch's own with a batch more at each end, which it gives the lowest rates (here zero and almost zero)."""
    recipe = Recipe(optimizer="sgd", learning_rate=0.4, epochs=7, milestones=(), schedule="one-cycle")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.4, 7 * 7 + 2, pct_start=0.2 + 0.8 / 51, anneal_strategy="linear", cycle_momentum=False,
        div_factor=1e12, final_div_factor=1e12,
    )  # fmt: skip
    found = []
    for _ in range(7 * 7 + 2):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step() if len(found) < 7 * 7 + 2 else None
    assert rates(recipe, batches=7) == pytest.approx(found[1:-1], rel=1e-6)
    assert max(rates(recipe, batches=7)) == pytest.approx(0.4)
    assert min(rates(recipe.but(epochs=1), batches=1)) > 0


def test_one_cycle_has_no_milestones_and_a_constant_rate_no_cycle():
    with pytest.raises(ValueError, match="`milestones` of a recipe must be empty where the schedule is 'one-cycle'"):
        Recipe(schedule="one-cycle")
    assert rates(RECIPES["fast"].constant(0.25, 2), batches=2) == [0.25] * 4
    assert RECIPES["fast"].lasting(3).schedule == "one-cycle"
