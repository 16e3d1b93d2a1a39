"""Starting, stopping and looking at the embedded engine."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import metaflow_hera
from metaflow_hera.engine.home import Home
from metaflow_hera.engine.pods import PODS_AT_ONCE
from metaflow_hera.engine.state import State
from metaflow_hera.errors import EngineError
from metaflow_hera.settings import Settings, channel_secrets, environment

PATIENCE: Final = 15.0
"""Seconds for an engine to come up or to end."""

_ROOT = Path(metaflow_hera.__path__[0]).parent
_PROGRAM = """\
import sys
sys.path.append(sys.argv[1])
from metaflow_hera.backends.engine import main
main(sys.argv[2], int(sys.argv[3]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """Whether an engine runs, as which process, where, and how many runs have not ended."""

    pid: int | None
    data_dir: Path
    log: Path
    unfinished_runs: int
    tasks_at_once: int
    """Of all runs together; a task that waits for room is not started."""


def home_of(settings: Settings) -> Home:
    return Home(Path(settings.data_dir).absolute())


def engine_status(settings: Settings) -> EngineStatus:
    home = home_of(settings)
    unfinished = 0
    if home.database.exists():
        with closing(State.open(home.database)) as state:
            unfinished = len(state.unfinished())
    return EngineStatus(
        pid=home.engine_pid(),
        data_dir=home.data_dir,
        log=home.log,
        unfinished_runs=unfinished,
        tasks_at_once=PODS_AT_ONCE,
    )


def start_engine(settings: Settings) -> EngineStatus:
    """Start the engine, if none runs, and wait until it does."""
    home = home_of(settings)
    launch(home)
    if not _becomes(lambda: home.engine_pid() is not None):
        raise EngineError(f"the engine of {home.data_dir} did not start; its log, {home.log}, may say why")
    return engine_status(settings)


def stop_engine(settings: Settings) -> EngineStatus:
    """End the engine, if one runs; pods that run go on to their end, and the next engine takes up their runs."""
    home = home_of(settings)
    _becomes(lambda: not home.is_starting)
    pid = home.engine_pid()
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not _becomes(lambda: home.engine_pid() != pid):
            raise EngineError(f"the engine of {home.data_dir}, process {pid}, does not end; its log is {home.log}")
    return engine_status(settings)


def launch(home: Home) -> None:
    """Start an engine unless one runs, or is about to."""
    if home.engine_pid() is not None:
        home.wake()
        return
    home.make()
    reservation = home.reserve_start()
    if reservation is None:
        return
    os.set_inheritable(reservation, True)
    output = (os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.posix_spawn(
        sys.executable,
        # Neither the working directory nor a script's folder belongs on the engine's path.
        (sys.executable, "-P", "-c", _PROGRAM, str(_ROOT), str(home.data_dir), str(reservation)),
        environment(secrets=channel_secrets()),
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(home.log), *output),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
        setpgroup=0,
    )
    os.close(reservation)


def _becomes(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
