"""`Runner`: runs of a flow's file, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from metaflow_hera.api.exchange import Level, Request
from metaflow_hera.api.executing import Executing, ExecutingRun, ExecutingTask
from metaflow_hera.api.process import FlowProcess, Surroundings

E = TypeVar("E", bound=Executing)


class FlowFile:
    """A flow's file, where its processes run, and what is given to every command of it.

    *top_level_kwargs* are options that stand before the command: ``decospecs=["retry"]``, ``datastore="s3"``, …
    """

    def __init__(
        self,
        flow_file: str | os.PathLike[str],
        show_output: bool = True,
        profile: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        file_read_timeout: float = 3600,
        **top_level_kwargs: object,
    ) -> None:
        file = os.fspath(flow_file)
        path = file if Path(file).exists() else file.rpartition(":")[0]  # file.py:Name
        if not Path(path).is_file():
            raise FileNotFoundError(f"{type(self).__name__}: there is no file {file}")
        self.flow_file = str(Path(file).absolute())
        self._given = dict(top_level_kwargs)
        self._surroundings = Surroundings(
            env={**(env or {}), **({"METAFLOW_PROFILE": profile} if profile else {})},
            cwd=os.fspath(cwd) if cwd is not None else None,
            show_output=show_output,
            file_read_timeout=file_read_timeout,
        )
        self._processes: list[FlowProcess] = []

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.flow_file!r})"

    def start(self, *commands: Level) -> FlowProcess:
        """Start a process that does what the commands say, from the outside inwards."""
        own = Level(call=type(self).__name__, given=self._given)
        process = FlowProcess(Request(target=self.flow_file, levels=(own, *commands)), self._surroundings)
        self._processes.append(process)
        return process

    def cleanup(self) -> None:
        """End what still runs, and remove all files; what was printed, and the runs themselves, stay."""
        for process in self._processes:
            process.clean()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.cleanup()


class Runner(FlowFile):
    """Runs a flow's file, as ``python flow.py run`` does, and gives the runs.

    A run that fails raises `ProcessError`, a RuntimeError with its output as text and the run as ``run``; with
    ``check=False`` it is returned however it ended. An argument that is unknown raises a ValueError, one of a wrong
    type a TypeError.
    """

    def __init__(self, flow_file: str | os.PathLike[str], *arguments: Any, check: bool = True, **keywords: Any) -> None:
        super().__init__(flow_file, *arguments, **keywords)
        self._check = check

    def run(self, **kwargs: object) -> ExecutingRun:
        """Run the flow to its end; the arguments are its parameters and the options of the command ``run``."""
        return self._finished(ExecutingRun, "run", kwargs)

    def resume(self, **kwargs: object) -> ExecutingRun:
        """Go on with a run in a new one: ``step_to_rerun``, ``origin_run_id`` and options of the command."""
        return self._finished(ExecutingRun, "resume", kwargs)

    def spin(self, pathspec: str, **kwargs: object) -> ExecutingTask:
        """Run one step as it is now on the inputs of a past task; it is kept unless ``persist=False``."""
        return self._finished(ExecutingTask, "spin", {"persist": True, **kwargs, "target": pathspec})

    async def async_run(self, **kwargs: object) -> ExecutingRun:
        """The same as `run`, back as soon as the run has begun; ``await running.wait()`` waits for its end."""
        return await self._begun(ExecutingRun, "run", kwargs)

    async def async_resume(self, **kwargs: object) -> ExecutingRun:
        return await self._begun(ExecutingRun, "resume", kwargs)

    async def async_spin(self, pathspec: str, **kwargs: object) -> ExecutingTask:
        return await self._begun(ExecutingTask, "spin", {"persist": True, **kwargs, "target": pathspec})

    def _finished(self, kind: type[E], command: str, given: Mapping[str, object]) -> E:
        process = self._start(command, given)
        process.wait()
        executing = self._executing(kind, process)
        if self._check:
            executing.refuse_failure()
        return executing

    async def _begun(self, kind: type[E], command: str, given: Mapping[str, object]) -> E:
        process = self._start(command, given)
        await process.wait_for_run()
        executing = self._executing(kind, process)
        await executing.wait_for_record()
        return executing

    def _start(self, command: str, given: Mapping[str, object]) -> FlowProcess:
        return self.start(Level(command=command, call=f"{type(self).__name__}.{command}()", given=given))

    def _executing(self, kind: type[E], process: FlowProcess) -> E:
        if process.run_id is None:
            process.refuse_failure(f"nothing of {self.flow_file} has begun")
        return kind(process)
