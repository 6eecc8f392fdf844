"""The page of an audit: self-contained HTML, its pictures inside."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Num
from markupsafe import Markup
from torch import Tensor

from spurlab.audit import Audit, Look, Pull, Suspect, Unknown, words
from spurlab.audit.inversion import put_on
from spurlab.audit.looks import spread
from spurlab.audit.repair import cells, conditions
from spurlab.audit.unknown import SHARED
from spurlab.data import Dataset, Vocabulary
from spurlab.data.shown import pixels
from spurlab.files import replacing
from spurlab.metrics import pulled
from spurlab.notebook import png_address
from spurlab.patterns import marked_all
from spurlab.report.page import page_templates
from spurlab.report.style import writing
from spurlab.training import predictions

SIDE = 84  # pixels of a picture on the page; larger ones have up to twice as many
LETTERS = 160  # of a document that are shown
SHOWN = 20  # training examples of a list
RARE = 40  # rare words or values
TRIED = 100  # test images, of which those that a mark pulls most are shown
FIRST = 6  # pictures of the first screen, where no mark is named


def write_audit(found: Audit, folder: Path, command: str = "") -> Path:
    """Write ``audit.html``.

    Args:
        found: the findings.
        folder: is made where it is not there.
        command: how to repeat it.

    Raises:
        FolderError: it cannot be written there.

    >>> import tempfile
    >>> import torch
    >>> from spurlab.audit import audit
    >>> from spurlab import build, from_torch, rng_for
    >>> images = torch.rand(60, 1, 8, 8, generator=rng_for(0, "example"))
    >>> items = [(image, row % 2) for row, image in enumerate(images)]
    >>> data = from_torch(items[:40], items[40:], class_names=("cat", "dog"))
    >>> found = audit(build("small-mlp", data.shape, data.classes, seed=0), data, ["box,size=2"], quick=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_audit(found, Path(folder))
    ...     print(page.name, "box of 2 x 2" in page.read_text())
    audit.html True
    """
    test = found.data.test
    marks, unknown = [_mark(found, pull) for pull in found.marks], [_unknown(found, one) for one in found.unknown]
    served = [
        {"one": one, "pictures": [_picture(test.inputs[row], test.source(row), found.data) for row in one.worst]}
        for one in found.served[:6]
    ]
    style = files("spurlab.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
    page = (
        page_templates()
        .get_template("audit.html.j2")
        .render(
            found=found,
            brief=found.brief,
            searched=any(one.method != SHARED for one in found.unknown),
            level=words.of_level(found.marks, found.unknown),
            left_out=words.left_out(found.unknown, found.data),
            rare=_rare(found),
            unit=words.unit(found.data),
            marks=marks,
            unknown=unknown,
            first=_first(found, marks, unknown, served),
            lists=_lists(found),
            served=served,
            looks=[_look(one, found) for one in found.looks],
            exposure=_exposure(found),
            conditions=conditions(found.repairs),
            repairs=cells(found.repairs, found.data) if found.repairs else [],
            alike=words.ALIKE.format(words.unit(found.data)),
            not_shown=words.NOT_SHOWN,
            command=command,
            style=Markup(style),  # noqa: S704 - a file of the package
        )
    )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    file = folder / "audit.html"
    with writing(folder), replacing(file) as draft:
        draft.write_text(page, encoding="utf-8")
    return file


def _first(
    found: Audit, marks: list[dict[str, Any]], unknown: list[dict[str, Any]], served: list[dict[str, Any]]
) -> list[dict[str, str]]:
    """The pictures of the first screen: of the clearest mark, else of an odd find, else of who is served worst."""
    clearest = words.clearest(found.marks)
    pictures = [mark["pictures"] for mark in marks if mark["pull"] is clearest]
    pictures += [[*one["pictures"], *one["examples"]][:FIRST] for one in unknown if one["one"].unusual]
    pictures += [one["pictures"] for one in served]
    return next(iter(pictures), [])


def _mark(found: Audit, pull: Pull) -> dict[str, Any]:
    """What was found of a mark, and some test images without and with it."""
    return {
        "name": pull.mark,
        "pull": pull,
        "words": words.of_mark(pull, found.data),
        "pictures": _marked(found, pull) if words.unit(found.data) != "rows" else [],
    }


def _marked(found: Audit, pull: Pull) -> list[dict[str, str]]:
    """Three test images without and with a mark, and what they are classified as: those that it pulls first."""
    test, names = found.data.test, found.data.class_names
    some = test[spread(len(test), TRIED)]
    marked = marked_all(found.named[pull.mark], some, 0)
    clean, after = predictions(found.network, some.inputs), predictions(found.network, marked)
    pulls = pulled(clean, after)[:, pull.target]
    shown = pulls.nonzero().squeeze(1)[:3] if bool(pulls.any()) else torch.arange(len(some))[:3]
    return [
        _picture(images[row], f"{some.source(row)}, {kind}: {names[int(answers[row].argmax())]}", found.data)
        for row in shown.tolist()
        for kind, images, answers in (("clean", some.inputs, clean), ("marked", marked, after))
    ]


def _unknown(found: Audit, one: Unknown) -> dict[str, Any]:
    """What may be an unknown mark: what it is, a test image with it, and training examples."""
    train, few = found.data.train, found.data.test.inputs[:1]
    low, high = (float(end) for end in train.inputs.aminmax())
    shown, what = (one.mask * one.pattern, "mask x pattern") if len(one.mask) else (one.pattern, "what is added")
    pictures = [
        _picture(picture, called, found.data)
        for picture, called in (
            (shown, what),
            *((image, "a test image with it") for image in put_on(few, one.pattern, one.mask, low, high)),
        )
    ]
    return {
        "one": one,
        "words": words.of_unknown(one, found.data),
        "largest": "" if _are_images(found) else f"Most of it: {words.largest(shown, found.data)}.",
        "pictures": pictures if _are_images(found) else [],
        "examples": [_picture(train.inputs[row], train.source(row), found.data) for row in one.rows[:SHOWN]],
    }


def _rare(found: Audit) -> dict[str, Any] | None:
    """Rare words or values that go with one class: those that pull most, and those that chance explains least."""
    if (values := found.values) is None:
        return None
    by_pull = [one for one, _ in values.by_pull]
    return {
        "words": words.of_values(values, found.data),
        "what": words.values_name(found.data),
        "lines": [
            {"one": one, "name": found.data.class_names[one.label], "source": found.data.train.source(one.rows[0])}
            for one in [*by_pull, *(one for one in values.found if one not in by_pull)][:RARE]
        ],
    }


def _are_images(found: Audit) -> bool:
    return words.unit(found.data) == "images"


def _look(look: Look, found: Audit) -> dict[str, Any]:
    """Where it looks: some examples, with what speaks for the class in red."""
    return {
        "about": look.about,
        "words": words.of_look(look, found.data),
        "pictures": [
            shown
            for image, saliency, name in zip(look.inputs, look.maps, look.names, strict=True)
            for shown in (
                _picture(image, name, found.data),
                *([_picture(_heat(image, saliency), f"{name}, saliency", found.data)] if _are_images(found) else []),
            )
        ],
    }


def _exposure(found: Audit) -> dict[str, Any] | None:
    """The training examples that are exposed most."""
    if found.exposure is None:
        return None
    train = found.data.train
    return {
        "words": words.of_exposure(found.exposure, found.data),
        "examples": [
            {"one": one, "picture": _picture(train.inputs[one.row], one.source, found.data)}
            for one in found.exposure.examples
        ],
    }


def _heat(image: Float[Tensor, "c h w"], saliency: Float[Tensor, "c h w"]) -> Float[Tensor, "3 h w"]:
    """A pale grey image; red where it speaks for the class, blue where against."""
    low, high = (float(end) for end in image.aminmax())
    grey = 0.6 + 0.4 * (image.mean(0) - low) / max(high - low, 1e-12)
    heat = saliency.sum(0)
    heat = heat / heat.abs().max().clamp(min=1e-12)
    pale = 1 - heat.abs()
    red, blue = grey * pale + heat.clamp(min=0), grey * pale + (-heat).clamp(min=0)
    return torch.stack([red, grey * pale, blue]).clamp(0, 1)


def _lists(found: Audit) -> list[dict[str, Any]]:
    """The first training examples of each list."""
    lists: dict[tuple[str, str], list[Suspect]] = {}
    for one in found.suspects:
        lists.setdefault((one.method, one.mark), []).append(one)
    train = found.data.train
    return [
        {
            "method": words.WAYS.get(method, method),
            "mark": mark,
            "carried": sum(bool(one.carries) for one in several),
            "examples": [
                {"one": one, "picture": _picture(train.inputs[one.row], one.source, found.data)}
                for one in several[:SHOWN]
            ],
        }
        for (method, mark), several in lists.items()
    ]


def _picture(image: Num[Tensor, " *shape"], caption: str, data: Dataset) -> dict[str, str]:
    """An image as a data address; a document by its first words; of what is neither nothing but the caption."""
    if isinstance(data.names, Vocabulary):
        text = data.names.text(image)
        return {"address": "", "words": f"{caption}: {text[:LETTERS]}{'...' * (len(text) > LETTERS)}"}
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return {"address": "", "words": caption}
    return {"address": png_address(pixels(image[None])[0], 2 * SIDE, enlarged=True), "words": caption}
