"""The process between the engine and a pod's command: it waits for the command, whatever becomes of the engine.

It is forked and never executes another program, so a pod costs little over its command. While it lives it holds a lock
on a file of the pod's folder; when the command ends, it writes how, as one whole file, and only then lets go of the
lock.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

LOCK, LOG, EXIT, WORK, PID = "lock", "log", "exit", "work", "pid"
"""What lies in a pod's folder: WORK is the pod's own directory; LOCK holds the number of this process, PID that of the
command's."""

HEARD = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a pod runs."""

    folder: Path
    argv: tuple[str, ...]
    env: Mapping[str, str]
    deadline: int | None
    """Seconds until it gets SIGTERM."""
    grace: float
    """Seconds from SIGTERM to SIGKILL."""
    wake: Path
    """A FIFO by which the engine learns that something ended."""


def supervise(command: Command, lock: int) -> NoReturn:
    """Run the command to its end in a process that was just forked with `HEARD` blocked, and exit."""
    try:
        os.setsid()
        os.pwrite(lock, str(os.getpid()).encode(), 0)  # the engine does too, if it lives
        _keep_only(lock, command.folder / LOG)
        os.chdir(command.folder / WORK)
        _write_exit(command.folder, _run(command))
        _wake(command.wake)
    except BaseException:  # noqa: BLE001  (the outermost line of a process)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _keep_only(lock: int, log: Path) -> None:
    """The engine's files, its own lock above all, are not ours to hold open."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, place in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    os.closerange(3, lock)
    os.closerange(lock + 1, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))


def _run(command: Command) -> dict[str, object]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for number in HEARD:
        signal.signal(number, _hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
    try:
        pid = os.posix_spawnp(
            command.argv[0],
            command.argv,
            command.env,
            setpgroup=0,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, *HEARD),
        )
    except OSError as error:
        return {"code": 64, "reason": f"{command.argv[0]}: {error.strerror}"}
    (command.folder / PID).write_text(str(pid))
    return _wait(command, pid, reader)


def _hear(number: int, frame: object) -> None:
    """The number itself arrives by the wake-up descriptor."""


def _wait(command: Command, pid: int, reader: int) -> dict[str, object]:
    limit = None if command.deadline is None else time.monotonic() + command.deadline
    reason = ""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _kill_group(pid)
            return {"code": os.waitstatus_to_exitcode(status), "reason": reason}
        timeout = None if limit is None else max(limit - time.monotonic(), 0)
        heard = os.read(reader, 512) if select.select([reader], [], [], timeout)[0] else b""
        is_over = limit is not None and time.monotonic() >= limit
        if not reason and (is_over or signal.SIGTERM in heard):
            reason = "deadline" if is_over else "terminated"
            limit = time.monotonic() + command.grace
            os.kill(pid, signal.SIGTERM)  # to the container's first process alone, as Argo does
        elif is_over:
            limit = None
            _kill_group(pid)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _write_exit(folder: Path, how: Mapping[str, object]) -> None:
    temporary = folder / f"{EXIT}.new"
    temporary.write_text(json.dumps(how))
    temporary.rename(folder / EXIT)


def _wake(fifo: Path) -> None:
    with suppress(OSError):  # no engine listens now; the next one looks by itself
        os.write(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), b"e")
