"""Flows written in a test, and run in this process."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.local import LocalEnd, run_plan
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.workers_forked import Job
from metaflow_hera.flow.load import load_flow
from metaflow_hera.graph.check import check
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import RunKeys
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings, Source
from metaflow_hera.store import open_store

RUN = "1700000000000000"


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)
    running: int = 0
    most: int = 0

    def started(self, pod: Pod, command: TaskCommand) -> None:
        self.running += 1
        self.most = max(self.most, self.running)

    def printed(self, command: TaskCommand, stream: str, line: str) -> None:
        self.lines.append((f"{command.step}/{command.path}", stream, line))

    def ended(self, command: TaskCommand, outcome: PodOutcome, *, again: bool) -> None:
        self.running -= 1
        self.outcomes.append((f"{command.step}/{command.path}", outcome.phase, outcome.message))


def write_flow(folder: Path, body: str) -> Path:
    """A file with a flow `TestedFlow`, of which *body* is the inside of the class."""
    file = folder / "tested_flow.py"
    imports = "import os, signal, subprocess, sys, time\nfrom metaflow_hera import FlowSpec, current, retry, step"
    head = f"{imports}\n\n\nclass TestedFlow(FlowSpec):\n"
    file.write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    return file


class Local:
    """A flow in a file, ready to run."""

    def __init__(self, file: Path, folder: Path, **options: object) -> None:
        settings = Settings.resolve([Source("test", {"data_dir": str(folder), "backend": "embedded", "user": "me"})])
        self.flow_class = load_flow(file)
        self.graph = parse(self.flow_class)
        check(self.graph)
        self.store = open_store(settings.datastore, settings)
        self.job = Job(flow_class=self.flow_class, graph=self.graph, store=self.store, settings=settings)
        self.keys = RunKeys(self.graph.flow, RUN)
        self.heard = Heard()
        self._options = options

    @property
    def plan(self) -> Plan:
        options = CompileOptions(
            name="tested",
            file="tested_flow.py",
            store=self.store.uri,
            image="python",
            command=("python",),
            run=(RUN,),
            user="me",
            **self._options,  # type: ignore[arg-type]
        )
        return compile_plan(self.graph, options)

    def run(self, workers: int = 4) -> LocalEnd:
        return run_plan(self.plan, self.job, run=RUN, workers=workers, listener=self.heard)
