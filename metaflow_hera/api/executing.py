"""Runs and tasks that Python code started, while they go on and afterwards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Self

from metaflow_hera.api.exchange import STDERR, STDOUT
from metaflow_hera.api.process import LOOK, FlowProcess
from metaflow_hera.client import Run, Task
from metaflow_hera.deploy.spun import spin_store
from metaflow_hera.errors import ArgumentError, ProcessError
from metaflow_hera.naming import pathspec
from metaflow_hera.records import runs
from metaflow_hera.store import Store, open_store

RUNNING = "running"
SUCCESSFUL = "successful"
FAILED = "failed"
TIMEOUT = "timeout"


class Executing:
    """The process of a run or a task; as a context manager, it is ended and its files removed at the end."""

    def __init__(self, process: FlowProcess) -> None:
        run_id = process.run_id
        assert run_id is not None, "there is one when it has begun"
        self._process = process
        self._is_late = False
        self._settings = process.reply.load_settings()
        self._flow, self._run_id = process.reply.flow, run_id
        self._path = pathspec(self._flow, run_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}, {self.status!r})"

    @cached_property
    def _store(self) -> Store:
        """Where its run is recorded."""
        return open_store(self._settings.datastore, self._settings)

    @property
    def returncode(self) -> int | None:
        """The exit code of its process; None while it runs."""
        return self._process.returncode

    @property
    def status(self) -> str:
        """``running``, ``successful``, ``failed``, or ``timeout`` if waiting took too long and ended it."""
        code = self.returncode
        if self._is_late:
            return TIMEOUT
        if code is None:
            return RUNNING
        return SUCCESSFUL if code == 0 else FAILED

    @property
    def stdout(self) -> str:
        """What its process has printed so far."""
        return self._process.text(STDOUT)

    @property
    def stderr(self) -> str:
        """The same of its progress: what tasks print is there."""
        return self._process.text(STDERR)

    async def wait(self, timeout: float | None = None, stream: str | None = None) -> Self:
        """Wait for the end, while ``"stdout"`` or ``"stderr"`` is printed if *stream* says so.

        After *timeout* seconds it is ended, and its `status` is ``timeout``.
        """
        printing = asyncio.create_task(self._print(stream)) if stream else None
        if not await self._process.wait_for_end(timeout):
            self._process.end()
            self._is_late = True
        if printing:
            await printing
        return self

    async def stream_log(self, stream: str, position: int | None = None) -> AsyncIterator[tuple[int, str]]:
        """The lines of a stream as they come, each with the position after it, to go on from another time."""
        if stream not in (STDOUT, STDERR):
            raise ArgumentError(f"stream_log(): there are {STDOUT!r} and {STDERR!r}, no {stream!r}")
        at = position or 0
        is_over = False
        while not is_over:
            is_over = self.returncode is not None
            text = self._process.text(stream)
            while (end := text.find("\n", at)) >= 0:
                line, at = text[at:end], end + 1
                yield at, line
            if is_over and at < len(text):
                yield len(text), text[at:]
            elif not is_over:
                await asyncio.sleep(LOOK)

    async def _print(self, stream: str) -> None:
        async for _, line in self.stream_log(stream):
            sys.stdout.write(f"{line}\n")

    async def wait_for_record(self) -> None:
        """Until the Client can see its run: the id is known a moment before."""
        while self.returncode is None and runs.read(self._store, self._flow, self._run_id) is None:
            await asyncio.sleep(LOOK)

    def refuse_failure(self) -> None:
        """Raise `ProcessError`, with what was printed, if it did not succeed."""
        if self.status != SUCCESSFUL:
            raise ProcessError(f"{self._path} failed\n{self._process.output()}", self._found_run())

    def _found_run(self) -> Run | None:
        is_there = runs.read(self._store, self._flow, self._run_id) is not None
        return Run(self._path, store=self._store, namespace_check=False) if is_there else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.clean()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._process.clean()


class ExecutingRun(Executing):
    """A run in a process of its own."""

    @property
    def run(self) -> Run:
        """The run as the Client sees it, in the datastore of its process."""
        return Run(self._path, store=self._store, namespace_check=False)

    def _repr_html_(self) -> str:
        return self.run._repr_html_()


class ExecutingTask(Executing):
    """A step that is run on the inputs of a past task, in a process of its own."""

    @cached_property
    def _store(self) -> Store:
        return open_store(spin_store(self._settings), self._settings)

    @property
    def task(self) -> Task:
        """The task as the Client sees it, in the datastore of steps that were spun and kept."""
        [step] = Run(self._path, store=self._store, namespace_check=False)
        return step.task

    def _repr_html_(self) -> str:
        return self.task._repr_html_()
