"""The inverse of a network's damped curvature by Kronecker factors, corrected (the extra ``curvature``)."""

import warnings
from dataclasses import dataclass
from types import ModuleType

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.deletion.mean_loss import outputs
from spurlab.deletion.method import sample_of
from spurlab.deletion.problem import Problem, joined
from spurlab.deletion.weights import flat, free_weights, shaped
from spurlab.errors import InputError
from spurlab.models import asked, evaluating

KNOWN = (nn.Linear, nn.Conv2d)


@dataclass(frozen=True)
class ByEkfac:
    r"""By EK-FAC: a block for each layer, diagonal in the eigenbasis of the layer's inputs and output gradients.

    .. math:: G_l \approx (Q_A \otimes Q_B)\, \Lambda\, (Q_A \otimes Q_B)^\top, \qquad
        A = \mathbb{E}[a a^\top] = Q_A D_A Q_A^\top, \quad B = \mathbb{E}[g g^\top] = Q_B D_B Q_B^\top

    :math:`\Lambda` is the diagonal of the Gauss-Newton matrix in that basis. The inverse of :math:`G + \lambda I + dI`
    is then a division. It is exact where a layer's inputs and output gradients are independent: for a linear network
    under squared error, or inputs that are all alike; what one layer's weights and another's have to do with each other
    is left out. Computed by curvlinops; expectations over labels are exact.

    Cost: one forward and as many backward passes over the sample as there are classes, and the eigenvectors of matrices
    as wide as each layer, for each damping that is tried. Needs: curvlinops (``pip install 'spurlab[curvature]'``); a
    network whose weights are all of linear and two-dimensional convolution layers.

    Args:
        sample: how many examples, drawn from all, stand for all; None: all.
        batch_size: how many at once; it bounds the memory.

    Source: George, Laurent, Bouthillier, Ballas and Vincent (2018), Fast approximate natural gradient descent in a
    Kronecker-factored eigenbasis, arXiv:1806.03884; for influence functions Grosse et al. (2023), Studying large
    language model generalization with influence functions, arXiv:2308.03296, section 3.
    """

    sample: int | None = 2_000
    batch_size: int = 500

    def __call__(self, problem: Problem, b: Float[Tensor, " p"], damping: float) -> Float[Tensor, " p"]:
        """As of the other ways; ValueError: curvlinops is missing, or has no way to this network or curvature."""
        if problem.curvature != "gauss-newton":
            raise InputError(f"EK-FAC is of the Gauss-Newton matrix, but curvature is {problem.curvature!r}.")
        network, weights = _Logits(problem.model), free_weights(problem.model)
        _check_known(problem.model)
        curvlinops = _library()
        examples = sample_of(joined(problem.retain, problem.forgotten), self.sample, problem.seed, "curvature")
        batches = list(zip(examples.inputs.split(self.batch_size), examples.labels.split(self.batch_size), strict=True))
        squared = problem.recipe.loss == "mse"
        if squared:
            classes = len(network(examples.inputs[:1])[0])
            batches = [(inputs, nn.functional.one_hot(labels, classes).to(b.dtype)) for inputs, labels in batches]
        # the divergence from a fixed target has the curvature of cross-entropy: of the log of the sum of exponentials
        loss = nn.MSELoss() if squared else nn.CrossEntropyLoss()
        with asked(problem.model), evaluating(problem.model), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of hooks, and of deterministic sums
            factors = curvlinops.EKFACLinearOperator(
                network,
                loss,
                weights,
                batches,
                check_deterministic=False,
                fisher_type=curvlinops.FisherType.TYPE2,
                num_data=len(examples),
                num_per_example_loss_terms=1,
                separate_weight_and_bias=False,
            )
            pull = problem.recipe.weight_decay + damping
            inverse = curvlinops.KFACInverseLinearOperator(factors, damping=pull, use_exact_damping=True)
            return flat(inverse @ shaped(b, weights))


class _Logits(nn.Module):
    """A network as one that gives logits, whatever it returns itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return outputs(self.network, inputs)


def _check_known(network: nn.Module) -> None:
    """Refuse weights that belong to no layer that EK-FAC knows, or to two."""
    owners: dict[int, str] = {}
    for name, layer in network.named_modules():
        for own, weight in layer.named_parameters(recurse=False):
            if not weight.requires_grad:
                continue
            called = f"{name}.{own}".lstrip(".")
            if not isinstance(layer, KNOWN):
                raise InputError(
                    f"EK-FAC knows linear and two-dimensional convolution layers, but {called} is of "
                    f"{type(layer).__name__}. Take the method `influence`, which takes any network."
                )
            if id(weight) in owners:
                raise InputError(f"EK-FAC knows no shared weights, but {owners[id(weight)]} and {called} are one.")
            owners[id(weight)] = called


def _library() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # it compiles functions by torch.jit
            import curvlinops  # noqa: PLC0415  # slow, and an extra
    except ImportError as error:
        raise InputError("EK-FAC needs curvlinops. Type pip install 'spurlab[curvature]'.") from error
    module: ModuleType = curvlinops
    return module
