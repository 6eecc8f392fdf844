"""Features: what comes into the last linear layer gives the logits, by that layer's own formula."""

import pytest
import torch
from torch import nn

from spurlab.models import build, features, features_layer, mlp

LAST = {  # written down from the networks' code
    "small-mlp": "3",
    "mlp": "7",
    "large-mlp": "7",
    "vgg-mlp": "7",
    "cnn": "16",
    "resnet20": "linear",
    "resnet32": "linear",
    "resnet110": "linear",
    "resnet18": "net.fc",
    "resnet18-cifar": "net.fc",
    "resnet50": "net.fc",
    "resnet50-cifar": "net.fc",
    "vgg16": "net.classifier.6",
    "logistic": "1",
    "table-mlp": "5",
    "mnist1d-mlp": "linear3",
    "mnist1d-cnn": "9",
    "mnist1d-cnn-25": "9",
    "mnist1d-gru": "linear",
    **dict.fromkeys(("bag-mean", "bag-sum", "bag-max", "text-cnn", "text-transformer"), "linear"),
}


def test_the_features_give_the_logits(name, network, shape_of, draw):
    """features @ weight + bias, written out; batches of 2 of 3 images."""
    model, images = network(name), draw(3, *shape_of(name))
    assert features_layer(model) == LAST[name]
    last = model.get_submodule(LAST[name])
    found = features(model, images, batch_size=2)
    assert found.shape == (3, last.in_features)
    with torch.no_grad():
        wanted = model(images)
    torch.testing.assert_close(found @ last.weight.T + last.bias, wanted, rtol=1e-4, atol=1e-4)


def test_features_of_an_mlp_by_hand(draw):
    model, x = mlp((1, 2, 2), 3, hidden=(5,)), draw(4, 1, 2, 2)
    wanted = (x.flatten(1) @ model[1].weight.T + model[1].bias).clamp(min=0)
    torch.testing.assert_close(features(model, x), wanted.detach())


def test_the_model_is_left_as_it_was_and_dropout_is_off(draw):
    """Batch norm's statistics do not move, modules keep the mode that each was in, hooks are gone."""
    model = build("resnet20", (3, 8, 8), 10, seed=0).train()
    model.stage1.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    features(model, draw(2, 3, 8, 8))
    assert [module.training for module in model.modules()] == modes
    assert all(model.state_dict()[name].equal(tensor) for name, tensor in before.items())
    assert not model.linear._forward_hooks
    dropping = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 2)).train()
    images = draw(5, 1, 2, 2)
    assert features(dropping, images).equal(images.flatten(1))


def test_a_new_last_layer_can_be_trained_on_the_features(network, draw):
    found = features(network("cnn"), draw(3, 1, 28, 28))
    layer = nn.Linear(200, 2)
    layer(found).sum().backward()
    torch.testing.assert_close(layer.weight.grad, found.sum(0).expand(2, -1))


def test_batches_do_not_matter_and_none_is_fine(draw):
    """A matrix product of another number of rows may round otherwise."""
    model, images = mlp((1, 2, 2), 3, hidden=(5,)), draw(7, 1, 2, 2)
    torch.testing.assert_close(features(model, images, batch_size=2), features(model, images, batch_size=7))
    assert features(model, images[:0]).shape == (0, 5)


def test_a_network_of_the_user_and_a_layer_alone():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.body(x).tanh())

    model, x = Mine(), torch.eye(3)
    assert features_layer(model) == "head"
    torch.testing.assert_close(features(model, x), model.body(x).tanh().detach())
    alone = nn.Linear(3, 2)
    assert features_layer(alone) == ""
    assert features(alone, x).equal(x)


def test_features_of_a_network_that_diverged():
    model = mlp((2,), 2, hidden=(3,))
    nn.init.constant_(model[1].weight, torch.nan)
    assert features(model, torch.ones(1, 2)).isnan().all()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.Softmax(-1)), r"last module of this Sequential.*but it is Softmax \(1\)"),
        (nn.Sequential(), r"but it is Sequential\."),
        (nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.Flatten())), r"it is Flatten \(1.0\)"),
        (nn.ReLU(), r"last module of this ReLU must be an nn.Linear"),
    ],
)
def test_a_network_that_does_not_end_in_a_linear_layer_is_refused(model, message):
    for asked in (lambda: features_layer(model), lambda: features(model, torch.zeros(1, 3))):
        with pytest.raises(ValueError, match=message):
            asked()


class Odd(nn.Module):
    """Its last module is a linear layer, but its outputs come from elsewhere."""

    def __init__(self, how):
        super().__init__()
        self.how, self.first, self.last = how, nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        match self.how:
            case "never called":
                return self.first(x)
            case "goes on":
                return self.last(x).relu() + 1
            case "beside":
                self.last(x)
                return self.first(x)
        return self.last(x.expand(2, -1, -1)).sum(0)


@pytest.mark.parametrize("how", ["never called", "goes on", "beside", "several"])
def test_outputs_that_do_not_come_from_the_last_module_are_noticed(how):
    model = Odd(how)
    with pytest.raises(
        ValueError, match=r"last module of this Odd is a linear layer, but its outputs are not the model's"
    ):
        features(model, torch.eye(3))
    assert not model.last._forward_hooks
    assert model.training
