"""The weights of a network in its file: with a checksum that is bound to the network's key."""

import hashlib
import json
import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spurlab.errors import one_line
from spurlab.files import replacing
from spurlab.studies.store import StoreError

log = logging.getLogger(__name__)

ABOUT = "spurlab"  # one entry of metadata: with several, safetensors does not promise their order


def write_weights(path: Path, tensors: Mapping[str, Tensor], *, diverged: bool) -> None:
    """Write the weights of one network; a file is there whole or not at all.

    Args:
        path: see `spurlab.studies.store.weights_file`; the results folder must be there.
        tensors: by name; several may share their memory.
        diverged: whether the network diverged.

    Raises:
        StoreError: they cannot be written.
    """
    own = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    about = {"diverged": diverged, "sha256": _digest(path, own, diverged)}
    put_weights(path, save(own, {ABOUT: json.dumps(about)}))


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
            _tell_of_no_checksums(path.parent)
            return tensors, metadata["diverged"] == "True"
        about = json.loads(metadata.get(ABOUT, "{}"))
        diverged, sha256 = about.get("diverged"), about.get("sha256")
        problem = "" if sha256 == _digest(path, tensors, diverged) else "they are not those that were written there"
    except FileNotFoundError as error:
        raise StoreError(f"the weights {path} are gone. The same `spurlab run` trains that network again.") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise damaged_weights(path, str(error)) from error
    if problem:
        raise damaged_weights(path, problem)
    return tensors, bool(diverged)


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


@cache
def _tell_of_no_checksums(folder: Path) -> None:
    """A note, once for each folder."""
    log.warning("weights in %s have no checksums: what was damaged on the disk would not be noticed.", folder)
