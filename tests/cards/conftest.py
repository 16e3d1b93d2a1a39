"""Flows with cards, written in a test and run in this process's children."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metaflow_hera import namespace, run
from metaflow_hera.client import Run

HEAD = """\
import os, signal, sys, time
from metaflow_hera import FlowSpec, Parameter, card, catch, current, retry, step, timeout
from metaflow_hera.cards import *
from metaflow_hera.cards import MetaflowCard, MetaflowCardComponent

"""


@pytest.fixture
def ran(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Runs a flow of two steps; the test says what the first does, and what stands before the class and in it."""
    path, modules = list(sys.path), set(sys.modules)
    namespace(None)

    def run_step(
        body: str = "pass", decorators: str = "@card", before: str = "", inside: str = "", **options: object
    ) -> Run:
        lines = [*decorators.split("\n"), "@step", "def start(self):", textwrap.indent(textwrap.dedent(body), "    ")]
        source = textwrap.indent("\n".join([inside, *lines]), "    ")
        file = tmp_path / f"flow_{len(list(tmp_path.glob('flow_*')))}.py"
        file.write_text(f"{HEAD}{textwrap.dedent(before)}\nclass Carded(FlowSpec):\n{source}\n{END}")
        return run(file, check=False, **options)

    yield run_step
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        del sys.modules[name]


END = """\
        self.next(self.end)
    @step
    def end(self):
        pass
"""
