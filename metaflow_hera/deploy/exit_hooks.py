"""What @exit_hook asks for after a run on this machine: each function in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import NoReturn

from metaflow_hera.client import Run
from metaflow_hera.flow.exit_hooks import Hook, hooks_of
from metaflow_hera.runtime.failures import failure_of
from metaflow_hera.runtime.streams import flush_output
from metaflow_hera.store import Store


def call_exit_hooks(flow_class: type, path: str, store: Store, *, succeeded: bool) -> Iterator[str]:
    """Call them one after the other; gives a sentence for each that failed, which changes nothing for the run.

    What they print goes to stderr: the stdout of a command is for its result.
    """
    for hook in hooks_of(flow_class, succeeded=succeeded):
        flush_output()
        child = os.fork()
        if child == 0:
            _call(hook, path, store)
        _, status = os.waitpid(child, 0)
        if status:
            code = os.waitstatus_to_exitcode(status)
            how = f"was killed by signal {-code}" if code < 0 else "failed"
            yield f"the exit hook {hook.name} {how}; the run stays as it is"


def _call(hook: Hook, path: str, store: Store) -> NoReturn:
    """The work of the child."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        arguments = {"run": Run(path, store=store, namespace_check=False)} if hook.takes_run else {}
        hook.function(**arguments)
        code = 0
    except BaseException as error:  # noqa: BLE001  (the user's function may raise anything)
        sys.stderr.write(failure_of(error).traceback)
    finally:
        flush_output()
        os._exit(code)
