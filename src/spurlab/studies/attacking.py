"""Attacks on networks that learnt from halves of one training set: each with all others as its shadows."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property, partial

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from spurlab.deletion import deletion_named, forget_mask
from spurlab.errors import FailureError, InputError
from spurlab.measures import Exposed, LeftOut, Observed
from spurlab.measures.observed import required
from spurlab.methods import Attempt, isolated
from spurlab.methods.table import Need
from spurlab.plugins import is_foreign
from spurlab.privacy import ATTACKS, Attacked, Margins, attack_named, group_scores, half, margins_of, scores_of
from spurlab.privacy.attacks.sorted_logits import Accuracies, SortedLogits
from spurlab.privacy.attacks.table import scored
from spurlab.seeds import rng_for
from spurlab.studies.graph import Train, Treat
from spurlab.studies.halving import members_of
from spurlab.studies.materials import Materials
from spurlab.studies.measuring import Measuring
from spurlab.studies.subjects import Request
from spurlab.studies.training_sets import pool_of
from spurlab.studies.treating import UNTRAINED, Numbers
from spurlab.study_files import StudyError
from spurlab.training import logits

TRIED, CLASSES = 64, 3  # examples, with which an attack is tried
COMPONENTS = 20  # principal components of the inputs: what QMIA predicts margins from


def pairs_of(seeds: Sequence[int]) -> Tensor:
    """Of each network the place of its complement; -1 where that is not among them."""
    return torch.tensor([seeds.index(seed ^ 1) if seed ^ 1 in seeds else -1 for seed in seeds])


def check_attack(name: str, seeds: Sequence[int]) -> None:
    """Try an attack with as many shadows as it will have: it says itself what it lacks.

    Args:
        name: of the attack.
        seeds: of the networks.

    Raises:
        StudyError: too few networks for it, or it needs what a study does not give.
    """
    rng = rng_for(0, "attack", "tried")
    outputs = torch.randn(len(seeds), TRIED, CLASSES, generator=rng)
    labels = torch.randint(CLASSES, (TRIED,), generator=rng)
    members = torch.stack([half(TRIED, seed, 0) for seed in seeds])
    phi, features = margins_of(outputs, labels), torch.randn(TRIED, 2, generator=rng)
    margins = Margins(phi, members, pairs_of(seeds), labels, outputs, phi, features, features)
    try:
        scores_of(margins, [name], [0])
    except InputError as error:
        alone = [seed for seed in seeds if seed ^ 1 not in seeds]
        pairs = "Seeds 0 and 1, 2 and 3, ... learn from complements: give both of each."
        raise StudyError(f"key 'attack': {name}: {error}{f' {pairs}' if alone else ''}") from error


class Attacking:
    """The margins of networks that learnt from halves of one training set, and attacks on each of them.

    A network that diverged is left out, with its complement.

    Args:
        first: one of the attacks on one of them.
        materials: what they are made from.
    """

    def __init__(self, first: Treat, materials: Materials) -> None:
        self._materials, self._training = materials, first.training
        self._measuring = Measuring(materials)
        self._data_seed = required(first.training.halves)
        self._pool = pool_of(materials.data, first.training)
        self._examples = self._pool.materialize()
        every = list(first.oracles)
        phi = torch.stack([self._margins(seed) for seed in every])
        lost = {seed for seed, row in zip(every, phi, strict=True) if bool(row.isnan().any())}
        places = [place for place, seed in enumerate(every) if not {seed, seed ^ 1} & lost]
        self._seeds = [every[place] for place in places]
        self._phi = phi[places]
        self._forgotten: dict[tuple[str, int], Attempt[Tensor]] = {}
        self._known: dict[frozenset[Need], Margins] = {}

    def treated(self, treatment: Treat, requests: Sequence[Request]) -> Attempt[Numbers]:
        """Attack one network, or what a deletion makes of it, and measure what is found.

        Args:
            treatment: which network, and how.
            requests: what to measure.
        """
        if treatment.seed not in self._seeds:
            return UNTRAINED
        try:
            margins = self._margins_for(treatment.method)
            if not treatment.after:
                return Attempt(self._numbers(treatment, requests, margins))
            forgotten = self._after(treatment.after, treatment.seed)
            return forgotten.measured(
                lambda outputs: self._numbers(treatment, requests, self._seen(margins, treatment.seed, outputs)),
                foreign=bool(treatment.code),
            )
        except (FailureError, InputError) as error:  # also too few shadows, where many diverged
            return Attempt(None, failed=str(error), end="failed")

    def _numbers(self, treatment: Treat, requests: Sequence[Request], margins: Margins) -> Numbers:
        place = self._seeds.index(treatment.seed)
        exposed = Exposed(
            scores_of(margins, [treatment.method], [place])[treatment.method][0],
            margins.members[place],
            self._pool.mask.cpu(),
            cache(partial(self._left_out, treatment, margins.phi[place])),
            cache(partial(self._accuracies, treatment, margins)),
        )
        observed = Observed(self._materials.data, treatment.setting.architecture, seed=treatment.seed, exposed=exposed)
        return self._measuring.numbers(observed, requests)

    def _after(self, deletion: str, seed: int) -> Attempt[Tensor]:
        """What the network answers, once it has forgotten all its marked examples; of one deletion made once.

        Of the examples, and of the population after them.
        """
        if (deletion, seed) not in self._forgotten:
            training, planted = self._of(seed), self._materials.planted(self._of(seed))
            forget = forget_mask(planted.positions.cpu(), len(planted))
            make, recipe = self._materials.maker(training), training.setting.recipe
            attempt = isolated(
                deletion_named(deletion, recipe, seed, make),
                self._materials.trained(training)[0],
                lambda: (planted.materialize(), forget.clone()),
                like=planted.base,
                classes=self._materials.data.classes,
                seed=seed,
            )
            self._forgotten[deletion, seed] = attempt.measured(
                lambda network: torch.cat([logits(network, inputs) for inputs in self._asked]),
                foreign=is_foreign("deletion", deletion),
            )
        return self._forgotten[deletion, seed]

    def _seen(self, margins: Margins, seed: int, outputs: Float[Tensor, "both k"]) -> Margins:
        """The margins with other answers of one network; it is no shadow of itself."""
        place, n = torch.tensor([self._seeds.index(seed)]), len(self._examples)
        population = self._materials.data.test

        def instead(rows: Tensor | None, own: Tensor) -> Tensor | None:
            return None if rows is None else rows.index_copy(0, place, own[None].cpu())

        return replace(
            margins,
            phi=required(instead(margins.phi, margins_of(outputs[:n], self._examples.labels))),
            logits=instead(margins.logits, outputs[:n]),
            population=instead(margins.population, margins_of(outputs[n:], population.labels)),
        )

    @cached_property
    def _members(self) -> Bool[Tensor, "m n"]:
        return torch.stack([members_of(self._pool, self._data_seed, seed) for seed in self._seeds])

    def _margins_for(self, attack: str) -> Margins:
        """With what else an attack needs."""
        needs = ATTACKS.needs(attack)
        if needs not in self._known:
            margins = Margins(self._phi, self._members, pairs_of(self._seeds), self._examples.labels.cpu())
            if "logits" in needs:
                margins = replace(margins, logits=self._outputs_of_all(self._examples.inputs))
            if "population" in needs:
                test = self._materials.data.test
                population = margins_of(self._outputs_of_all(test.inputs), test.labels.cpu())
                features = dict(zip(("features", "population_features"), self._features, strict=True))
                margins = replace(margins, population=population, **features)
            self._known[needs] = margins
        return self._known[needs]

    @property
    def _asked(self) -> tuple[Tensor, Tensor]:
        """The examples, and the population: the test images, which no network learns from."""
        return self._examples.inputs, self._materials.data.test.inputs

    @property
    def _features(self) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, "z d"]]:
        """Principal components of the examples, and of the population along the same directions."""
        from sklearn.decomposition import PCA  # noqa: PLC0415  # slow to import

        examples, population = (inputs.flatten(1).double().cpu().numpy() for inputs in self._asked)
        components = PCA(min(COMPONENTS, *examples.shape), svd_solver="covariance_eigh").fit(examples)
        return torch.from_numpy(components.transform(examples)), torch.from_numpy(components.transform(population))

    def _outputs_of_all(self, inputs: Tensor) -> Float[Tensor, "m n k"]:
        return torch.stack([self._outputs(self._of(seed), inputs) for seed in self._seeds])

    def _of(self, seed: int) -> Train:
        return self._training._replace(seed=seed)

    def _outputs(self, training: Train, inputs: Tensor) -> Float[Tensor, "n k"]:
        return logits(self._materials.trained(training)[0], inputs)

    def _margins(self, seed: int) -> Float64[Tensor, " n"]:
        return required(self._materials.margins)(self._of(seed), self._examples)

    @cached_property
    def _marked_margins(self) -> dict[bool, Float64[Tensor, "m marked"]]:
        """Of the marked examples, by whether networks have learnt from some: theirs, and those of the controls."""
        places = self._pool.positions.cpu()
        marked = self._examples[places]
        controls = [
            margins_of(self._outputs(self._of(seed).control, marked.inputs), marked.labels.cpu())
            for seed in self._seeds
        ]
        return {True: self._phi[:, places], False: torch.stack(controls)}

    def _left_out(self, treatment: Treat, phi: Float64[Tensor, " n"]) -> LeftOut:
        """What the attack says of marked examples with shadows that learnt from an example's group, or from no mark.

        The network, that of its seed without marks, and their complements are not among the shadows, so that both are
        judged by the same. Its own margins are `phi`, those of a network that has forgotten included.
        """
        place, places = self._seeds.index(treatment.seed), self._pool.positions.cpu()
        learnt = self._members[:, places]  # of the marked examples, one group or the other
        others = torch.tensor([seed ^ treatment.seed > 1 for seed in self._seeds])
        attack, scores = attack_named(treatment.method), torch.zeros(2, len(places), dtype=torch.float64)
        for group in (learnt[place], ~learnt[place]):
            planted, control = (self._marked_margins[own][:, group] for own in (True, False))
            inside, outside = planted[others & (learnt == group).all(1)], control[others]
            members = torch.cat([torch.ones_like(inside), torch.zeros_like(outside)]).bool()
            shadows = Margins(torch.cat([inside, outside]), members)
            asked = phi[places][group], control[place]
            foreign = is_foreign("attacks", treatment.method)
            scores[:, group] = torch.stack(
                [scored(treatment.method, attack, Attacked(seen), shadows, foreign=foreign) for seen in asked]
            )
        groups = group_scores(scores, torch.where(learnt[place], 0, -1)).squeeze(1).tolist()
        return LeftOut(scores[0][places.argsort()], *groups)

    def _accuracies(self, treatment: Treat, margins: Margins) -> tuple[Accuracies, Accuracies]:
        """Those of the attack's word, as the public code computes them, and right."""
        attack, place = attack_named(treatment.method), self._seeds.index(treatment.seed)
        assert isinstance(attack, SortedLogits)  # noqa: S101  # as `treated` has looked
        target, shadows = margins.attack(place)
        given = target, shadows, self._members[place], self._pool.mask.cpu()
        return attack.accuracies_of_public_code(*given), attack.accuracies(*given)
