"""Many calls of a store at once, as far as that store gains from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from metaflow_hera.store import Store

T = TypeVar("T")
R = TypeVar("R")


def each(store: Store, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``[function(item) for item in items]``, up to ``store.parallelism`` calls at once; raises the first error."""
    width = min(store.parallelism, len(items))
    if width <= 1:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # brings logging; a directory never needs it

    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(function, items))
