"""A function of @exit_hook, called in a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from metaflow_hera.flow.exit_hooks import Hook
from metaflow_hera.runtime.logged import work_in_child
from metaflow_hera.runtime.streams import flush_output

if TYPE_CHECKING:
    from metaflow_hera.client import Run


def call_hook(hook: Hook, run: Callable[[], Run], prepare: Callable[[], None] = lambda: None) -> str:
    """Call it with the run, if it takes one; a sentence if it failed, which changes nothing for the run, else empty.

    *prepare* is called first in its process.
    """
    flush_output()
    child = os.fork()
    if child == 0:
        work_in_child(lambda: _call(hook, run, prepare))
    _, status = os.waitpid(child, 0)
    if not status:
        return ""
    code = os.waitstatus_to_exitcode(status)
    how = f"was killed by signal {-code}" if code < 0 else "failed"
    return f"the exit hook {hook.name} {how}; the run stays as it is"


def _call(hook: Hook, run: Callable[[], Run], prepare: Callable[[], None]) -> None:
    """The work of the child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    prepare()
    arguments = {"run": run()} if hook.takes_run else {}
    hook.function(**arguments)
