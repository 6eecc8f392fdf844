"""What attacks learn of a network's training examples, and what a network answers to the pattern itself.

Three questions apart: is this example a member (``member_auc``, ``member_tpr``; among marked examples, of which half
are no members, ``marked_auc`` and ``marked_rates``); were these marked examples as a group in the training set
(``group_scores``); was any example with the pattern in it (``pattern_answer``, of networks with and without it).
"""

import torch
from jaxtyping import Float, Num
from torch import Tensor

from spurlab.data import Dataset
from spurlab.measures.measure import ByData, Measure
from spurlab.measures.observed import Observed, required
from spurlab.privacy import answers, auc, tpr_at
from spurlab.privacy.roc import FALSE_POSITIVES
from spurlab.training import logits

# of false positives, in thousandths: the steps at which the ROC is looked at
RATES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
TPRS = {f"member_tpr_{rate:03d}": rate / 1000 for rate in RATES}
AT = 0.01  # the rate of false positives at which marked examples are looked at


def tprs_on(data: Dataset) -> list[str]:
    """Those that rest on ten false positives or more, of the half that a network never saw."""
    return [name for name, rate in TPRS.items() if _rests_on_enough(data, rate)]


def _rests_on_enough(data: Dataset, rate: float) -> bool:
    return rate * (len(data.train) // 2) >= FALSE_POSITIVES


def _member_auc(observed: Observed) -> dict[str, float]:
    seen = required(observed.exposed)
    return {"member_auc": auc(seen.scores, seen.members).value}


def _member_tpr(observed: Observed) -> dict[str, float]:
    seen = required(observed.exposed)
    return {name: tpr_at(seen.scores, seen.members, TPRS[name]).tpr.value for name in tprs_on(observed.data)}


def _marked_auc(observed: Observed) -> dict[str, float]:
    """Of marked members over marked examples that the network never saw; 1/2: only the pattern is seen."""
    seen = required(observed.exposed)
    return {"marked_auc": auc(seen.scores[seen.marked], seen.members[seen.marked]).value}


def _marked_rates(observed: Observed) -> dict[str, float]:
    """How many of them are called members at 1 % false positives of all examples that the network never saw."""
    seen = required(observed.exposed)
    found = tpr_at(seen.scores, seen.members, AT, seen.marked)
    return {"marked_tpr": found.tpr.value, "marked_fpr": found.fpr_among.value}


def _left_out_rates(observed: Observed) -> dict[str, float]:
    """The same by shadows that left the whole pattern out, to which all that saw it look alike."""
    seen = required(observed.exposed)
    scores = seen.scores.masked_scatter(seen.marked, seen.left_out().scores)
    found = tpr_at(scores, seen.members, AT, seen.marked)
    return {"left_out_tpr": found.tpr.value, "left_out_fpr": found.fpr_among.value}


def _group_scores(observed: Observed) -> dict[str, float]:
    found = required(observed.exposed).left_out()
    return {"group_planted": found.planted, "group_control": found.control}


def _pattern_answer(observed: Observed) -> dict[str, float]:
    """In log-odds; see `spurlab.privacy.answers`."""

    def of(inputs: Num[Tensor, "n *shape"]) -> Float[Tensor, "1 n k"]:
        return logits(required(observed.network), inputs)[None]

    with torch.no_grad():
        rise = answers(of(observed.data.test.inputs), of(observed.marked_inputs), observed.target)
    return {"pattern_answer": rise.item()}


def says_member_or_not(attack: str) -> bool:
    """Whether an attack is a classifier, of which accuracies can be taken."""
    return attack.split(maxsplit=1)[0] == "sorted-logits"


def scores_of_few(attack: str) -> bool:
    """Whether what an attack says of an example needs no examples but those of its group; of a user's it is taken so.

    Others say it by all examples together, a global threshold by their mean and spread: marked ones alone have another.
    """
    name, *settings = attack.split()
    return (
        name not in ("global", "sorted-logits", "rmia", "rmia-offline", "qmia") and "variance=overall" not in settings
    )


def _accuracies(observed: Observed) -> dict[str, float]:
    """As the public code of the paper computes them, and right."""
    public, right = required(observed.exposed).accuracies()
    return {"code_accuracy": public.all, "attack_accuracy": right.all}


def _marked_accuracies(observed: Observed) -> dict[str, float]:
    """The first, as the public code has it, is a rate of true positives."""
    public, right = required(observed.exposed).accuracies()
    return {"code_marked_accuracy": public.marked, "attack_marked_accuracy": right.marked}


def _at_one_percent(data: Dataset) -> bool:
    return _rests_on_enough(data, AT)


PATTERN_ANSWER = Measure("rise of the target's log-odds by the pattern", _pattern_answer, by_pattern=True, lumpy=True)
MEMBER_AUC = Measure("area under the ROC of members", _member_auc, needs="attack")
MEMBER_TPR = Measure(
    "members found at rates of false positives",
    _member_tpr,
    needs="attack",
    numbers=ByData(tprs_on, r"member_tpr_\d{3}"),
    suits_data=lambda data: bool(tprs_on(data)),
)
MARKED_AUC = Measure(
    "area under the ROC of members, marked examples alone", _marked_auc, needs="attack", by_pattern=True, lumpy=True
)
MARKED_RATES = Measure(
    "marked members and marked non-members found at 1 % false positives",
    _marked_rates,
    needs="attack",
    by_pattern=True,
    numbers=("marked_tpr", "marked_fpr"),
    suits_data=_at_one_percent,
    lumpy=True,
)
LEFT_OUT_RATES = Measure(
    "the same by shadows that left the whole pattern out",
    _left_out_rates,
    needs="attack",
    by_pattern=True,
    numbers=("left_out_tpr", "left_out_fpr"),
    suits_data=_at_one_percent,
    suits_attack=scores_of_few,
    lumpy=True,
)
GROUP_SCORES = Measure(
    "what an attack says of the marked members together, with them in training and without",
    _group_scores,
    needs="attack",
    by_pattern=True,
    numbers=("group_planted", "group_control"),
    suits_attack=scores_of_few,
    lumpy=True,
)
ATTACK_ACCURACIES = Measure(
    "how often an attack's word is right, as the paper's code counts and right",
    _accuracies,
    needs="attack",
    numbers=("code_accuracy", "attack_accuracy"),
    suits_attack=says_member_or_not,
)
MARKED_ATTACK_ACCURACIES = Measure(
    "how often an attack's word is right of marked examples, as the paper's code counts and right",
    _marked_accuracies,
    needs="attack",
    by_pattern=True,
    numbers=("code_marked_accuracy", "attack_marked_accuracy"),
    suits_attack=says_member_or_not,
    lumpy=True,
)
