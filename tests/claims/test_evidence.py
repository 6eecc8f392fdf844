"""Which rows count for a claim, and what is said where there are none."""

import dataclasses
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from claim_answers import beside, kinds, outcomes, part, verdict
from claim_rows import (
    FLAT,
    HIGH,
    LEARNT,
    LOW,
    MLPS,
    QUICK,
    RESNETS,
    SGD,
    accuracies,
    again,
    bars_of,
    deletions,
    figure3,
    frame,
    grid,
    higher_when_random,
    quinn,
    six,
)

from spurlab.claims import CLAIMS, check, decide
from spurlab.claims.evidence import PATTERNS, Evidence, LeftOut, Seeds
from spurlab.claims.judge import best_of
from spurlab.claims.question import Question
from spurlab.cli import main
from spurlab.stats import Share
from spurlab.studies import StudyError, load_study
from spurlab.studies.axes import OF_TRAINING, Axis
from spurlab.training import Recipe


@pytest.mark.parametrize("number", CLAIMS)
@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame(),
        pd.DataFrame({"measure": ["spurious_score"], "value": ["?"]}),
        pd.DataFrame({"value": [0.5], "n": [3]}),
        frame({("R3", 0, 3): [math.nan] * 5, ("R3", 0, 0): [math.inf] * 5}),
        frame({(p, t, n): [0.5] for p in PATTERNS for t in (0, 1) for n in (0, 3, 10)}),
        frame({(p, t, n): HIGH for p in PATTERNS for t in (0, 1) for n in (0, 3)}).drop(columns=["architecture"]),
        frame(LEARNT).assign(milestones=[[4, 5]] * 10, machine=None),
        frame({(p, 0, n): [math.nan] * 5 for p in PATTERNS for n in (0, 3, 10)}, measure="accuracy"),
    ],
    ids=["empty", "text", "few columns", "diverged", "one seed", "no architecture", "lists", "only accuracy"],
)
def test_rows_that_cannot_decide_leave_undecided(number, rows):
    answer = verdict(number, rows)
    assert answer.outcome in ("undecided", "not tested", "not tested as published")
    assert kinds(answer) <= {"undecided", "not tested"}
    assert answer.finding
    assert all(part.finding for part in answer.parts)
    json.dumps(answer.record())


def test_every_claim_says_what_it_is_and_what_to_run():
    answers = decide(pd.DataFrame())
    assert [answer.claim.number for answer in answers] == [*range(1, 21)]
    for answer in answers:
        claim = answer.claim
        assert all((claim.statement, claim.source, claim.statistic, claim.test))
        assert answer.models == 0
        assert answer.outcome == "not tested"
        assert all((part.outcome, part.question.kind) == ("not tested", "absent") for part in answer.parts)
        assert all(part.question.wanted for part in answer.parts)
    with pytest.raises(ValueError, match="no claim 99"):
        decide(pd.DataFrame(), [99])


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_study_that_names_no_claim_is_refused(command, tmp_path, capsys):
    """Studies do not know the claims: whoever loads one for its verdicts asks this room."""
    study = load_study("quickstart", changes=["claims=[1, 77]"])
    sentence = r"study 'quickstart': key 'claims': there is no claim 77\. There are: 1, .*, 20\."
    with pytest.raises(StudyError, match=sentence):
        check(study)
    with pytest.raises(SystemExit) as stop:
        main([command, "quickstart", "--set", "claims=[1, 77]", "--out", str(tmp_path)])
    assert stop.value.code == 2
    assert re.fullmatch(f"spurlab: {sentence}\n", capsys.readouterr().err)
    assert check(load_study("quickstart")).name == "quickstart"


@pytest.mark.parametrize("profile", ["quick", "paper"])
@pytest.mark.parametrize("name", ["fig2-mnist", "fig2-fashion", "fig2-cifar10"])
def test_the_networks_of_figure_2_count_for_its_claims(name, profile):
    """The settings of the shipped study itself, as its rows have them."""
    study = load_study(name, profile)
    (dataset,), (architecture,), (recipe,) = map(study.axis, ("dataset", "architecture", "recipe"))
    settings = dataclasses.asdict(recipe) | {"milestones": " ".join(map(str, recipe.milestones))}
    answer = verdict(1, frame(LEARNT, dataset=dataset, architecture=architecture, **settings))
    if (name, profile) == ("fig2-cifar10", "quick"):  # a fifth of the images
        assert kinds(answer) == {"not tested"}
        assert "reproduced" in kinds(answer, of_paper=False)
    else:
        assert "reproduced" in kinds(answer)
        assert not beside(answer)


@pytest.mark.parametrize("dataset", ["cifar10@10000", "cifar10:3,7", "cifar10@1000:3,7"])
def test_a_part_of_cifar_is_trained_like_the_whole_and_judged_beside_it(dataset):
    """Its weight decay, augmentation, networks and rates are those of cifar10; its verdicts are not the paper's."""
    barely = frame({("R3", 0, 0): LOW, ("R3", 0, 3): LOW + 0.1}, dataset=dataset, **SGD | {"architecture": "mine"})
    rows = {
        1: [frame(LEARNT, dataset=dataset)],
        2: [frame(grid(higher_when_random), dataset=dataset)],
        3: [rows.assign(dataset=dataset) for rows in accuracies()[2:]],
        5: [figure3(dataset, dict.fromkeys(RESNETS, 0.5) | {"vgg16": 0.3}, dict.fromkeys((*RESNETS, "vgg16"), 0.0))],
        7: [
            pd.DataFrame([{"measure": "parameters", "dataset": dataset, "architecture": "mine", "value": 1e9}]),
            *(frame(LEARNT, dataset=dataset, **SGD | {"architecture": name}) for name in ("resnet20", "resnet32")),
            barely,
        ],
        8: [bars_of(dataset), bars_of(dataset, **SGD)],
        11: [
            frame({("R3", 0, n): v for n in (3, 10)}, dataset=dataset, weight_decay=w)
            for w, v in ((0.0, HIGH), (1e-2, LOW))
        ],
    }
    for number, frames in rows.items():
        answer = verdict(number, *frames)
        assert answer.outcome == "not tested as published"
        open_ones = ("undecided", "not tested")
        decided = {where: outcome for where, outcome in beside(answer).items() if outcome not in open_ones}
        assert set(decided.values()) == {"reproduced"}, number
        assert all(dataset in where for where in decided)


@pytest.mark.parametrize("other", [{"weight_decay": 0.0}, {"augmentation": "none"}])
def test_other_networks_on_cifar_do_not_count(other):
    assert kinds(verdict(1, frame(LEARNT, dataset="cifar10", **other))) == {"not tested"}


def test_another_dataset_or_a_part_of_one_never_counts():
    flat = frame({("R3", 0, 0): LOW, ("R3", 0, 3): FLAT}, dataset="fashion-mini")
    answer = verdict(1, *six(), flat)
    assert (answer.outcome, beside(answer)) == ("reproduced", {"fashion-mini, target 0": "not reproduced"})
    answer = verdict(1, *six()[:4], frame(LEARNT, dataset="fashion-mini"))
    assert (answer.outcome, beside(answer)) == ("reproduced where tested", {"fashion-mini, target 0": "reproduced"})
    few = dict.fromkeys(MLPS, 0.3) | {"cnn": 0.0}
    answer = verdict(5, figure3("mnist@10000", dict.fromkeys(MLPS, 0.5) | {"cnn": 0.2}, few))
    assert (answer.outcome, kinds(answer, of_paper=False)) == ("not tested as published", {"reproduced"})


def test_only_like_is_compared_with_like():
    """A high score at n = 3 counts for nothing beside n = 0 of another recipe, data set or way of planting."""
    for change in ({"epochs": 10}, {"how": "append"}, {"data": "ffff"}, {"precision": "bfloat16"}):
        answer = verdict(1, frame({("R3", 0, 0): LOW}), frame({("R3", 0, 3): HIGH}, **change))
        assert part(answer, "mnist, target 0").models == 0
    for change in ({"weight_decay": 0.1}, {"clip_norm": 0.1}, {"input_noise": 0.5}, {"optimizer": "sgd"}):
        assert verdict(1, *six(**change)).models == 0


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Recipe)])
def test_networks_that_differ_in_any_field_of_the_recipe_are_never_averaged(name):
    """The fields as they are, so that a new one counts at once."""
    optimizer = "sgd" if name == "momentum" else "adam"  # which has no momentum
    rows = frame({("R3", 0, 3): HIGH}, loss="ce", augmentation="none", schedule="steps", optimizer=optimizer)
    other = "x" if isinstance(rows[name][0], str) else 7.0
    both = Evidence.of(pd.concat([rows, rows.assign(**{name: other}, value=0.0)]))
    assert sorted(both.rows["value"]) == [0.0] * 5 + HIGH.tolist()
    assert (len(list(both.recipes())), len(list(both.recipes([name])))) == (2, 1)


@pytest.fixture(params=[(0.0, 0.5), ("all", "half"), (None, ("first", 2))], ids=["number", "word", "tuple"])
def axis(request, monkeypatch):
    """An axis of training beside those that there are; the value where it is off, and another."""
    off, on = request.param
    monkeypatch.setitem(OF_TRAINING, "kept", Axis("kept", "what is kept", float, (off,)))
    return off, on


def kept(frames, value):
    return [rows.assign(kept=[value] * len(rows)) for rows in frames]


def test_an_axis_of_training_keeps_its_networks_apart_and_is_the_papers_where_it_is_off(axis):
    """The rise is .5 where it is off, and none where it is on: of both together it would be .25."""
    off, on = axis
    flat = kept([frame({("R3", 0, 0): LOW, ("R3", 0, 3): FLAT})], on)
    answer = verdict(1, *kept(six()[:3], off), *six()[3:], *flat)  # rows of before there was this axis
    assert (answer.outcome, len(outcomes(answer))) == ("reproduced", 6)
    assert [part.question.estimate.value for part in answer.parts if part.of_paper] == pytest.approx([0.5] * 6)
    [[where, outcome]] = beside(answer).items()
    assert (where, outcome) == (f"mnist, target 0 (kept {on})", "not reproduced")
    assert json.dumps(verdict(1, *kept(six(), off)).record()) == json.dumps(verdict(1, *six()).record())


def test_networks_with_an_axis_of_training_on_never_count_for_the_documents(axis):
    """Not for the paper, not for Quinn's report, and with no norms but those of their own data."""
    _, on = axis
    answer = verdict(1, *kept(six(), on))
    assert (answer.outcome, kinds(answer, of_paper=False)) == ("not tested as published", {"reproduced"})
    assert verdict(13, quinn()).models > 0
    assert verdict(13, *kept([quinn()], on)).models == 0
    scores = frame(grid(higher_when_random))
    norms = frame({(p, 0, 0): [norm] * 2 for norm, p in enumerate(PATTERNS, 1)}, "empirical_norm")
    assert verdict(4, *kept([scores, norms], on)).models > 0
    assert verdict(4, *kept([scores], on), norms).models == 0


def test_the_recipe_nearest_to_the_papers_counts_whatever_it_says():
    quick, paper = frame(LEARNT, **QUICK), frame({("R3", 0, 0): LOW, ("R3", 0, 3): FLAT})
    answer = verdict(1, quick, paper)
    assert outcomes(answer)["mnist, target 0 (70 epochs, milestones 40, 50 and 60)"] == "not reproduced"
    assert beside(answer) == {"mnist, target 0 (10 epochs, milestones 6 and 8)": "reproduced"}
    assert answer.outcome == "not reproduced"
    answer = verdict(1, quick, paper[paper["seed"] < 2])  # two seeds of the paper's recipe do not shadow a full study
    assert part(answer, "mnist, target 0 (10 epochs, milestones 6 and 8)").of_paper
    assert outcomes(verdict(1, quick))["mnist, target 0 (10 epochs)"] == "reproduced"


@pytest.mark.parametrize(
    "change",
    [
        *({"epochs": 5, "milestones": "3 4"}, {"milestones": "60"}, {"batch_size": 64}),
        *({"learning_rate": 0.1}, {"how": "append"}, {"decay": 0.5}),
    ],
)
def test_another_recipe_than_the_papers_or_the_quick_one_never_counts(change):
    answer = verdict(1, *six(**change))
    assert answer.outcome == "not tested as published"
    assert answer.models > 0
    assert kinds(answer, of_paper=False) == {"reproduced"}
    assert {part.question.wanted for part in answer.parts if part.of_paper} == {
        *("fig2-mnist", "fig2-fashion", "fig2-cifar10 with the profile paper")
    }
    assert verdict(1, *six(precision="bfloat16")).outcome == "reproduced"


def test_best_of_prefers_the_papers_way_to_more_epochs():
    settings = {"how": "replace", "epochs": 10, "learning_rate": 0.01}
    answers = [
        (settings, Question("", "text", "a", seeds=5)),
        (settings | {"how": "append", "epochs": 70}, Question("", "text", "b", seeds=9)),
    ]
    assert [question.about for question in best_of(answers, of_paper=True)] == ["a", "b"]


def test_diverged_and_unfinished_seeds_are_left_out_whole_and_named():
    rows = again(frame(LEARNT))
    rows.loc[(rows["seed"] == 1) & (rows["n"] == 3), "value"] = math.nan
    one = part(verdict(1, rows[~((rows["seed"] == 4) & (rows["n"] == 3))]), "mnist, target 0")
    assert (one.outcome, one.models, one.question.share) == ("reproduced", 16, Share(8, 8))
    assert one.question.left_out == {LeftOut(diverged=(1,), incomplete=(4,))}


def test_the_same_row_twice_is_one_and_pairs_do_not_depend_on_order():
    rows = pd.concat(six(), ignore_index=True)
    twice = pd.concat([rows, rows.sample(frac=1, random_state=0).assign(machine="other")])
    assert json.dumps(verdict(1, twice).record()) == json.dumps(verdict(1, rows).record())


def test_two_numbers_for_one_seed_are_averaged_and_a_nan_among_them_counts():
    """Retraining seed 0 on another machine makes no sixth network, and no new seed."""
    again = frame({("R3", 0, 3): HIGH[:1] + 0.1}, machine="other")
    table = Seeds.of(Evidence.of(pd.concat([frame(LEARNT), again])), ["n"])
    assert table.values[3,].tolist() == pytest.approx([HIGH[0] + 0.05, *HIGH[1:]])
    again["value"] = math.nan
    assert Seeds.of(Evidence.of(pd.concat([frame(LEARNT), again])), ["n"]).seeds == (1, 2, 3, 4)


def test_networks_are_counted_by_training():
    """With keys, and without: n = 0 is one network for both targets."""
    rows = frame({("R3", t, n): LOW + n / 10 for t in (0, 1) for n in (0, 3)})
    keys = np.where(rows["n"] == 0, "c" + rows["seed"].astype(str), "p" + rows.index.astype(str))
    assert verdict(1, rows.assign(training=keys)).models == verdict(1, rows).models == 15


def test_other_claims_do_not_see_networks_after_deletion():
    """The networks of claim 1, and beside them deletions that say the opposite."""
    after = pd.concat([deletions({"influence": 0.0}, name, before=0.0, counts=(3,)) for name in ("mnist", "cifar10")])
    assert verdict(1, *six(), after).outcome == verdict(1, *six()).outcome == "reproduced"
