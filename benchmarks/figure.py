"""A figure, its bare measure and its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import one_start

FLOWS = Path(__file__).parent / "flows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the report: *value* in *unit*, its ratio to *bare*, and the ratio that it should keep to."""

    name: str
    value: float
    unit: str
    bare: float
    bare_name: str
    budget: float
    at_least: bool = False
    """The budget is a least ratio, not a greatest."""

    @property
    def ratio(self) -> float:
        return self.value / self.bare

    @property
    def is_within(self) -> bool:
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every group of figures gets: a folder of its own, and an environment."""

    folder: Path
    env: Mapping[str, str]

    def starts(self, name: str, seconds: float, budget: float) -> Figure:
        """A time in milliseconds, measured in starts of ``python -c pass``: taken now, as a machine's speed drifts."""
        return Figure(
            name=name,
            value=seconds * 1000,
            unit="ms",
            bare=one_start() * 1000,
            bare_name="python -c pass",
            budget=budget,
        )
