"""Who lives: each process that works in a results folder holds a lock on a file of its own there.

The system lets it go when the process ends, however that is; so what a killed process has claimed is free at once. Its
file stays until somebody wants what it has claimed. Files of others are not swept: between making its file and locking
it a process that begins would lose it.
"""

import re
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from spurlab.studies.database import StoreError

LOCKS = ".running"  # their folder, which the last to leave removes
TRIES = 100


def hold(folder: Path, name: str) -> BaseFileLock:
    """Say that this process lives.

    Args:
        folder: of results.
        name: of the lock, 32 hexadecimal digits.

    Raises:
        StoreError: no lock can be held there.
    """
    place = folder / LOCKS
    lock = FileLock(place / name)
    for left in reversed(range(TRIES)):
        try:
            place.mkdir(exist_ok=True)
            lock.acquire(timeout=0)
        except OSError as error:
            if left and isinstance(error, FileNotFoundError) and folder.is_dir():
                continue  # another process has left in between, and removed the empty folder
            raise StoreError(f"no lock can be held in {place} ({error}). Choose another folder with --out.") from error
        break
    return lock


def let_go(lock: BaseFileLock) -> None:
    """Say that it does not."""
    lock.release()
    with suppress(NotADirectoryError):  # the folder was removed and a file is there now
        Path(lock.lock_file).unlink(missing_ok=True)
    with suppress(OSError):  # others hold theirs
        Path(lock.lock_file).parent.rmdir()


def is_held(folder: Path, name: object) -> bool:
    """Whether the process that holds a lock of this name lives. No file is touched that is no lock of ours."""
    if not isinstance(name, str) or not re.fullmatch("[0-9a-f]{32}", name):
        return False  # damaged: no process is called so
    path = folder / LOCKS / name
    if path.is_symlink() or not path.is_file():
        return False
    probe = FileLock(path)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return True
    except FileNotFoundError:  # it has just left
        return False
    probe.release()
    path.unlink(missing_ok=True)
    return False
