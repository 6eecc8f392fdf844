"""One-thread worker processes that train groups of members and share the data.

The base data stand in one file that every worker maps, so they are in memory once. A worker runs
``spurlab.training.worker FOLDER`` (see `spurlab.training.pool`): its orders are numbers of groups, and it writes each
group's result to a file. Nothing but safetensors and JSON passes between processes.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.training.batches import Member
from spurlab.training.engines import Trained
from spurlab.training.pool import Order, run_orders
from spurlab.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Job:
    """What all groups of one call share."""

    architecture: str
    base: Examples
    classes: int
    engine: str

    def write(self, folder: Path) -> None:
        """Put the job in `folder`, where workers read it."""
        save_file(_columns(self.base), folder / "base.safetensors")
        about = {"architecture": self.architecture, "classes": self.classes, "engine": self.engine}
        about["words"] = self.base.words
        (folder / "job.json").write_text(json.dumps(about))

    @classmethod
    def read(cls, folder: Path) -> "Job":
        """What `write` wrote; the base data are mapped, not copied."""
        about = json.loads((folder / "job.json").read_text())
        words = about.pop("words")
        return cls(base=Examples.of(load_file(folder / "base.safetensors"), words), **about)


def _columns(examples: Examples) -> dict[str, torch.Tensor]:
    # clones of the small columns: groups may be the labels themselves, and safetensors refuses shared memory
    return {
        name: column.contiguous() if name == "inputs" else column.clone() for name, column in examples.columns.items()
    }


def write_group(members: Sequence[Member], recipes: Sequence[Recipe], path: Path) -> None:
    """The members of one group: seeds, overlays and recipes, not the base data."""
    tensors = {}
    for i, member in enumerate(members):
        # clones: members may share an overlay, and safetensors refuses shared memory
        tensors[f"rows/{i}"], tensors[f"inputs/{i}"] = member.data.rows.clone(), member.data.inputs.clone().contiguous()
        tensors[f"left-out/{i}"], tensors[f"labels/{i}"] = member.data.left_out.clone(), member.data.labels.clone()
    about = [
        {"seed": member.seed, "how": member.data.how, "recipe": asdict(recipe)}
        for member, recipe in zip(members, recipes, strict=True)
    ]
    save_file(tensors, path, {"members": json.dumps(about)})


def read_group(base: Examples, path: Path) -> tuple[list[Member], list[Recipe]]:
    """What `write_group` wrote, on top of `base`."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["members"])
        overlays = [
            [file.get_tensor(f"{column}/{i}") for column in ("rows", "inputs", "left-out", "labels")]
            for i in range(len(about))
        ]
    members = [
        Member(Planted(base, rows, inputs, member["how"], left_out, labels), member["seed"])
        for member, (rows, inputs, left_out, labels) in zip(about, overlays, strict=True)
    ]
    return members, [Recipe.from_json(member["recipe"]) for member in about]


def write_trained(trained: Trained, path: Path) -> None:
    save_file({f"state/{name}": t for name, t in trained.state.items()} | {"losses": trained.losses}, path)


def read_trained(path: Path) -> Trained:
    tensors = load_file(path)
    losses = tensors.pop("losses")
    return Trained({name.removeprefix("state/"): tensor for name, tensor in tensors.items()}, losses)


def run_in_workers(
    job: Job, groups: Sequence[tuple[Sequence[Member], Sequence[Recipe]]], workers: int, advance: Callable[[int], None]
) -> list[Trained]:
    """Train each group, members and their recipes, in one of `workers` processes; results in the order of `groups`.

    `advance` is called in this thread with the number of model-epochs that were just done (negative when a worker died
    and its group starts again).

    Raises WorkerError: a group whose worker died twice, or that could not be trained; other workers are stopped.
    """
    with tempfile.TemporaryDirectory(prefix="spurlab-") as name:
        folder = Path(name)
        job.write(folder)
        for i, (members, recipes) in enumerate(groups):
            write_group(members, recipes, folder / f"group-{i}.safetensors")
        done = [0] * len(groups)  # model-epochs that the group's worker has told of

        def told(order: Order, event: Mapping[str, Any]) -> None:
            group = order.content["group"]
            step = -done[group] if event.get("restarted") else event["model_epochs"]
            done[group] += step
            advance(step)

        orders = [Order(_name(i, members), {"group": i}) for i, (members, _) in enumerate(groups)]
        with closing(run_orders(["spurlab.training.worker", name], orders, workers, told, folder)) as running:
            for _ in running:
                pass
        return [read_trained(folder / f"trained-{i}.safetensors") for i in range(len(groups))]


def _name(group: int, members: Sequence[Member]) -> str:
    return f"group {group} ({len(members)} members, seeds {sorted({member.seed for member in members})})"
