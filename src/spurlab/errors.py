"""What went wrong, as a type and in words: a user's mistake or a failure, what a wrong name may have meant, and what
code that is not ours has raised.
"""

import traceback
from asyncio import CancelledError
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePath

from spurlab.terminal import printable

# how code of the user's may end, each way its own failure; all others, such as Ctrl-C, are to stop the program
FAILURES = (Exception, SystemExit, GeneratorExit, CancelledError)


class SpurlabError(Exception):
    """Something that we say in a sentence or two; `exit_code` is that of the command line."""

    exit_code = 1


class InputError(SpurlabError, ValueError):
    """A user's mistake: what was asked for cannot be done as it stands."""

    exit_code = 2


class MissingFileError(InputError, FileNotFoundError):
    """A file that the user named is not there."""


class FailureError(SpurlabError, RuntimeError):
    """Something failed that was asked for rightly."""


SCREEN = 900  # letters of a message: what was found in a damaged file can be of any length
SAID = 400  # letters of a foreign exception's message
# our keys, and what others call them; difflib alone would take `lr` for `loss`
CALLED = {
    "architecture": "arch model net network",
    "augmentation": "aug augment",
    "batch_size": "batch bs",
    "clip_norm": "clip grad_clip max_grad_norm max_norm",
    "dataset": "data",
    "decay": "gamma lr_decay",
    "deletion": "delete unlearn",
    "input_noise": "noise",
    "learning_rate": "eta lr",
    "loss": "criterion loss_fn",
    "measure": "metric metrics",
    "milestones": "schedule",
    "momentum": "mom",
    "n": "count",
    "optimizer": "opt optim",
    "pattern": "mark",
    "precision": "dtype",
    "prevention": "prevent repair",
    "seed": "seeds",
    "target": "class label",
    "weight_decay": "l2 wd",
}
SYNONYMS = {word: key for key, words in CALLED.items() for word in words.split()}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What a wrong name may have meant, as a sentence: one of those known, or else all of them.

    Names with dots are compared by what follows the dots that they share, so that ``recipe.lr`` is not near to
    everything else in the recipe. Upper and lower case are the same.

    >>> did_you_mean("recipe.lr", ["recipe.loss", "recipe.learning_rate"]), did_you_mean("mpl", ["mlp", "cnn"])
    ("Did you mean 'recipe.learning_rate'?", "Did you mean 'mlp'?")
    >>> did_you_mean("xyz", ["mlp", "cnn"])
    'There are: mlp, cnn.'
    """
    names = list(known)
    table, _, own = name.casefold().rpartition(".")
    table += "." * bool(table)
    near = {key.casefold().removeprefix(table): key for key in names if key.casefold().startswith(table)}
    if not near:
        near, own = {key.casefold(): key for key in names}, name.casefold()
    found = [SYNONYMS[own]] if SYNONYMS.get(own) in near else get_close_matches(own, near, n=1)
    return f"Did you mean {near[found[0]]!r}?" if found else f"There are: {', '.join(names) or 'none'}."


def shortened(message: str) -> str:
    """The message, without its middle where it is longer than a screen should show."""
    if len(message) <= SCREEN:
        return message
    return f"{message[: 2 * SCREEN // 3]} ... {message[-SCREEN // 4 :]}"


def brief(value: object, most: int = 80) -> str:
    """A value from a file for a message: as Python writes it, without its middle where that is long.

    >>> brief("a" * 1000, 20)
    "'aaaaaaa ... aaaaaa'"
    """
    text = repr(value)
    half = (most - 5) // 2
    return text if len(text) <= most else f"{text[: half + 1]} ... {text[-half:]}"


def one_line(text: str, most: int = 200) -> str:
    r"""What other code says, as it fits into a sentence: on one line, printable, and without its end where it is long.

    >>> one_line("a table\n  is gone")
    'a table is gone'
    """
    line = " ".join(text.split())
    return printable(line if len(line) <= most else f"{line[:most].rstrip()} ...")


def worded(error: BaseException) -> str:
    """What code that is not ours has raised, for a reader: on one line, of a bounded length, and never empty.

    Where the message says little (none, or a key alone), the place where it was raised follows.

    >>> worded(ValueError("no room")), worded(StopIteration())
    ('ValueError: no room', 'StopIteration without a message')
    """
    kind = "ValueError" if type(error) is InputError else type(error).__name__  # as stored results have it
    try:
        message = one_line(str(error), SAID)
    except Exception as broken:  # a foreign __str__ can do anything
        message = f"its message cannot be made ({type(broken).__name__})"
    said = f"{kind}: {message}" if message else f"{kind} without a message"
    if not message or isinstance(error, KeyError):
        said += _place(error)
    return printable(said)


def _place(error: BaseException) -> str:
    """Where it was raised; nothing for one that never was."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    return f", raised in {frames[-1].name}, line {frames[-1].lineno} of {PurePath(frames[-1].filename).name}"
