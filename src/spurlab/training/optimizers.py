"""PyTorch's optimizers, the same to the bit, without its compiler.

PyTorch wraps some of their methods so that ``torch.compile`` leaves them alone. To say so, these import
``torch._dynamo`` (with sympy and triton) when they are first called: more than a second in each process that trains.
"""

import inspect
from typing import Any, TypeVar, cast

import torch
from torch.optim import Optimizer

Kind = TypeVar("Kind", bound=Optimizer)


def uncompiled(kind: type[Kind]) -> type[Kind]:
    """The class whose methods are not wrapped; a step still takes no gradients."""
    methods: dict[str, Any] = {name: inspect.unwrap(getattr(kind, name)) for name in ("add_param_group", "zero_grad")}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return cast(type[Kind], type(kind.__name__, (kind,), methods))


Adam, SGD = uncompiled(torch.optim.Adam), uncompiled(torch.optim.SGD)
LBFGS = uncompiled(torch.optim.LBFGS)
Adagrad, RMSprop = uncompiled(torch.optim.Adagrad), uncompiled(torch.optim.RMSprop)
