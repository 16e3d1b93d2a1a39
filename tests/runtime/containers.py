"""Containers as Argo starts them: the command that lies in every manifest, run with a pod directory of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.naming import RunKeys
from metaflow_hera.package import build, upload
from metaflow_hera.records import artifacts, logs, tasks
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.runtime.bootstrap import SOURCE
from metaflow_hera.store import Store

RUN = "argo-flow-x1"
HEAD = "from metaflow_hera import FlowSpec, Parameter, JSONType, catch, current, environment, retry, step, timeout\n"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A container that ended."""

    code: int
    stdout: str
    stderr: str
    splits: str
    next: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A flow in a store, ready for containers of its steps."""

    store: Store
    flow: str
    code: str
    pods: Path

    @property
    def keys(self) -> RunKeys:
        return RunKeys(self.flow, RUN)

    def command(self, step: str, path: str = "0", **options: object) -> TaskCommand:
        texts = {name: value if isinstance(value, tuple) else str(value) for name, value in options.items()}
        facts = {"deployment": "flow", "user": "tester", "code": self.code, **texts}
        return TaskCommand(flow=self.flow, file="flow.py", step=step, run=RUN, path=path, store=self.store.uri, **facts)

    def begin(
        self,
        command: TaskCommand | ExitCommand,
        parameters: Mapping[str, str] | None = None,
        before: str = "",
    ) -> subprocess.Popen[bytes]:
        """Start a container, with a parameters file for the start step; *before* runs just before the runtime."""
        pod = self.pods / str(len(list(self.pods.iterdir())))
        pod.mkdir()
        if isinstance(command, TaskCommand) and command.step == "start":
            listed = [{"name": name, "value": value} for name, value in (parameters or {}).items()]
            (pod / "parameters").write_bytes(base64.b64encode(json.dumps(listed).encode()))
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = subprocess.Popen(
            [sys.executable, "-c", SOURCE.replace("os._exit(main", before + "os._exit(main"), *command.argv()],
            env={**environ, "MFHERA_POD_DIR": str(pod)},
            cwd=pod,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.pod = pod  # type: ignore[attr-defined]
        return process

    def end(self, process: subprocess.Popen[bytes], timeout: float = 60) -> Finished:
        stdout, stderr = process.communicate(timeout=timeout)
        outputs = process.pod / "out"  # type: ignore[attr-defined]
        return Finished(
            code=process.returncode,
            stdout=stdout.decode(errors="replace"),
            stderr=stderr.decode(errors="replace"),
            splits=(outputs / "splits").read_text() if outputs.exists() else "(none)",
            next=(outputs / "next").read_text() if outputs.exists() else "(none)",
        )

    def run(
        self, step: str, path: str = "0", parameters: Mapping[str, str] | None = None, **options: object
    ) -> Finished:
        return self.end(self.begin(self.command(step, path, **options), parameters))

    def record(self, step: str, path: str = "0", attempt: int = 0) -> TaskRecord:
        record = tasks.read(self.store, self.keys, step, path, attempt)
        assert record is not None, f"{step}/{path}/{attempt} left no record"
        return record

    def artifact(self, step: str, name: str, path: str = "0", attempt: int = 0) -> object:
        record = self.record(step, path, attempt)
        refs = {**record.parameters, **record.artifacts}
        return artifacts.load(self.store, refs[name], name)

    def log(self, stream: str, step: str, path: str = "0", attempt: int = 0) -> str:
        return logs.read(self.store, self.keys.attempt(step, path, attempt), stream).decode()


def deploy(store: Store, tmp_path: Path, source: str, **modules: str) -> Deployment:
    """Put the source of a flow `F`, and modules beside it, into the store as a deployment does."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in {"flow": HEAD + source, **modules}.items():
        (folder / f"{name}.py").write_text(text)
    pods = tmp_path / "pods"
    pods.mkdir()
    return Deployment(store=store, flow="F", code=upload(store, build(folder / "flow.py")), pods=pods)


def steps(start: str = "pass", end: str = "pass", decorators: str = "") -> str:
    """The source of a flow of two steps with these bodies."""
    return f"""
class F(FlowSpec):
    {decorators}
    @step
    def start(self):
        {start.strip().replace(chr(10), chr(10) + " " * 8)}
        self.next(self.end)

    @step
    def end(self):
        {end.strip().replace(chr(10), chr(10) + " " * 8)}
"""
