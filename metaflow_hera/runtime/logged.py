"""Work in a child whose output is shown and stored, whatever becomes of the child."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from metaflow_hera.naming import AttemptKeys
from metaflow_hera.records.logs import STDERR, STDOUT, LogWriter
from metaflow_hera.runtime.leaving import end_copy
from metaflow_hera.runtime.streams import Output, copy_to, flush_output, print_to
from metaflow_hera.store import Store

LOOK: Final = 0.2
"""Seconds between two looks at a child that prints nothing."""


def run_logged(work: Callable[[], None], store: Store, keys: AttemptKeys) -> None:
    """Do *work* in a fork of this process; what it prints goes to our streams and to the store, as does its death."""
    out, err = os.pipe(), os.pipe()
    flush_output()
    child = os.fork()
    if child == 0:
        os.close(out[0])
        os.close(err[0])
        print_to(out[1], err[1])
        work_in_child(work)
    os.close(out[1])
    os.close(err[1])
    outputs = (Output(out[0], STDOUT, partial(copy_to, 1)), Output(err[0], STDERR, partial(copy_to, 2)))
    for output in outputs:
        output.store_with(LogWriter(store, keys, output.stream))
    code = os.waitstatus_to_exitcode(_until_its_end(child, outputs))
    if code < 0:
        outputs[1].take(f"metaflow_hera: the process was killed by signal {-code}; the run stays as it is\n".encode())
    for output in outputs:
        output.flush()
        os.close(output.source)


def _until_its_end(child: int, outputs: tuple[Output, ...]) -> int:
    """Keep up with what the child prints; how it ended, as `os.waitpid` says."""
    poll = select.poll()
    for output in outputs:
        poll.register(output.source, select.POLLIN)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        ready = {descriptor for descriptor, _ in poll.poll(0 if pid else LOOK * 1000)}
        for output in outputs:
            if output.source in ready and not output.pump():
                poll.unregister(output.source)
            if output.seconds_to_flush == 0:
                output.flush()
        if pid:
            return status  # a process that the child left behind may hold the pipes open for ever


def work_in_child(work: Callable[[], None]) -> NoReturn:
    """Do *work*, and end the process as `end_copy` does."""
    error: BaseException | None = None
    try:
        work()
    except BaseException as raised:  # noqa: BLE001  (the user's code may raise anything when it is imported)
        error = raised
    end_copy(error)
