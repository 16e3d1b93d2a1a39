"""How long a part of a step takes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager


@contextmanager
def profile(label: str, stats_dict: MutableMapping[str, float] | None = None) -> Iterator[None]:
    """Print how many milliseconds the body takes, or add them to *stats_dict* under *label*."""
    if stats_dict is None:
        print(f"{label}: begins", file=sys.stderr)  # noqa: T201  (what it is for)
    start = time.perf_counter()
    try:
        yield
    finally:
        took = (time.perf_counter() - start) * 1000
        if stats_dict is None:
            print(f"{label}: took {took:.0f} ms", file=sys.stderr)  # noqa: T201
        else:
            stats_dict[label] = stats_dict.get(label, 0) + took
