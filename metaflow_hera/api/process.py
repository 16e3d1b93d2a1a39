"""A flow's process as Python code sees it: its files, its output as it comes, and its end."""

from __future__ import annotations

import asyncio
import codecs
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from metaflow_hera.api.exchange import RUN_ID, STDERR, STDOUT, Reply, Request
from metaflow_hera.errors import ArgumentError, ArgumentTypeError, ProcessError
from metaflow_hera.settings import environment

LOOK = 0.03
"""Seconds between two looks for output, an answer or the end."""

GRACE = 10.0
"""Seconds that a process may take to end its run after Ctrl-C, before it is killed."""

SHOWN = 100
"""How many of the last lines of its output an error holds."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where and how a flow's process runs."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Besides, or instead of, what this process has."""
    cwd: str | None = None
    show_output: bool = True
    file_read_timeout: float = 3600.0
    """Seconds until a run must have begun."""

    @property
    def environment(self) -> dict[str, str]:
        # Unbuffered, so that a step's output is here when it is there.
        return {**environment(), "PYTHONUNBUFFERED": "1", **self.env}


class FlowProcess:
    """A process that does what a `Request` says; `clean` when nobody looks at it any more."""

    def __init__(self, request: Request, surroundings: Surroundings) -> None:
        self._show = surroundings.show_output
        self._patience = surroundings.file_read_timeout
        self.folder = Path(tempfile.mkdtemp(prefix="mfhera-run-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._kept: dict[str, str] = {}
        self._tails = (Tail(self.folder / STDOUT), Tail(self.folder / STDERR))
        request.write(self.folder)
        with (self.folder / STDOUT).open("wb") as stdout, (self.folder / STDERR).open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "metaflow_hera.api.child", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=surroundings.environment,
                cwd=surroundings.cwd,
                start_new_session=True,  # Ctrl-C reaches it once, through `end`
            )

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def reply(self) -> Reply:
        reply = Reply.read(self.folder)
        assert reply is not None, "whoever asks has waited for it"
        return reply

    @property
    def run_id(self) -> str | None:
        """None until its run begins."""
        try:
            return (self.folder / RUN_ID).read_text() or None
        except FileNotFoundError:
            return None

    def text(self, stream: str) -> str:
        """What it has printed so far."""
        if stream in self._kept:
            return self._kept[stream]
        return (self.folder / stream).read_text(encoding="utf-8", errors="replace")

    def wait(self) -> None:
        """Until its end, while its output is shown; Ctrl-C ends it."""
        try:
            for _ in self._looks():
                time.sleep(LOOK)
        except BaseException:
            self.end()
            raise

    async def wait_for_end(self, timeout: float | None = None) -> bool:
        """Until its end, or until the time is over; whether it has ended."""
        return await self._awaited(timeout, until_begun=False)

    async def wait_for_run(self) -> None:
        """Until its run has begun, or it has ended without one."""
        if not await self._awaited(self._patience, until_begun=True):
            self.end()
            raise TimeoutError(f"the run has not begun after {self._patience} seconds; its process was ended")

    async def _awaited(self, timeout: float | None, *, until_begun: bool) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        for _ in self._looks():
            if until_begun and self.run_id is not None:
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            await asyncio.sleep(LOOK)
        return True

    def _looks(self) -> Iterator[None]:
        """One for each look while it runs; each shows what came."""
        is_over = False
        while not is_over:
            is_over = self.returncode is not None
            if self._show:
                for tail, stream in zip(self._tails, (sys.stdout, sys.stderr), strict=True):
                    if new := tail.read(is_over=is_over):
                        stream.write(new)
                        stream.flush()
            if not is_over:
                yield

    def end(self) -> None:
        """End it as Ctrl-C does, so that its run can be resumed; kill it if that takes too long."""
        if self.returncode is not None:
            return
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def refuse_failure(self, what: str) -> None:
        """Raise what hindered the process before its run began, or before it had done what it was asked."""
        reply = Reply.read(self.folder)
        if reply is not None and reply.refused:
            raise (ArgumentTypeError if reply.is_wrong_type else ArgumentError)(reply.refused)
        raise ProcessError(f"{what} (exit code {self.returncode})\n{self.output()}")

    def output(self) -> str:
        """The last lines that it printed, for an error."""
        parts = (f"{stream}:\n{_last_lines(self.text(stream))}" for stream in (STDOUT, STDERR) if self.text(stream))
        return "\n".join(parts) or "it printed nothing"

    def clean(self) -> None:
        """End it if it runs, and remove its files; what it printed can still be read."""
        self.end()
        if self._finalizer.alive:
            self._kept = {stream: self.text(stream) for stream in (STDOUT, STDERR)}
            self._finalizer()


class Tail:
    """What comes at the end of a file while somebody writes it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def read(self, *, is_over: bool) -> str:
        """What is new; half a character waits for its other half, unless nothing follows."""
        with self._file.open("rb") as file:
            file.seek(self._position)
            new = file.read()
        self._position += len(new)
        return self._decoder.decode(new, is_over)


def _last_lines(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= SHOWN else [f"… {len(lines) - SHOWN} lines", *lines[-SHOWN:]])
