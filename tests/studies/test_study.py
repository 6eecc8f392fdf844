"""Study files: what is read, what is overridden, and what is refused before anything is trained."""

import pytest

from spurlab.studies import StudyError, load_study, shipped
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
[profiles.quick]
n = 3
recipe.epochs = 2
recipe.milestones = [1]
"""


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


def test_a_file_says_it_all(study_file):
    """Scalars are axes of one value; the control joins the grid; the recipe is the named one with its changes."""
    study = load_study(study_file)
    assert (study.pattern, study.target, study.n, study.seed) == (("R3",), (0,), (0, 3, 10), (0, 1))
    assert study.recipe.recipe == RECIPES["paper"].but(epochs=5, milestones=(3,))


def test_a_profile_overrides_and_a_change_overrides_the_profile(study_file):
    study = load_study(study_file, "quick", ["recipe.epochs=4", "n=[0, 7]", "dataset=mnist", "pattern=v8"])
    assert study.recipe.recipe == RECIPES["paper"].but(epochs=4, milestones=(2,))
    assert (study.n, study.dataset, study.pattern) == ((0, 7), "mnist", ("S3",))


def test_another_recipe_comes_without_the_changes_to_the_first(study_file):
    study = load_study(study_file, changes=["recipe.name=quick", "recipe.epochs=5"])
    assert study.recipe.recipe == RECIPES["quick"].but(epochs=5, milestones=(3, 4))


def test_names_of_the_papers_code_are_translated(study_file):
    study = load_study(study_file, changes=["dataset=fashion", "architecture=ce-tor-LargeMLP"])
    assert (study.dataset, study.architecture) == ("fashion-mnist", "large-mlp")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("patern=S3", r"unknown key 'patern'. Did you mean 'pattern'"),
        ("recipe.epoch=3", r"unknown key 'recipe.epoch'. Did you mean 'recipe.epochs'"),
        ("recipe.epochs=many", r"'recipe.epochs'.*'many'"),
        ("recipe.epochs=true", r"'recipe.epochs' cannot be True"),
        ("recipe.milestones=[5]", r"'recipe.milestones'.*\[5\].*never reached in 5 epochs"),
        ("pattern=[S3,R3]", r"not valid TOML.*quotes"),
        ("recipe.epochs=-1", r"`epochs` of a recipe cannot be -1"),
        ("recipe.name=quik", r"no recipe 'quik'. Did you mean 'quick'"),
        ("recipe=3", r"'recipe'"),
        ("dataset=fashion-mnst", r"no dataset 'fashion-mnst'. Did you mean 'fashion-mnist'"),
        ("dataset=mnistv8-3-0-1", r"pattern = 'S3', n = 3, target = 0, seed = 1"),
        ("architecture=mpl", r"no architecture 'mpl'. Did you mean 'mlp'"),
        ("pattern=R4", r"R4"),
        ("pattern=[]", r"'pattern'"),
        ("n=-1", r"'n'.*-1"),
        ("n=three", r"'n'.*'three'"),
        ("n=1.5", r"'n'.*1.5"),
        ("seed=[0, 0]", r"'seed'.*twice"),
        ("how=instead", r"'how'.*'instead'"),
        ("epochs", r"key=value.*'epochs'"),
    ],
)
def test_what_a_study_cannot_have_is_refused_by_name(study_file, change, words):
    with pytest.raises(StudyError, match=words):
        load_study(study_file, changes=[change])


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


def test_broken_toml_and_an_unknown_profile(study_file):
    with pytest.raises(StudyError, match=r"no profile 'paper' \(it has quick\)"):
        load_study(study_file, "paper")
    study_file.write_text("title = ")
    with pytest.raises(StudyError, match=r"mine.toml is not valid TOML"):
        load_study(study_file)
    study_file.write_bytes(b"\xff\xfe")
    with pytest.raises(StudyError, match="cannot be read"):
        load_study(study_file)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_study_can_be_read(name):
    assert load_study(name).title
