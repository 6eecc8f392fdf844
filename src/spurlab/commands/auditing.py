"""The audit of one's own model, and its demo."""

import math
import shlex
from ast import literal_eval
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from spurlab import report
from spurlab.audit import Audit, audit
from spurlab.audit.demo import Demo, make_demo
from spurlab.data import load as load_dataset
from spurlab.errors import InputError
from spurlab.models.answering import Answering
from spurlab.models.files import save_weights
from spurlab.report.style import writing
from spurlab.stopping import going_on
from spurlab.studies.executors import Load
from spurlab.studies.recipes import recipes_of
from spurlab.terminal import paced, status_line
from spurlab.training import Recipe

REPAIRED = "repaired.safetensors"  # the weights, in the folder of an audit


def audit_of(
    model: str,
    data: str,
    marks: Sequence[str],
    folder: Path,
    *,
    weights: Path | None = None,
    outputs: str | None = None,
    normalise: str | None = None,
    suspects: Path | None = None,
    repair: bool = False,
    exposure: bool = False,
    recipe: str | None = None,
    quick: bool = False,
    seed: int = 0,
    load: Load = load_dataset,
) -> tuple[Audit, list[Path]]:
    """An audit, its page ``audit.html`` and the weights that were repaired: all that ``spurlab audit`` does.

    Args:
        model, weights, outputs, repair, exposure, quick, seed: as of `spurlab.audit.audit`.
        data: the name of the data.
        marks: as texts, see `spurlab.patterns.own_mark`.
        folder: for the page and the repaired weights.
        normalise: means and standard deviations, ``.5,.5/.2,.2``.
        suspects: a file with a training example on each line, a file's name or a row.
        recipe: ``quick``, ``paper`` or ``fast`` with settings after it.
        load: gives the data by name.

    Raises:
        InputError: whatever does not fit, and why.

    >>> import tempfile
    >>> import torch
    >>> from spurlab import from_torch, rng_for
    >>> from spurlab.audit.demo import small_cnn
    >>> images = torch.rand(60, 1, 16, 16, generator=rng_for(0, "example"))
    >>> items = [(image, row % 2) for row, image in enumerate(images)]
    >>> mine = from_torch(items[:40], items[40:], class_names=("cat", "dog"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights = save_weights(small_cnn(mine.shape, mine.classes), Path(folder) / "weights.safetensors")
    ...     options = {"weights": weights, "quick": True, "load": lambda name: mine}
    ...     found, files = audit_of("spurlab.audit.demo:small_cnn", "mine", ["box,size=2"], Path(folder), **options)
    >>> [mark.mark for mark in found.marks], [file.name for file in files]
    (['box of 2 x 2 at row 0, column 0'], ['audit.html'])
    """
    loaded = load(data)
    mean, std = _mean_and_std(normalise)
    with writing(folder):  # before anything takes long
        folder.mkdir(parents=True, exist_ok=True)
    kept = going_on() if recipe else nullcontext()  # the reference networks are
    with kept, status_line("reading the network") as tell:
        found = audit(
            model, loaded, marks, weights=weights, outputs=outputs, mean=mean, std=std,
            suspects=_lines_of(suspects), repair=repair, exposure=exposure, recipe=_recipe(recipe), quick=quick,
            seed=seed, folder=folder / "references",
            progress=paced(tell),
        )  # fmt: skip
    options: dict[str, object] = {
        "--weights": weights,
        "--outputs": outputs,
        "--normalise": normalise,
        "--suspects": suspects,
    }
    options |= {"--recipe": recipe, "--seed": seed or None, "--out": folder}
    words = ["spurlab", "audit", "--model", model, "--data", data]
    words += [word for mark in marks for word in ("--mark", mark)]
    words += [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    words += ["--repair"] * repair + ["--exposure"] * exposure + ["--quick"] * quick
    written = [report.write_audit(found, folder, shlex.join(words))]
    with writing(folder):
        (folder / REPAIRED).unlink(missing_ok=True)  # of another audit
    for one in found.repairs[:1]:
        if isinstance(one.network, Answering) and one.verdict.name not in ("breaks the model", "nothing to forget"):
            written.append(save_weights(one.network.network, folder / REPAIRED))
    return found, written


def demo_in(folder: Path) -> Demo:
    """The network and data of the audit's demo, in a folder.

    Raises:
        FolderError: it cannot be written there.

    >>> demo = demo_in(Path("out/audit"))  # doctest: +SKIP
    >>> data, marks = demo.data, [demo.mark]  # doctest: +SKIP
    >>> audit_of(demo.model, data, marks, Path("out/audit"), weights=demo.weights)  # doctest: +SKIP
    """
    with writing(folder), status_line("making the demo's images and network") as tell:
        return make_demo(folder, lambda now: tell(str(now)))


def _lines_of(file: Path | None) -> list[str]:
    """What stands on the lines of a file."""
    if file is None:
        return []
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"{file} with the suspects cannot be read: {reason}. Name one on each line.") from error
    if not lines:
        raise InputError(f"{file} names no training example. Name one on each line, by its file or row.")
    return lines


def _mean_and_std(text: str | None) -> tuple[list[float] | None, list[float] | None]:
    """Of ``mean/std``, each with one number for each channel."""
    if text is None:
        return None, None
    try:
        mean, std = ([float(number) for number in part.split(",")] for part in text.split("/"))
    except ValueError:
        raise InputError(f"--normalise {text!r} is no mean/std, e.g. .5,.5,.5/.2,.2,.2 for three channels.") from None
    if not all(math.isfinite(number) for number in [*mean, *std]) or min(std) <= 0:
        raise InputError(f"--normalise {text!r} needs finite means, and standard deviations above 0.")
    return mean, std


def _recipe(text: str | None) -> Recipe | None:
    """A recipe by name, with settings after it."""
    if text is None:
        return None
    name, *settings = text.split(",")
    changes: dict[str, Any] = {"name": name}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            changes[key] = literal_eval(value)
        except (ValueError, SyntaxError):  # a word
            changes[key] = value
    try:
        (recipe,) = recipes_of(changes, False)
    except ValueError as error:
        raise InputError(f"--recipe {text!r}: {error}") from error
    return recipe
