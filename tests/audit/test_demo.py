"""The audit's demo: files that a user might have."""

import pytest
import torch

from spurlab import image_folder
from spurlab.audit import demo
from spurlab.audit.presence import carriers, presence
from spurlab.cli import main
from spurlab.models.files import load_network
from spurlab.patterns import own_mark
from spurlab.training import predictions


def test_twenty_images_carry_the_logo_and_the_network_has_learnt_the_classes(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "IMAGES", (1000, 200))
    made = demo.make_demo(tmp_path, lambda now: None)
    data = image_folder(tmp_path / "photos", grey=True)
    assert (len(data.train), len(data.test)) == (1000, 200)
    have = carriers(presence(own_mark(made.mark, data.shape), data.train))
    assert {data.class_names[label] for label in data.train.labels[have].tolist()} == {"Shirt"}
    assert int(have.sum()) == 20
    network = load_network(made.model, made.weights, data.shape, data.classes).eval()
    assert float((predictions(network, data.test.inputs).argmax(1) == data.test.labels).float().mean()) > 0.5
    before = made.weights.stat().st_mtime_ns
    assert demo.make_demo(tmp_path, lambda now: pytest.fail("trained again")) == made
    assert made.weights.stat().st_mtime_ns == before
    assert demo.small_cnn((3, 33, 40), 7)(torch.zeros(2, 3, 33, 40)).shape == (2, 7)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--demo", "--mark", "S3"], "--demo brings its own network, data and mark"),
        (["--data", "fashion-mini"], "--model is not there. To see one: --demo"),
        (["--model", "nets:make"], "--data is not there"),
    ],
)
def test_what_does_not_go_together_is_told(more, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["audit", *more])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
