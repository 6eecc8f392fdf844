r"""What the methods that look at a network's loss around its present weights share: gradients, curvature, solvers.

All weights of a network are one vector here, :math:`\theta` of length p, in the order of ``model.parameters()``; only
those that training may change (``requires_grad``) are in it. The solvers know nothing of networks: they take a function
``v -> H v``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from spurlab.data import Examples
from spurlab.lent import copied_network
from spurlab.methods import HALF, device_of
from spurlab.models import asked, evaluating, fitting, logits_of, unwrapped
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES, Loss

Product = Callable[[Float[Tensor, " p"]], Float[Tensor, " p"]]


@dataclass(frozen=True, eq=False)
class MeanLoss:
    r"""The mean loss of a network on n examples, seen from the network's present weights.

    .. math:: L(\theta) = \frac{1}{n} \sum_{i=1}^{n} \Big( \ell(f_\theta(x_i), y_i)
        + \frac{\lambda}{2} \lVert\theta\rVert^2 \Big)

    The penalty is that of PyTorch's optimizers, which add :math:`\lambda\theta` to the gradient of a mean. It stands
    beside a mean of any number of examples, so each example brings its own share of it, and takes it along when it is
    removed.

    The network is in evaluation mode: what is to be deleted from is one function, the one that predicts. With dropout
    or the batch norm of a batch it would be another function at each call, and no example would have a loss of its own.
    All is exact over the examples, a chunk at a time. The network is not changed, unless it changes itself when it is
    asked: products, of which there are thousands, do not guard against that.

    Args:
        model: its weights are the point :math:`\theta`.
        inputs: n examples.
        labels: their classes.
        loss: of logits and labels, for each example.
        weight_decay: :math:`\lambda`.
        chunk: how many examples at once; this bounds the memory and changes nothing else.

    Raises:
        ValueError: no examples, whose mean does not exist.

    >>> line = nn.Linear(1, 1, bias=False)
    >>> nn.init.constant_(line.weight, 3.0).requires_grad
    True
    >>> square = MeanLoss(line, torch.tensor([[1.0], [2.0]]), torch.tensor([0, 0]), LOSSES["mse"])
    >>> square.gradient(), square.hessian(torch.ones(1))  # the mean of (3 x - 1)^2
    (tensor([12.]), tensor([5.]))
    """

    model: nn.Module
    inputs: Float[Tensor, "n *shape"]
    labels: Int64[Tensor, " n"]
    loss: Loss
    weight_decay: float = 0.0
    chunk: int = 500

    def __post_init__(self) -> None:
        if len(self.labels) == 0:
            raise ValueError("there are no examples, so there is no mean of their losses. Give at least one.")

    @classmethod
    def of(cls, model: nn.Module, examples: Examples, recipe: Recipe) -> "MeanLoss":
        """What a recipe minimizes on these examples, but for what it draws (input noise, augmentation)."""
        return cls(model, examples.inputs, examples.labels, LOSSES[recipe.loss], recipe.weight_decay)

    def gradient(self) -> Float[Tensor, " p"]:
        """The gradient of the mean loss. Cost: one forward and one backward pass over the examples."""
        weights = free_weights(self.model)
        total = torch.zeros_like(flat(weights))
        with asked(self.model), evaluating(self.model):
            for inputs, labels in self._chunks():
                loss = self.loss(_said(self.model, inputs), labels).sum()
                total += flat(torch.autograd.grad(loss, weights, materialize_grads=True))
        return total / len(self.labels) + self.weight_decay * flat(weights)

    def hessian(self, v: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        r""":math:`\nabla^2 L(\theta) v`, by differentiating twice.

        Cost: about four forward and backward passes. The Hessian of a network has negative eigenvalues wherever it is
        not at a minimum; then no damping below them makes a solver's system positive.

        Source: Pearlmutter (1994), Fast exact multiplication by the Hessian.
        """
        weights = free_weights(self.model)
        direction, total = shaped(v, weights), torch.zeros_like(v)
        with evaluating(self.model):
            for inputs, labels in self._chunks():
                loss = self.loss(_said(self.model, inputs), labels).sum()
                slopes = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
                along = torch.stack([(slope * part).sum() for slope, part in zip(slopes, direction, strict=True)]).sum()
                total += flat(torch.autograd.grad(along, weights, materialize_grads=True))
        return total / len(self.labels) + self.weight_decay * v

    def gauss_newton(self, v: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        r"""The generalised Gauss-Newton matrix times v: the Hessian of the loss with the network made linear.

        .. math:: G = \frac{1}{n} \sum_{i=1}^{n} J_i^\top \big(\nabla_z^2 \ell(z_i, y_i)\big) J_i + \lambda I,
            \qquad z_i = f_\theta(x_i), \quad J_i = \frac{\partial z_i}{\partial \theta}

        Its eigenvalues are never negative, since the losses are convex in the logits. For a linear network it is the
        Hessian. Cost: about three forward and backward passes.

        Source: Schraudolph (2002), Fast curvature matrix-vector products for second-order gradient descent; Martens
        (2020), New insights and perspectives on the natural gradient method, arXiv:1412.1193.
        """
        weights = free_weights(self.model)
        direction, total = shaped(v, weights), torch.zeros_like(v)
        with evaluating(self.model):
            for inputs, labels in self._chunks():
                logits = _said(self.model, inputs)
                # J v without forward mode: the slope of J^T u is linear in u, and its own slope along v is J v
                u = torch.zeros_like(logits, requires_grad=True)
                pulled = torch.autograd.grad(logits, weights, u, create_graph=True, materialize_grads=True)
                (moves,) = torch.autograd.grad(pulled, u, direction)
                point = logits.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.loss(point, labels).sum(), point, create_graph=True)
                (curved,) = torch.autograd.grad(slope, point, moves)
                total += flat(torch.autograd.grad(logits, weights, curved, materialize_grads=True))
        return total / len(self.labels) + self.weight_decay * v

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = device_of(self.model)
        for inputs, labels in zip(self.inputs.split(self.chunk), self.labels.split(self.chunk), strict=True):
            yield inputs, labels.to(device)


def _said(model: nn.Module, inputs: Tensor) -> Tensor:
    """What the network gives for copies of inputs, of whatever shape; whether these are logits was seen before."""
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # a network may leave them otherwise
        return logits_of(unwrapped(model)(fitting(model, inputs)), inputs)


# Weights as one vector


def free_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights that training may change, in the order of the vector.

    Raises:
        ValueError: there are none, or some of half precision: squares and curvatures would round to nothing.
    """
    free = [weight for weight in model.parameters() if weight.requires_grad]
    if not free:
        raise ValueError(f"this {type(model).__name__} has no weight that may change: call `requires_grad_()` on some.")
    if any(weight.dtype in HALF for weight in free):
        raise ValueError(
            f"this {type(model).__name__} has weights of half precision, in which squared gradients and curvatures "
            "round to nothing. Give it as float32: `network.float()`."
        )
    return free


def flat(tensors: "Iterator[Tensor] | list[nn.Parameter] | tuple[Tensor, ...]") -> Float[Tensor, " p"]:
    """Tensors as one vector, which is new and has no gradient."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def shaped(v: Float[Tensor, " p"], like: "list[nn.Parameter] | list[Tensor]") -> list[Tensor]:
    """The vector in pieces of these shapes."""
    pieces = v.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]


def moved(model: nn.Module, step: Float[Tensor, " p"]) -> nn.Module:
    r"""A copy of the network at :math:`\theta` + step.

    >>> moved(nn.Linear(1, 1).requires_grad_(), torch.zeros(2))
    Linear(in_features=1, out_features=1, bias=True)
    """
    model = copied_network(model)
    weights = free_weights(model)
    with torch.no_grad():
        for weight, piece in zip(weights, shaped(step, weights), strict=True):
            weight.add_(piece)
    return model


# Squared gradients


def squared_gradients(
    model: nn.Module,
    inputs: Float[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    loss: Loss,
    weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, " p"]:
    r"""The mean over examples of the square of each one's own gradient, weight by weight, in evaluation mode.

    .. math:: \frac{1}{n} \sum_{i=1}^{n} c_i \left( \frac{\partial \ell_i}{\partial \theta} \right)^2

    Where all free weights are those of linear layers that see each example once, the squares are summed by one matrix
    product for each layer, :math:`(\delta^2)^\top a^2` of its inputs a and the slopes :math:`\delta` at its outputs:
    this costs one forward and one and a half backward passes. Elsewhere `squared_gradients_one_by_one`: the same
    numbers.

    Args:
        model: any without layers that mix the examples of a batch in evaluation mode.
        inputs: n examples, one or more.
        labels: their classes.
        loss: of logits and labels, for each example; without weight decay, which is no example's own.
        weights: :math:`c_i`; None: 1.
    """
    model = unwrapped(model)
    place = {id(weight): i for i, weight in enumerate(free_weights(model))}
    linear = [
        module
        for module in model.modules()
        if isinstance(module, nn.Linear) and any(id(weight) in place for weight in module.parameters())
    ]
    held = [id(weight) for layer in linear for weight in layer.parameters()]
    if not place.keys() <= set(held) or len(set(held)) < len(held):  # a weight of two layers has one gradient, a sum
        return squared_gradients_one_by_one(model, inputs, labels, loss, weights)
    seen: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        seen.append((cast("nn.Linear", layer), given[0], out))
        return out.clone()  # what follows may work in place, and then the slope would be that of another number

    hooks = [layer.register_forward_hook(note) for layer in linear]
    sums = [torch.zeros_like(weight) for weight in free_weights(model)]
    device = device_of(model)
    rows = torch.arange(len(labels)).split(1_000)
    try:
        with asked(model), evaluating(model):
            for some in rows:
                seen.clear()
                losses = loss(_said(model, inputs[some]), labels[some].to(device))
                once = len({id(layer) for layer, _, _ in seen}) == len(seen)
                if not once or any(given.shape[:-1] != some.shape for _, given, _ in seen):
                    return squared_gradients_one_by_one(model, inputs, labels, loss, weights)
                slopes = torch.autograd.grad(losses.sum(), [out for _, _, out in seen])
                for (layer, given, _), slope in zip(seen, slopes, strict=True):
                    squares = slope.square() if weights is None else slope.square() * weights[some, None].to(device)
                    if id(layer.weight) in place:
                        sums[place[id(layer.weight)]] += squares.T @ given.detach().square()
                    if layer.bias is not None and id(layer.bias) in place:
                        sums[place[id(layer.bias)]] += squares.sum(0)
    finally:
        for hook in hooks:
            hook.remove()
    return flat(tuple(sums)) / len(labels)


def squared_gradients_one_by_one(
    model: nn.Module,
    inputs: Float[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    loss: Loss,
    weights: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, " p"]:
    """As `squared_gradients`, from the gradient of each example, some at once: it writes n times p numbers.

    One after the other where `torch.func.vmap` cannot run the network.
    """
    model = unwrapped(model)
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    here = {name: weight.detach() for name, weight in model.named_parameters() if name in names}
    device, total = device_of(model), torch.zeros_like(flat(free_weights(model)))

    def one(point: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        one_of_them = x.unsqueeze(0)
        said = logits_of(functional_call(model, point, (one_of_them,)), one_of_them)
        return loss(said, y.unsqueeze(0)).squeeze(0)

    per_example = vmap(grad(one), in_dims=(None, 0, 0))
    with asked(model), evaluating(model):
        for some in torch.arange(len(labels)).split(max(1, 2**24 // len(total))):  # 64 MB of gradients
            batch = fitting(model, inputs[some]), labels[some].to(device)
            try:
                slopes = per_example(here, *batch)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError:  # the network looks at values, or draws at random
                slopes = _slopes(model, *batch, loss)
            share = torch.ones(len(some)) if weights is None else weights[some]
            total += torch.cat(
                [torch.tensordot(share.to(slopes[name]), slopes[name].square(), 1).reshape(-1) for name in names]
            )
    return total / len(labels)


def _slopes(model: nn.Module, inputs: Tensor, labels: Tensor, loss: Loss) -> dict[str, Tensor]:
    """The gradient of each example's loss, by name of the weight, one after the other."""
    free = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    gradients = [
        torch.autograd.grad(loss(_said(model, x), y).sum(), list(free.values()), materialize_grads=True)
        for x, y in zip(inputs.split(1), labels.split(1), strict=True)
    ]
    return {name: torch.stack(slopes) for name, slopes in zip(free, zip(*gradients, strict=True), strict=True)}


# Solvers


def conjugate_gradient(
    product: Product, b: Float[Tensor, " p"], *, damping: float = 0.0, tolerance: float = 1e-4, steps: int = 100
) -> Float[Tensor, " p"]:
    r"""Solves :math:`(H + dI)\,x = b` for a symmetric matrix that is positive with its damping.

    It stops where :math:`\lVert b - (H + dI) x \rVert` is `tolerance` times :math:`\lVert b \rVert`, after `steps`, or
    at a direction in which the curvature is not positive: what it has then is the best it found among positive ones.

    Args:
        product: ``v -> H v``.
        b: the right-hand side.
        damping: :math:`d`.
        tolerance: of the residual, relative.
        steps: the most. Each costs one product; a few vectors of length p are all the memory.

    Raises:
        FloatingPointError: numbers that are not finite, or a curvature that is not positive along b itself.

    Source: Hestenes and Stiefel (1952); the stop at negative curvature: Steihaug (1983).

    >>> conjugate_gradient(lambda v: torch.tensor([1.0, 3.0]) * v, torch.tensor([2.0, 4.0]), damping=1.0)
    tensor([1.0000, 1.0000])
    """
    x, residual = torch.zeros_like(b), b.clone()
    direction, norm = residual.clone(), residual.dot(residual)
    enough = tolerance**2 * norm
    for step in range(steps):
        if norm <= enough:
            break
        curved = product(direction) + damping * direction
        curvature = direction.dot(curved)
        if not curvature > 0:
            if step == 0 or not curvature.isfinite():
                raise FloatingPointError(
                    f"conjugate gradient found a curvature of {curvature.item():.3g} at step {step + 1}, where it must "
                    f"be positive and finite. The damping is {damping:g}: raise it, or take the Gauss-Newton matrix."
                )
            break
        length = norm / curvature
        x += length * direction
        residual -= length * curved
        before, norm = norm, residual.dot(residual)
        direction = residual + (norm / before) * direction
    return _finite(x, "conjugate gradient", damping)


def lissa(
    product: Product,
    b: Float[Tensor, " p"],
    *,
    damping: float,
    scale: float,
    depth: int,
    repetitions: int = 1,
) -> Float[Tensor, " p"]:
    r"""Estimates :math:`(H + dI)^{-1} b` from products with matrices drawn at random around :math:`H`.

    .. math:: h_0 = b, \qquad h_t = b + h_{t-1} - \frac{(H_t + dI)\, h_{t-1}}{s}, \qquad
        x = \frac{1}{r} \sum_{j=1}^{r} \frac{h_T^{(j)}}{s}

    With independent draws of mean :math:`H` the expectation is that of the recursion with :math:`H` itself; it tends to
    the solution as T grows, if :math:`s` is above the largest eigenvalue of :math:`H + dI`. The recursion sums
    the Neumann series of :math:`(H + dI) / s`, so its end must be divided by :math:`s`; repetitions are averaged.

    Args:
        product: ``v -> H_t v``, with another draw at each call.
        b: the right-hand side.
        damping: :math:`d`.
        scale: :math:`s`, above the largest eigenvalue of any :math:`H_t + dI`, or the recursion may diverge.
        depth: :math:`T`, the products of one repetition. Directions with an eigenvalue below :math:`s / T` have not
            arrived by then: stopping early damps them by about that much.
        repetitions: :math:`r`.

    Raises:
        FloatingPointError: the recursion diverged.

    Source: Agarwal, Bullins and Hazan (2017), Second-order stochastic optimization for machine learning in linear time;
    Koh and Liang (2017), Understanding black-box predictions via influence functions, section 3.

    >>> b = torch.tensor([2.0, 4.0])
    >>> lissa(lambda v: torch.tensor([1.0, 3.0]) * v, b, damping=1.0, scale=5.0, depth=100)
    tensor([1.0000, 1.0000])
    """
    total = torch.zeros_like(b)
    for _ in range(repetitions):
        h = b.clone()
        for _ in range(depth):
            h = b + h - (product(h) + damping * h) / scale
        total += h / scale
    return _finite(total / repetitions, f"LiSSA at scale {scale:g}", damping)


def largest_eigenvalue(product: Product, start: Float[Tensor, " p"], steps: int = 10) -> float:
    r"""A lower bound of the largest eigenvalue in absolute value, near it after a few steps of power iteration.

    >>> round(largest_eigenvalue(lambda v: torch.tensor([1.0, 3.0]) * v, torch.ones(2)), 2)
    3.0
    """
    v, size = start / start.norm(), 0.0
    for _ in range(steps):
        curved = product(v)
        size = curved.norm().item()
        if size == 0:
            break
        v = curved / size
    return size


def _finite(x: Tensor, solver: str, damping: float) -> Tensor:
    if not bool(x.isfinite().all()):
        raise FloatingPointError(
            f"{solver} did not converge: its result is not finite. The damping is {damping:g}: raise it (for LiSSA, or "
            "the scale)."
        )
    return x
