"""What all tests share: checked annotations, no network, no access to the user's cache, the datasets."""

import dataclasses
import functools
import inspect
import os
from html.parser import HTMLParser

import jaxtyping
import pytest
import torch
from beartype import BeartypeConf, beartype

_with_shapes = jaxtyping.jaxtyped
_without_shapes = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def _checked(typechecker):
    """What jaxtyping's hook decorates with. Where no shape is named, beartype alone checks the same in less time."""

    def decorated(what):
        if inspect.isclass(what) and dataclasses.is_dataclass(what):
            what.__init__ = decorated(what.__init__)
            return what
        hints = getattr(what, "__annotations__", {}).values()
        if not inspect.isfunction(what) or any(isinstance(hint, str) or "jaxtyping." in repr(hint) for hint in hints):
            return _with_shapes(what, typechecker=typechecker)  # what a text names is not known yet
        return _without_shapes(what)

    return decorated


jaxtyping.jaxtyped = _checked
jaxtyping.install_import_hook("spurlab", "beartype.beartype")  # before its first import: every annotation is checked

from spurlab.data import DataNotFoundError, Dataset, load, places  # noqa: E402

# of several test processes each has a core of its own
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, torch.get_num_threads()))


@pytest.fixture(scope="session", autouse=True)
def _no_network_and_a_cache_of_our_own(tmp_path_factory):
    """`SPURLAB_DATA` stays as it is: tests marked `data` need it."""
    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "user_cache_path", lambda app: cache / app)
        patch.setenv("SPURLAB_OFFLINE", "1")
        patch.delenv("SPURLAB_MIRROR", raising=False)
        yield


@pytest.fixture(scope="session")
def mini():
    """The small Fashion-MNIST that comes with the package."""
    return load("fashion-mini")


@pytest.fixture(scope="session")
def full_dataset(_no_network_and_a_cache_of_our_own):
    """name -> the full dataset, loaded once; use in tests marked `data`.

    Skips where the files are not here, but fails with `SPURLAB_REQUIRE_DATA`, which says that they should be.
    """

    @functools.cache
    def full(name):
        try:
            return load(name, offline=True)
        except DataNotFoundError as error:
            (pytest.fail if os.environ.get("SPURLAB_REQUIRE_DATA") else pytest.skip)(str(error))

    return full


@pytest.fixture(scope="module")
def one_thread():
    """As in a worker: small products are slower on several threads, and bits depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small(mini):
    """Every fifth training image, every fourth test image: small, and all classes are in it."""
    train, test = mini.train[torch.arange(0, 10_000, 5)], mini.test[torch.arange(0, 2_000, 4)]
    return Dataset(mini.name, train, test, mini.class_names, mini.input_range, mini.source)


class Page(HTMLParser):
    """Elements and words of a piece of HTML, whose every element is closed in its turn."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open += [] if tag == "img" else [tag]

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


SHOWN = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"}


@pytest.fixture(scope="session")
def page():
    """What a notebook shows of a value, or HTML: in the colours around it, and with nothing that does something."""

    def shown(value):
        html = value if isinstance(value, str) else value._repr_html_()
        seen = Page(html)
        assert len(html) < 60_000
        assert {tag for tag, _ in seen.elements} <= SHOWN | {"svg", "polyline"}
        for _, attributes in seen.elements:
            assert not any(name.startswith("on") for name in attributes)
            rules = dict(rule.split(":", 1) for rule in attributes.get("style", "").split(";") if rule)
            assert rules.get("color", "inherit") == "inherit"
            assert rules.get("background", "transparent") == "transparent"
            assert attributes.get("stroke", "currentColor") == "currentColor"
        if not isinstance(value, str):
            assert len(repr(value)) < 300
            assert "tensor(" not in repr(value)
        return seen

    return shown
