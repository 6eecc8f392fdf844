"""Words for what went wrong."""

import re

import pytest

from spurlab.errors import SAID, did_you_mean, worded

RECIPE = [f"recipe.{key}" for key in ("name", "learning_rate", "weight_decay", "batch_size", "loss", "momentum")]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("recipe.lr", "recipe.learning_rate"),
        ("recipe.wd", "recipe.weight_decay"),
        ("recipe.bs", "recipe.batch_size"),
        ("recipe.LR", "recipe.learning_rate"),
        ("recipe.momentun", "recipe.momentum"),
        ("los", "recipe.loss"),
    ],
)
def test_what_others_call_a_key_and_what_was_misspelt(wrong, meant):
    """Common short names of others stand for the key; the shared beginning `recipe.` makes nothing alike."""
    known = RECIPE if "." in wrong else [key.removeprefix("recipe.") for key in RECIPE]
    assert did_you_mean(wrong, known) == f"Did you mean {meant if '.' in wrong else meant.removeprefix('recipe.')!r}?"


def test_what_is_near_to_nothing_gets_the_whole_list():
    assert did_you_mean("recipe.xyz", RECIPE) == f"There are: {', '.join(RECIPE)}."
    assert did_you_mean("lr", ["dataset", "pattern"]) == "There are: dataset, pattern."  # a synonym of nothing there
    assert did_you_mean("x", []) == "There are: none."


def caught(error):
    try:
        raise error
    except type(error) as raised:
        return worded(raised)


def test_an_exception_without_a_message_says_where():
    """`StopIteration:` alone tells nobody anything; nor does a key."""
    where = r"raised in caught, line \d+ of test_errors.py"
    for error, said in (
        (StopIteration(), "StopIteration without a message, "),
        (AssertionError(), "AssertionError without a message, "),
        (SystemExit(), "SystemExit without a message, "),
        (KeyError("x"), "KeyError: 'x', "),
    ):
        assert re.search(f"^{said}{where}$", caught(error))
    assert caught(ValueError("no room")) == "ValueError: no room"


def test_a_long_message_is_one_line_of_bounded_length():
    said = caught(RuntimeError("size mismatch:\n\tcopying\n" * 1000))
    assert said.startswith("RuntimeError: size mismatch: copying size")
    assert "\n" not in said
    assert len(said) <= SAID + len("RuntimeError:  ...")


def test_a_message_that_cannot_be_made_is_said_and_steers_no_terminal():
    class BrokenError(Exception):
        def __str__(self):
            raise ZeroDivisionError

    assert caught(BrokenError()) == "BrokenError: its message cannot be made (ZeroDivisionError)"
    assert caught(ValueError("\x1b[31mred")) == r"ValueError: \x1b[31mred"
