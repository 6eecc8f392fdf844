"""The formulas of single attacks: against loops, other libraries and scikit-learn.

Values of sacroml 2.0.1 (`LIRAAttack._compute_scores`) and of LeakPro's formulas (`rmia.py` of commit 0525dfb9,
`base.py` of 17a29e69, at temperature 1, on the probabilities of these margins) were computed once, by hand.
"""

import math
import statistics

import pytest
import torch
from margin_toys import ATTACKED, MEMBERS, POPULATION, SHADOWS, TABLE, TARGET, TARGET_POPULATION, drawn
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from spurlab.errors import InputError
from spurlab.privacy import Attacked, Margins, attack_named
from spurlab.privacy.attacks import Lira, OfflineLira, Qmia, SortedLogits
from spurlab.privacy.attacks.sorted_logits import correct, features_of
from spurlab.seeds import rng_for


def of_toy(name, population=False):
    if population:
        return attack_named(name)(
            Attacked(TARGET, population=TARGET_POPULATION), Margins(TABLE, MEMBERS, population=POPULATION)
        ).tolist()
    return attack_named(name)(ATTACKED, SHADOWS).tolist()


# -- LiRA --


@pytest.mark.parametrize(
    ("attack", "wanted"),
    [
        (Lira(), [-0.16675609049999718, -2.399999999999996, -1.624995749619222, -0.06614668960631942]),
        (Lira("overall"), [-0.0363652504443337, -0.0981939877447695, -0.725710092957002, 0.0015559676953540436]),
        (
            OfflineLira(tail="density"),
            [1.3263027080906444, 1.9430587985906458, 1.6323591597249698, 1.4686052827780753],
        ),
        (
            OfflineLira("overall", "density"),
            [1.5703513956148827, 1.6469841967759855, 1.7697514923734698, 1.573292856669553],
        ),
    ],
)
def test_lira_is_sacromls(attack, wanted):
    assert attack(ATTACKED, SHADOWS).tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("variance", "wanted"),
    [
        ("example", [0.41925104129900737, 0.025021760624352535, 0.17365983834183912, 0.5777403662635342]),
        ("overall", [0.4370841572332219, 0.33639951304150695, 0.25750365605626613, 0.5698382386391512]),
    ],
)
def test_the_upper_tail_is_sacromls(variance, wanted):
    """It has 1 - Pr[Z > phi]; ours is minus the logarithm of Pr[Z > phi]."""
    scores = OfflineLira(variance)(ATTACKED, SHADOWS)
    assert (1 - (-scores).exp()).tolist() == pytest.approx(wanted, rel=1e-10)


def test_a_fixed_variance_is_that_within_examples():
    deviations = {True: [], False: []}
    for example in range(4):
        for inside, found in deviations.items():
            own = TABLE[MEMBERS[:, example] == inside, example].tolist()
            found += [value - statistics.mean(own) for value in own]
    s = {inside: math.sqrt(sum(d * d for d in found) / (len(found) - 4)) for inside, found in deviations.items()}
    for example, score in enumerate(of_toy("lira-fixed")):
        log = {}
        for inside in (True, False):
            own = statistics.mean(TABLE[MEMBERS[:, example] == inside, example].tolist())
            log[inside] = math.log(statistics.NormalDist(own, s[inside]).pdf(float(TARGET[example])))
        assert score == pytest.approx(log[True] - log[False])


@pytest.mark.parametrize("variance", ["example", "fixed", "overall"])
def test_the_z_score_ranks_as_the_upper_tail(variance):
    margins = drawn(500, 8, rise=1.0)
    target, shadows = margins.attack(0)
    z, tail = (attack_named(f"{name} variance={variance}")(target, shadows) for name in ("z-score", "lira-offline"))
    assert z.argsort().equal(tail.argsort())


def test_the_z_score_by_a_loop():
    for example, score in enumerate(of_toy("z-score")):
        own = TABLE[~MEMBERS[:, example], example].tolist()
        assert score == pytest.approx((float(TARGET[example]) - statistics.mean(own)) / statistics.pstdev(own))


def test_loss_and_global_threshold_by_a_loop():
    outside = TABLE[~MEMBERS].tolist()
    for phi, loss, standardised in zip(TARGET.tolist(), of_toy("loss"), of_toy("global"), strict=True):
        assert loss == pytest.approx(math.log(1 / (1 + math.exp(-phi))))
        assert standardised == pytest.approx((phi - statistics.mean(outside)) / statistics.pstdev(outside))


# -- BASE and RMIA --


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("base", [0.07994642468451772, 0.09552197776726104, -0.6219055113027663, 0.02581969198304087]),
        ("base-offline", [0.0546757948329618, -0.08350293625381675, -0.49107160361914215, 0.01564040092495996]),
    ],
)
def test_base_is_leakpros(name, wanted):
    assert of_toy(name) == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("rmia gamma=1", [1.0, 1.0, 0.0, 0.6]),
        ("rmia gamma=1.05", [0.6, 0.6, 0.0, 0.2]),
        ("rmia-offline gamma=1 a=0.33", [0.8, 0.4, 0.0, 1.0]),
        ("rmia-offline gamma=1.05 a=0.33", [0.8, 0.2, 0.0, 0.8]),
    ],
)
def test_rmia_is_leakpros(name, wanted):
    assert of_toy(name, population=True) == pytest.approx(wanted)


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("population", [True, False])
@pytest.mark.parametrize("gamma", [0.8, 1.0, 2.0])
def test_rmia_by_a_loop_over_all_pairs(online, population, gamma):
    drawn_margins, a = drawn(60, 6, rise=1.0, z=40), 0.3
    target, shadows = drawn_margins.attack(1)
    if not population:
        target, shadows = Attacked(target.phi), Margins(shadows.phi, shadows.members, shadows.pair)

    def ratio(phi, own, inside):
        p = [1 / (1 + math.exp(-value)) for value in own]
        out = statistics.mean([value for value, member in zip(p, inside, strict=True) if not member])
        if not online:
            mean = ((1 + a) * out + 1 - a) / 2
        elif any(inside):
            mean = (statistics.mean([value for value, member in zip(p, inside, strict=True) if member]) + out) / 2
        else:
            mean = statistics.mean(p)
        return 1 / (1 + math.exp(-phi)) / mean

    ratios = [ratio(float(phi), shadows.phi[:, i].tolist(), shadows.members[:, i].tolist())
              for i, phi in enumerate(target.phi)]  # fmt: skip
    below = ratios
    if population:
        below = [ratio(float(phi), shadows.population[:, i].tolist(), [False] * len(shadows))
                 for i, phi in enumerate(target.population)]  # fmt: skip
    wanted = [sum(x / z > gamma for z in below) / len(below) for x in ratios]
    name = f"rmia{'' if online else '-offline'} gamma={gamma}"
    assert attack_named(name)(target, shadows).tolist() == pytest.approx(wanted)


@pytest.mark.parametrize(("rmia", "base"), [("rmia", "base"), ("rmia-offline a=1", "base-offline")])
def test_of_one_network_rmia_rises_with_base(rmia, base):
    """Its population only turns the ratio into steps: no two examples change places."""
    target, shadows = drawn(500, 8, rise=1.0).attack(0)
    steps, smooth = (attack_named(f"{name}")(target, shadows) for name in (f"{rmia} gamma=1", base))
    assert bool((steps[smooth.argsort()].diff() >= 0).all())


def test_base_keeps_what_probabilities_lose():
    """At a margin of 50 every probability is 1, but the ratio of the rests is still known to all digits."""
    phi = torch.tensor([[50.0], [51.0], [49.0], [50.0]], dtype=torch.float64)
    shadows = Margins(phi, torch.tensor([[1], [0], [1], [0]]).bool())
    score = attack_named("base-offline")(Attacked(torch.tensor([52.0], dtype=torch.float64)), shadows).item()
    assert score == pytest.approx((math.exp(-51) + math.exp(-50)) / 2 - math.exp(-52), rel=1e-10, abs=0)


# -- Sorted logits --


def of_scikit_learn(margins, target_number):
    """The notebook's attack, with scikit-learn: standardised, C by three folds."""
    target, shadows = margins.attack(target_number)
    own, logits = shadows.members[0], shadows.logits[0]
    order = torch.cat([own.nonzero(), (~own).nonzero()]).squeeze(1)
    train = features_of(logits, correct(logits, shadows.labels))[order].numpy()
    test = features_of(target.logits, correct(target.logits, shadows.labels)).numpy()
    scaler = StandardScaler().fit(train)
    regression = LogisticRegression(tol=1e-10, max_iter=2000)
    search = GridSearchCV(regression, {"C": [0.01, 0.1, 1.0, 10.0]}, cv=3)
    search.fit(scaler.transform(train), own[order].numpy())
    return search, search.decision_function(scaler.transform(test)), scaler


@pytest.mark.parametrize("rise", [0.0, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_papers_attack_is_scikit_learns(rise, seed):
    margins = drawn(300, 4, rise=rise, seed=seed)
    _, wanted, _ = of_scikit_learn(margins, 1)
    assert SortedLogits()(*margins.attack(1)).numpy() == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_nearly_separable_classes_end_too():
    margins = drawn(60, 4)
    logits = margins.logits.clone()
    logits[..., 0] += 60 * margins.members
    apart = Margins(**{**vars(margins), "logits": logits})
    scores = SortedLogits()(*apart.attack(1))
    assert bool(((scores > 0) == apart.members[1]).all())
    _, wanted, _ = of_scikit_learn(apart, 1)
    assert scores.numpy() == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_accuracies_right_and_as_the_public_code_has_them():
    """Its test set in the notebook's own words: members' logits twice, with each part's correctness."""
    margins = drawn(300, 4, rise=1.0)
    search, _, scaler = of_scikit_learn(margins, 1)
    target, shadows = margins.attack(1)
    members, marked = margins.members[1], torch.arange(300) % 10 == 0
    right = correct(target.logits, shadows.labels)
    own = target.logits[members]
    test = torch.cat([features_of(own, right[members]), features_of(own, right[~members])])
    truth = torch.tensor([True] * 150 + [False] * 150)
    said = torch.from_numpy(search.predict(scaler.transform(test.numpy())))
    index = marked[members].nonzero().flatten()
    got = SortedLogits().accuracies_of_public_code(target, shadows, members, marked)
    assert got.all == pytest.approx((said == truth).double().mean())
    assert got.marked == pytest.approx((said == truth)[index].double().mean())
    all_rows = features_of(target.logits, right)
    said = torch.from_numpy(search.predict(scaler.transform(all_rows.numpy())))
    got = SortedLogits().accuracies(target, shadows, members, marked)
    assert got.all == pytest.approx((said == members).double().mean())
    assert got.marked == pytest.approx((said == members)[marked].double().mean())
    with pytest.raises(InputError, match="pairs members with others"):
        SortedLogits().accuracies_of_public_code(target, shadows, members & ~marked, marked)


def test_a_shadow_without_members_teaches_nothing():
    margins = drawn(20, 4)
    target, shadows = margins.attack(1)
    empty = Margins(**{**vars(shadows), "members": torch.zeros_like(shadows.members), "pair": None})
    with pytest.raises(InputError, match="3 or more of each"):
        SortedLogits()(target, empty)


# -- QMIA --


def test_qmia_is_the_margin_above_scikit_learns_quantile():
    margins = drawn(200, 4)
    target, shadows = margins.attack(0)
    regression = HistGradientBoostingRegressor(
        loss="quantile", quantile=0.9, max_iter=7, max_leaf_nodes=5, learning_rate=0.2, early_stopping=False
    ).fit(shadows.population_features.numpy(), target.population.numpy())
    wanted = target.phi.numpy() - regression.predict(shadows.features.numpy())
    assert Qmia(0.1, 7, 5, 0.2)(target, shadows).numpy() == pytest.approx(wanted)


def test_qmia_calls_about_as_many_as_it_aims_at():
    """Of non-members outside of its population; boosting leaves some bias, so within a third."""
    rng = rng_for(0, "test")
    features = torch.randn(6000, 1, generator=rng, dtype=torch.float64)
    phi = 2 * features[:, 0] + torch.randn(6000, generator=rng, dtype=torch.float64)
    shadows = Margins(
        phi[None, :3000], torch.zeros(1, 3000).bool(),
        population=phi[None, 3000:], features=features[:3000], population_features=features[3000:],
    )  # fmt: skip
    scores = Qmia(0.1, trees=60)(Attacked(phi[:3000], population=phi[3000:]), shadows)
    assert float((scores > 0).double().mean()) == pytest.approx(0.1, abs=0.033)
