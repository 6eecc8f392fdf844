"""t-SNE on clusters that are known, neighbour purity against all pairs by brute force and by hand."""

import ast
import inspect
import math

import pytest
import torch
from torch.testing import assert_close

from spurlab.explain import embedding, neighbour_purity, tsne
from spurlab.seeds import rng_for


def clusters(count, size, d, apart, *purpose):
    """`count` clusters of `size` points each, their centres `apart` in units of a cluster's standard deviation."""
    labels = torch.arange(count).repeat_interleave(size)
    centres = apart * torch.eye(count, d)
    return centres[labels] + torch.randn(count * size, d, generator=rng_for(0, "test", *purpose)), labels


def test_clusters_far_apart_stay_apart_and_labels_by_lot_stay_mixed():
    """Clusters 40 standard deviations apart share no neighbours, so each point's 10 nearest of 29 are of its own.

    Labels by lot agree with a neighbour's with probability 29/89. Of the 890 pairs each may come twice, so the standard
    deviation is at most sqrt(2 * .25 / 890) = 0.024; five of them are 0.12.
    """
    inputs, labels = clusters(3, 30, 8, 40.0)
    points = tsne(inputs, seed=0, perplexity=10.0, iterations=500)
    assert points.shape == (90, 2)
    assert points.dtype == torch.float32
    assert neighbour_purity(inputs, labels) == 1.0
    assert neighbour_purity(points, labels) == 1.0
    mixed = labels[torch.randperm(90, generator=rng_for(0, "test", "lot"))]
    assert abs(neighbour_purity(points, mixed) - 29 / 89) < 0.12


def test_the_same_seed_gives_the_same_points_whatever_the_threads_and_the_shape():
    inputs, _ = clusters(2, 20, 6, 5.0)
    one = tsne(inputs, seed=3, perplexity=5.0, iterations=250)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = tsne(inputs.reshape(40, 2, 3), seed=3, perplexity=5.0, iterations=250)
        assert torch.get_num_threads() == 2  # the limit to one thread is over
    finally:
        torch.set_num_threads(before)
    assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("inputs", "settings", "message"),
    [
        (torch.rand(5, 4), {"perplexity": 5.0}, "below the number of examples, 5, but it is 5"),
        (torch.rand(5, 4), {"perplexity": 0.0}, "above 0"),
        (torch.rand(5, 4), {"perplexity": math.nan}, "but it is nan"),
        (torch.rand(5, 4), {"perplexity": 2.0, "iterations": 249}, "`iterations` must be 250 or more, but it is 249"),
        (torch.rand(2, 4), {"perplexity": 1.0}, r"the inputs are \(2, 4\)"),
        (torch.rand(5, 1), {"perplexity": 2.0}, r"the inputs are \(5, 1\)"),
        (torch.rand(0, 4), {}, r"the inputs are \(0, 4\)"),
        (torch.ones(5, 4), {"perplexity": 2.0}, "all 5 inputs are the same"),
        (torch.tensor([[0.0, 1], [math.nan, 1], [2, math.inf], [3, 1]]), {"perplexity": 2.0}, "2 of 4 .* not finite"),
    ],
)
def test_what_cannot_be_embedded_is_refused(inputs, settings, message):
    with pytest.raises(ValueError, match=message):
        tsne(inputs, seed=0, **settings)


def purity_by_brute_force(points, labels, neighbours):
    """All pairs; of each row the nearest others, one by one."""
    rows = points.double().flatten(1) if points.ndim > 1 else points.double()[:, None]
    hits = 0
    for i, row in enumerate(rows):
        distances = (rows - row).square().sum(1)
        others = sorted((distances[j].item(), j) for j in range(len(rows)) if j != i)
        hits += sum(int(labels[j] == labels[i]) for _, j in others[:neighbours])
    return hits / (len(rows) * neighbours)


@pytest.mark.parametrize("neighbours", [1, 4, 59])
@pytest.mark.parametrize("shape", [(2,), (1, 40), ()])
def test_purity_equals_brute_force(neighbours, shape):
    """Random floats: no two distances are equal. All others as neighbours leave only the shares of the classes."""
    points = torch.randn(60, *shape, generator=rng_for(0, "test", "purity", str(shape)), dtype=torch.float64)
    labels = (points.reshape(60, -1)[:, 0] > 0.4).long() + (torch.arange(60) % 3 == 0)
    got = neighbour_purity(points, labels, neighbours)
    assert got == pytest.approx(purity_by_brute_force(points, labels, neighbours), abs=1e-12)
    assert 0.1 < got < 1
    if neighbours == 59:
        sizes = labels.bincount()
        assert got == pytest.approx((sizes * (sizes - 1)).sum().item() / (60 * 59))


def test_an_example_is_not_its_own_neighbour_even_among_equals():
    """Two pairs of equal points, with labels that differ within each pair: the nearest is always of the other class."""
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [5.0, 5.0], [5.0, 5.0]])
    assert neighbour_purity(points, torch.tensor([0, 1, 0, 1]), neighbours=1) == 0.0
    assert neighbour_purity(points, torch.tensor([0, 0, 1, 1]), neighbours=1) == 1.0


def test_purity_of_too_few_points_is_refused():
    points, labels = torch.rand(4, 2), torch.zeros(4, dtype=torch.int64)
    for neighbours in (0, 4):
        with pytest.raises(ValueError, match=f"below the number of examples, 4, but it is {neighbours}"):
            neighbour_purity(points, labels, neighbours)
    with pytest.raises(ValueError, match="1 of 4 examples have values that are not finite"):
        neighbour_purity(torch.tensor([0.0, 1.0, math.inf, 2.0]), labels, 2)


def test_scikit_learn_is_imported_only_when_it_is_used():
    """It takes a second, and every worker process imports this room."""
    body = ast.parse(inspect.getsource(embedding)).body
    at_once = [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert at_once
    assert "sklearn" not in " ".join(at_once)
