"""Backends to test; an engine that a test started is ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from metaflow_hera.backends import Backend
from metaflow_hera.backends.embedded import EmbeddedBackend, stop_engine
from metaflow_hera.engine.pods import kill_orphans
from metaflow_hera.errors import EngineError
from metaflow_hera.settings import Settings


@pytest.fixture
def embedded_settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings.load({"data_dir": str(tmp_path / "data"), "backend": "embedded"})
    yield settings
    with suppress(EngineError):  # of a database that a test broke
        stop_engine(settings)
    for folder in (tmp_path / "data/engine/pods").glob("*"):
        kill_orphans(folder)


@pytest.fixture(params=["embedded"])
def backend(request: pytest.FixtureRequest) -> Backend:
    settings = request.getfixturevalue("embedded_settings")
    return EmbeddedBackend(settings)
