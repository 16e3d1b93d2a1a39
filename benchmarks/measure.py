"""Time, processor time and memory of whole processes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a process and its children took: seconds by the clock and of the processors, and peak memory in bytes."""

    wall: float
    cpu: float
    memory: int
    output: str


def process(words: Sequence[str], env: Mapping[str, str] | None = None) -> Cost:
    """Run a command once; one that fails ends the benchmark with what it said."""
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=env)
        assert child.stdout
        output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(words)} ended with {child.returncode}:\n{output}{errors.read()}")
    return Cost(wall=wall, cpu=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss * 1024, output=output)


def median(run: Callable[[], Cost], times: int) -> Cost:
    """The run with the median wall time, after one that warms the caches."""
    run()
    costs = sorted((run() for _ in range(times)), key=lambda cost: cost.wall)
    return costs[len(costs) // 2]


def python(code: str, env: Mapping[str, str] | None = None) -> Cost:
    return process([sys.executable, "-c", code], env)


def one_start(times: int = 21) -> float:
    """Seconds that ``python -c pass`` takes: the measure of everything that starts processes."""
    python("pass")
    return statistics.median(python("pass").wall for _ in range(times))
