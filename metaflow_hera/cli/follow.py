"""A run of a deployment as it goes on: a table that changes on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import click

from metaflow_hera.backends import NodeStatus, Phase, RunStatus
from metaflow_hera.cli import collector
from metaflow_hera.cli.failures import print_failures
from metaflow_hera.cli.output import SIGNALLED, colored, duration, tell, tell_timed
from metaflow_hera.deploy.logs import Selection, follow_logs
from metaflow_hera.errors import StoreError
from metaflow_hera.naming import pathspec, workflow_of_run

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from metaflow_hera.deploy.triggered import TriggeredRun

LAST_LINES = 30.0
"""Seconds that reading what tasks printed last may take."""


@contextmanager
def interruptible(flow: str, run: str, end: Callable[[], object] | None = None) -> Iterator[None]:
    """Ctrl-C ends the watching and not the run, and says so; on a terminal it asks whether to *end* the run, too."""
    try:
        yield
    except KeyboardInterrupt:
        if end is not None and _wants_to_end(run):
            end()
            tell(f"run {run} is terminated")
            click.get_current_context().exit(SIGNALLED + signal.SIGINT)
        of_deployment = workflow_of_run(run) is not None
        name = run if of_deployment else pathspec(flow, run)
        tell(f"\nrun {name} goes on, if it has not ended; follow it with: mfhera logs {name} --follow")
        if of_deployment:
            tell(f"end it with: mfhera terminate {name}")
        click.get_current_context().exit(SIGNALLED + signal.SIGINT)


def _wants_to_end(run: str) -> bool:
    """A second Ctrl-C is no answer, and so means no."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return click.confirm(f"\nend run {run}, too?", default=False, err=True)
    except click.Abort:
        return False


def follow(run: TriggeredRun, *, with_logs: bool = False) -> Phase:
    """Show the run up to its end, with what its tasks print if wanted, and what failed in it; return how it ended."""
    collector.resume()
    last: RunStatus | None = None
    with _viewer() as view, _printing(run, view) if with_logs else nullcontext():
        for last in run.backend.watch(run.run_id):
            view.show(last)
    assert last is not None, "a run has a status"
    took = duration(last.created, last.finished)
    tell_timed(f"{last.run} {colored(last.phase)}" + (f" after {took}" if took else ""))
    if last.phase is not Phase.SUCCEEDED:
        print_failures(run.flow, run.run_id, last.message, run.settings)
    return last.phase


@contextmanager
def _printing(run: TriggeredRun, view: Viewer) -> Iterator[None]:
    """Print what tasks print, beside; in the end what is left of it."""
    ended = threading.Event()
    printer = threading.Thread(target=_print_logs, args=(run, view, ended), daemon=True)
    printer.start()
    try:
        yield
    finally:
        ended.set()
        printer.join(LAST_LINES)


def _print_logs(run: TriggeredRun, view: Viewer, ended: threading.Event) -> None:
    selection = Selection(flow=run.flow, run=run.run_id, with_clones=False)
    try:
        for line in follow_logs(selection, run.settings, ended.is_set):
            view.say(f"{click.style(f'[{line.step}/{line.path}]', fg='cyan')} {line.text}")
    except StoreError as error:
        view.say(f"what tasks print cannot be shown: {error}")


class Viewer(Protocol):
    def show(self, status: RunStatus) -> None: ...

    def say(self, text: str) -> None:
        """A line of its own."""
        ...


def _viewer() -> AbstractContextManager[Viewer]:
    return _LiveTable() if sys.stderr.isatty() else nullcontext(_Lines())


class _Lines:
    """A line for each change of a task."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Phase, int, str]] = {}

    def say(self, text: str) -> None:
        tell_timed(text)

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

    def say(self, text: str) -> None:
        from rich.text import Text  # 60 ms, for terminals only

        self._live.console.print(Text.from_ansi(text), soft_wrap=True)

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
