"""Studies of common features: what is trained for them, what the numbers are, and what a method that fails leaves."""

import json
import math

import numpy as np
import pytest
import torch

from spurlab.data import load
from spurlab.measures import observed
from spurlab.metrics import accuracy, worst_group_accuracy
from spurlab.patterns import ClassBlocks, Common, plant
from spurlab.prevention import prevention_named
from spurlab.seeds import rng_for
from spurlab.studies import Room, StudyError, cells_of, load_study, run, trainings_of, work_of
from spurlab.studies.graph import Train, Treat, from_json
from spurlab.studies.measuring import Measuring
from spurlab.studies.task import Task
from spurlab.studies.training_sets import clean_examples, grouped, held_out, planted
from spurlab.training import Member, fit, predictions

CHANGES = [
    "architecture=table-mlp", "recipe.epochs=2", "seed=[3, 5]", 'prevention=["dfr-plain", "afr-train gamma=2"]',
    'measure=["accuracy", "worst_group", "group_accuracy", "train_accuracy"]', "claims=[]",
]  # fmt: skip


def study_of(*changes):
    return load_study("quinn", changes=[*CHANGES, *changes])


@pytest.fixture(scope="module")
def data():
    return load("mnist1d")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(study_of(), tmp_path_factory.mktemp("quinn"), workers=0)


def trained(share=0.9, seed=3):
    """The network of this seed that was trained with a share of the feature."""
    return next(each for each in trainings_of(cells_of(study_of())) if each.share == share and each.seed == seed)


def test_what_is_trained_and_done():
    """Two seeds, with and without the feature: four networks; each as it is, and two methods on those with it."""
    cells = cells_of(study_of())
    assert len(trainings_of(cells)) == 4
    assert {training.share for training in trainings_of(cells)} == {None, 0.9}
    done = [(cell.share, cell.prevention) for cell in cells if cell.seed == 3]
    assert done == [(0.0, "erm"), (0.9, "erm"), (0.9, "dfr-plain"), (0.9, "afr-train gamma=2")]


def test_the_numbers_are_those_of_the_parts_put_together_by_hand(result, data, number):
    """The network with the feature, trained by `fit`, and what DFR makes of it on a quarter of the clean signals."""
    recipe = study_of().grids[0]["recipe"][0]
    marked = plant(data.train, ClassBlocks(), Common(0.9), seed=3)
    network = fit("table-mlp", [Member(marked, 3)], recipe, classes=10, workers=0).member(0)
    training = trained()
    clean = clean_examples(data, training, 0.25)
    assert len(clean) == 1000
    after = prevention_named("dfr-plain", recipe, 3)(network, grouped(marked, training), clean)
    for name, net in (("erm", network), ("dfr-plain", after)):
        said = predictions(net.eval(), data.test.inputs)
        where = {"seed": 3, "share": 0.9, "prevention": name}
        assert number(result.rows, "accuracy", **where) == pytest.approx(accuracy(said, data.test.labels).item())
        worst = worst_group_accuracy(said, data.test.labels, data.test.labels, 10).item()
        assert number(result.rows, "worst_group", **where) == pytest.approx(worst)
        each = [number(result.rows, f"group_accuracy_{label:02d}", **where) for label in range(10)]
        assert min(each) == pytest.approx(worst)
    own = marked.materialize()
    expected = accuracy(predictions(network.eval(), own.inputs), own.labels).item()
    assert number(result.rows, "train_accuracy", seed=3, share=0.9, prevention="erm") == pytest.approx(expected)


def test_clean_examples_are_unmarked_and_nested(data):
    training = trained()
    few, more = (clean_examples(data, training, share) for share in (0.1, 0.25))
    assert torch.equal(few.inputs, more.inputs[: len(few)])
    base = {tuple(row) for row in data.train.inputs[:, :3].tolist()}
    assert {tuple(row) for row in more.inputs[:, :3].tolist()} <= base
    assert torch.equal(more.groups, 2 * more.labels)


def test_groups_tell_label_and_mark(data):
    training = trained()
    marked = planted(data, training)
    examples = grouped(marked, training)
    assert torch.equal(examples.groups // 2, examples.labels)
    assert torch.equal(examples.groups % 2 == 1, marked.mask)
    assert int(marked.mask.sum()) == 3600


def test_without_a_planted_feature_clean_examples_are_held_out(tmp_path, data):
    """They were not trained on, and training and clean examples together are all."""
    study = study_of("pattern=[]", "share=[]", 'prevention="dfr"', "seed=3", 'measure=["accuracy", "worst_group"]')
    [training] = trainings_of(cells_of(study))
    assert training.held_out == 0.25
    mask = held_out(data, training)
    assert int(mask.sum()) == 1000
    trained_on = planted(data, training).materialize()
    clean = clean_examples(data, training, 0.25)
    assert torch.equal(clean.inputs, data.train.inputs[mask])
    assert torch.equal(trained_on.inputs, data.train.inputs[~mask])
    rows = run(study, tmp_path, workers=0).rows
    assert set(rows["prevention"]) == {"erm", "dfr"}


def test_a_share_of_none_is_the_network_of_other_studies():
    """Without the feature there is nothing of it in the key."""
    base = trained(share=None)
    assert base == Train(base.setting, None, None, 0, base.seed)


def test_keys_and_json():
    marked = trained()
    others = [marked._replace(**change) for change in ({"share": 0.5}, {"held_out": 0.2}, {"pattern": "blocks-signal"})]
    assert len({each.key("data") for each in (marked, *others)}) == 4
    assert all(from_json(json.loads(json.dumps(each.as_json()))) == each for each in (marked, *others))
    repair = Treat("prevention", marked, "dfr", 0.25)
    changed = [repair._replace(method="afr"), repair._replace(amount=0.5), repair._replace(training=others[0])]
    assert len({each.key("data") for each in (repair, *changed)}) == 4
    task = Task((repair, *changed[:2]), ((), (), ()), "data", "folder")
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task


def test_a_refit_is_little_work_beside_a_training(tmp_path, data):
    """Two epochs for what trains a network, one for a refit; the tasks of one network keep them apart."""
    methods = ["dfr", "afr", "afr-train gamma=2", "afr gamma=2", "group-dro", "dfr-plain"]
    study = study_of("seed=[3]", f"prevention={json.dumps(methods)}")
    tasks = work_of(study, {"mnist1d": data}).phases(Room(1, 10**10), tmp_path)[1]
    marked = [task for task in tasks if task.nodes[0].training.share]
    assert {task.work // len(task.nodes): {each.method for each in task.nodes} for task in marked} == {
        1: {"erm", "dfr", "afr-train gamma=2", "dfr-plain"},
        2: {"afr", "afr gamma=2", "group-dro"},
    }
    own = marked[0].nodes[0]._replace(method="own.module:method")
    assert Task((own,), ((),), "data", "folder", keys=("a",)).work == 2


def test_a_method_that_fails_is_a_row_with_its_reason(tmp_path):
    """With 0.1 % of the signals, four, DFR has no clean example of most classes; the other method goes on."""
    study = study_of("seed=[3]", "clean=0.001", 'prevention=["dfr-plain", "afr-train"]')
    rows = run(study, tmp_path, workers=0).rows
    failed = rows[rows["prevention"] == "dfr-plain"]
    assert failed["value"].isna().all()
    assert failed["failed"].str.contains("Give clean examples of every class").all()
    assert rows.loc[rows["prevention"] == "afr-train", "value"].notna().all()


def test_a_fault_of_ours_is_no_methods_failure(tmp_path, monkeypatch):
    """The network as it was trained is measured before; what DFR makes of it has no code of the user's either."""
    measured = []

    class Broken(Measuring):
        def numbers(self, *asked):
            measured.append(asked)
            return super().numbers(*asked) if len(measured) == 1 else 1 / 0

    monkeypatch.setattr("spurlab.studies.treating.Measuring", Broken)
    with pytest.raises(ZeroDivisionError):
        run(study_of("seed=[3]", "recipe.epochs=1", 'prevention="dfr-plain"'), tmp_path, workers=0)
    assert len(measured) == 2


def test_afr_of_several_settings_trains_one_first_stage(tmp_path, monkeypatch):
    from spurlab.prevention import Afr

    counted = []
    real = Afr.first_stage
    monkeypatch.setattr(Afr, "first_stage", lambda self, *rest: (counted.append(self.gamma), real(self, *rest))[1])
    changes = ["seed=[3]", 'prevention=["afr gamma=1", "afr gamma=2", "afr-train"]', "recipe.epochs=1"]
    study = study_of(*changes, "figure=repairs")  # without maps, for which afr-train is fitted again
    rows = run(study, tmp_path, workers=0).rows
    assert len(counted) == 2
    assert not rows["value"].isna().any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("share=[]", "how many of the training examples have 'blocks'"),
        ("share=1.5", "key 'share': must be less than or equal to 1"),
        ("clean=0", "key 'clean': must be greater than 0"),
        ("pattern=R3", "it belongs to a common feature"),
        ("n=3", "is a common feature, of which the training examples have a share"),
        ('prevention="dfrr"', "there is no prevention method 'dfrr'. Did you mean 'dfr'"),
        ('prevention="afr gama=2"', "'afr' has no setting 'gama'. Did you mean 'gamma'"),
        ('prevention=["afr gamma=2", "afr gamma=2.0"]', "a value stands twice"),
        ('measure=["spurious_score"]', "needs a rare pattern"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    with pytest.raises(StudyError, match=sentence.replace("(", r"\(")):
        study_of(change)


def test_blocks_need_signals(tmp_path):
    with pytest.raises(StudyError, match=r"the mark .blocks. is for signals, but the inputs are of shape"):
        run(study_of("dataset=fashion-mini"), tmp_path, workers=0)


def test_what_a_network_says_of_its_training_set_is_asked_once(tmp_path, monkeypatch):
    """Four measures of it, of two networks: one look at the training signals of each, and one at the test signals."""
    asked = []
    monkeypatch.setattr(
        observed, "predictions", lambda network, inputs: (asked.append(len(inputs)), predictions(network, inputs))[1]
    )
    names = ["train_accuracy", "true_probability_001", "true_probability_01", "true_probability_10"]
    changes = ("seed=[3]", "prevention=[]", "recipe.epochs=1", f"measure={['accuracy', 'worst_group', *names]}")
    rows = run(study_of(*changes), tmp_path, workers=0).rows
    assert not rows["value"].isna().any()
    assert sorted(asked) == [1000, 1000, 4000, 4000]


def test_what_reweighting_sees(tmp_path, data, number):
    """AFR's formula written out again, on the training signals and on test signals that get the feature by hand.

    The value of a class is the same in both, and the share as well; without the feature all of the weight is on signals
    that lack it.
    """
    names = ["minority_weight", "fresh_minority_weight", "true_probability_10", "fresh_probability_10"]
    study = study_of("seed=[3]", "share=0.8", "prevention=[]", f"measure={['accuracy', 'worst_group', *names]}")
    rows = run(study, tmp_path, workers=0).rows
    recipe = study.grids[0]["recipe"][0]
    spoiled, fresh = (plant(part, ClassBlocks(), Common(0.8), seed=3) for part in (data.train, data.test))
    network = fit("table-mlp", [Member(spoiled, 3)], recipe, classes=10, workers=0).member(0).eval()
    for prefix, marked, clean in (("", spoiled, data.train), ("fresh_", fresh, data.test)):
        examples = marked.materialize()
        has = (examples.inputs != clean.inputs).any(1)
        assert int(has.sum()) == round(0.8 * len(clean))
        p = network(examples.inputs).softmax(1).detach().double().numpy()[range(len(clean)), examples.labels.numpy()]
        raw = [math.exp(-4 * each) / int((clean.labels == y).sum()) for each, y in zip(p, clean.labels, strict=True)]
        minority = sum(each for each, marked in zip(raw, has.tolist(), strict=True) if not marked) / sum(raw)
        assert number(rows, f"{prefix}minority_weight", share=0.8) == pytest.approx(minority, rel=1e-4)
        quantile = "true_probability_10" if not prefix else "fresh_probability_10"
        assert number(rows, quantile, share=0.8) == pytest.approx(np.quantile(p, 0.1), rel=1e-4)
        assert number(rows, f"{prefix}minority_weight", share=0.0) == pytest.approx(1)
    values = [(each.inputs - other.inputs).amax(1) for each, other in (
        (spoiled.materialize(), data.train), (fresh.materialize(), data.test)
    )]  # fmt: skip
    for k in range(10):
        ours, theirs = (v[(d.labels == k) & (v > 0)] for v, d in zip(values, (data.train, data.test), strict=True))
        assert ours.mean().item() == pytest.approx(theirs.mean().item(), rel=1e-5)


def test_saliency_on_the_block_by_autograd(tmp_path, data, number):
    """The test signals get the values that the network was trained with; 500 of 1,000 are looked at.

    The share of one signal has a standard deviation of at most .5, and half of the signals are drawn: the means differ
    by more than .07 with odds below 1e-5.
    """
    study = study_of("seed=[3]", "prevention=[]", "measure=['accuracy', 'worst_group', 'block_saliency']")
    rows = run(study, tmp_path, workers=0).rows
    recipe, feature = study.grids[0]["recipe"][0], ClassBlocks()
    trained = fit(
        "table-mlp", [Member(plant(data.train, feature, Common(0.9), seed=3), 3)], recipe, classes=10, workers=0
    )
    network = trained.member(0).eval()
    inputs = plant(data.test, feature, Common(1.0), seed=3).materialize().inputs.requires_grad_()
    network(inputs).gather(1, data.test.labels.unsqueeze(1)).sum().backward()
    size = inputs.grad.abs()
    on = torch.stack([size[i, 4 * label : 4 * label + 5].sum() for i, label in enumerate(data.test.labels.tolist())])
    shares = on / size.sum(1)
    chosen = torch.randperm(1000, generator=rng_for(3, "block saliency"))[:500]
    said = number(rows, "block_saliency", share=0.9)
    assert said == pytest.approx(shares[chosen].mean().item(), rel=1e-4)
    assert said == pytest.approx(shares.mean().item(), abs=0.07)


def test_a_method_that_works_in_place_spoils_no_other(tmp_path, monkeypatch, number):
    """One zeroes all it is given, and the next, which does nothing, leaves the network as it was trained."""
    module = tmp_path / "inplace_methods.py"
    module.write_text(
        "def zero(model, data, clean):\n"
        "    for parameter in model.parameters():\n"
        "        parameter.data.zero_()\n"
        "    data.inputs.zero_()\n"
        "    clean.inputs.zero_()\n"
        "    return model\n"
        "def nothing(model, data, clean):\n"
        "    return model\n"
        "def lost(model, data, clean):\n"
        "    return None\n"
        "def leaves(model, data, clean):\n"
        "    raise SystemExit(3)\n"
        "def fewer(model, data, clean):\n"
        "    import torch\n"
        "    return torch.nn.Linear(40, 2)\n"
        "def later(model, data, clean):\n"
        "    def ends(network, inputs):\n"
        "        if len(inputs[0]) > 1:\n"
        "            raise SystemExit(4)\n"
        "    model.register_forward_pre_hook(ends)\n"
        "    return model\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    names = [f"inplace_methods:{name}" for name in ("zero", "nothing", "lost", "leaves", "fewer", "later")]
    rows = run(study_of("seed=[3]", f"prevention={names}", "recipe.epochs=1"), tmp_path / "out", workers=0).rows
    zero, nothing, plain = (number(rows, "accuracy", share=0.9, prevention=name) for name in (*names[:2], "erm"))
    assert nothing == plain
    assert zero != plain
    returned = "must return a network, an nn.Module, but it returned None"
    reasons = returned, "SystemExit: 3", "one logit for each class", "SystemExit: 4"
    for name, reason in zip(names[2:], reasons, strict=True):
        failed = rows.loc[rows["prevention"] == name, "failed"]
        assert failed.str.contains(reason).all()
