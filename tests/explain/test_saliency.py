"""Saliency maps against linear models, PyTorch's own gradients and loops that hide one window after the other."""

import ast
import itertools
from importlib import resources

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.explain import SALIENCY, gradient, integrated_gradients, occlusion, saliency
from spurlab.models import seeded
from spurlab.seeds import rng_for

SHAPES = [(40,), (1, 40), (1, 5, 6), (3, 5, 6)]
FLOAT32 = {"rtol": 1e-6, "atol": 1e-7}  # Captum rounds results or the steps' sizes so, also for float64
WINDOW_OF_ONE = {"gradient": {}, "integrated-gradients": {}, "occlusion": {"window": 1}}


def inputs_of(n, *shape, dtype=torch.float64):
    return torch.randn(n, *shape, generator=rng_for(0, "test", "inputs"), dtype=dtype)


def linear(*shape, classes=4):
    """The model, and its weights as maps: one `*shape` for each class."""
    size = torch.Size(shape).numel()
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(size, classes)), 0).double()
    return model, model[1].weight.detach().reshape(classes, *shape)


def bent(*shape, classes=4):
    """A network with everything that evaluation mode changes."""
    size = torch.Size(shape).numel()

    def make():
        layers = [nn.Flatten(), nn.Linear(size, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*layers, nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, classes))

    model = seeded(make, 1).double()
    model[2].running_mean += 0.1
    return model.train()


def targets_of(inputs, classes=4):
    return torch.arange(len(inputs)) % classes


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_of_a_linear_model_is_its_weights(shape):
    model, weights = linear(*shape)
    inputs = inputs_of(5, *shape)
    targets = targets_of(inputs)
    assert_close(gradient(model, inputs, targets), weights[targets])
    assert_close(gradient(model, inputs, 2), weights[[2] * 5])
    assert_close(gradient(model, inputs, 2, absolute=True), weights[[2] * 5].abs())


@pytest.mark.parametrize("shape", SHAPES)
def test_integrated_gradients_of_a_linear_model_are_weight_times_way(shape):
    """The gradient is the same everywhere on the way."""
    model, weights = linear(*shape)
    inputs, baselines = inputs_of(5, *shape), 0.3 * inputs_of(10, *shape)[5:]
    targets = targets_of(inputs)
    for baseline in (0.0, 0.7, baselines[0], baselines):
        got = integrated_gradients(model, inputs, targets, baseline=baseline, steps=3)
        assert_close(got, weights[targets] * (inputs - baseline), **FLOAT32)


@pytest.mark.parametrize("shape", SHAPES)
def test_occlusion_of_a_linear_model_by_one_value_is_weight_times_input(shape):
    model, weights = linear(*shape)
    inputs = inputs_of(5, *shape)
    targets = targets_of(inputs)
    one = [1] * len(shape)
    for baseline in (0.0, 0.5):
        got = occlusion(model, inputs, targets, window=one, baseline=baseline)
        assert_close(got, weights[targets] * (inputs - baseline), **FLOAT32)


def test_a_window_given_as_a_number_hides_all_channels():
    """One position of a linear model: the sum over channels of weight times input, for each of the channels."""
    model, weights = linear(3, 5, 6)
    inputs = inputs_of(5, 3, 5, 6)
    wanted = (weights[1] * inputs).sum(1, keepdim=True).expand_as(inputs)
    assert_close(occlusion(model, inputs, 1, window=1), wanted, **FLOAT32)
    assert_close(occlusion(model, inputs, 1, window=(3, 1, 1)), wanted, **FLOAT32)


def completeness_gap(model, inputs, targets, steps):
    """What the maps' sums lack of the difference of logits, one number for each input, and that difference."""
    rows = torch.arange(len(inputs))
    with torch.no_grad():
        model.eval()
        at_inputs, at_baseline = (model(x)[rows, targets] for x in (inputs, torch.full_like(inputs, 0.2)))
    maps = integrated_gradients(model, inputs, targets, baseline=0.2, steps=steps)
    return (maps.flatten(1).sum(1) - (at_inputs - at_baseline)).abs(), (at_inputs - at_baseline).abs()


def test_integrated_gradients_are_complete():
    """A smooth network: Gauss-Legendre is exact to many digits, what remains is the float32 of Captum's step sizes."""
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(30, 20), nn.Tanh(), nn.Linear(20, 4)), 1).double()
    inputs = inputs_of(6, 1, 5, 6)
    gap, difference = completeness_gap(model, inputs, targets_of(inputs), steps=50)
    assert gap.max() < 1e-6
    assert difference.max() > 0.1
    assert completeness_gap(model, inputs, targets_of(inputs), steps=1)[0].max() > 1e-3


def test_integrated_gradients_are_nearly_complete_where_the_network_has_bends():
    """Each bend on the way costs at most its jump times the step it falls into, which is at most pi / 2 / steps."""
    model, inputs = bent(1, 5, 6), inputs_of(6, 1, 5, 6)
    gaps = [completeness_gap(model, inputs, targets_of(inputs), steps)[0].max() for steps in (1, 20, 200)]
    assert gaps[0] > 10 * gaps[1]
    assert gaps[2] < 1e-3


def test_gradient_equals_autograd():
    model = bent(3, 5, 6)
    inputs = inputs_of(6, 3, 5, 6)
    got = gradient(model, inputs, targets_of(inputs))
    model.eval()
    for x, target, map_of_x in zip(inputs, targets_of(inputs).tolist(), got, strict=True):
        leaf = x.clone().requires_grad_()
        model(leaf[None])[0, target].backward()
        assert_close(map_of_x, leaf.grad)


def test_integrated_gradients_equal_the_loop():
    """One gradient after the other, at numpy's Gauss-Legendre points."""
    model = bent(1, 5, 6)
    inputs = inputs_of(3, 1, 5, 6)
    got = integrated_gradients(model, inputs, 1, baseline=0.2, steps=20)
    model.eval()
    points, weights = np.polynomial.legendre.leggauss(20)  # on [-1, 1]
    for x, map_of_x in zip(inputs, got, strict=True):
        total = torch.zeros_like(x)
        for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
            between = (0.2 + point * (x - 0.2)).requires_grad_()
            total += weight * torch.autograd.grad(model(between[None])[0, 1], between)[0]
        assert_close(map_of_x, (x - 0.2) * total, **FLOAT32)


def occlusion_by_loop(model, x, target, window, stride, baseline):
    """Every window hidden alone, and each value's mean over the windows that hide it."""
    total, times = torch.zeros_like(x), torch.zeros_like(x)
    axes = []
    for size, move, length in zip(window, stride, x.shape, strict=True):
        starts = [0]
        while starts[-1] + size < length:  # until the window reaches the end
            starts.append(starts[-1] + move)
        axes.append([slice(start, min(start + size, length)) for start in starts])
    with torch.no_grad():
        for place in itertools.product(*axes):
            hidden = x.clone()
            hidden[place] = baseline.expand_as(x)[place]
            total[place] += (model(x[None]) - model(hidden[None]))[0, target]
            times[place] += 1
    return total / times


@pytest.mark.parametrize(
    ("shape", "window", "stride", "as_axes"),
    [
        ((40,), 3, 1, ((3,), (1,))),
        ((1, 40), 5, 2, ((1, 5), (1, 2))),
        ((1, 5, 6), 3, 2, ((1, 3, 3), (1, 2, 2))),
        ((3, 5, 6), 2, 2, ((3, 2, 2), (1, 2, 2))),
        ((3, 5, 6), (2, 3, 4), (1, 3, 2), ((2, 3, 4), (1, 3, 2))),
        ((3, 5, 6), (1, 5, 6), (1, 9, 9), ((1, 5, 6), (1, 9, 9))),
    ],
)
def test_occlusion_equals_the_loop(shape, window, stride, as_axes):
    model = bent(*shape)
    inputs = inputs_of(3, *shape)
    for baseline in (torch.tensor(0.4, dtype=torch.float64), inputs_of(4, *shape)[3]):
        given = baseline if baseline.ndim else baseline.item()
        got = occlusion(model, inputs, targets_of(inputs), window=window, stride=stride, baseline=given)
        model.eval()
        wanted = [occlusion_by_loop(model, x, i, *as_axes, baseline) for i, x in enumerate(inputs)]
        assert_close(got, torch.stack(wanted), **FLOAT32)


@pytest.mark.parametrize("method", SALIENCY)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_number_for_each_value_whatever_the_batches(method, shape):
    """With one row at a time integrated gradients must cut the steps of one input too."""
    model, inputs = bent(*shape), inputs_of(7, *shape)
    whole = saliency(model, inputs, method=method, **WINDOW_OF_ONE[method])
    assert whole.shape == inputs.shape
    assert whole.dtype == inputs.dtype
    for rows in (1, 3, 60):
        parts = saliency(model, inputs, method=method, rows=rows, **WINDOW_OF_ONE[method])
        assert_close(parts, whole, **FLOAT32)
    assert saliency(model, inputs[:0], method=method, **WINDOW_OF_ONE[method]).shape == (0, *shape)


@pytest.mark.parametrize("method", SALIENCY)
def test_no_target_means_the_predicted_class(method):
    model, inputs = bent(1, 40), inputs_of(7, 1, 40)
    predicted = model.eval()(inputs).argmax(1)
    assert len(predicted.unique()) > 1
    got, wanted = (saliency(model, inputs, target, method) for target in (None, predicted))
    assert got.equal(wanted)
    for i, target in enumerate(predicted.tolist()):
        assert_close(saliency(model, inputs[[i]], target, method), wanted[[i]], **FLOAT32)


@pytest.mark.parametrize("method", SALIENCY)
def test_absolute_values_are_those_of_the_signed_map(method):
    model, inputs = bent(1, 40), inputs_of(3, 1, 40)
    signed, absolute = (saliency(model, inputs, method=method, absolute=each) for each in (False, True))
    assert signed.min() < 0
    assert absolute.equal(signed.abs())


@pytest.mark.parametrize("method", SALIENCY)
def test_the_model_and_the_inputs_are_left_as_they_were(method):
    model, inputs = bent(1, 40), inputs_of(5, 1, 40).requires_grad_()
    model[2].eval()
    model[7].weight.requires_grad_(False)
    model[1].weight.grad = torch.ones_like(model[1].weight)
    calls = []
    handle = model[3].register_forward_hook(lambda *_: calls.append(1))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    values, modes = inputs.detach().clone(), [module.training for module in model.modules()]
    with torch.no_grad():
        got = saliency(model, inputs, 0, method)
        assert not torch.is_grad_enabled()
    assert not got.requires_grad
    assert [module.training for module in model.modules()] == modes
    assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert (model[1].weight.grad == 1).all()
    assert model[5].weight.grad is None
    assert [parameter.requires_grad for parameter in model[7].parameters()] == [False, True]
    assert list(model[3]._forward_hooks) == [handle.id]
    assert calls  # a hook of the user's still works
    assert all(not module._backward_hooks and not module._forward_pre_hooks for module in model.modules())
    assert inputs.requires_grad
    assert inputs.grad is None
    assert inputs.detach().equal(values)


@pytest.mark.parametrize("method", SALIENCY)
def test_the_modes_come_back_after_a_failure_too(method):
    model = bent(1, 40)
    modes = [module.training for module in model.modules()]
    with pytest.raises(ValueError, match="class 9"):
        saliency(model, inputs_of(2, 1, 40), 9, method)
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize("method", SALIENCY)
def test_a_first_layer_that_works_in_place_changes_nothing(method):
    """It would overwrite the inputs that Captum compares with, and a leaf that needs a gradient."""
    model, _ = linear(1, 40)
    inputs = inputs_of(3, 1, 40)
    in_place, plain = (nn.Sequential(nn.ReLU(inplace=each), model) for each in (True, False))
    got, wanted = (saliency(each, inputs, 0, method, **WINDOW_OF_ONE[method]) for each in (in_place, plain))
    assert_close(got, wanted, rtol=0, atol=0)
    assert wanted[inputs < 0].abs().max() < 1e-12
    assert wanted.abs().max() > 0.1


@pytest.mark.parametrize("method", SALIENCY)
def test_inputs_from_inference_mode_are_taken(method):
    model = bent(1, 40)
    with torch.inference_mode():
        inputs = inputs_of(3, 1, 40)
        inside = saliency(model, inputs, 0, method)
    assert inside.equal(saliency(model, inputs, 0, method))
    assert inside.equal(saliency(model, inputs_of(3, 1, 40), 0, method))


REFUSED = [
    (lambda model, x: saliency(model, x, method="integrated_gradient"), "Did you mean 'integrated-gradients'"),
    (lambda model, x: saliency(model, x, method="x"), "There are: gradient, integrated-gradients, occlusion"),
    (lambda model, x: gradient(model, x, -1), "class -1, .* 0 to 3"),
    (lambda model, x: gradient(model, x, 4), "class 4, .* 0 to 3"),
    (lambda model, x: gradient(model, x, torch.tensor([0, 4, 1])), r"class 0 to 4, .* 0 to 3"),
    (lambda model, x: gradient.__wrapped__(model, x, torch.tensor([0, 1])), r"each of 3, but it has the shape \(2,\)"),
    (lambda model, x: gradient(model, x, True), "an integer"),
    (lambda model, x: gradient(model, x[0, 0]), r"shape \(40,\)"),
    (lambda model, x: gradient.__wrapped__(model, torch.zeros(3, 40, dtype=torch.int64)), "int64"),
    (lambda model, x: gradient(nn.Sequential(model, OneNumber()), x), r"logits of shape \(3, k\), but gave \(3,\)"),
    *((lambda model, x, name=name: saliency(model, x, method=name, rows=0), "`rows`") for name in SALIENCY),
    (lambda model, x: integrated_gradients(model, x, steps=0), "`steps`"),
    (lambda model, x: integrated_gradients(model, x, baseline=torch.zeros(40)), "`baseline`"),
    (lambda model, x: occlusion(model, x, baseline=torch.zeros(2, 1, 40)), "`baseline`"),
]


class OneNumber(nn.Module):
    def forward(self, logits):
        return logits.mean(1)


@pytest.mark.parametrize(("call", "words"), REFUSED)
def test_what_cannot_be_explained_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(bent(1, 40), inputs_of(3, 1, 40))


def test_a_setting_of_another_method_is_refused():
    with pytest.raises(TypeError, match="step"):
        saliency(bent(1, 40), inputs_of(3, 1, 40), method="integrated-gradients", step=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": (3,)}, "`window` has 1 axes, but an input has 2"),
        ({"stride": (1, 1, 1)}, "`stride` has 3 axes"),
        ({"window": 0}, "1 or more"),
        ({"stride": (0, 1)}, "1 or more"),
        ({"window": 41}, "larger than an input"),
        ({"window": 2, "stride": 3}, "never be hidden"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        occlusion(bent(1, 40), inputs_of(3, 1, 40), **settings)


def test_captum_is_imported_only_when_a_map_is_made():
    """It takes a second, and every worker process imports this room."""
    for path in (resources.files("spurlab") / "explain").iterdir():
        if path.name.endswith(".py"):
            at_once = [
                node
                for node in ast.parse(path.read_text("utf-8")).body
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
            assert "captum" not in " ".join(map(ast.unparse, at_once))
