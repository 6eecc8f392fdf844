"""Study files: what is read, what is overridden, and what is refused before anything is trained."""

import json
from pathlib import Path

import pytest

from spurlab.data import DataNotFoundError
from spurlab.models import parameter_count, skeleton
from spurlab.studies import Study, StudyError, cells_of, load_study, narrowed, shipped, trainings_of, work_of
from spurlab.studies.work import data_of
from spurlab.training import RECIPES

TEXT = """
title = "t"
dataset = "fashion-mini"
architecture = "mlp"
pattern = "R3"
target = 0
n = [3, 10]
seed = [0, 1]
[recipe]
name = "paper"
epochs = 5
milestones = [3]
[profiles.paper]
n = 3
recipe.epochs = 2
recipe.milestones = [1]
"""


def recipes(study):
    (grid,) = study.grids
    return list(grid["recipe"])


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


def test_a_file_says_it_all(study_file):
    """Scalars are axes of one value; the control joins the grid; the recipe is the named one with its changes."""
    study = load_study(study_file)
    assert (study.axis("pattern"), study.axis("target"), study.axis("n"), study.axis("seed")) == (
        ("R3",),
        (0,),
        (0, 3, 10),
        (0, 1),
    )
    assert recipes(study) == [RECIPES["paper"].but(epochs=5, milestones=(3,))]
    assert (study.name, study.profile) == ("mine", None)


def test_a_profile_overrides_and_a_change_overrides_the_profile(study_file):
    study = load_study(study_file, "paper", ["recipe.epochs=4", "n=[0, 7]", "dataset=mnist", "pattern=v8"])
    assert recipes(study) == [RECIPES["paper"].but(epochs=4, milestones=(2, 3))]
    assert (study.axis("n"), study.axis("dataset"), study.axis("pattern")) == ((0, 7), ("mnist",), ("S3",))
    assert study.profile == "paper"


def test_another_recipe_comes_without_the_changes_to_the_first(study_file):
    study = load_study(study_file, changes=["recipe.name=quick", "recipe.epochs=5"])
    assert recipes(study) == [RECIPES["quick"].but(epochs=5, milestones=(3, 4))]


def test_names_of_the_papers_code_are_translated(study_file):
    study = load_study(study_file, changes=["dataset=fashion", "architecture=ce-tor-LargeMLP"])
    assert (study.axis("dataset"), study.axis("architecture")) == (("fashion-mnist",), ("mlp",))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mnist:3,7", "mnist:3,7"),
        ("fashion-mnist:Sandal, 7", "fashion-mnist:5,7"),
        ("npz:nowhere/b.npz", "npz:nowhere/b.npz"),
        ("folder,28x32,grey:../birds", "folder,28x32,grey:../birds"),
        ("cifar100coarse", "cifar100-coarse"),
    ],
)
def test_a_dataset_has_one_name(study_file, name, meant):
    """Rows carry that name; whether a path leads anywhere is asked when it is read."""
    assert load_study(study_file, changes=[f"dataset={name}"]).axis("dataset") == (meant,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("patern=S3", r"unknown key 'patern'. Did you mean 'pattern'"),
        ("recipe.epoch=3", r"unknown key 'recipe.epoch'. Did you mean 'recipe.epochs'"),
        ("recipe.epochs=many", r"'recipe.epochs'.*'many'"),
        ("recipe.epochs=true", r"'recipe.epochs' cannot be True"),
        ("recipe.milestones=[5]", r"'recipe.milestones'.*\[5\].*never reached in 5 epochs"),
        ("pattern=[S3,R3]", r"not valid TOML.*quotes"),
        ("recipe.epochs=-1", r"`epochs` of a recipe must be 0 or more, but it is -1"),
        ("recipe.name=quik", r"no recipe 'quik'. Did you mean 'quick'"),
        ("recipe=3", r"'recipe'"),
        ("dataset=fashion-mnst", r"no dataset 'fashion-mnst'. Did you mean 'fashion-mnist'"),
        ("dataset=mnistv8-3-0-1", r"pattern = 'S3', n = 3, target = 0, seed = 1"),
        ("dataset=twoclassmnistv8-10-3-7-0", r"in each of two classes.*n = 10, target = \[3, 7\], seed = 0"),
        ("dataset=twoclassmnistv8-10-3-7-0", r"both at once, call plant\(train, pattern, \[3, 7\], 10, 0\) in Python"),
        ("dataset=mnist:3", r"a part of mnist needs two classes or more"),
        ("dataset=mnist:3,x", r"mnist has no class 'x'\. Its classes are 0, 1, 2"),
        ("dataset=fashion-mnist:5,Sandal", r"class 'Sandal' of fashion-mnist is named twice"),
        ("dataset=npz:", r"'npz:' has no path"),
        ("dataset=folder,big:birds", r"has the option 'big', but the options of folder are a size"),
        ("architecture=mpl", r"no architecture 'mpl'. Did you mean 'mlp'"),
        ("pattern=R4", r"R4"),
        ("pattern=[]", r"'pattern'"),
        ("n=-1", r"'n'.*-1"),
        ("n=three", r"'n'.*'three'"),
        ("n=1.5", r"'n'.*1.5"),
        ("seed=[0, 0]", r"'seed'.*twice"),
        ("how=instead", r"'how'.*'instead'"),
        ("epochs", r"key=value.*'epochs'"),
        ("measure=spurius_score", r"no measure 'spurius_score'. Did you mean 'spurious_score'"),
        ("figure=['scores', 'scores']", r"key 'figure': a figure stands twice in this list: \['scores', 'scores'\]"),
        ("figure=[]", r"'figure': must not be empty"),
        ("grid=3", r"'grid'"),
        ("recipe.optimizer=[]", r"'recipe.optimizer' is an empty list"),
        ("recipe.optimizer=['adam', 'adm']", r"'recipe.optimizer'|`optimizer`.*adm"),
        ("pattern=3", r"'pattern'"),
        ("profiles.quick=3", r"unknown key 'profiles'"),
        ("recipe=paper", r"'recipe' is a table, but it is 'paper'.*recipe.name"),
        ("recipe.learning_rate=-1", r"key 'recipe': `learning_rate` of a recipe must be above 0, but it is -1"),
        ("measure=['accuracy', 'accuracy']", r"'measure'.*twice"),
        ("seed=99999999999999999999", r"'seed'"),
        ("seed=[]", r"'seed': must not be empty"),
        ("weights=yes", r"'weights': must be true or false"),
        ("recipe.epochs='3'", r"'recipe.epochs': must be a number, but it is '3'"),
    ],
)
def test_what_a_study_cannot_have_is_refused_by_name(study_file, change, words):
    with pytest.raises(StudyError, match=words):
        load_study(study_file, changes=[change])


def test_figures_are_one_or_several_and_are_kept_as_before_where_there_is_one(study_file):
    """Folders of earlier versions have one name, without a list."""
    one = load_study(study_file)
    assert (one.figure, one.main_figure) == (("scores",), "scores")
    assert json.loads(one.model_dump_json())["figure"] == "scores"
    several = load_study(study_file, changes=["figure=['accuracy', 'scores']"])
    assert (several.figure, several.main_figure) == (("accuracy", "scores"), "accuracy")
    for study in (one, several):
        assert Study.model_validate_json(study.model_dump_json()) == study.model_copy(update={"origin": ""})


def test_the_sentence_names_the_file(study_file):
    study_file.write_text(TEXT.replace("title", "titel"))
    with pytest.raises(StudyError, match=r"mine\.toml: .*titel|mine\.toml: the key 'title' is missing"):
        load_study(study_file)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("quikstart", "Did you mean 'quickstart'"),
        ("nowhere.toml", "no study file nowhere.toml"),
        (".", "cannot be read"),
    ],
)
def test_a_study_that_is_not_there(name, words):
    with pytest.raises(StudyError, match=words):
        load_study(name)


def test_what_does_not_fit_the_data_is_told_with_file_and_key(study_file, small):
    study_file.write_text(TEXT)
    study = load_study(study_file, changes=["target=77"])
    with pytest.raises(StudyError, match=r"mine\.toml: key 'target': .* 77 is asked for"):
        work_of(study, dict.fromkeys(study.axis("dataset"), small))

    def nowhere(name):
        raise DataNotFoundError(f"{name} is not here.")

    with pytest.raises(StudyError, match=r"mine\.toml: key 'dataset': .* is not here"):
        data_of(study, nowhere)


def test_a_wrong_choice_names_the_nearest(study_file):
    study_file.write_text(TEXT)
    words = r"key 'how': must be 'replace', 'append' or 'relabel', but it is 'replce'\. Did you mean 'replace'\?"
    with pytest.raises(StudyError, match=words):
        load_study(study_file, changes=["how=replce"])


def test_broken_toml_and_an_unknown_profile(study_file):
    with pytest.raises(StudyError, match=r"no profile 'quick' \(it has paper\)"):
        load_study(study_file, "quick")
    study_file.write_text("title = ")
    with pytest.raises(StudyError, match=r"mine.toml is not valid TOML"):
        load_study(study_file)
    study_file.write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(study_file)


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", shipped())
def test_every_shipped_study_can_be_read(name, profile):
    study = load_study(name, profile)
    assert (study.name, study.profile) == (name, profile)
    assert study.title.endswith("?")


def test_sensitivity_stands_for_a_measure_at_each_share(study_file):
    study_file.write_text(TEXT)
    study = load_study(study_file, changes=["figure=accuracy", "measure=['accuracy', 'sensitivity']"])
    assert study.measure[:3] == ("accuracy", "sensitivity_000", "sensitivity_002")
    assert study.measure[-1] == "sensitivity_100"
    assert len(study.measure) == 1 + 51
    alone = load_study(study_file, changes=["figure=sensitivity", "measure=sensitivity"])
    assert alone.measure == study.measure[1:]


def test_the_quick_profile_is_the_default_where_there_is_one(study_file):
    study_file.write_text(TEXT.replace("profiles.paper", "profiles.quick"))
    assert load_study(study_file).axis("n") == (0, 3)


def test_a_list_is_an_axis_of_the_recipe_and_a_list_of_lists_one_of_milestones(study_file):
    study = load_study(study_file, changes=["recipe.optimizer=['adam', 'sgd']", "recipe.milestones=[[2], [1, 3]]"])
    found = {(recipe.optimizer, recipe.milestones) for recipe in recipes(study)}
    assert found == {("adam", (2,)), ("adam", (1, 3)), ("sgd", (2,)), ("sgd", (1, 3))}
    epochs = load_study(study_file, changes=["recipe.name=paper", "recipe.epochs=[7, 14]"])
    assert [recipe.milestones for recipe in recipes(epochs)] == [(4, 5, 6), (8, 10, 12)]


GRIDS = """
[[grid]]
recipe = { weight_decay = [0, 0.5] }
[[grid]]
n = 20
recipe = { clip_norm = ["none", 0.1] }
"""


def test_a_study_of_several_grids_is_their_union(study_file):
    study_file.write_text(TEXT.replace("[profiles.paper]", GRIDS + "[profiles.paper]"))
    study = load_study(study_file)
    one, two = study.grids
    assert ([r.weight_decay for r in one["recipe"]], one["n"]) == ([0.0, 0.5], (0, 3, 10))
    assert ([r.clip_norm for r in two["recipe"]], two["n"]) == ([None, 0.1], (0, 20))
    assert {r.epochs for grid in study.grids for r in grid["recipe"]} == {5}
    assert study.axis("n") == (0, 3, 10, 20)
    changed = load_study(study_file, changes=["n=4", "recipe.weight_decay=0.1"])  # a change holds in every grid
    assert [grid["n"] for grid in changed.grids] == [(0, 4), (0, 4)]
    assert [[r.weight_decay for r in grid["recipe"]] for grid in changed.grids] == [[0.1], [0.1, 0.1]]


def test_the_length_of_training_goes_with_the_named_recipe_in_whatever_order(study_file):
    """A change of name leaves the file's epochs, not its other settings; a change of epochs holds beside both."""
    study_file.write_text(TEXT.replace("epochs = 5", "epochs = 5\noptimizer = ['adam', 'sgd']"))
    for changes in (["recipe.epochs=3", "recipe.name=quick"], ["recipe.name=quick", "recipe.epochs=3"]):
        found = recipes(load_study(study_file, changes=changes))
        assert found == [RECIPES["quick"].but(epochs=3, milestones=(2,), optimizer=name) for name in ("adam", "sgd")]
    assert {r.epochs for r in recipes(load_study(study_file, changes=["recipe.name=quick"]))} == {10}


def test_a_change_holds_in_grids_with_a_recipe_of_their_own(study_file):
    grid = "[[grid]]\nrecipe = { name = 'quick', milestones = [9] }\n[[grid]]\nrecipe.weight_decay = 0.1\n"
    study_file.write_text(TEXT.replace("[profiles.paper]", grid + "[profiles.paper]"))
    one, two = load_study(study_file, changes=["recipe.epochs=7"]).grids
    assert one["recipe"] == (RECIPES["quick"].lasting(7),)
    assert two["recipe"] == (RECIPES["paper"].lasting(7).but(weight_decay=0.1),)
    assert [r.epochs for r in recipes(load_study("quickstart", changes=["recipe.epochs=[3, 5]"]))] == [3, 5]


@pytest.mark.parametrize("field", ["learning_rate", "weight_decay", "input_noise", "clip_norm", "clip_value"])
def test_one_and_one_point_zero_are_one_setting(study_file, field):
    """Also beside other epochs, and after a study was written out and read back: the same key, so the same network."""
    keys = set()
    for value in ("1", "1.0"):
        for length in ([], ["recipe.epochs=4"], ["recipe.epochs=4", "recipe.milestones=[2, 3]"]):
            study = load_study(study_file, changes=[f"recipe.{field}={value}", *length])
            again = Study.model_validate_json(study.model_dump_json())
            found = {training.key("data") for each in (study, again) for training in trainings_of(cells_of(each))}
            assert len(found) == 6  # 3 n x 2 seeds
            keys |= found
    assert len(keys) == 12  # 5 epochs, and 4; the paper's milestones of 4 epochs are 2 and 3


def test_only_keeps_a_part_and_the_control(study_file):
    study_file.write_text(TEXT.replace("[profiles.paper]", GRIDS + "[profiles.paper]").replace('"R3"', '["R3", "S3"]'))
    study = load_study(study_file)
    assert narrowed(study, ["pattern=v8"]).axis("pattern") == ("S3",)
    assert narrowed(study, ["architecture=ce-tor-LargeMLP"]).axis("architecture") == ("mlp",)
    assert [grid["n"] for grid in narrowed(study, ["n=3"]).grids] == [(0, 3)]
    assert [grid["n"] for grid in narrowed(study, ["n=[3, 20]"]).grids] == [(0, 3), (0, 20)]
    (left,) = narrowed(study, ["recipe.weight_decay=0.5"]).grids
    assert [r.weight_decay for r in left["recipe"]] == [0.5]
    for only, words in [
        ("pattern=R1", "this study has R3, S3"),
        ("patern=R3", "Did you mean 'pattern'"),
        ("pattern", "axis=value"),
        ("n=7", "has 0, 3, 10, 20"),
        ("recipe.weight_decay=0.7", "has 0.0, 0.5"),
        ("recipe=3", "no such axis"),
        ("pattern=[]", r"--only pattern=\[\]: the list is empty"),
    ]:
        with pytest.raises(StudyError, match=words):
            narrowed(study, [only])


def test_architectures_alone_need_no_examples(study_file):
    """No data are read for them, so nothing is said of examples that are not there."""
    study = load_study(study_file, changes=["measure=parameters", "figure=parameters"])
    work = work_of(study, data_of(study, pytest.fail))
    [finished] = work.measured_at_once(work.light)
    assert list(finished.values.values()) == [parameter_count(skeleton("mlp", (1, 28, 28), 10))]


def test_a_study_survives_json(study_file):
    study_file.write_text(TEXT.replace("[profiles.paper]", GRIDS + "[profiles.paper]"))
    study = load_study(study_file)
    again = Study.model_validate_json(study.model_dump_json())
    assert again == study.model_copy(update={"origin": ""})  # where it was read is nobody's business later


def test_the_study_in_the_documentation_can_be_read(tmp_path):
    """6 levels, each with 3 clean networks and 2 patterns x 2 n x 3 seeds."""
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text("utf-8")
    path = tmp_path / "documented.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert len(trainings_of(cells_of(load_study(path)))) == 6 * (3 + 2 * 2 * 3)
