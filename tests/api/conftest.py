"""The engine that a test of the Python API started ends with it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def ended_engine(engine: None) -> None:
    """Every test here may start one."""
