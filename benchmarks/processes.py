"""Figures of whole commands: import, local runs, compile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.figure import FLOWS, Bench, Figure
from benchmarks.measure import Cost, median, one_start, process, python


def _mfhera(bench: Bench, *words: str) -> Cost:
    return process([sys.executable, "-m", "metaflow_hera", *words], bench.env)


def import_figures(bench: Bench) -> Iterator[Figure]:
    cost = median(partial(python, "import metaflow_hera", bench.env), 11)
    yield bench.starts("import metaflow_hera", cost.wall, 3)
    cost = median(partial(python, "from metaflow_hera import FlowSpec, Parameter, step", bench.env), 11)
    yield bench.starts("from metaflow_hera import FlowSpec, Parameter, step", cost.wall, 3)


def run_figures(bench: Bench) -> Iterator[Figure]:
    two_steps = median(partial(_mfhera, bench, "run", str(FLOWS / "two_steps.py")), 7)
    yield bench.starts("local run of 2 linear steps, whole process", two_steps.wall, 12)
    yield bench.starts("local foreach of 200, 2 workers, per task", _per_task(bench, 200, 3), 0.3)
    yield bench.starts("local foreach of 1,000, 2 workers, per task", _per_task(bench, 1000, 1), 0.3)
    yield bench.starts("local loop of 1,000, per iteration", _per_iteration(bench, 1000, 3), 0.3)


def _per_task(bench: Bench, width: int, times: int) -> float:
    """What each further task of a foreach costs."""

    def run(tasks: int) -> Cost:
        return _mfhera(bench, "run", str(FLOWS / "wide.py"), "--width", str(tasks), "--max-workers", "2",
                       "--max-num-splits", "100000")  # fmt: skip

    return (median(partial(run, width), times).wall - median(partial(run, 1), times).wall) / (width - 1)


def _per_iteration(bench: Bench, iterations: int, times: int) -> float:
    """What each further iteration of a step costs."""

    def run(count: int) -> Cost:
        return _mfhera(bench, "run", str(FLOWS / "loop.py"), "--times", str(count))

    return (median(partial(run, iterations), times).wall - median(partial(run, 1), times).wall) / (iterations - 1)


def compile_figures(bench: Bench) -> Iterator[Figure]:
    hera = median(partial(python, "import hera.workflows", bench.env), 5).wall
    cost = median(partial(_mfhera, bench, "compile", str(FLOWS / "two_steps.py")), 5)
    yield Figure(
        name="compile of a 2-step flow",
        value=cost.wall * 1000,
        unit="ms",
        bare=(hera + 10 * one_start()) * 1000,
        bare_name="import hera.workflows and 10 starts",
        budget=1,
    )
    manifest = _mfhera(bench, "compile", str(FLOWS / "two_steps.py"), "--json")
    yield Figure(
        name="manifest of a 2-step flow",
        value=len(manifest.output.encode()),
        unit="bytes",
        bare=46_600,
        bare_name="the peer's manifest",
        budget=1 / 7,
    )
