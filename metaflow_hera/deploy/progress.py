"""How far a run has come, as a line that is written over again: for a person at a terminal or a notebook."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime

from metaflow_hera.backends import Phase, RunStatus

WIDTH = 110
_MARKS = {Phase.SUCCEEDED: "✓", Phase.RUNNING: "…", Phase.PENDING: "·"}
_FAILED = "✗"


class ProgressLine:
    """One line on stderr; nothing is written while nothing changes."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, status: RunStatus) -> None:
        line = progress(status, datetime.now(UTC))
        if line != self._last:
            sys.stderr.write("\r" + line.ljust(len(self._last)))
            sys.stderr.flush()
            self._last = line

    def close(self) -> None:
        if self._last:
            sys.stderr.write("\n")
            sys.stderr.flush()


def is_watched() -> bool:
    """Whether a person sees what is written to stderr at once."""
    return sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel.")


def progress(status: RunStatus, now: datetime) -> str:
    """The run, how it is, since when, and the tasks of each step by how they are.

    >>> began = datetime(2030, 1, 1, tzinfo=UTC)
    >>> progress(RunStatus(run="argo-f-1", deployment="f", flow="F", phase=Phase.PENDING, created=began), began)
    'argo-f-1 Pending 0s'
    """
    seconds = int(((status.finished or now) - status.created).total_seconds())
    steps: dict[str, Counter[str]] = {}
    for node in status.nodes:
        steps.setdefault(node.step, Counter())[_MARKS.get(node.phase, _FAILED)] += 1
    words = [f"{step} {' '.join(map(_count, counts.items()))}" for step, counts in steps.items()]
    line = "  ".join([f"{status.run} {status.phase.value} {seconds}s", *words])
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _count(of: tuple[str, int]) -> str:
    mark, count = of
    return mark if count == 1 else f"{count}{mark}"
