"""Studies of membership inference: halves of one training set, attacks on each network, the numbers of these."""

import json
import math
from dataclasses import replace

import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA

from spurlab.deletion import deletion_named, forget_mask
from spurlab.measures import numbers_of
from spurlab.measures.exposure import scores_of_few
from spurlab.models import build
from spurlab.patterns import Planted, Rare, make_named, marked_all, plant
from spurlab.privacy import ATTACKS, Margins, answers, auc, scores_of, tpr_at
from spurlab.privacy.attacks.sorted_logits import SortedLogits
from spurlab.report.groups import failures
from spurlab.report.page import progress_of
from spurlab.studies import StudyError, Treat, cells_of, load_study, making, results_in, trainings_of, work_of
from spurlab.studies.attacking import Attacking, check_attack
from spurlab.studies.graph import from_json
from spurlab.studies.halving import members_of
from spurlab.studies.margins import margins_file
from spurlab.studies.materials import materials_in
from spurlab.studies.training_sets import planted
from spurlab.training import RECIPES, logits

SEEDS, N, TARGET, DATA_SEED = 8, 3, 1, 7
ATTACKED = (
    f"seed={list(range(SEEDS))}",
    f"n={N}",
    f"target={TARGET}",
    f"halves={DATA_SEED}",
    "pattern=R3",
    "recipe.epochs=2",
    'measure=["member_auc", "member_tpr", "marked_rates", "left_out_rates", "marked_auc", "group_scores", '
    '"pattern_answer", "accuracy"]',
    'figure="scores"',
)


@pytest.fixture(scope="module")
def attacked(study_of, ran, tmp_path_factory):
    """A study of eight small networks, and its result."""
    study = study_of(*ATTACKED, 'attack=["lira-fixed", "loss"]')
    return ran(study, tmp_path_factory.mktemp("attacked"))


@pytest.fixture(scope="module")
def pool(small):
    """The training set, with twice as many marked examples as each network learns from."""
    mark = make_named("R3", small.shape, DATA_SEED, clip=small.input_range)
    return plant(small.train, mark, Rare(TARGET, 2 * N), seed=DATA_SEED)


@pytest.fixture(scope="module")
def networks(attacked, small):
    """(n, seed) -> a network of the study, from its kept weights."""

    def network(n, seed):
        rows = attacked.rows
        rows = rows[(rows["measure"] == "accuracy") & (rows["n"] == n) & (rows["seed"] == seed)]
        made = build("small-mlp", small.shape, small.classes, seed=0)
        made.load_state_dict(attacked.weights(rows["training"].iloc[0]))
        return made.eval()

    return network


@pytest.fixture(scope="module")
def margins(pool, networks):
    """Those of the networks with marked examples, on both halves."""
    members = torch.stack([members_of(pool, DATA_SEED, seed) for seed in range(SEEDS)])
    made = (networks(N, seed) for seed in range(SEEDS))
    return Margins.of(made, pool.materialize(), members, pair=torch.arange(SEEDS) ^ 1)


@pytest.mark.parametrize("how", ["replace", "append"])
def test_of_two_complements_each_has_one_group_of_marked_examples(small, how):
    mark = make_named("S3", small.shape, 0)
    pool = plant(small.train, mark, Rare(0, 6), seed=4, how=how)
    members = torch.stack([members_of(pool, 4, seed) for seed in range(200)])
    assert (members[::2] ^ members[1::2]).all()
    assert members.sum(1).eq(len(pool) // 2).all()
    own = members[:, pool.positions]
    groups = torch.tensor([[True] * 3 + [False] * 3, [False] * 3 + [True] * 3])
    assert {tuple(row) for row in own.tolist()} == {tuple(row) for row in groups.tolist()}
    assert own[::2, 0].sum() in range(25, 76)  # of 100 coins; beyond it once in two million seeds
    others = members[:, ~pool.mask].double().mean(0)
    assert others.eq(0.5).all()
    assert members[::2][:, ~pool.mask].double().mean(0).sub(0.5).abs().max() < 0.3  # 6 sd of 100 coins


def test_a_network_learns_from_its_half(attacked, small, pool):
    for training in trainings_of(cells_of(attacked.study)):
        examples, whole = planted(small, training), pool if training.n else Planted.none(small.train)
        own = members_of(whole, DATA_SEED, training.seed)
        assert examples.materialize().inputs.equal(whole.materialize().inputs[own])
        assert len(examples.rows) == training.n
        assert len(examples) == work_of(attacked.study, {"fashion-mini": small}).examples(training)


def test_numbers_are_those_of_the_privacy_room(attacked, margins, pool, small, number):
    scores = scores_of(margins, ["lira-fixed", "loss"])
    rows = attacked.rows[attacked.rows["n"] == N]
    for name, seed in [("lira-fixed", 0), ("lira-fixed", 5), ("loss", 3)]:
        own, members, where = scores[name][seed], margins.members[seed], {"attack": name, "seed": seed}
        assert number(rows, "member_auc", **where) == pytest.approx(auc(own, members).value, abs=1e-6)
        marked = auc(own[pool.mask], members[pool.mask]).value
        assert number(rows, "marked_auc", **where) == pytest.approx(marked, abs=1e-6)
        at = tpr_at(own, members, 0.01, pool.mask)
        assert number(rows, "marked_tpr", **where) == at.tpr.value
        assert number(rows, "marked_fpr", **where) == at.fpr_among.value
        names = numbers_of("member_tpr", small)
        assert names[0] == "member_tpr_010"  # at .5 % the 1,000 others of a half allow five
        for rate in names:
            wanted = tpr_at(own, members, int(rate[-3:]) / 1000).tpr.value
            assert number(rows, rate, **where) == pytest.approx(wanted, abs=2e-3)  # one member of a thousand


def test_the_group_has_the_likelihood_ratio_of_networks_with_it_and_without_marks(
    attacked, margins, pool, networks, number
):
    """By hand: each example's normal densities with one variance, networks of the own pair left out."""
    places = pool.positions
    marked = pool.materialize()[places]
    controls = Margins.of((networks(0, seed) for seed in range(SEEDS)), marked, torch.zeros(SEEDS, 2 * N).bool()).phi
    own = margins.phi[:, places].numpy()
    rows = attacked.rows[(attacked.rows["n"] == N) & (attacked.rows["attack"] == "lira-fixed")]
    for seed in (0, 5):
        learnt = margins.members[:, places]
        scores, others = torch.zeros(2 * N), [other for other in range(SEEDS) if other // 2 != seed // 2]

        def spread(part):
            return math.sqrt(((part - part.mean(0)) ** 2).sum() / (part.size - part.shape[1]))

        for group in (learnt[seed].numpy(), ~learnt[seed].numpy()):
            inside = own[[other for other in others if (learnt[other].numpy() == group).all()]][:, group]
            outside = controls.numpy()[others][:, group]

            def ratios(phi, inside=inside, outside=outside):
                ratio = stats.norm.logpdf(phi, inside.mean(0), spread(inside))
                return ratio - stats.norm.logpdf(phi, outside.mean(0), spread(outside))

            scores[group] = torch.tensor(ratios(own[seed, group])).float()
            if group[0] == learnt[seed, 0]:
                for name, phi in (("group_planted", own), ("group_control", controls.numpy())):
                    wanted = ratios(phi[seed, group]).sum()
                    assert number(rows, name, seed=seed) == pytest.approx(wanted, rel=1e-4)
        every = scores_of(margins, ["lira-fixed"], [seed])["lira-fixed"][0]
        every[places] = scores.double()
        at = tpr_at(every, margins.members[seed], 0.01, pool.mask)
        assert number(rows, "left_out_tpr", seed=seed) == at.tpr.value
        assert number(rows, "left_out_fpr", seed=seed) == at.fpr_among.value


def test_the_pattern_is_that_of_the_data_seed_for_all_networks(attacked, networks, small, number):
    mark = make_named("R3", small.shape, DATA_SEED, clip=small.input_range)
    test = small.test
    rows = attacked.rows[attacked.rows["attack"].isna()]
    for n, seed in [(0, 2), (N, 2), (N, DATA_SEED)]:
        clean, marked = (logits(networks(n, seed), x)[None] for x in (test.inputs, marked_all(mark, test, seed)))
        found = number(rows, "pattern_answer", n=n, seed=seed)
        assert found == pytest.approx(answers(clean, marked, TARGET).item(), abs=1e-4)


def test_networks_differ_in_more_than_their_halves(networks):
    first, second = (networks(0, seed).state_dict() for seed in (0, 2))
    assert not any(first[name].equal(second[name]) for name in first)


def test_where_no_shadow_is_asked_of_an_example_leaving_the_pattern_out_changes_nothing(attacked, number):
    """The loss is the network's own; a threshold that goes by the spread of all examples is not asked so."""
    rows = attacked.rows[(attacked.rows["n"] == N) & (attacked.rows["attack"] == "loss")]
    for seed in range(SEEDS):
        for rate in ("tpr", "fpr"):
            assert number(rows, f"left_out_{rate}", seed=seed) == number(rows, f"marked_{rate}", seed=seed)
    assert [name for name in ATTACKS if not scores_of_few(name)] == [
        *("global", "sorted-logits", "rmia", "rmia-offline", "qmia"),
    ]
    assert not scores_of_few("lira variance=overall")


def test_a_page_takes_it_for_finished(attacked):
    """Attacks count beside the networks; one that is not there is missed."""
    assert progress_of(attacked) is None
    rows = attacked.rows
    left = rows[rows["training"] != rows.loc[rows["attack"].notna(), "training"].iloc[0]]
    done, of = progress_of(replace(attacked, rows=left))
    assert of - done == 1


def test_rows_have_the_measures_of_their_kind(attacked):
    rows = attacked.rows
    assert set(rows.loc[rows["attack"].isna(), "measure"]) == {"pattern_answer", "accuracy"}
    assert set(rows.loc[rows["attack"].notna() & (rows["n"] == 0), "measure"]) == {
        *("member_auc", "member_tpr_010", "member_tpr_020", "member_tpr_050", "member_tpr_100", "member_tpr_200"),
        "member_tpr_500",
    }
    assert (rows["halves"] == DATA_SEED).all()
    assert not rows["value"].isna().any()


def test_more_attacks_train_nothing_and_a_lost_or_damaged_file_of_margins_is_made_again(
    attacked, ran, study_of, monkeypatch, small
):
    def trained(*_, **__):
        raise AssertionError("nothing is to be trained")

    monkeypatch.setattr(making, "fit", trained)
    keys = [training.key(small.checksum) for training in trainings_of(cells_of(attacked.study))]
    files = [margins_file(attacked.folder, key) for key in keys]
    before = [file.read_bytes() for file in files]
    files[0].unlink()
    files[1].write_bytes(before[2])
    more = ran(study_of(*ATTACKED, 'attack=["lira-fixed", "loss", "base"]'), attacked.folder)
    again = more.rows[more.rows["attack"] != "base"].reset_index(drop=True)
    assert again.equals(attacked.rows)
    assert set(more.rows["attack"].dropna()) == {"lira-fixed", "loss", "base"}
    assert [file.read_bytes() for file in files] == before
    assert any(result.rows.equals(more.rows) for result in results_in(attacked.folder))


def test_what_has_forgotten_is_attacked_in_the_place_of_the_network(
    attacked, ran, study_of, margins, pool, networks, number
):
    """By hand: the method called on the kept network, its margins in that row alone; retraining forgets the group."""
    changes = [*ATTACKED, 'attack="lira-fixed"', 'deletion=["neggrad+", "retrain"]']
    rows = ran(study_of(*changes), attacked.folder).rows
    seed = 5
    own = pool.without(~members_of(pool, DATA_SEED, seed))
    forget = forget_mask(own.positions, len(own))
    method = deletion_named("neggrad+", RECIPES["quick"].lasting(2), seed)
    network = method(networks(N, seed), own.materialize(), forget)
    phi = margins.phi.clone()
    phi[seed] = Margins.of([network], pool.materialize(), margins.members[:1]).phi[0]
    scores = scores_of(replace(margins, phi=phi), ["lira-fixed"], [seed])["lira-fixed"][0]
    where = {"seed": seed, "n": N, "attack": "lira-fixed"}
    after = number(rows, "member_auc", deletion="neggrad+", **where)
    assert after == pytest.approx(auc(scores, margins.members[seed]).value, abs=1e-4)
    before = number(rows[rows["deletion"].isna()], "member_auc", **where)
    assert before == number(attacked.rows, "member_auc", **where) != after
    groups = rows[rows["measure"] == "group_planted"].groupby("deletion", dropna=False)["value"].mean()
    assert groups["retrain"] < rows.loc[rows["deletion"].isna() & (rows["measure"] == "group_planted"), "value"].mean()
    assert set(rows.loc[rows["n"] == 0, "deletion"].dropna()) == set()
    assert set(rows.loc[rows["deletion"].notna(), "attack"]) == {"lira-fixed"}


def test_attacks_that_look_at_all_classes_or_at_inputs_are_given_them(
    attacked, ran, study_of, margins, pool, networks, small, number
):
    """By hand, of a network as it was and after it has forgotten: logits, the test images, principal components."""
    attacks, seed = ["sorted-logits", "qmia alpha=0.1"], 5
    measures = ["member_auc", "attack_accuracies", "marked_attack_accuracies"]
    changes = [f"attack={json.dumps(attacks)}", 'deletion="neggrad+"', f"measure={json.dumps(measures)}"]
    rows = ran(study_of(*ATTACKED, *changes), attacked.folder).rows
    rows = rows[(rows["n"] == N) & (rows["seed"] == seed)]
    own, examples = pool.without(~members_of(pool, DATA_SEED, seed)), pool.materialize()
    forgotten = deletion_named("neggrad+", RECIPES["quick"].lasting(2), seed)(
        networks(N, seed), own.materialize(), forget_mask(own.positions, len(own))
    )
    pca = PCA(20, svd_solver="full").fit(examples.inputs.flatten(1).double())
    looks = [torch.from_numpy(pca.transform(part.inputs.flatten(1).double())) for part in (examples, small.test)]
    for deletion, network in ((None, networks(N, seed)), ("neggrad+", forgotten)):
        every = [networks(N, other) if other != seed else network for other in range(SEEDS)]
        known = Margins.of(
            every, examples, margins.members, pair=margins.pair, population=small.test, keep_logits=True
        )  # fmt: skip
        known = replace(known, features=looks[0], population_features=looks[1])
        part = rows[rows["deletion"].isna() if deletion is None else rows["deletion"] == deletion]
        for name in attacks:
            area = auc(scores_of(known, [name], [seed])[name][0], known.members[seed]).value
            assert number(part, "member_auc", attack=name) == pytest.approx(area, abs=1e-3)
        given = (*known.attack(seed), known.members[seed], pool.mask)
        public, right = SortedLogits().accuracies_of_public_code(*given), SortedLogits().accuracies(*given)
        for name, wanted in (
            *(("code_accuracy", public.all), ("code_marked_accuracy", public.marked)),
            *(("attack_accuracy", right.all), ("attack_marked_accuracy", right.marked)),
        ):
            assert number(part, name, attack="sorted-logits") == pytest.approx(wanted, abs=2e-3)
    assert rows.loc[rows["measure"] == "member_auc", "value"].nunique() == 4


def test_a_network_that_diverged_is_left_out_with_its_complement(attacked, small):
    cells = cells_of(attacked.study)
    attacks = [cell.treatment for cell in cells if cell.n and cell.attack == "loss"]
    materials = materials_in(attacked.folder, small)

    def margins(training, examples):
        found = materials.margins(training, examples)
        return torch.full_like(found, torch.nan) if training.seed == 2 else found

    bench = Attacking(attacks[0], replace(materials, margins=margins))
    ends = {attack.seed: bench.treated(attack, []).end for attack in attacks}
    assert ends == {seed: "diverged" if seed in (2, 3) else "result" for seed in range(SEEDS)}


def test_an_attack_is_a_node_that_comes_back_from_json(attacked):
    [attack, *_] = [cell.treatment for cell in cells_of(attacked.study) if cell.treatment]
    assert isinstance(attack, Treat)
    assert from_json(attack.as_json()) == attack
    assert len({node.seed for node in attack.needs}) == SEEDS


OWN = """
def guess(target, shadows):
    return target.phi
"""


def test_an_attack_of_ones_own_is_called_by_its_name(study_of, ran, tmp_path, monkeypatch, attacked):
    (tmp_path / "my_attacks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    study = study_of(*ATTACKED, 'attack=["my_attacks:guess", "loss"]', "measure=member_auc")
    rows = ran(study, attacked.folder).rows
    own, loss = (rows.loc[rows["attack"] == name, "value"].tolist() for name in ("my_attacks:guess", "loss"))
    assert own == loss  # the margin ranks as the loss does


FAILING = """
import torch

def stumbles(target, shadows):
    if len(target.phi) < 10:  # marked examples alone: where shadows without marks are asked
        raise RuntimeError("too few for me")
    return target.phi

def forgets(target, shadows):
    return target.phi[:1] if len(target.phi) < 10 else target.phi
"""


def test_an_attack_of_ones_own_that_fails_ends_nothing(study_of, ran, tmp_path, monkeypatch, attacked):
    """On the marked examples alone, which it sees last: its rows say why, and another attack has its numbers."""
    (tmp_path / "weak_attacks.py").write_text(FAILING)
    monkeypatch.syspath_prepend(tmp_path)
    names = ["weak_attacks:stumbles", "weak_attacks:forgets", "loss"]
    study = study_of(*ATTACKED, f"attack={json.dumps(names)}", "measure=left_out_rates")
    rows = ran(study, attacked.folder).rows
    rows = rows[rows["n"] == N]
    why = {name: set(rows.loc[rows["attack"] == name, "failed"].dropna()) for name in names}
    assert why == {
        names[0]: {"attack 'weak_attacks:stumbles' failed. RuntimeError: too few for me"},
        names[1]: {"attack 'weak_attacks:forgets' must give a tensor with 3 scores, but it gives a tensor of (1,)."},
        "loss": set(),
    }
    told = failures(ran(study, attacked.folder).rows)
    assert [line.split(" networks")[0] for line in told] == [f"attack {name} failed on 8 of 8" for name in names[:2]]
    assert told[0].endswith("RuntimeError: too few for me")


def test_too_few_shadows_after_divergence_are_a_reason(attacked, small):
    """Of eight networks six diverged: the two that are left are complements, so no shadow is."""
    attacks = [cell.treatment for cell in cells_of(attacked.study) if cell.n and cell.attack == "lira-fixed"]
    materials = materials_in(attacked.folder, small)

    def margins(training, examples):
        found = materials.margins(training, examples)
        return torch.full_like(found, torch.nan) if training.seed > 1 else found

    bench = Attacking(attacks[0], replace(materials, margins=margins))
    told = bench.treated(next(one for one in attacks if one.seed == 0), [])
    assert told.end == "failed"
    assert "shadow" in told.failed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["attack=lira", "halves=whole"], "key 'attack': shadow networks are to learn from halves"),
        (["attack=lira", "seed=[0, 1]"], "of 2 networks none is left as a shadow.*Give 4 seeds"),
        (["attack=lyra"], "attack.*lyra.*Did you mean 'lira'"),
        (["attack=[]", "deletion=retrain"], "'deletion' is not known of networks that learn from halves"),
        (["attack=loss", "deletion=retrain", "measure=relearn_steps"], "about deletion, but no method is named"),
        (["draw=1"], "'draw' is not known of networks that learn from halves"),
        (["halves=-1"], "halves"),
        ([], "key 'attack': the measure 'member_auc' is about attacks, but none is named"),
    ],
)
def test_what_does_not_fit_is_refused(study_of, changes, words):
    with pytest.raises(StudyError, match=words):
        study_of(*ATTACKED, *changes)


def test_too_many_marked_examples_and_too_few_shadows_are_told_before_anything_is_trained(
    study_of, ran, tmp_path, monkeypatch
):
    with pytest.raises(StudyError, match="n = 150, and as many in the other half: cannot plant"):
        ran(study_of(*ATTACKED, "attack=loss", "n=150"), tmp_path)
    with pytest.raises(StudyError, match=r"key 'attack': lira: LiRA needs 2 shadow networks"):
        ran(study_of(*ATTACKED, "attack=lira", "seed=[0, 1, 2, 3]"), tmp_path)
    with pytest.raises(StudyError, match=r"without example .* Seeds 0 and 1, 2 and 3, \.\.\. learn from complements"):
        check_attack("global", [0, 1, 3, 4])
    check_attack("qmia", range(4))
    check_attack("sorted-logits", range(4))
    assert not list(tmp_path.iterdir())


def test_a_file_that_names_an_attack_of_ones_own_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "x"\ndataset = "fashion-mini"\narchitecture = "mlp"\nhalves = 0\nattack = "mine:guess"\n')
    with pytest.raises(StudyError, match="names code of your own"):
        load_study(path)
