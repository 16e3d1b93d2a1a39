"""A task in a cluster tells Argo Events that it succeeded. On the embedded engine the engine does so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import EventError
from metaflow_hera.integrations import post
from metaflow_hera.records.events import success_events
from metaflow_hera.settings import Settings, event_queue_of_pod

TIMEOUT: Final = 5
"""Seconds that the other side may take to answer: a task that has succeeded does not wait for long."""

RETRIES: Final = 1


def publish_success(command: TaskCommand, settings: Settings, tell: Callable[[str], None]) -> None:
    """Publish the events of the task, if there is an address; what hinders it is told, and changes nothing.

    An attempt that finds that its task succeeded before publishes them again: their ids tell that they are the same.
    """
    if not settings.events_url or event_queue_of_pod() is not None:
        return
    for name, payload in success_events(command, time.time()).items():
        try:
            post(settings.events_url, {"name": name, "payload": payload}, retries=RETRIES, timeout=TIMEOUT)
        except EventError as error:
            tell(f"{error}; flows that wait for it are not started\n")
            return
