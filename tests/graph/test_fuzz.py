"""Whatever is in a flow file: it is refused in sentences, or it runs as the check saw it.

``MFHERA_FUZZ`` is how many files are tried; ``nox -s fuzz`` tries 2,000.
"""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flow_mutations import sources
from flow_oracle import Oracle, fixed_values
from hypothesis import HealthCheck, event, given, settings

from metaflow_hera.errors import FlowError, MetaflowHeraError, NamingError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.check import problems
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import IndexPath
from metaflow_hera.plan.compile import CompileOptions, compile_plan

FILES = int(os.environ.get("MFHERA_FUZZ", "100"))
NUMBERS = count()


class TooLong(Exception):
    """A changed flow that may never end."""


class Limited(Oracle):
    """Runs that many tasks at most."""

    def _task(self, *of: Any) -> Any:
        if len(self.tasks) > 200:
            raise TooLong
        return super()._task(*of)


@contextmanager
def seconds(limit: float) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@settings(
    max_examples=FILES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sources())
def test_a_flow_file_is_refused_in_sentences_or_runs_as_the_check_saw_it(tmp_path: Path, source: str) -> None:
    file = tmp_path / f"fuzzed_{next(NUMBERS)}_flow.py"
    file.write_text(source, encoding="utf-8")
    with warnings.catch_warnings(), seconds(20):
        warnings.simplefilter("ignore")
        try:
            flow_class = load_flow(file)
        except MetaflowHeraError as refused:
            assert str(file) in str(refused)
            event("cannot be loaded")
            return
        graph = parse(flow_class)
        found = problems(graph)
    for problem in found:
        assert problem.text
        assert "\n" not in problem.text
    event("refused" if found else "accepted")
    if not found:
        compiles(graph)
        runs_as_checked(flow_class, graph, file)


def compiles(graph: Graph) -> None:
    options = CompileOptions(name="f", file="f.py", store="/nowhere", image="x", command=("x",))
    try:
        compile_plan(graph, options)
    except (FlowError, NamingError):
        pytest.fail("what was accepted cannot be deployed")


def runs_as_checked(flow_class: type[FlowSpec], graph: Graph, file: Path) -> None:
    """Run it in this process, as far as its own code lets it."""
    try:
        oracle = Limited(flow_class, graph, fixed_values(flow_class))
    except MetaflowHeraError:  # parameters that are wrong when they are asked for
        return
    try:
        with seconds(5):
            oracle.run(graph.start, IndexPath(), (), [])
    except (TooLong, RecursionError):
        return
    except Exception as error:  # noqa: BLE001  (the user's code may raise anything)
        left_early = "ended without self.next()" in str(error) and "return" in file.read_text(encoding="utf-8")
        assert left_early or "by its source" not in str(error), "it went elsewhere than the check saw"
        frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        assert str(file) in frames, "the flow makes no sense, and was accepted"
        event("accepted, and failed by its own code")
    else:
        event("accepted, and ran to its end")
        assert (graph.end, "0") in oracle.tasks
