"""What an axis is; those that there are stand in `spurlab.studies.axes`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from spurlab.errors import InputError
from spurlab.patterns import Planted
from spurlab.studies.errors import sentence_of
from spurlab.study_files import StudyError


@dataclass(frozen=True)
class Axis:
    """One axis.

    Args:
        name: in study files, for --only, in JSON, and of the column of rows.
        about: what it is, for documentation.
        hint: the type of a value, as pydantic takes it.
        default: the values where a study names none; empty: there is nothing on it; None: it must be named.
        canonical: the name that studies and rows have for what may be called otherwise.
        control: a value that is always there, beside others.
        code: what a name on it may be of the user's, ``package.module:callable``; "": nothing.
        plugins: the kind of plug-ins that a name on it may be of, see `spurlab.plugins.KINDS`; "": of none.
        read: the values from what a study file (False) or JSON (True) says; None: a value, or a list of them.
        record: what results folders have of a value, where that is not the value itself.
        absent: what files and people call the value None; "": there is none.
        change: of an axis of `OF_TRAINING`, the changed training set, from the plain one, a value and the network's
            seed. Its default is one value that changes nothing: networks with it have the keys of before.
        suits: of an axis of `OF_TRAINING`, the patterns that a value of it can change.
        matters: of an axis of `OF_TRAINING`, whether a value makes another network of one with this pattern (None:
            none is in its training set) and seed. Where it does not, the network is that of before, and shared.
        optional: whether records have it only where a study names it: those of before it came do not.
    """

    name: str
    about: str
    hint: Any
    default: tuple[Any, ...] | None = ()
    canonical: Callable[[str], str] | None = None
    control: Any = None
    code: str = ""
    plugins: str = ""
    read: Callable[[Any, bool], tuple[Any, ...]] | None = None
    record: Callable[[Any], Any] = lambda value: value
    absent: str = ""
    change: Callable[[Planted, Any, int], Planted] = lambda training_set, value, seed: training_set
    suits: Callable[[str], bool] = lambda pattern: True
    matters: Callable[[str | None, Any, int], bool] = lambda pattern, value, seed: True
    optional: bool = False

    @property
    def off(self) -> Any:
        """The value that changes nothing."""
        return self.default[0] if self.default else None

    def values(self, settings: Any, recorded: bool = False) -> tuple[Any, ...]:
        """The values that a study gives it.

        Args:
            settings: as the study file says it.
            recorded: whether it is of JSON, as results folders have it.

        Raises:
            StudyError: a value of another type, unknown, or twice; an empty list.
        """
        value: Any = Annotated[self.hint, AfterValidator(self.named)]
        fewest = Field(min_length=0 if self.default == () else 1)
        values = TypeAdapter(Annotated[tuple[value, ...], fewest, AfterValidator(self._each_once)])
        try:
            several = self.read(settings, recorded) if self.read else map(self._none_if_absent, listed(settings))
            return tuple(values.validate_python(tuple(several), strict=True))
        except ValidationError as error:
            also = f" It may also be {self.absent!r}." if self.absent else ""
            raise StudyError(sentence_of(error, f"{self.name}.") + also) from error
        except StudyError:
            raise
        except InputError as error:
            raise StudyError(f"key {self.name!r}: {error}") from error

    def named(self, value: Any) -> Any:
        """A value as studies have it."""
        value = self._none_if_absent(value)
        return self.canonical(value) if self.canonical and isinstance(value, str) else value

    def said(self, value: Any) -> str:
        """A value as people say it."""
        return self.absent if self.absent and value is None else str(value)

    def with_control(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Values and, where there are any, the control; in rising order then."""
        return values if self.control is None or not values else tuple(sorted({self.control, *values}))

    def _none_if_absent(self, value: Any) -> Any:
        return None if self.absent and value == self.absent else value

    def _each_once(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.control is None and len(set(values)) < len(values):
            raise InputError(f"a value stands twice on this axis: {list(values)}")
        return self.with_control(values)


def listed(value: Any) -> tuple[Any, ...]:
    """A value, or a list of them."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)
