"""Where values lie along an axis of a chart: numbers, times, or things that have no order of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from metaflow_hera.cards.values import shown

TICKS = 5


@dataclass(frozen=True, kw_only=True)
class Axis:
    """From values to places between 0 and 1, and the ticks: a text at each place."""

    title: str
    place: Callable[[object], float]
    ticks: tuple[tuple[str, float], ...]
    band: float = 0.0
    """The room of one value, where values are things; 0 along numbers and times."""


def number_axis(values: Iterable[object], title: str, *, from_zero: bool) -> Axis:
    """An axis over all of the values, from zero on or from the round number below the least."""
    numbers = [as_number(value) for value in values]
    steps = round_steps(min([0.0, *numbers] if from_zero else numbers), max([0.0, *numbers] if from_zero else numbers))
    return _linear(title, as_number, steps, lambda value: shown(float(value)))


def time_axis(values: Iterable[object], title: str) -> Axis:
    """An axis over times in ISO 8601, or in milliseconds since the epoch."""
    seconds = [as_seconds(value) for value in values]
    first, last = min(seconds), max(seconds)
    width = (last - first or 1.0) / (TICKS - 1)
    steps = [first + width * number for number in range(TICKS)]
    form = "%Y-%m-%d" if width >= 86400 else "%m-%d %H:%M" if width >= 3600 else "%H:%M:%S"
    return _linear(title, as_seconds, steps, lambda value: datetime.fromtimestamp(value, UTC).strftime(form))


def band_axis(values: Iterable[object], title: str) -> Axis:
    """An axis with the same room for each different value, in the order in which they come."""
    names = list(dict.fromkeys(shown(value) for value in values))
    band = 1 / max(len(names), 1)
    places = {name: band * (number + 0.5) for number, name in enumerate(names)}
    return Axis(title=title, place=lambda value: places[shown(value)], ticks=tuple(places.items()), band=band)


def as_number(value: object) -> float:
    """`ValueError` if it is none, or none that has a place."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def as_seconds(value: object) -> float:
    """Since the epoch; a time without a zone is taken for UTC."""
    if isinstance(value, str):
        when = datetime.fromisoformat(value)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return as_number(value) / 1000


def round_steps(least: float, most: float) -> list[float]:
    """Round numbers at equal distances, the first at or below *least*, the last at or above *most*.

    >>> round_steps(0, 9)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if least == most:
        most = least + 1
    rough = (most - least) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(least / width), math.ceil(most / width - 1e-9)
    return [number * width for number in range(first, last + 1)]


def _linear(title: str, read: Callable[[object], float], steps: Sequence[float], text: Callable[[float], str]) -> Axis:
    first, last = steps[0], steps[-1]
    width = (last - first) or 1.0
    if not math.isfinite(width):
        raise ValueError("numbers that are too far apart")
    ticks = tuple((text(step), (step - first) / width) for step in steps)
    return Axis(title=title, place=lambda value: (read(value) - first) / width, ticks=ticks)
