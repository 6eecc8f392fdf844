"""The check of methods that are known: to do nothing, to retrain, to break, to fail."""

import asyncio
import itertools
import math

import pytest
import torch
from torch import nn

import spurlab
from spurlab import Check, check, prepare
from spurlab.checking.checks import _methods
from spurlab.data import Dataset, Examples, Source
from spurlab.deletion import Verdict
from spurlab.measures import MEASURES, effects
from spurlab.methods import retraining_seconds
from spurlab.metrics import margins, oracle_distance
from spurlab.models import mlp, seeded
from spurlab.patterns import Pattern, Planted
from spurlab.seeds import rng_for
from spurlab.stats import gap_closed
from spurlab.studies.measuring import Measuring
from spurlab.training import Member, Recipe, predictions, train_each, train_one

RECIPE = Recipe(epochs=6, milestones=(), batch_size=32, learning_rate=0.003)
SEEDS = (3, 1, 4, 5, 9)


@pytest.fixture(scope="module")
def dataset():
    """8 x 8 noise with a faint bright row for each of three classes."""
    rng = rng_for(0, "test")

    def images(n):
        labels = torch.arange(n) % 3
        inputs = 0.6 * torch.rand(n, 1, 8, 8, generator=rng)
        inputs[torch.arange(n), 0, 2 + labels] += 0.2
        return Examples(inputs, labels)

    return Dataset("rows", images(300), images(150), ("a", "b", "c"), (0.0, 1.0), Source("", "", ""))


@pytest.fixture(scope="module")
def corner():
    """A bright corner that the rows do not reach."""
    offset = torch.zeros(1, 8, 8)
    offset[:, :2, :2] = 1.0
    return Pattern("corner", offset, 0.0, 1.0)


def net():
    return mlp((1, 8, 8), 3, hidden=(32,))


@pytest.fixture(scope="module")
def prepared(dataset, corner):
    told = []
    made = prepare(
        dataset,
        architecture=net,
        recipe=RECIPE,
        pattern=corner,
        n=40,
        seeds=SEEDS,
        how="append",  # else 40 of 100 examples of the class would be missing from the oracles, which costs accuracy
        progress=lambda *now: told.append(now),
    )
    assert ("training", 10 * RECIPE.epochs, 10 * RECIPE.epochs) in told
    return made


def column(found, name):
    return [row[name] for row in found.rows]


def values(found, when):
    """All numbers of ``before``, ``after`` or ``oracle``, and so that NaN is equal to NaN."""
    return [[str(number) for name, number in row.items() if name.endswith(f"_{when}")] for row in found.rows]


def score(prepared, i):
    """Of the i-th network, by the definition."""
    inputs = prepared.data.test.inputs
    clean, marked = (predictions(prepared.originals.member(i), x) for x in (inputs, prepared.patterns[i](inputs)))
    return ((marked - clean)[:, 0] > 0.1).double().mean().item()


def identity(model, data, forget):
    return model


def retrain(model, data, forget):
    """The answer itself, from weights of its own."""
    return train_one(seeded(net, 77), Member(Planted.none(data[~forget]), 0), RECIPE)[0].eval()


def test_oracles_are_networks_trained_without_the_planted_examples(prepared):
    """The slow twin on plain examples, from the same initial weights; scores by the definition."""
    for i, seed in enumerate(SEEDS):
        planted = prepared.planted[i]
        plain = planted.materialize()[~planted.mask]
        twin = train_each(lambda seed: seeded(net, seed), [Member(Planted.none(plain), seed)], RECIPE)
        for name, weights in prepared.oracles.member(i).state_dict().items():
            torch.testing.assert_close(weights, twin.state[name][0], rtol=1e-3, atol=1e-4)
    assert prepared.originals.seeds == prepared.oracles.seeds == SEEDS
    (found,) = check(identity, prepared).checked
    scores = column(found, "spurious_score_before")
    assert scores == [score(prepared, i) for i in range(5)]
    assert min(scores) > max(column(found, "spurious_score_oracle")) + 0.1, "the pattern was not learnt"
    assert column(found, "relearn_steps_before") == [0] * 5
    assert all(steps > 0 for steps in column(found, "relearn_steps_oracle"))


def test_a_network_is_not_compared_with_the_oracle_of_its_own_seed(prepared):
    """By hand for one oracle: it is 0 away from itself, which would draw every distance down."""
    test = prepared.data.test
    rows = torch.stack([margins(predictions(prepared.oracles.member(i), test.inputs), test.labels) for i in range(5)])
    got = check(identity, prepared).rows[2]["oracle_distance_oracle"]
    assert got == pytest.approx(oracle_distance(rows[2], rows[[0, 1, 3, 4]]).item())


def test_doing_nothing_does_not_forget(prepared):
    (found,) = check(identity, prepared).checked
    assert found.verdict.name == "does not forget"
    assert (found.closed.value, found.closed.low, found.closed.high) == (0, 0, 0)
    assert values(found, "after") == values(found, "before")
    assert found.time < 0.1


def test_retraining_forgets(prepared):
    """Its networks are as near to the oracles as these to each other: four standard errors of five and five numbers."""
    (found,) = check(retrain, prepared).checked
    assert found.verdict.name == "no leftover seen"
    scores = [column(found, f"spurious_score_{when}") for when in ("before", "after", "oracle")]
    assert found.closed == gap_closed(*(torch.tensor(each, dtype=torch.float64) for each in scores))
    distances = torch.tensor([column(found, f"oracle_distance_{when}") for when in ("after", "oracle")])
    assert distances.mean(1).diff().abs() < 4 * (distances.var(1).sum() / 5).sqrt()


def test_functions_without_a_name_are_yours():
    nameless = [lambda model, data, forget: model, lambda model, data, forget: None]
    assert list(_methods([*nameless, identity])) == ["your function", "your function (2)", "identity"]


def test_methods_of_every_kind_are_rows_of_one_check(prepared, page):
    def zeros(model, data, forget):
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        return model

    def infinite(model, data, forget):
        next(iter(model.parameters())).data.fill_(math.inf)
        return model

    def unlucky(model, data, forget):
        raise RuntimeError("out of luck")

    def forgot_to_return(model, data, forget):
        pass

    def other_task(model, data, forget):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))

    def more_classes(model, data, forget):
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 4))

    methods = {
        "incremental": "incremental-1e-3",
        "zeros": zeros,
        "infinite": infinite,
        "unlucky": unlucky,
        "none": forgot_to_return,
        "other": other_task,
        "more": more_classes,
    }
    found = check(methods, prepared)
    verdicts = {each.method: each.verdict for each in found.checked}
    assert list(verdicts) == list(methods)
    assert verdicts["zeros"].name == verdicts["infinite"].name == "breaks the model"
    (lost,) = verdicts["zeros"].counts
    assert (lost.measure, lost.share.count) == ("accuracy", 5)
    assert 0.5 < lost.before - lost.after < 0.7
    assert (verdicts["infinite"].not_finite, verdicts["infinite"].networks, verdicts["infinite"].failed) == (5, 5, 0)
    assert "are not finite: the steps were too large" in verdicts["infinite"].why
    assert verdicts["infinite"].finding.endswith(verdicts["infinite"].why)
    for name, reason in {
        "unlucky": "RuntimeError: out of luck",
        "none": "TypeError: the method must return a network, an nn.Module, but it returned NoneType",
        "other": "ValueError: a batch of shape (1, 1, 8, 8) must give logits of shape (1, 3), but gave (1, 2)",
        "more": "ValueError: a batch of shape (1, 1, 8, 8) must give logits of shape (1, 3), but gave (1, 4)",
    }.items():
        assert (verdicts[name].name, verdicts[name].failed, verdicts[name].networks) == ("failed", 5, 0)
        assert verdicts[name].why.startswith(reason)
    raised = {row["method"]: row["end"] for row in found.rows if row["end"] != "result"}
    assert raised == {**dict.fromkeys(("unlucky", "none", "other", "more"), "failed"), "infinite": "not finite"}
    assert len(found.rows) == 7 * 5
    planted = {"architecture": "", "how": "append", "pattern": "corner", "target": 0, "n": 40}
    assert all(row["dataset"] == "rows" and planted.items() <= row.items() for row in found.rows)
    (row,) = [row for row in found.rows if row["method"] == "unlucky" and row["seed"] == 9]
    assert row["failed"] == "RuntimeError: out of luck"
    assert math.isnan(row["spurious_score_after"])
    assert row["spurious_score_before"] == score(prepared, 4)
    assert row["relearn_steps_oracle"] > 0
    text = str(found)
    assert text.startswith(
        "rows: corner on 40 examples of class 0, own network, 6 epochs; 5 networks and as many oracles"
    )
    for word in ("before", "oracles", "incremental", "gap closed", "breaks the model", "out of luck"):
        assert word in text
    assert max(len(line) for line in text.splitlines()[:12]) <= 130
    assert {"before", "oracles", "gap closed", "breaks the model", "unlucky"} <= set(page(found).words)
    assert page(found.checked[0])


def test_one_failure_of_five_leaves_too_few_for_a_verdict(prepared):
    calls = []

    def moody(model, data, forget):
        calls.append(forget)
        if len(calls) == 3:
            raise ValueError("not this one")
        return model

    (found,) = check(moody, prepared).checked
    assert [bool(failed) for failed in column(found, "failed")] == [False, False, True, False, False]
    assert found.verdict == Verdict("few networks", 4, failed=1, why="ValueError: not this one")
    assert found.verdict.name == "undecided"
    assert found.verdict.finding == (
        "4 networks; a verdict needs 5. It failed on 1 of 5 networks: ValueError: not this one"
    )


def test_seeds_are_added_until_each_method_is_decided(dataset, corner, prepared, monkeypatch):
    """One that does nothing is decided by five, one that retrains by twenty, one of luck by none: 5 of 20 keep it.

    Without the measures that take long, which are not looked at here.
    """

    def lucky(model, data, forget):
        return model if next(draws) % 4 == 0 else retrain(model, data, forget)

    alone = check(identity, prepared).checked
    quick = {name: MEASURES[name] for name in ("spurious_score", "accuracy", "oracle_distance")}
    monkeypatch.setattr("spurlab.checking.prepared.effects", lambda: quick)
    draws = itertools.count()
    settings = {"architecture": net, "recipe": RECIPE, "pattern": corner, "n": 40, "how": "append", "seeds": SEEDS}
    found = check([identity, retrain, lucky], dataset, most=20, **settings)
    verdicts = {each.method: each.verdict for each in found.checked}
    assert [len(each.rows) for each in found.checked] == [5, 20, 20]
    assert verdicts["identity"].name == "does not forget"
    assert verdicts["retrain"].name == "forgets"
    assert verdicts["lucky"].name == "undecided"
    assert column(found.checked[1], "seed") == [*SEEDS, *range(10, 25)]
    for few, many in zip(alone, found.checked, strict=False):
        for when in ("before", "after", "oracle"):
            numbers = [
                [row[f"{name}_{when}"] for name in ("spurious_score", "oracle_distance") for row in each.rows[:5]]
                for each in (few, many)
            ]
            assert numbers[0] == pytest.approx(numbers[1], abs=0.01), "the first five are other networks"
    with pytest.raises(TypeError, match="give the settings of `prepare`"):
        check(identity, prepared, most=20)
    with pytest.raises(ValueError, match=r"`most` is a number of networks, but it is 4\. One looks at 5 first"):
        check(identity, dataset, most=4, **settings)
    with pytest.raises(ValueError, match="one to `most` = 5 are to be given"):
        check(identity, dataset, most=5, **(settings | {"seeds": range(6)}))


@pytest.mark.parametrize("how", ["append", "replace"])
def test_a_share_of_the_planted_is_known(dataset, corner, how):
    """The method sees the first ones alone; the oracles saw none of either."""
    seen = []
    settings = {"architecture": net, "recipe": RECIPE.but(epochs=1), "pattern": corner, "workers": 0}
    prepared = prepare(dataset, n=40, seeds=[3, 1], how=how, **settings)

    def watch(model, data, forget):
        seen.append((len(data), forget.nonzero().flatten()))
        return model

    counts = {1.0: 40, 0.8: 32, 0.5: 20, 0.2: 8, 0.001: 1}
    found = check(watch, prepared, share=list(counts))
    assert [each.share for each in found.checked] == list(counts)
    for i, (n, rows) in enumerate(seen):
        assert n == (340 if how == "append" else 300)
        known = prepared.planted[i % 2].positions[: list(counts.values())[i // 2]]
        assert rows.tolist() == sorted(known.tolist())
    whole, *parts = (column(each, "spurious_score_oracle") for each in found.checked)
    assert all(part == whole for part in parts)
    assert "50% of the planted examples known" in str(found)


def test_a_method_cannot_spoil_what_the_next_one_gets(prepared, monkeypatch):
    """All numbers but the steps to learn it again, which a network of zeros takes long to be counted to."""
    quick = {name: measure for name, measure in effects().items() if name != "relearn_steps"}
    monkeypatch.setattr("spurlab.checking.prepared.effects", lambda: quick)

    def vandal(model, data, forget):
        data.inputs.zero_()
        forget.zero_()
        for parameter in model.parameters():
            nn.init.zeros_(parameter)
        return model

    _, after = check([vandal, identity], prepared).checked
    assert values(after, "after") == values(after, "before")


def test_a_method_that_ends_the_program_has_failed(prepared):
    """And one that gives no network; Ctrl-C is no method's failure."""

    def leaves(model, data, forget):
        raise SystemExit(3)

    def cancelled(model, data, forget):
        raise asyncio.CancelledError

    def nothing(model, data, forget):
        return None

    def stopped(model, data, forget):
        raise KeyboardInterrupt

    ended, given_up, lost = check([leaves, cancelled, nothing], prepared).checked
    assert set(column(ended, "failed")) == {"SystemExit: 3"}
    assert all("CancelledError" in failed for failed in column(given_up, "failed"))
    assert all("it returned NoneType" in failed for failed in column(lost, "failed"))
    with pytest.raises(KeyboardInterrupt):
        check(stopped, prepared)


def test_a_network_that_fails_when_it_is_measured_is_its_methods_failure(prepared, dataset, corner, monkeypatch):
    """One of the user's, in whatever way. A fault of ours is raised: no code of the user's is in a ready network."""

    def later(model, data, forget):
        def ends(network, inputs):
            if len(inputs[0]) > 1:
                raise SystemExit(4)

        model.register_forward_pre_hook(ends)
        return model

    failed, well = check([later, identity], prepared).checked
    assert set(column(failed, "failed")) == {"SystemExit: 4"}
    assert set(column(well, "failed")) == {""}
    settings = {"pattern": corner, "n": 40, "seeds": [3], "workers": 0, "recipe": RECIPE.but(epochs=1)}
    ready = prepare(dataset, architecture="small-mlp", **settings)
    check(identity, ready)  # the references are measured
    monkeypatch.setattr(Measuring, "numbers", lambda *_: 1 / 0)
    assert check(identity, ready).rows[0]["failed"] == "ZeroDivisionError: division by zero"
    with pytest.raises(ZeroDivisionError):
        check("incremental-1e-3", ready)


def test_a_ready_method_gets_the_seed_and_the_recipe(prepared, monkeypatch):
    asked = []
    for module in ("spurlab.checking.checks", "spurlab.studies.treating"):
        monkeypatch.setattr(f"{module}.deletion_named", lambda *args: asked.append(args) or identity)
    check("incremental", prepared)
    assert [args[2] for args in asked[1:]] == list(SEEDS)
    assert all(args[1] == RECIPE for args in asked[1:])
    assert all(args[3](7).state_dict().keys() == net().state_dict().keys() for args in asked[1:])


def test_what_cannot_be_checked_is_refused(dataset, prepared, corner):
    with pytest.raises(ValueError, match="no deletion method 'incrementel'"):
        check("incrementel", dataset, n=10_000)
    for share in (0.0, 1.01, -1.0, math.nan, []):
        with pytest.raises(ValueError, match="`share` must lie above 0"):
            check(identity, prepared, share=share)
    with pytest.raises(TypeError, match="trained already: n, seeds belong in `prepare`"):
        check(identity, prepared, n=3, seeds=[1])
    with pytest.raises(TypeError, match="`method` must be a function"):
        check([], prepared)
    for settings, message in [
        ({"n": 0}, "`n` must be 1 or more, but it is 0: with nothing planted there is nothing to forget"),
        ({"seeds": [1, 1]}, "`seeds` must be different numbers"),
        ({"seeds": []}, "`seeds` must be different numbers"),
        ({"target": 3}, "`target` is class 3, but rows has the classes 0 to 2"),
    ]:
        with pytest.raises(ValueError, match=message):
            prepare(dataset, pattern=corner, **settings)


def test_the_ten_lines_of_the_docs(mini):
    """As in the docstring of `check`, on few images and two epochs."""

    def finetune(model, data, forget):
        retain, optimizer = data[~forget], torch.optim.SGD(model.parameters(), lr=0.01)
        for rows in torch.arange(len(retain)).split(100):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(retain.inputs[rows]), retain.labels[rows]).backward()
            optimizer.step()
        return model

    few = Dataset("few", mini.train[:300], mini.test[:100], mini.class_names, mini.input_range, mini.source)
    recipe = Recipe(epochs=2, milestones=())
    found = check([finetune, "incremental-1e-3"], few, recipe=recipe, architecture="small-mlp", n=5, workers=0)
    assert isinstance(found, Check)
    assert [each.method for each in found.checked] == ["finetune", "incremental-1e-3"]
    assert "finetune" in str(found)
    assert not any(row["failed"] for row in found.rows)


def test_it_is_one_and_the_same_from_every_room():
    """In whatever order: `spurlab.check` is never a module."""
    from spurlab import checking, deletion

    for name in ("check", "prepare", "Check", "Prepared"):
        assert getattr(spurlab, name) is getattr(deletion, name) is getattr(checking, name)
    assert spurlab.check is check
    with pytest.raises(AttributeError, match=r"module 'spurlab\.deletion' has no attribute 'cheque'"):
        deletion.cheque  # noqa: B018


def test_time_of_retraining_is_that_of_its_steps(dataset, monkeypatch):
    """A clock that ticks once at each look: ten steps of an epoch (300 = 9 x 32 + 12), one second each, six epochs."""
    ticks = map(float, range(1000))
    monkeypatch.setattr("time.process_time", lambda: next(ticks))
    member = Member(Planted.none(dataset.train), 0)
    assert retraining_seconds(net(), member, RECIPE) == 60
    assert retraining_seconds(net(), member, RECIPE.but(batch_size=300)) == 6
    assert math.isnan(retraining_seconds(net(), member, RECIPE.but(epochs=0)))
