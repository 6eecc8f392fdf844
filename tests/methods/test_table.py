"""Names with settings, of both tables."""

import math
import sys
from dataclasses import replace

import pytest

from spurlab.deletion import DELETIONS, Incremental, Scrub, deletion_named
from spurlab.prevention import PREVENTIONS, Afr, GroupDro, canonical_name, prevention_named, settings_of, title_of
from spurlab.studies import StudyError, cells_of, load_study


@pytest.mark.parametrize("joint", [" ", ",", ", "])
def test_settings_stand_after_the_name(joint, recipe):
    for named, words, method in (
        (prevention_named, "afr gamma=16 penalty=0", Afr(recipe, 3, gamma=16.0, penalty=0.0)),
        (prevention_named, "afr-train gamma=none", Afr(recipe, 3, gamma=None, weights="train")),
        (
            prevention_named,
            "group-dro best_epoch=false weight_decay=1e-3",
            GroupDro(recipe, 3, best_epoch=False, weight_decay=1e-3),
        ),
        (deletion_named, "scrub alpha=0.3 epochs=7", Scrub(recipe, 3, alpha=0.3, epochs=7)),
        (deletion_named, "incremental rate=2e-2", Incremental(recipe, 3, rate=0.02)),
        (deletion_named, "incremental-1e-3 epochs=2", Incremental(recipe, 3, rate=0.001, epochs=2)),
    ):
        assert named(words.replace(" ", joint), recipe, 3) == method
    assert prevention_named("jtt times=6 first_epochs=None", recipe, 0).first_epochs is None
    assert deletion_named("gradient-ascent,rates=1e-4/1e-3", recipe, 0).rates == (1e-4, 1e-3)


def test_equal_settings_have_one_name():
    names = (
        "afr penalty=.1 gamma=4",
        "afr  gamma=4.0 penalty=0.10",
        "afr gamma=4e0 penalty=1e-1",
        "afr,penalty=.1,gamma=4",
    )
    assert {canonical_name(name) for name in names} == {"afr gamma=4 penalty=0.1"}
    assert (
        canonical_name("group-dro best_epoch=False weight_decay=None") == "group-dro best_epoch=false weight_decay=none"
    )
    assert canonical_name("jtt times=6") == "jtt times=6"
    assert canonical_name("afr weights=train") == "afr weights=train"
    assert canonical_name(" own.module:method ") == "own.module:method"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("incremental,rate=1e-2", "incremental-1e-2"),
        ("incremental rate=.00001", "incremental-1e-5"),
        ("incremental-1e-2,rate=none", "incremental"),
        ("influence-reference,scale=25", "influence-reference-25"),
        ("influence-reference-25,scale=100,depth=1000", "influence-reference-1000"),
        ("influence-reference-25,damping=.1", "influence-reference damping=0.1 scale=25"),
        ("influence-lissa,curvature=hessian", "influence-lissa curvature=hessian"),  # its inverse has no name
        ("scrub,alpha=0.5", "scrub"),
        ("scrub,gamma=2,alpha=0.5,epochs=4", "scrub epochs=4 gamma=2"),
        ("incremental,rate=0.02", "incremental rate=0.02"),
        (" own.module:method ", "own.module:method"),
    ],
)
def test_a_deletion_has_its_shortest_name_and_old_names_stay(name, short, recipe):
    """Results were stored under the names with a number before there were settings."""
    assert DELETIONS.canonical(name) == short == DELETIONS.canonical(short)
    if ":" not in name:
        assert deletion_named(name, recipe, 3) == deletion_named(short, recipe, 3)


def test_every_setting_can_be_written_and_read_again(table, name, recipe):
    """A name that gives each setting the value that it has is the method itself."""
    assert table.canonical(name) == name
    values = {
        key: "/".join(map(str, value)) if isinstance(value, tuple) else value
        for key, value in table.settings_of(name).items()
    }
    full = ",".join([name, *(f"{key}={value}" for key, value in values.items())])
    assert table.canonical(table.canonical(full)) == table.canonical(full)
    assert table is PREVENTIONS or table.canonical(full) == name
    assert table.named(full, recipe, 5) == table.named(name, recipe, 5)
    assert not {"recipe", "seed", "make"} & set(table.settings_of(name))


def test_titles():
    assert title_of("rwg") == "RWG"
    assert title_of("afr penalty=0 gamma=8") == "AFR, gamma 8, penalty 0"
    assert title_of("afr gamma=none stop_early=true") == "AFR, gamma chosen, stopped early"
    assert title_of("group-dro best_epoch=false") == "GroupDRO, last epoch"
    assert title_of("own.module:method") == "own.module:method"
    assert DELETIONS.title_of("sisa") == DELETIONS["sisa"].title == "SISA, 5 shards"
    assert DELETIONS.title_of("sisa,shards=3") == "SISA, shards 3"
    assert settings_of("mixup") == {"alpha": 1.0}
    assert "mixup" in PREVENTIONS


def test_what_a_method_needs_goes_by_its_entry():
    assert not PREVENTIONS.trains("dfr")
    assert PREVENTIONS.trains("afr gamma=8")
    assert DELETIONS.trains("scrub,alpha=0.3")
    assert not DELETIONS.trains("influence")
    assert PREVENTIONS.needs("irm penalty=1") == {"groups", "training"}
    everything = {"groups", "clean", "clean groups", "training", "logits", "population"}
    assert PREVENTIONS.needs("own.module:method") == everything


@pytest.mark.parametrize(
    ("chosen", "name", "words"),
    [
        (PREVENTIONS, "drf", r"there is no prevention method 'drf'\. Did you mean 'dfr'\?"),
        (PREVENTIONS, "", r"there is no prevention method ''\. There are: erm, clean-only, dfr"),
        (PREVENTIONS, "afr gama=4", r"'afr' has no setting 'gama'\. Did you mean 'gamma'\?"),
        (PREVENTIONS, "erm gamma=4", r"'erm' has no setting 'gamma'\. There are: none\."),
        (PREVENTIONS, "afr seed=4", r"'afr' has no setting 'seed'\."),
        (PREVENTIONS, "afr gamma=four", r"`gamma` of 'afr' must be a number or none, but it is 'four'\."),
        (PREVENTIONS, "afr gamma=nan", r"`gamma` of 'afr' must be a number or none, but it is 'nan'\."),
        (PREVENTIONS, "afr steps=1.5", r"`steps` of 'afr' must be a whole number, but it is '1.5'\."),
        (PREVENTIONS, "afr stop_early=yes", r"`stop_early` of 'afr' must be true or false, but it is 'yes'\."),
        (PREVENTIONS, "afr weights=test", r"`weights` of 'afr' must be held-out, train, but it is 'test'\."),
        (PREVENTIONS, "afr gamma", r"a setting is written key=value, e\.g\. 'afr gamma=4', but 'gamma' is not\."),
        (PREVENTIONS, "afr gamma=", "but 'gamma=' is not"),
        (PREVENTIONS, "afr gamma=-1", "`gamma` must be 0 or more, and finite, but it is -1.0"),
        (PREVENTIONS, "dfr c=0", "`c` of DFR must be above 0, and finite, but it is 0.0"),
        (PREVENTIONS, "jtt times=0", "`times` must be 1 or more, but it is 0"),
        (PREVENTIONS, "afr gamma=1 gamma=2", "gives 'gamma' twice"),
        (DELETIONS, "incremental-1e5", r"there is no deletion method 'incremental-1e5'\. Did you mean"),
        (DELETIONS, "scrub,alfa=1", r"'scrub' has no setting 'alfa'\. Did you mean 'alpha'\?"),
        (DELETIONS, "influence,inverse=3", r"'influence' has no setting 'inverse'\. There are: dampings, curvature"),
        (DELETIONS, "fisher,strengths=1/x", r"`strengths` of 'fisher' must be a number, but it is 'x'"),
        (DELETIONS, "scrub,0.3", r"a setting is written key=value, e\.g\. 'scrub alpha=0.5', but '0.3' is not"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_in_a_sentence(chosen, name, words, recipe):
    with pytest.raises(ValueError, match=words):
        chosen.named(name, recipe, 0)
    with pytest.raises(ValueError, match=words):
        chosen.canonical(name)


@pytest.mark.parametrize(
    ("name", "setting", "value", "words"),
    [
        ("afr", "gamma", -1.0, "`gamma` must be 0 or more"),
        ("afr", "penalty", math.inf, "`penalty` must be 0 or more, and finite"),
        ("afr", "share", 1.0, "`share` is a share"),
        ("afr", "steps", 0, "`steps` must be 1 or more"),
        ("dfr", "c", 0.0, "`c` of DFR must be above 0"),
        ("dfr", "refits", 0, "`refits` must be 1 or more"),
        *(("group-dro", key, -1.0, f"`{key}` must be 0 or more") for key in ("eta", "adjustment", "weight_decay")),
        ("irm", "penalty", -1.0, "`penalty` must"),
        ("irm", "anneal", 2.0, "`anneal` is a share"),
        *(("jtt", key, 0, f"`{key}` must be 1 or more, but it is 0") for key in ("times", "first_epochs")),
        ("lff", "q", 0.0, "`q` of LfF"),
        ("lff", "memory", 1.0, "`memory` is a share"),
        *(("mixup", "alpha", alpha, "`alpha` of mixup must be above 0") for alpha in (0.0, -1.0, math.inf)),
    ],
)
def test_settings_outside_their_range(name, setting, value, words, recipe):
    with pytest.raises(ValueError, match=words):
        replace(prevention_named(name, recipe, 0), **{setting: value})


@pytest.mark.parametrize(("chosen", "kind"), [(DELETIONS, "deletion method"), (PREVENTIONS, "prevention method")])
def test_a_method_of_ones_own(chosen, kind, tmp_path, monkeypatch, problem, recipe):
    (tmp_path / "own_method.py").write_text("def keep(model, data, other):\n    return model\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        method = chosen.named("own_method:keep", recipe, 0)
        assert method(problem.model, problem.data, problem.clean) is problem.model
    finally:
        sys.modules.pop("own_method", None)
    with pytest.raises(ValueError, match=f"{kind} 'own_method:gone'"):
        chosen.named("own_method:gone", recipe, 0)


def test_a_study_names_each_deletion_in_one_way(tmp_path):
    """The same thing has one key, however it is written; a name twice is told."""
    file = tmp_path / "study.toml"
    text = 'title = "t"\ndataset = "fashion-mini"\narchitecture = "small-mlp"\npattern = "R3"\nn = [3]\ndeletion = {}\n'
    lists = ('["incremental,rate=1e-2", "scrub alpha=.3"]', '["incremental-1e-2", "scrub,alpha=0.3"]')
    keys = []
    for written in lists:
        file.write_text(text.format(written) + 'figure = "deletion"\n')
        cells = cells_of(load_study(file))
        assert {cell.deletion for cell in cells} == {"none", "oracle", "incremental-1e-2", "scrub alpha=0.3"}
        keys.append(sorted(cell.treatment.key("data") for cell in cells))
    assert keys[0] == keys[1]
    only = load_study(file).only("deletion", ["incremental,rate=0.01"])
    assert {name for grid in only.grids for name in grid["deletion"]} == {"incremental-1e-2"}
    file.write_text(text.format('["incremental,rate=1e-2", "incremental-1e-2"]') + 'figure = "deletion"\n')
    with pytest.raises(StudyError, match="a value stands twice"):
        load_study(file)
