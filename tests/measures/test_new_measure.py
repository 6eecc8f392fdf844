"""A new measure is one value in one table, and arrives in studies and in the printed check."""

import pytest
import torch
from torch import nn

from spurlab import check, prepare
from spurlab.measures import MEASURES, ByData, Measure
from spurlab.measures.observed import required
from spurlab.models import seeded
from spurlab.studies import load_study, results_in, run
from spurlab.studies.materials import materials_in
from spurlab.training import Recipe

CHANGES = (
    'seed=[3, 5]', 'n=[0, 40]', 'recipe.epochs=1', 'architecture=small-mlp', 'target=1', 'pattern=R3', 'claims=[]'
)  # fmt: skip


def labels(observed):
    counts = observed.data.test.labels.bincount()
    return {f"test_labels_{label}": float(count) for label, count in enumerate(counts)}


def sizes(observed):
    return {"size_of_training": float(len(observed.data.train)), "size_of_test": float(len(observed.data.test))}


def forgotten(observed):
    deleted = required(observed.deleted)
    return {"known": float(deleted.forget.sum()), "planted": float(deleted.planted.mask.sum())}


NEW = {
    "test_labels": Measure(
        "test examples by label",
        labels,
        numbers=ByData(lambda data: [f"test_labels_{label}" for label in range(data.classes)], r"test_labels_\d"),
        always=lambda architecture: architecture == "small-mlp",
    ),
    "size": Measure("of the data", sizes, needs="pattern", numbers=("size_of_training", "size_of_test")),
    "counts": Measure("of deletion", forgotten, needs="deletion", numbers=("known", "planted")),
    "halves": Measure(
        "of one number",
        lambda observed: {"halves": observed.seed / 2},
        needs="deletion",
        heading="half",
        summary=lambda values: f"{min(values)} to {max(values)}",
    ),
}


@pytest.fixture(autouse=True)
def table(monkeypatch):
    for name, measure in NEW.items():
        monkeypatch.setitem(MEASURES, name, measure)
    monkeypatch.delitem(MEASURES, "relearn_steps")  # takes long


def values(rows, measure):
    return rows[rows["measure"] == measure]["value"].tolist()


def test_measures_of_several_numbers_arrive_in_rows(small, tmp_path):
    study = load_study("quickstart", changes=[*CHANGES, 'measure=["test_labels", "size"]'])
    assert study.measure == ("test_labels", "size_of_training", "size_of_test")
    rows = run(study, tmp_path, workers=0, load=lambda name: small).rows
    assert len(rows) == 4 * (10 + 2)
    assert values(rows, "size_of_training") == [2000.0] * 4
    assert values(rows, "size_of_test") == [500.0] * 4
    for label in range(10):
        assert values(rows, f"test_labels_{label}") == [float((small.test.labels == label).sum())] * 4
    [again] = results_in(tmp_path)
    assert again.rows.equals(rows)


def test_measures_after_a_deletion_arrive_in_rows(small, tmp_path):
    """40 are planted; of them all, or a half, are known."""
    changes = ('deletion=["retrain"]', "known=[1.0, 0.5]", 'measure=["counts", "halves"]', 'figure="deletion"', "n=40")
    study = load_study("quickstart", changes=[*CHANGES, *changes])
    rows = run(study, tmp_path, workers=0, load=lambda name: small).rows
    for known, count in ((1.0, 40), (0.5, 20)):
        part = rows[rows["known"] == known]
        assert values(part, "known") == [count] * 6  # two seeds: before, of the oracle, after
        assert values(part, "planted") == [40] * 6
        assert sorted(values(part, "halves")) == [1.5] * 3 + [2.5] * 3


def test_measures_after_a_deletion_arrive_in_the_printed_check(small):
    def net():
        return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), 0)

    recipe = Recipe(epochs=1, milestones=(), batch_size=100)
    prepared = prepare(
        small, architecture=net, recipe=recipe, n=40, seeds=(3, 5), workers=0, progress=lambda *now: None
    )

    def nothing(model, data, forget):
        return model

    def fails(model, data, forget):
        raise ValueError("no")

    found = check([nothing, fails], prepared, share=0.5, progress=lambda *now: None)
    assert [row["known_after"] for row in found.rows[:2]] == [20, 20]
    heading, before, after, failed, oracles = str(found).splitlines()[3:8]
    assert heading.split()[-5:] == ["marked", "known", "planted", "half", "time"]
    for line in (before, after, oracles):
        assert "  20.000   40.000  1.5 to 2.5" in line
    assert failed.split()[1:] == ["-"] * 11 + ["failed"]
    assert list(found.checked[0].judged.after)[-3:] == ["known", "planted", "halves"]


def test_a_measure_refuses_a_network_with_its_reason(small, tmp_path, monkeypatch):
    def refuses(network, architecture):
        raise ValueError(f"{architecture} has {sum(1 for _ in network.parameters())} tensors")

    monkeypatch.setitem(MEASURES, "size", Measure("of the data", sizes, check_network=refuses))
    study = load_study("quickstart", changes=[*CHANGES, "measure=size"])
    with pytest.raises(ValueError, match=r"key 'architecture', on fashion-mini: small-mlp has \d tensors"):
        run(study, tmp_path, workers=0, load=lambda name: small)


def test_a_name_and_a_seed_are_one_pattern(small, tmp_path):
    """What is measured with a pattern is kept by the object."""
    materials = materials_in(tmp_path, small)
    assert materials.pattern("R3", 3) is materials.pattern("R3", 3)
    assert not torch.equal(materials.pattern("R3", 3).offset, materials.pattern("R3", 5).offset)
