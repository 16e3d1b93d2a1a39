"""How a fork ends of a process that goes on."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

from metaflow_hera.runtime.failures import failure_of
from metaflow_hera.runtime.streams import flush_output


def finish_what_is_left() -> None:
    """Wait for threads and run exit functions of the user's code, as the end of Python does."""
    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()


def leave(code: int) -> NoReturn:
    """End this process as Python would, but for taking apart what is in memory: copying it takes ten times a fork."""
    finish_what_is_left()
    flush_output()
    os._exit(code)


def end_copy(error: BaseException | None) -> NoReturn:
    """End a fork of a process that goes on: with 1 and a traceback on stderr if the fork failed, else with 0."""
    try:
        if error is not None:
            sys.stderr.write(failure_of(error).traceback)
    finally:
        flush_output()
        os._exit(0 if error is None else 1)
