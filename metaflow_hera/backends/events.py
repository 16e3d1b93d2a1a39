"""Events for the embedded engine, from any process of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaflow_hera.backends.engine_control import home_of, launch
from metaflow_hera.settings import Settings


def put(name: str, payload: Mapping[str, Any], settings: Settings) -> None:
    """Leave an event in the queue of the settings' data directory, and start the engine if none runs."""
    home = home_of(settings)
    home.make()
    home.events.put(name, payload)
    launch(home)
