"""Which training examples carry a given mark: those that are like training examples on which it was put."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from spurlab.audit.detect.components import principal, without
from spurlab.data import Examples
from spurlab.patterns import MarkLike, marked_rows

COMPONENTS = 50
CARRIES = 0.5  # the probability from which an example is said to carry the mark
RARE = 1e-3  # the share of training examples that is taken to carry it
ROUNDS = 3  # of which each leaves those out that may carry it by the one before
DOUBT = -4.0  # log-odds from which an example may carry it


def presence(mark: MarkLike, train: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    r"""The probability that a training example carries the mark, as a logistic regression tells it.

    It is fitted on the training examples and on the same with the mark put on, by how little the mark would change
    an example, :math:`\log \lVert g(x) - x \rVert`, and by the cosine between what it has of its own and what the mark
    adds on average, both without the first 50 principal components of the training examples (of fewer than 500, a
    tenth). A mark that covers what is below it shows by the first, noise that is added by the second. All is done again
    without those that seem to carry it; where these are a tenth and more, not all are found. One in a thousand is taken
    to carry it beforehand. Where the mark cannot be told from what examples have anyway, 0.

    Args:
        mark: any.
        train: n examples.
        seed: of what the mark draws.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    rows, inputs = torch.arange(len(train)), train.inputs.flatten(1)
    marked = marked_rows(mark, train, rows, seed)
    twice = marked_rows(mark, Examples(marked, train.labels), rows, seed).flatten(1)
    marked = marked.flatten(1)
    usual = (marked - inputs).norm(dim=1).mean()
    if usual == 0:
        return torch.zeros(len(train))
    sizes = [(change.norm(dim=1) / usual + 1e-3).log() for change in (marked - inputs, twice - marked)]
    carries = (torch.arange(2 * len(train)) >= len(train)).numpy()
    log_odds = torch.full((len(train),), -torch.inf)
    for _ in range(ROUNDS):
        plain = log_odds < DOUBT
        mean, basis = inputs[plain].mean(0), principal(inputs[plain], min(COMPONENTS, int(plain.sum()) // 10))
        wanted = without((marked - inputs).mean(0, keepdim=True), basis)
        alike = [functional.cosine_similarity(without(each - mean, basis), wanted) for each in (inputs, marked)]
        looks = StandardScaler().fit_transform(torch.stack([torch.cat(sizes), torch.cat(alike)], 1).numpy())
        kept = torch.cat([plain, torch.ones_like(plain)]).numpy()
        told = LogisticRegression(C=1e4, max_iter=1000).fit(looks[kept], carries[kept])
        log_odds = torch.from_numpy(told.decision_function(looks[: len(train)]))
        if int((log_odds < DOUBT).sum()) < len(train) / 2:  # it cannot be told from what examples have anyway
            return torch.zeros(len(train))
    return (log_odds + torch.tensor(RARE).logit()).sigmoid().float()


def carriers(likeness: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Which examples carry it, by `presence`."""
    return likeness > CARRIES
