"""Inputs as points in the plane, and how well the classes are told apart there and in the inputs themselves."""

import torch
from jaxtyping import Float, Float32, Int64, Num
from torch import Tensor

from spurlab.errors import InputError
from spurlab.seeds import rng_for


def tsne(
    inputs: Num[Tensor, "n *shape"], seed: int, perplexity: float = 30.0, iterations: int = 1000
) -> Float32[Tensor, "n 2"]:
    r"""Points in the plane whose neighbours are, as far as the plane allows, the neighbours of the inputs (t-SNE).

    .. math:: \min_Y \sum_{i \ne j} p_{ij} \log \frac{p_{ij}}{q_{ij}}, \qquad
        q_{ij} = \frac{(1 + \lVert y_i - y_j \rVert^2)^{-1}}{\sum_{k \ne l} (1 + \lVert y_k - y_l \rVert^2)^{-1}}

    where :math:`p_{ij}` falls with the squared distance of the inputs like a Gaussian, whose width is chosen for each
    input so that it has about `perplexity` neighbours. Scikit-learn computes it (Barnes-Hut), from the first two
    principal components on and with its own step size. It works on one thread, so that the points are the same on
    machines with more of them: 4,000 signals of 40 values take about half a minute and little memory; the time grows as
    n log n and with `iterations`.

    Only who is near whom can be read off the picture: distances between clusters, their sizes and the axes mean
    nothing, and clusters can be torn apart. `neighbour_purity` is the number that goes with it.

    Args:
        inputs: one row per example, of any shape; not scaled here.
        seed: of the principal components' solver, the only draw.
        perplexity: above 0 and below n. Usual are 5 to 50.
        iterations: steps of gradient descent, 250 or more; the first 250 only bring neighbours together.

    Returns:
        One point per example, around 0 and without unit.

    Raises:
        ValueError: values that are not finite, inputs that are all the same, of one value or less than three, a
            perplexity or iterations outside their ranges.

    Sources: van der Maaten and Hinton (2008), Visualizing data using t-SNE, JMLR 9; van der Maaten (2014), Accelerating
    t-SNE using tree-based algorithms, JMLR 15; the start: Kobak and Berens (2019), The art of using t-SNE for
    single-cell transcriptomics, Nature Communications 10.

    >>> inputs = torch.cat([torch.eye(8), torch.eye(8) + 9])  # two heaps
    >>> points = tsne(inputs, seed=0, perplexity=4.0, iterations=250)
    >>> points.shape
    torch.Size([16, 2])
    """
    from sklearn.manifold import TSNE  # noqa: PLC0415  # slow to import
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    n = len(inputs)
    rows = _rows(inputs)
    if n < 3 or rows.shape[1] < 2:
        raise InputError(
            f"t-SNE needs three examples or more, of two values or more each, but the inputs are {tuple(inputs.shape)}."
        )
    if not 0 < perplexity < n:
        raise InputError(f"`perplexity` must be above 0 and below the number of examples, {n}, but it is {perplexity}.")
    if iterations < 250:
        raise InputError(f"`iterations` must be 250 or more, but it is {iterations}. Usual is 1000.")
    if bool((rows == rows[0]).all()):
        raise InputError(f"all {n} inputs are the same: there is nothing to tell apart.")
    draw = int(torch.randint(2**31, (), generator=rng_for(seed, "tsne")))
    with threadpool_limits(1):
        method = TSNE(2, perplexity=perplexity, max_iter=iterations, init="pca", random_state=draw)
        return torch.from_numpy(method.fit_transform(rows.numpy())).float()


def neighbour_purity(points: Num[Tensor, "n *shape"], labels: Int64[Tensor, " n"], neighbours: int = 10) -> float:
    r"""The share of an example's nearest neighbours that are of its class, on average over the examples.

    .. math:: P = \frac{1}{nK} \sum_{i=1}^{n} \sum_{j \in N_K(i)} \mathbf{1}[y_j = y_i]

    Of the inputs it says how well the classes are told apart by distance alone; of their picture by `tsne`, how well
    they are told apart there. A picture can be better than what it is made from, since t-SNE pulls clusters together.

    Args:
        points: one row per example: points in the plane, inputs or features, of any shape.
        labels: the classes :math:`y_i`, in the same order.
        neighbours: :math:`K`, how many others count as near; by Euclidean distance, the example itself is none. Of
            those equally far any may be taken.

    Returns:
        A share in [0, 1]. Chance, where the points know nothing of the classes, is the chance that another example is
        of the same class: near 1/k for k classes of one size.

    Raises:
        ValueError: fewer than `neighbours` others, a number of neighbours below 1, or values that are not finite.

    Source: Venna et al. (2010), Information retrieval perspective to nonlinear dimensionality reduction, JMLR 11 (the
    precision of a picture's neighbourhoods; there the neighbours in the inputs are right, here those of the class).

    >>> points = torch.tensor([[0.0], [1.0], [1.5], [9.0]])
    >>> neighbour_purity(points, torch.tensor([0, 0, 1, 1]), neighbours=1)
    0.5
    """
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415  # slow to import

    if not 1 <= neighbours < len(points):
        raise InputError(
            f"`neighbours` must be 1 or more and below the number of examples, {len(points)}, but it is {neighbours}."
        )
    search = NearestNeighbors(n_neighbors=neighbours).fit(_rows(points).numpy())
    near = torch.from_numpy(search.kneighbors(return_distance=False))
    wanted = labels.cpu()
    return (wanted[near] == wanted.unsqueeze(1)).double().mean().item()


def _rows(points: Num[Tensor, "n *shape"]) -> Float[Tensor, "n d"]:
    """One finite row of numbers for each point."""
    rows = points.detach().cpu().flatten(1) if points.ndim > 1 else points.detach().cpu().unsqueeze(1)
    if rows.dtype in (torch.float16, torch.bfloat16):  # which NumPy does not know, or rounds
        rows = rows.float()
    if bad := int((~rows.isfinite()).any(1).sum()):
        raise InputError(f"{bad} of {len(rows)} examples have values that are not finite. Leave them out.")
    return rows
