"""A command line as a user has it: a process of its own, with what it printed and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


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
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, **(env or {})}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    return Done(done.returncode, done.stdout, done.stderr)


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
    return call("-m", "metaflow_hera", *words, env=env)


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
