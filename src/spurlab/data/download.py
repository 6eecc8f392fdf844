"""Fetching official files, each with its checksum, through torchvision; into place only when all is right."""

import io
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr
from http.client import HTTPException
from pathlib import Path

from spurlab.data.errors import DataFailureError
from spurlab.data.files import told
from spurlab.files import sweep

TIMEOUT = 30.0  # seconds without a byte
STAGING = ".download-"


def download_file(dataset: str, file: str, hosts: Sequence[str], md5: str, folder: Path) -> Path:
    """Fetch one file from the first host that gives it, into an existing folder.

    Where ``SPURLAB_MIRROR`` is set, only ``$SPURLAB_MIRROR/<dataset>/<file>`` is asked, for the same bytes.

    Raises DataFailureError: no host gave a file with this md5.
    """
    from torchvision.datasets.utils import download_url  # noqa: PLC0415  # slow to import, rarely needed

    if mirror := os.environ.get("SPURLAB_MIRROR"):
        hosts = [f"{mirror.rstrip('/')}/{dataset}/"]
    failures = []
    for host in hosts:
        try:
            quiet = nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())
            with quiet, _impatient():
                download_url(host + file, folder, file, md5)
        except (RuntimeError, OSError, ValueError, HTTPException) as error:
            (folder / file).unlink(missing_ok=True)
            # torchvision raises a bare RuntimeError for a wrong checksum, and for nothing else
            reason = f"what came does not have the md5 {md5}" if type(error) is RuntimeError else str(error)
            failures.append(f"{host}{file}: {reason}")
        else:
            return folder / file
    raise DataFailureError(
        f"{dataset} could not be downloaded ({'; '.join(failures)}). Try again, set SPURLAB_MIRROR to a mirror, "
        f"or set SPURLAB_DATA to a folder that has the files."
    )


def place(download: Callable[[Path], None], check: Callable[[Path], object], cache: Path, target: Path) -> None:
    """Download into a fresh folder inside the cache, check what came, and only then move it to `target`.

    A download that is stopped at any moment therefore leaves nothing under `target` that is not whole.

    Raises DataFailureError: the download failed, what came is wrong, or the cache cannot be written.
    """
    advice = "Make room or give yourself the right to write there, or set SPURLAB_DATA to a folder that has the files."
    with told(f"{target} cannot be written", advice):
        cache.mkdir(parents=True, exist_ok=True)
        sweep(cache, STAGING)
        with tempfile.TemporaryDirectory(prefix=STAGING, dir=cache) as staging:
            download(Path(staging))
            check(Path(staging))
            target.mkdir(parents=True, exist_ok=True)
            for file in Path(staging).iterdir():
                file.replace(target / file.name)


@contextmanager
def _impatient() -> Iterator[None]:
    """A server that falls silent is an error after a while; torchvision itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
