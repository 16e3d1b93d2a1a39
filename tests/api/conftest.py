"""The engine that a test of the Python API started ends with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.settings import Settings


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    yield
    stop_engine(Settings.load())
