"""A run of a deployment as it goes on: a table that changes on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import click

from metaflow_hera.backends import NodeStatus, Phase, RunStatus
from metaflow_hera.cli import collector
from metaflow_hera.cli.failures import print_failures
from metaflow_hera.cli.output import SIGNALLED, colored, duration, tell, tell_timed
from metaflow_hera.naming import pathspec, workflow_of_run

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from metaflow_hera.deploy.triggered import TriggeredRun


@contextmanager
def interruptible(flow: str, run: str) -> Iterator[None]:
    """Ctrl-C ends the watching and not the run, and says so."""
    try:
        yield
    except KeyboardInterrupt:
        of_deployment = workflow_of_run(run) is not None
        name = run if of_deployment else pathspec(flow, run)
        tell(f"\nrun {name} goes on, if it has not ended; follow it with: mfhera logs {name} --follow")
        if of_deployment:
            tell(f"end it with: mfhera terminate {name}")
        click.get_current_context().exit(SIGNALLED + signal.SIGINT)


def follow(run: TriggeredRun) -> Phase:
    """Show the run up to its end and what failed in it; return how it ended."""
    collector.resume()
    last: RunStatus | None = None
    with _viewer() as view:
        for last in run.backend.watch(run.run_id):
            view.show(last)
    assert last is not None, "a run has a status"
    took = duration(last.created, last.finished)
    tell_timed(f"{last.run} {colored(last.phase)}" + (f" after {took}" if took else ""))
    if last.phase is not Phase.SUCCEEDED:
        print_failures(run.flow, run.run_id, last.message, run.settings)
    return last.phase


class Viewer(Protocol):
    def show(self, status: RunStatus) -> None: ...


def _viewer() -> AbstractContextManager[Viewer]:
    return _LiveTable() if sys.stderr.isatty() else nullcontext(_Lines())


class _Lines:
    """A line for each change of a task."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Phase, int, str]] = {}

    def show(self, status: RunStatus) -> None:
        for node in status.nodes:
            now = (node.phase, node.attempts, node.hint)
            if self._seen.get(node.name) != now:
                self._seen[node.name] = now
                tell_timed(f"[{node.step}/{node.path}] {_told(node)}")


def _told(node: NodeStatus) -> str:
    attempt = f" (attempt {node.attempts})" if node.attempts > 1 else ""
    told = "; ".join(filter(None, (node.message, node.hint)))
    return colored(node.phase) + attempt + (f": {told}" if told else "")


class _LiveTable:
    """A table with a line for each step."""

    def __init__(self) -> None:
        from rich.console import Console  # 60 ms, for terminals only
        from rich.live import Live

        self._live: Live = Live(console=Console(stderr=True), refresh_per_second=8)

    def __enter__(self) -> Viewer:
        self._live.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def show(self, status: RunStatus) -> None:
        self._live.update(_table(status))


def _table(status: RunStatus) -> Table:
    from rich.table import Table  # 60 ms, for terminals only

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("STEP", "DONE", "RUNNING", "WAITING", "FAILED"):
        table.add_column(heading, justify="left" if heading == "STEP" else "right")
    for step, phases in _by_step(status).items():
        waiting = phases[Phase.PENDING]
        failed = phases[Phase.FAILED] + phases[Phase.ERROR]
        counts = (phases[Phase.SUCCEEDED], phases[Phase.RUNNING], waiting, failed)
        table.add_row(step, *(str(count) if count else "" for count in counts), style="red" if failed else "")
    return table


def _by_step(status: RunStatus) -> dict[str, Counter[Phase]]:
    counts: dict[str, Counter[Phase]] = {}
    for node in status.nodes:
        counts.setdefault(node.step, Counter())[node.phase] += 1
    return counts
