"""Names with settings."""

import sys

import pytest

from spurlab.prevention import PREVENTIONS, Afr, GroupDro, canonical_name, prevention_named, settings_of, title_of


def test_settings_stand_after_the_name(recipe):
    assert prevention_named("afr gamma=16 penalty=0", recipe, 3) == Afr(recipe, 3, gamma=16.0, penalty=0.0)
    assert prevention_named("afr-train gamma=none", recipe, 0) == Afr(recipe, gamma=None, weights="train")
    assert prevention_named("group-dro best_epoch=false weight_decay=1e-3", recipe, 0) == GroupDro(
        recipe, best_epoch=False, weight_decay=1e-3
    )
    assert prevention_named("jtt times=6 first_epochs=None", recipe, 0).first_epochs is None


def test_equal_settings_have_one_name():
    names = ("afr penalty=.1 gamma=4", "afr  gamma=4.0 penalty=0.10", "afr gamma=4e0 penalty=1e-1")
    assert {canonical_name(name) for name in names} == {"afr gamma=4 penalty=0.1"}
    assert (
        canonical_name("group-dro best_epoch=False weight_decay=None") == "group-dro best_epoch=false weight_decay=none"
    )
    assert canonical_name("jtt times=6") == "jtt times=6"
    assert canonical_name("afr weights=train") == "afr weights=train"
    assert canonical_name(" own.module:method ") == "own.module:method"


@pytest.mark.parametrize("name", PREVENTIONS)
def test_every_setting_can_be_written_and_read_again(name, recipe):
    """A name that gives each setting the value that it has is the method itself."""
    words = [f"{key}={value}" for key, value in settings_of(name).items()]
    full = canonical_name(" ".join([name, *words]))
    assert canonical_name(full) == full
    assert prevention_named(full, recipe, 5) == prevention_named(name, recipe, 5)
    assert not {"recipe", "seed", "make"} & set(settings_of(name))


def test_titles():
    assert title_of("rwg") == "RWG"
    assert title_of("afr penalty=0 gamma=8") == "AFR, gamma=8, penalty=0"
    assert title_of("own.module:method") == "own.module:method"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("drf", r"there is no prevention method 'drf'\. Did you mean 'dfr'\?"),
        ("", r"there is no prevention method ''\. There are: erm, clean-only, dfr"),
        ("afr gama=4", r"'afr' has no setting 'gama'\. Did you mean 'gamma'\?"),
        ("erm gamma=4", r"'erm' has no setting 'gamma'\. There are: none\."),
        ("afr seed=4", r"'afr' has no setting 'seed'\."),
        ("afr gamma=four", r"`gamma` of 'afr' must be a number or none, but it is 'four'\."),
        ("afr steps=1.5", r"`steps` of 'afr' must be a whole number, but it is '1.5'\."),
        ("afr stop_early=yes", r"`stop_early` of 'afr' must be true or false, but it is 'yes'\."),
        ("afr weights=test", r"`weights` of 'afr' must be held-out, train, but it is 'test'\."),
        ("afr gamma", r"a setting is written key=value, e\.g\. 'afr gamma=4', but 'gamma' is not\."),
        ("afr gamma=", "but 'gamma=' is not"),
        ("afr gamma=-1", "`gamma` must be 0 or more, and finite, but it is -1.0"),
        ("dfr c=0", "`c` of DFR must be above 0, and finite, but it is 0.0"),
        ("jtt times=0", "`times` must be 1 or more, but it is 0"),
        ("afr gamma=1 gamma=2", "gives 'gamma' twice"),
        ("afr gamma=-1", "`gamma` must be 0 or more"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_in_a_sentence(name, words, recipe):
    with pytest.raises(ValueError, match=words):
        prevention_named(name, recipe, 0)


def test_a_method_of_ones_own(tmp_path, monkeypatch, model, data, clean, recipe):
    (tmp_path / "own_prevention.py").write_text("def keep(model, data, clean):\n    return model\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert prevention_named("own_prevention:keep", recipe, 0)(model, data, clean) is model
    finally:
        sys.modules.pop("own_prevention", None)
    with pytest.raises(ValueError, match="prevention method 'own_prevention:gone'"):
        prevention_named("own_prevention:gone", recipe, 0)
