"""The weights of a network in its file: with a checksum that is bound to the network's key."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spurlab.errors import one_line
from spurlab.files import replacing
from spurlab.studies.database import StoreError, tell_of_no_checksums

WEIGHTS = "weights"  # the folder of the files
ABOUT = "spurlab"  # one entry of metadata: with several, safetensors does not promise their order


def weights_file(folder: Path, key: str) -> Path:
    """Where the weights of one network are, if they were kept.

    Args:
        folder: of results.
        key: of the network.
    """
    return folder / WEIGHTS / f"{key}.safetensors"


def write_weights(path: Path, tensors: Mapping[str, Tensor], *, diverged: bool) -> None:
    """Write the weights of one network; a file is there whole or not at all.

    Args:
        path: see `weights_file`; the results folder must be there.
        tensors: by name; several may share their memory.
        diverged: whether the network diverged.

    Raises:
        StoreError: they cannot be written.
    """
    copies = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    about = {"diverged": diverged, "sha256": _digest(path, copies, diverged)}
    put_weights(path, save(copies, {ABOUT: json.dumps(about)}))


def put_weights(path: Path, content: bytes) -> None:
    """Write a file of weights as it is.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        if not path.parent.parent.exists():
            raise StoreError(f"the results folder {path.parent.parent} was removed while a study ran in it.") from error
        raise StoreError(
            f"weights cannot be written to {path.parent} ({error}). What was finished before is kept: make room, and "
            "the same command goes on."
        ) from error


def read_weights(path: Path) -> tuple[dict[str, Tensor], bool]:
    """What `write_weights` wrote: the tensors by name, and whether the network diverged.

    A file of before, which has no checksum, is read with a note.

    Raises:
        StoreError: it is damaged, or the weights are those of another network.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        if set(metadata) == {"diverged"}:
            tell_of_no_checksums(f"weights in {path.parent} have no checksums")
            return tensors, metadata["diverged"] == "True"
        about = json.loads(metadata.get(ABOUT, "{}"))
        diverged = about.get("diverged")
        if about.get("sha256") != _digest(path, tensors, diverged):
            raise ValueError("they are not those that were written there")
        return tensors, bool(diverged)
    except FileNotFoundError as error:
        raise StoreError(f"the weights {path} are gone. The same `spurlab run` trains that network again.") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise damaged_weights(path, str(error)) from error


def damaged_weights(path: Path, how: str) -> StoreError:
    """The error for a file that does not hold the weights of its network."""
    return StoreError(
        f"the weights in {path} are damaged ({one_line(how)}). Remove the file, and the same `spurlab run` trains that "
        "network again."
    )


def _digest(path: Path, tensors: Mapping[str, Tensor], diverged: bool) -> str:
    """Of the file's name, which is the network's key, and of all that is in it."""
    digest = hashlib.sha256(json.dumps([path.stem, diverged]).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
