"""What can end an attempt, as exceptions and as text that can be read where their classes are not."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.records.task import Failure
from metaflow_hera.records.values import type_name

_RUNNERS = frozenset({"metaflow_hera.runtime.execution", "metaflow_hera.runtime.wrapping"})
# functools and contextlib are between two of ours.
_NOT_OF_THE_USER = ("metaflow_hera.", "functools", "contextlib")


class TimeoutException(MetaflowHeraError):  # noqa: N818  (the peer's name, which flows know)
    """A step ran longer than its @timeout."""

    known_as: ClassVar = "metaflow.plugins.timeout_decorator.TimeoutException"


class FailureHandledByCatch(MetaflowHeraError):  # noqa: N818  (the peer's name, which flows know)
    """The process of a step with @catch died again and again, without an exception to catch."""

    known_as: ClassVar = "metaflow.plugins.catch_decorator.FailureHandledByCatch"


class TaskTerminated(BaseException):
    """The task got SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaughtException:
    """What @catch puts into its artifact; all text."""

    exception: str
    type: str
    """``module.Class``"""
    stacktrace: str

    def __str__(self) -> str:
        return self.stacktrace


def failure_of(error: BaseException) -> Failure:
    """*error* as text, its traceback from the user's code on."""
    import traceback  # only where something went wrong

    place = next((place for place in _places(error) if _is_of_the_user(place)), None)
    lines = traceback.format_exception(type(error), error, place)
    known_as = vars(type(error)).get("known_as") or type_name(type(error))
    return Failure(type=known_as, text=_text(error), traceback="".join(lines))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001  (the user's class may do anything in __str__)
        return f"<its text cannot be had: {type_name(type(problem))}>"


def told(error: BaseException, failure: Failure) -> str:
    """What a person is shown of *error*: our own messages say all there is to say, but for the user's line."""
    places = _places(error)
    if not isinstance(error, MetaflowHeraError) or (places and _is_of_the_user(places[-1])):
        return failure.traceback
    lines = [place for place in places if _is_of_the_user(place)]
    where = f"{lines[-1].tb_frame.f_code.co_filename}:{lines[-1].tb_lineno}: " if lines else ""
    return f"{where}{failure.text}\n"


def _places(error: BaseException) -> list[TracebackType]:
    """The steps of the traceback, the innermost last, without what ran the user's code."""
    places = []
    place = error.__traceback__
    while place is not None:
        places.append(place)
        place = place.tb_next
    starts = [number for number, place in enumerate(places) if place.tb_frame.f_globals.get("__name__") in _RUNNERS]
    return places[starts[-1] + 1 :] if starts else places


def _is_of_the_user(place: TracebackType) -> bool:
    return not place.tb_frame.f_globals.get("__name__", "").startswith(_NOT_OF_THE_USER)
