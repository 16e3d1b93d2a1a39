"""What can end an attempt, as exceptions and as text that can be read where their classes are not."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.records.task import Failure
from metaflow_hera.records.values import type_name

_OWN = "metaflow_hera."


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

    place = _of_the_user(error.__traceback__)
    lines = traceback.format_exception(type(error), error, place)
    known_as = getattr(type(error), "known_as", None) or type_name(type(error))
    return Failure(type=known_as, text=str(error), traceback="".join(lines))


def is_ours(error: BaseException) -> bool:
    """Whether *error* is a message of ours, which says all there is to say without a traceback."""
    return isinstance(error, MetaflowHeraError) and _of_the_user(error.__traceback__) is None


def _of_the_user(place: TracebackType | None) -> TracebackType | None:
    while place is not None and place.tb_frame.f_globals.get("__name__", "").startswith(_OWN):
        place = place.tb_next
    return place
