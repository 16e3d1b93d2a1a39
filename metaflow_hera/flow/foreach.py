"""The items of a foreach: how many there are, and which is the i-th, the same in every process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import islice

from metaflow_hera.errors import StepError


def count_items(value: object, step: str, over: str) -> int:
    """How many tasks a foreach over *value* makes; `StepError` if it can have none, or none that stay in order."""
    where = f"step {step!r}: the foreach over {over!r}"
    if isinstance(value, Set):
        raise StepError(
            f"{where} found a {type(value).__name__}, whose order differs from process to process; sort it to a list"
        )
    if isinstance(value, Iterator):
        raise StepError(f"{where} found a {type(value).__name__}, which can be read only once; make a list of it")
    if not isinstance(value, Iterable):
        raise StepError(
            f"{where} found {_short(value)} of type {type(value).__name__}, which has no items; give it a list"
        )
    count = len(value) if isinstance(value, Sequence) else sum(1 for _ in _items(value, where))
    if count == 0:
        raise StepError(f"{where} found no items ({_short(value)}); give {over!r} at least one before self.next()")
    return count


def item_at(value: object, index: int) -> object:
    """Item *index* of what a foreach goes over."""
    if isinstance(value, Sequence):
        return value[index]
    assert isinstance(value, Iterable), "it was counted"
    return next(islice(value, index, None))


def _items(value: Iterable[object], where: str) -> Iterator[object]:
    try:
        yield from value
    except TypeError as error:  # an array without a dimension says only here that it has no items
        raise StepError(f"{where} found a {type(value).__name__} without items ({error}); give it a list") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
