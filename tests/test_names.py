"""Names that are read from the source are those of the tables, and nothing heavy is imported for them."""

import subprocess
import sys
from dataclasses import fields

import pytest

from spurlab import names, plugins, study_files
from spurlab.claims import CLAIMS
from spurlab.data import DATASETS
from spurlab.deletion import DELETIONS
from spurlab.measures import MEASURES
from spurlab.models import ARCHITECTURES
from spurlab.patterns import MARKS
from spurlab.prevention import PREVENTIONS
from spurlab.privacy import ATTACKS
from spurlab.privacy.extraction import EXTRACTIONS
from spurlab.report import VIEWS
from spurlab.studies import EXECUTORS, Study, StudyError, load_study
from spurlab.studies.axes import axis_names
from spurlab.training import Recipe

TABLES = {
    "datasets": DATASETS,
    "patterns": MARKS,
    "models": ARCHITECTURES,
    "deletion": DELETIONS,
    "prevention": PREVENTIONS,
    "attacks": ATTACKS,
    "extractions": EXTRACTIONS,
    "executors": EXECUTORS,
    "measures": MEASURES,
    "figures": VIEWS,
    "claims": CLAIMS,
}


def test_names_are_those_of_the_tables():
    found = names.of_everything()
    assert set(found) == {"studies", *TABLES}
    assert "quickstart" in found["studies"]
    own = {kind: [str(name) for name in table.own] for kind, table in TABLES.items()}
    in_order = {"measures": sorted}  # those of extractions stand elsewhere
    assert all(in_order.get(kind, list)(found[kind]) == in_order.get(kind, list)(own[kind]) for kind in TABLES)
    assert {kind: where.plugins for kind, where in names.TABLES.items()} == {k: t.kind for k, t in TABLES.items()}
    assert {table.kind for table in TABLES.values()} == {"", *plugins.KINDS}


def test_keys_are_those_of_a_study():
    assert names.axes() == axis_names()
    assert set(names.study_keys()) == set(Study.model_fields) - set(names.MADE)
    assert names.recipe_keys() == ["name", *(field.name for field in fields(Recipe))]


@pytest.mark.parametrize("arguments", [("list",), ("run", "quikstart"), ("plan", "quickstart", "--set", "sede=0")])
def test_what_is_told_from_names_alone_waits_for_nothing(arguments):
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "spurlab", *arguments], capture_output=True, text=True, check=False
    )
    assert said.returncode == (0 if arguments == ("list",) else 2)
    imported = {line.rsplit("|", 1)[-1].strip() for line in said.stderr.splitlines()}
    assert "spurlab.names" in imported
    heavy = {"torch", "numpy", "pandas", "scipy", "sklearn"}
    assert imported & heavy == set()


@pytest.mark.parametrize(
    ("name", "profile", "changes", "words"),
    [
        ("quikstart", None, (), "no study 'quikstart'. Did you mean 'quickstart'"),
        ("quickstart", "papr", (), "has no profile 'papr'"),
        ("quickstart", None, ("recipe.epoch=3",), "unknown key 'recipe.epoch'. Did you mean 'recipe.epochs'"),
        ("quickstart", None, ("sede=0",), "unknown key 'sede'. Did you mean 'seed'"),
        ("quickstart", None, ("n=[0",), "is not valid TOML"),
        ("{folder}/none.toml", None, (), "there is no study file"),
        ("{folder}/broken.toml", None, (), "is not valid TOML"),
        ("{folder}/keys.toml", None, (), "unknown key 'datset'. Did you mean 'dataset'"),
        ("{folder}/grids.toml", None, (), "unknown key 'recipe.epoch'. Did you mean 'recipe.epochs'"),
    ],
)
def test_a_mistake_is_told_in_the_words_of_whoever_reads_it_whole(tmp_path, name, profile, changes, words):
    (tmp_path / "broken.toml").write_text("title = ")
    (tmp_path / "keys.toml").write_text('title = "x"\ndatset = "mnist"\n')
    start = 'title = "x"\ndataset = "fashion-mini"\narchitecture = "mlp"\n'
    (tmp_path / "grids.toml").write_text(f"{start}[[grid]]\nrecipe = {{ epoch = 3 }}\n")
    name = name.format(folder=tmp_path)
    told = []
    for check in (study_files.check, load_study):
        with pytest.raises(StudyError) as error:
            check(name, profile, changes)
        told.append(str(error.value))
    assert told[0] == told[1]
    assert words in told[0]


@pytest.mark.parametrize("name", names.studies())
def test_shipped_studies_pass(name):
    study_files.check(name, None, ())
    study_files.check(name, None, ("recipe.epochs=3", "n=[0, 3]"))
