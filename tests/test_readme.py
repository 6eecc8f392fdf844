"""The README: its commands and its program run, its links lead somewhere, it stays short, and releases agree."""

import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import spurlab
from spurlab.cli import main
from spurlab.seeds import rng_for

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = sorted(set(re.findall(r"`((?:spurlab|make) [^`]+)`", TEXT)))
NETWORK = """
from torch import nn

def make(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(12288, classes))
"""


def photos(folder):
    """Two classes of 12 photos, a logo, a network and its weights: what the README's audit is called with."""
    draw = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (folder / "photos" / label).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(draw.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / f"photos/{label}/{i}.png")
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(folder / "logo.png")
    (folder / "mynet.py").write_text(NETWORK)
    weight = 0.01 * torch.randn(2, 3 * 64 * 64, generator=rng_for(0, "test"))
    save_file({"1.weight": weight, "1.bias": torch.zeros(2)}, folder / "weights.safetensors")


def test_it_is_short():
    assert len(TEXT.splitlines()) < 120


def test_what_make_is_asked_for_is_there():
    """Each target's commands are those of the README, which `make package` runs from the wheel."""
    targets = sorted(
        {line.split()[1] for _, block in BLOCKS for line in block.splitlines() if line.startswith("make ")}
    )
    targets += [command.split()[1] for command in COMMANDS if command.startswith("make ")]
    assert {"demo", "test", "audit"} <= set(targets)
    for target in targets:
        said = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert {"demo": "spurlab run quickstart", "test": "pytest", "audit": "spurlab audit --demo", "docs": "sphinx"}[
            target
        ] in said


def test_its_program_runs(tmp_path, monkeypatch, capsys):
    """As it stands, but for one epoch and two seeds."""
    [program] = [block for language, block in BLOCKS if language == "python"]
    shorter = program.replace("changes = [", "changes = ['seed=[0, 1]', 'recipe.epochs=1', 'recipe.milestones=[]', ")
    assert shorter != program
    monkeypatch.chdir(tmp_path)
    exec(compile(shorter, "README.md", "exec"), {})  # noqa: S102  # it is our own
    assert "spurious_score" in capsys.readouterr().out
    assert (tmp_path / "out/mine/quickstart.csv").exists()


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("spurlab ")])
def test_each_command_runs(command, tmp_path, monkeypatch, capsys):
    """On small data of ours, with what makes it short."""
    short = {"audit": ["--quick"], "plan": ["--no-time"]}
    name, *words = shlex.split(command)[1:]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if words:
        if name == "audit":
            photos(tmp_path)
        main([name, *words, *short.get(name, [])])
        assert capsys.readouterr().out
    else:  # a command's name alone
        with pytest.raises(SystemExit) as ended:
            main([name])
        assert ended.value.code == 2


def test_its_links_lead_to_files_and_headings():
    for link in re.findall(r"\]\(((?!https?://)[^)]+)\)", TEXT):
        path, _, heading = link.partition("#")
        assert (ROOT / path).exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text("utf-8"), flags=re.MULTILINE)
            assert heading in {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}, link


def test_the_citation_and_the_changelog_are_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {spurlab.__version__}\n" in citation
    assert f"\n## {spurlab.__version__} " in (ROOT / "CHANGELOG.md").read_text("utf-8")
