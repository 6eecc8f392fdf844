"""The weights of a network, or other tensors, in a file: with a checksum that is bound to the file's name."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spurlab.errors import one_line
from spurlab.files import replacing
from spurlab.studies.database import StoreError, tell_of_no_checksums

WEIGHTS = "weights"  # the folder of the files
ABOUT = "spurlab"  # one entry of metadata: with several, safetensors does not promise their order
UNREADABLE = (SafetensorError, OSError, RuntimeError, ValueError, AttributeError, TypeError)


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
    put_weights(path, sealed(path, tensors, "diverged", diverged))


def sealed(path: Path, tensors: Mapping[str, Tensor], name: str, fact: Any) -> bytes:
    """The content of a file of tensors and a fact about them, of plain values, with the checksum of all."""
    copies = {key: t.detach().cpu().clone(memory_format=torch.contiguous_format) for key, t in tensors.items()}
    return save(copies, {ABOUT: json.dumps({name: fact, "sha256": _digest(path, copies, fact)})})


def put_weights(path: Path, content: bytes, what: str = "weights") -> None:
    """Write a file of weights, or of something else, as it is.

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
            f"{what} cannot be written to {path.parent} ({error}). What was finished before is kept: make room, and "
            "the same command goes on."
        ) from error


def read_weights(path: Path) -> tuple[dict[str, Tensor], bool]:
    """What `write_weights` wrote: the tensors by name, and whether the network diverged.

    A file of before, which has no checksum, is read with a note.

    Raises:
        StoreError: it is damaged, or the weights are those of another network.
    """
    try:
        metadata, tensors = _opened(path)
        if set(metadata) == {"diverged"}:
            tell_of_no_checksums(f"weights in {path.parent} have no checksums")
            return tensors, metadata["diverged"] == "True"
        return tensors, bool(_checked(path, metadata, tensors, "diverged"))
    except FileNotFoundError as error:
        raise StoreError(f"the weights {path} are gone. The same `spurlab run` trains that network again.") from error
    except UNREADABLE as error:
        raise damaged_weights(path, str(error)) from error


def unsealed(path: Path, name: str) -> tuple[dict[str, Tensor], Any]:
    """The tensors and the fact that `sealed` made a file of.

    Raises:
        Exception: one of `UNREADABLE`: it is damaged, or was made for another place.
    """
    metadata, tensors = _opened(path)
    return tensors, _checked(path, metadata, tensors, name)


def _opened(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _checked(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Tensor], name: str) -> Any:
    """The fact, if the checksum is right."""
    about = json.loads(metadata.get(ABOUT, "{}"))
    if about.get("sha256") != _digest(path, tensors, about.get(name)):
        raise ValueError("they are not those that were written there")
    return about.get(name)


def damaged_weights(path: Path, how: str) -> StoreError:
    """The error for a file that does not hold the weights of its network."""
    return StoreError(
        f"the weights in {path} are damaged ({one_line(how)}). Remove the file, and the same `spurlab run` trains that "
        "network again."
    )


def _digest(path: Path, tensors: Mapping[str, Tensor], fact: Any) -> str:
    """Of the file's name, which is the network's key, and of all that is in it."""
    digest = hashlib.sha256(json.dumps([path.stem, fact]).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
