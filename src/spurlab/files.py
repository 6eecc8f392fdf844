"""How a file of ours comes into its place: whole or not at all, and never through a link to somewhere else.

And how what is wrong with a file is said in a sentence.
"""

import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = ".spurlab-draft-"
LEFT_AFTER = 24 * 3600  # seconds; what is younger may be another process's, at work


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, which takes its place when the block has ended; after an error it is removed.

    Where `path` is a symbolic link, the link itself is replaced, and what it points to stays. The file has the
    permissions that the user's umask asks for, whatever wrote it. Its name does not end as that of `path` does: a
    writer that goes by the ending must be told the format.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    draft = path.with_name(f"{DRAFT}{uuid.uuid4().hex}")
    try:
        sweep(path.parent, DRAFT)
        mode = new_file(draft)
        try:
            yield draft
            draft.chmod(mode)  # a writer may have put a private file of its own in its place
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        if error.filename not in (draft, str(draft)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # nobody knows the draft's name


def new_file(path: Path) -> int:
    """Make an empty file where nothing is, not even a link, with the permissions that the umask leaves.

    Returns:
        The permissions.

    Raises:
        FileExistsError: something is there.
        OSError: it cannot be made.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def sweep(folder: Path, prefix: str) -> None:
    """Remove the files and folders of this prefix that killed processes left behind."""
    for left in folder.glob(f"{prefix}*"):
        with suppress(FileNotFoundError):  # another process has just put it into its place
            if time.time() - left.lstat().st_mtime > LEFT_AFTER:
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()
