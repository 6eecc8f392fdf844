"""The axis `draw`: networks of several seeds under one draw of a random pattern, and of one seed under several."""

import json

import pytest

from spurlab.measures.observed import predictions
from spurlab.metrics import spurious_score
from spurlab.models import build
from spurlab.patterns import make_pattern
from spurlab.studies import Study, StudyError, cells_of, load_study, narrowed, plan, results_in, trainings_of, work_of
from spurlab.studies.graph import from_json
from spurlab.studies.training_sets import planted

NOISE = ("pattern=R3", "recipe.epochs=1")


@pytest.fixture(scope="module")
def study(study_of):
    """Draws 3 and 7 of the seeds 3 and 5: the networks of seed 3 with draw 3 are those that there always were."""
    return study_of(*NOISE, "draw=[3, 7]", "weights=true")


@pytest.fixture(scope="module")
def result(study, ran, tmp_path_factory):
    return ran(study, tmp_path_factory.mktemp("draws"))


def test_networks_that_a_draw_does_not_change_are_those_of_before(study, study_of):
    """By key: the controls, and the draw that a seed has anyway."""
    before, now = (trainings_of(cells_of(each)) for each in (study_of(*NOISE), study))
    assert len(before) == 2 + 2
    assert len(now) == 2 + 4  # two controls for both draws
    shared = set(before) & set(now)
    assert {(each.n, each.seed) for each in shared} == {(0, 3), (0, 5), (40, 3)}
    new = set(now) - shared
    assert {(each.seed, each.extras) for each in new} == {
        (3, (("draw", 7),)), (5, (("draw", 3),)), (5, (("draw", 7),)),
    }  # fmt: skip
    assert len({each.key("data") for each in {*before, *now}}) == 7
    for each in new:
        assert from_json(json.loads(json.dumps(each.as_json()))) == each


def test_a_pattern_that_is_not_random_has_no_draws(study_of):
    """Each draw of a box would be the same network, and the draw's share of the variance 0 for no reason."""
    for patterns in ("S3", '["R3", "S3"]'):
        with pytest.raises(StudyError, match=r"key 'draw': S3 is the same whatever it says.*a grid of their own"):
            study_of(f"pattern={patterns}", "draw=[3, 7]")
    own = study_of("pattern=S3", "draw=own")
    assert own.grids[0]["draw"] == (None,)
    folder = own.model_copy(update={"grids": (own.grids[0].only("draw", (3, 7)),)}).model_dump_json()
    assert Study.model_validate_json(folder).grids[0]["draw"] == (3, 7), "a folder from before cannot be read"


def test_a_draw_changes_the_mark_and_not_who_has_it(study, small):
    """The marked rows are those of the seed, and the pattern that of the draw."""
    trained = {(each.seed, dict(each.extras).get("draw")): each for each in trainings_of(cells_of(study)) if each.n}
    pattern = make_pattern("R3", small.shape, 7)
    sets = {place: planted(small, training) for place, training in trained.items()}
    assert sets[3, 7].rows.equal(sets[3, None].rows)
    assert not sets[3, 7].rows.equal(sets[5, 7].rows)
    for seed in (3, 5):
        assert sets[seed, 7].inputs.equal(pattern(small.train.inputs[sets[seed, 7].rows]))


def test_every_network_is_measured_with_its_draw(result, small):
    """Each score by hand, from the weights that were kept; of a control one for each draw."""
    scores = result.rows[result.rows["measure"] == "spurious_score"]
    assert len(scores) == 2 * 2 * 2
    assert scores[scores["n"] == 0]["training"].nunique() == 2
    for row in scores.itertuples():
        network = build("small-mlp", small.shape, small.classes, 0).eval()
        network.load_state_dict(result.weights(row.training))
        inputs, pattern = small.test.inputs, make_pattern("R3", small.shape, int(row.draw))
        sides = (predictions(network, each) for each in (inputs, pattern(inputs)))
        assert spurious_score(*sides, target=1).item() == row.value, (row.n, row.seed, row.draw)
    assert scores["value"].nunique() > 4


def test_rows_are_read_back_with_their_draw_and_nothing_is_made_again(result, study, small):
    [again] = results_in(result.folder)
    assert again.rows.equals(result.rows)
    assert again.study.grids == study.grids
    planned = plan(study, result.folder, workers=0, load=lambda name: small, calibrate=False)
    assert (planned.to_do, planned.to_measure) == (0, 0)


def test_own_and_other_draws_stand_in_one_study(study_of, ran, small, tmp_path):
    """`own` has no number: in rows it is missing, in JSON null, on the command line its name."""
    study = study_of(*NOISE, "draw=['own', 7]", "seed=3")
    assert study.grids[0]["draw"] == (None, 7)
    own, other = (narrowed(study, [f"draw={word}"]) for word in ("own", 7))
    assert trainings_of(cells_of(own)) == trainings_of(cells_of(study_of(*NOISE, "seed=3")))
    assert {dict(cell.extras).get("draw") for cell in cells_of(other)} == {7}
    assert json.loads(study.model_dump_json())["grids"][0]["draw"] == [None, 7]
    result = ran(study, tmp_path)
    rows = result.rows
    assert set(rows["draw"].dropna()) == {7}
    assert rows["draw"].isna().sum() == len(rows) / 2
    [again] = results_in(tmp_path)
    assert again.study.grids == study.grids
    assert again.rows.equals(rows)
    assert all(path.is_file() for path in result.write())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("draw=-1", "key 'draw': must be greater than or equal to 0, but it is -1"),
        ("draw=1.5", "key 'draw': must be a whole number, but it is 1.5"),
        ("draw=mine", "key 'draw': must be a whole number, but it is 'mine'. It may also be 'own'"),
        ("draw=[2, 2]", r"key 'draw': a value stands twice on this axis: \[2, 2\]"),
        ("draw=[]", "key 'draw': must not be empty"),
    ],
)
def test_a_value_that_is_no_draw_is_refused(change, words, study_of):
    with pytest.raises(ValueError, match=words):
        study_of(*NOISE, change)


def test_a_draw_that_a_study_has_not_is_told_with_those_that_it_has(study_of):
    with pytest.raises(ValueError, match=r"--only draw=4: this study has own, 7 there\."):
        narrowed(study_of(*NOISE, "draw=['own', 7]"), ["draw=4"])


def test_norms_are_of_the_draw(study_of, ran, small, tmp_path):
    """Whatever the seed: the l2 distance between marked and clean test images, by hand."""
    rows = ran(study_of("pattern=R3", "n=0", "draw=[3, 7]", "measure=empirical_norm", "figure=gallery"), tmp_path).rows
    for draw, norms in rows.groupby("draw")["value"]:
        inputs, pattern = small.test.inputs.double(), make_pattern("R3", small.shape, int(draw))
        distance = (pattern(small.test.inputs).double() - inputs).flatten(1).norm(dim=1).mean().item()
        assert norms.tolist() == pytest.approx([distance] * 2, rel=1e-6)


def test_oracles_are_shared_by_all_draws_and_measured_with_each(ran, small, tmp_path):
    """An oracle has seen no mark, so it is one network; its score is that of the draw that was deleted."""
    study = load_study(
        "fig6-deletion",
        changes=["dataset=fashion-mini", "architecture=small-mlp", "pattern=R3", "n=[20]", "seed=5",
                 "recipe.epochs=1", "draw=[3, 7]", "deletion=retrain", "target=0",
                 "measure=['spurious_score', 'accuracy']"],
    )  # fmt: skip
    trainings = trainings_of(cells_of(study))
    [oracle] = [each for each in trainings if each.without]
    assert (oracle.extras, len(trainings)) == ((), 3)
    treatments = work_of(study, {"fashion-mini": small}).treatments
    assert len(treatments) == 3 * 2  # none, oracle and retrain of two networks
    result = ran(study, tmp_path)
    scores = result.rows[(result.rows["measure"] == "spurious_score") & (result.rows["deletion"] == "oracle")]
    network = build("small-mlp", small.shape, small.classes, 0).eval()
    network.load_state_dict(result.weights(oracle.key(small.checksum)))
    for row in scores.itertuples():
        inputs, pattern = small.test.inputs, make_pattern("R3", small.shape, int(row.draw))
        sides = (predictions(network, each) for each in (inputs, pattern(inputs)))
        assert spurious_score(*sides, target=0).item() == row.value, row.draw
    assert len(scores) == 2
