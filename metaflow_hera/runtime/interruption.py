"""The two signals that may end the user's code: an alarm of @timeout, and SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from types import FrameType

from metaflow_hera.runtime.failures import TaskTerminated, TimeoutException

TERMINATED = (
    "the task got SIGTERM: its run was terminated, its pod had run for its deadline, or its machine was taken away"
)


_CALLER = "metaflow_hera.runtime.execution"
"""From here on down, the stack is the user's."""


@contextmanager
def interruptible(step: str, seconds: int) -> Iterator[None]:
    """While the body runs, which must be in the main thread, SIGTERM raises `TaskTerminated`, and so does the alarm
    `TimeoutException` after *seconds* (0: never).

    A SIGTERM that comes later is ignored: what the user's code left is being saved, and that takes no longer than
    the time that every sender of SIGTERM grants.
    """

    def on_alarm(_: int, frame: FrameType | None) -> None:
        raise TimeoutException(_timeout_text(step, seconds, frame))

    def on_sigterm(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise TaskTerminated(TERMINATED)

    before = signal.signal(signal.SIGALRM, on_alarm) if seconds else None
    signal.signal(signal.SIGTERM, on_sigterm)
    if seconds:
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if seconds:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _timeout_text(step: str, seconds: int, frame: FrameType | None) -> str:
    import traceback  # only where a step took too long

    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    users = takewhile(lambda each: each[0].f_globals.get("__name__") != _CALLER, traceback.walk_stack(frame))
    stack = traceback.StackSummary.extract(users)
    stack.reverse()
    return (
        f"Step {step} timed out after {hours} hours, {minutes} minutes, {rest} seconds\n"
        f"Stack when the timeout was raised:\n{''.join(stack.format())}"
    )
