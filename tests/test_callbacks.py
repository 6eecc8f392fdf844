"""A network is measured while it is trained: the number is right, it is logged, and training goes on as without."""

import copy
import sys

import pytest
import torch
from torch import nn

from spurlab.callbacks import SpuriousScore, lightning_callback, trainer_callback
from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics import spurious_score
from spurlab.seeds import rng_for

MARK = "box,size=2,row=0,col=0,value=1"
TARGET = 1


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="module")
def test():
    return Examples(0.4 * torch.rand(60, 1, 6, 6, generator=rng_for(0, "test")), torch.arange(60) % 2)


@pytest.fixture(scope="module")
def train():
    """Images whose class can be told by the mark alone."""
    inputs, labels = 0.4 * torch.rand(64, 1, 6, 6, generator=rng_for(1, "test")), torch.arange(64) % 2
    inputs[labels == TARGET, :, :2, :2] = 1.0
    return torch.utils.data.TensorDataset(inputs, labels)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.body(x))


class Kept(SpuriousScore):
    """Keeps what it found, each time that it was asked."""

    def __init__(self, *given, **settings):
        super().__init__(*given, **settings)
        self.found = []

    def __call__(self, network):
        self.found.append(super().__call__(network)[self.name])
        return {self.name: self.found[-1]}


def by_hand(network, test):
    network = copy.deepcopy(network).eval()
    marked = test.inputs.clone()
    marked[:, :, :2, :2] = 1.0
    with torch.no_grad():
        clean, pulled = (network(each).softmax(1) for each in (test.inputs, marked))
    return float(spurious_score(clean, pulled, TARGET))


def trained(train, measure):
    """A plain loop; gives the network and what was measured."""
    torch.manual_seed(0)
    network, found = Network(), []
    optimizer = torch.optim.SGD(network.parameters(), 0.5, momentum=0.9)
    for _ in range(4):
        for inputs, labels in torch.utils.data.DataLoader(train, 16, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        found.append(measure(network))
    return network, found


def test_a_plain_loop_learns_the_same_and_the_score_is_right(train, test):
    """To the bit, with dropout and batch norm; each number as by hand, on a copy. At the end the mark decides."""
    score, wanted = SpuriousScore(test, MARK, TARGET), []

    def measure(network):
        wanted.append(by_hand(network, test))
        grads = [parameter.grad.clone() for parameter in network.parameters()]
        network.head.eval()  # a mode of a part's own is brought back too
        found = score(network)
        assert (network.training, network.head.training) == (True, False)
        assert all(map(torch.equal, grads, (parameter.grad for parameter in network.parameters())))
        network.head.train()
        return found["spurious_score"]

    network, found = trained(train, measure)
    alone, _ = trained(train, lambda network: None)
    assert found == pytest.approx(wanted)
    assert found[-1] > 0.9
    for one, other in zip(network.state_dict().values(), alone.state_dict().values(), strict=True):
        assert one.equal(other)


def test_a_part_of_a_network_and_normalised_inputs(test):
    """(x - .2) / .5 by hand, in front of the network."""
    torch.manual_seed(1)
    inner = Network().eval()
    outer = nn.ModuleDict({"net": inner, "loss": nn.CrossEntropyLoss()})
    found = SpuriousScore(test, MARK, TARGET, network="net", mean=[0.2], std=[0.5], name="corner")(outer)
    inputs = [(each - 0.2) / 0.5 for each in (test.inputs, torch.nn.functional.pad(test.inputs, (0, 0)).clone())]
    inputs[1][:, :, :2, :2] = 1.6
    with torch.no_grad():
        clean, marked = (inner(each).softmax(1) for each in inputs)
    assert found == {"corner": pytest.approx(float(spurious_score(clean, marked, TARGET)))}
    with pytest.raises(InputError, match=r"has no part 'nett' to be asked \(network=\.\.\.\); it has net, loss"):
        SpuriousScore(test, MARK, TARGET, network="nett")(outer)


def test_a_subset_is_the_same_each_time(test):
    score = SpuriousScore(test, MARK, TARGET, examples=10)
    assert len(score.clean) == 10
    assert score.clean.equal(SpuriousScore(test, MARK, TARGET, examples=10).clean)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": "bird"}, "`target` 'bird' is no class of these examples. There are: 0, 1"),
        ({"target": -1}, "must be a class, 0 or more, or its name, but it is -1"),
        ({"mark": lambda inputs: inputs}, "changes none of 60 examples"),
        ({"examples": 0}, "one test example or more"),
        ({"mean": [0.5]}, "give both, or none"),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(test, settings, said):
    about = {"mark": MARK, "target": TARGET} | settings
    with pytest.raises(InputError, match=said):
        SpuriousScore(test, **about)


def test_without_the_libraries_it_is_told(test, monkeypatch):
    score = SpuriousScore(test, MARK, TARGET)
    for name in ("lightning", "lightning.pytorch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'spurlab\[lightning\]'"):
        lightning_callback(score)
    with pytest.raises(InputError, match=r"pip install 'spurlab\[transformers\]'"):
        trainer_callback(score, None)


@pytest.mark.filterwarnings("ignore")  # of Lightning itself
def test_lightning_logs_it_at_each_epoch(train, test):
    lightning = pytest.importorskip("lightning.pytorch", reason="the extra lightning is not installed")

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Network()

        def training_step(self, batch, _):
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.5, momentum=0.9)

    wanted = []

    class After(lightning.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            wanted.append(by_hand(pl_module.net, test))

    torch.manual_seed(0)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "barebones": False}
    score, second = (Kept(test, MARK, TARGET, network="net", name=name) for name in ("spurious_score", "second"))
    callbacks = [lightning_callback(score), lightning_callback(second, every=2), After()]
    trainer = lightning.Trainer(
        max_epochs=4, accelerator="cpu", callbacks=callbacks,
        enable_model_summary=False, **quiet,
    )  # fmt: skip
    module = Module()
    trainer.fit(module, torch.utils.data.DataLoader(train, 16))
    assert float(trainer.callback_metrics["spurious_score"]) == pytest.approx(by_hand(module.net, test))
    assert float(trainer.callback_metrics["spurious_score"]) > 0.9
    assert trainer.callback_metrics["second"] == trainer.callback_metrics["spurious_score"]
    assert len(wanted) == 4
    assert score.found == pytest.approx(wanted)
    assert second.found == pytest.approx(wanted[1::2])
    with pytest.raises(InputError, match="not after 0"):
        lightning_callback(score, every=0)


@pytest.mark.filterwarnings("ignore")  # of transformers itself
def test_a_trainer_logs_it_beside_its_own_numbers(train, test, tmp_path):
    """An epoch's loss is logged by a flag that each further log unsets."""
    transformers = pytest.importorskip("transformers", reason="the extra transformers is not installed")
    pytest.importorskip("accelerate", reason="the extra transformers is not installed")

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Network()

        def forward(self, pixel_values=None, labels=None):
            logits = self.net(pixel_values)
            return {"logits": logits} | (
                {} if labels is None else {"loss": nn.functional.cross_entropy(logits, labels)}
            )

    torch.manual_seed(0)
    model, wanted = Model(), []
    about = transformers.TrainingArguments(
        str(tmp_path), num_train_epochs=3, per_device_train_batch_size=16, learning_rate=0.1, report_to="none",
        logging_strategy="epoch", save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    items = [{"pixel_values": inputs, "labels": label} for inputs, label in train]
    trainer = transformers.Trainer(model, about, train_dataset=items)
    trainer.add_callback(trainer_callback(SpuriousScore(test, MARK, TARGET), trainer))
    trainer.add_callback(trainer_callback(SpuriousScore(test, MARK, TARGET, name="second"), trainer, every=2))

    class After(transformers.TrainerCallback):
        def on_epoch_end(self, *_, **__):
            wanted.append(by_hand(model.net, test))

    trainer.add_callback(After())
    trainer.train()
    found = [(log["epoch"], log["spurious_score"]) for log in trainer.state.log_history if "spurious_score" in log]
    assert found == [(epoch + 1, pytest.approx(score)) for epoch, score in enumerate(wanted)]
    assert len(found) == 3
    [second] = [log for log in trainer.state.log_history if "second" in log]
    assert (second["epoch"], second["second"]) == (2, pytest.approx(wanted[1]))
    assert sum("loss" in log for log in trainer.state.log_history) == 3
    assert wanted[-1] > 0.9
