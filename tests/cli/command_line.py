"""A command line as a user has it: a process of its own, with what it printed and how it ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from metaflow_hera.cli import module_main

ROOT = Path(__file__).parents[2]

SECONDS = 120


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def call(*words: object, env: dict[str, str] | None = None) -> Done:
    """Run a program of Python's with these words."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=_environment(env))
    return Done(done.returncode, done.stdout, done.stderr)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **(more or {})}


def interrupted(*words: object, after: str) -> Done:
    """`mfhera` with these words, and Ctrl-C as soon as it has printed this, on either stream."""
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from metaflow_hera.cli import main; main(sys.argv[1:])"
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-uc", program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    printed = ""
    while after not in printed and (line := process.stdout.readline()):
        printed += line
    process.send_signal(signal.SIGINT)
    printed += process.communicate(timeout=60)[0]
    return Done(process.returncode, "", printed)


def mfhera(*words: object, env: dict[str, str] | None = None) -> Done:
    """``python -m metaflow_hera`` with these words.

    It is a fork of a process that has imported everything, and nothing else: that takes half of the time of most
    commands, and what a command imports is tested where it counts.
    """
    with TemporaryDirectory() as folder:
        streams = [Path(folder, name) for name in ("stdout", "stderr")]
        told = (str(Path.cwd()), _environment(env), [*map(str, words)], streams)
        process = _forks().Process(target=_run, args=told)
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(["mfhera", *told[2]], SECONDS)
        return Done(process.exitcode, *(file.read_text() for file in streams))


@cache
def _forks() -> ForkServerContext:
    """Where processes begin that have imported all commands."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["__main__", "imported_commands"])
    with pytest.MonkeyPatch.context() as patch:  # it is told of no other path before Python 3.13
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    return forks


def _run(folder: str, environment: dict[str, str], words: list[str], streams: list[Path]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(streams, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = ["-m", *words]
    sys.path.insert(0, folder)
    module_main()


def write_flow(name: str, body: str, *, header: str = "") -> Path:
    """A file in the working directory with a flow of this name, called as scripts do."""
    file = Path(f"{name.lower()}.py")
    lines = "\n".join(f"    {line}" if line else "" for line in body.strip("\n").splitlines())
    file.write_text(
        "from metaflow_hera import *\n"
        f"{header}\n\nclass {name}(FlowSpec):\n{lines}\n\nif __name__ == '__main__':\n    {name}()\n"
    )
    return file


LINEAR = """
alpha = Parameter("alpha", default=0.01, help="Learning rate")
who = Parameter("name", default="nobody")

@step
def start(self):
    print("hello", self.who)
    self.next(self.end)

@step
def end(self):
    self.double = self.alpha * 2
"""

FAILING = """
@step
def start(self):
    self.items = [0, 1, 2]
    self.next(self.work, foreach="items")

@step
def work(self):
    if self.input == 1:
        raise ValueError("one is too many")
    self.next(self.join)

@step
def join(self, inputs):
    self.next(self.end)

@step
def end(self):
    pass
"""
