"""@parallel: the tasks of a ``num_parallel`` run at the same time, know each other, and end together if one fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from metaflow_hera.errors import StepError
from metaflow_hera.flow.current import provide
from metaflow_hera.flow.decorators import decorator_of, kubernetes
from metaflow_hera.naming import AttemptKeys
from metaflow_hera.records import gangs
from metaflow_hera.runtime.failures import failure_of
from metaflow_hera.runtime.gang_watching import broken_text
from metaflow_hera.runtime.surroundings import Surrounded
from metaflow_hera.settings import environment

LOCALHOST: Final = "127.0.0.1"
FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 5.0
"""Seconds between two looks for the first task."""


class Parallel(NamedTuple):
    """`current.parallel`."""

    main_ip: str
    """The address of the first task."""
    num_nodes: int
    node_index: int
    control_task_id: str
    """The id of the first task."""


@contextmanager
def in_gang(task: Surrounded) -> Iterator[None]:
    """Meet the others, tell `current` about them, and let them know if the step fails.

    What an interrupted task raises says why the others gave up, if they did.
    """
    place = task.place
    first = str(place.path.parent.child(0))
    index, count = place.path.indexes[-1], place.frames[-1].count
    keys = _announced(task, first) if index == 0 else _met(task, first, count)
    task.watcher.joined(keys.broken)
    main = gangs.address(place.store, keys)
    provide(is_parallel=True, parallel=Parallel(main, count, index, first))
    try:
        yield
    except BaseException as error:  # whatever it is, the others cannot go on
        if why := gangs.why_broken(place.store, keys.broken):
            raise StepError(broken_text(place.step, why)) from error
        failure = failure_of(error)
        reason = f"{failure.type}: {failure.text}".splitlines()[0]
        gangs.break_up(place.store, keys.broken, f"task {place.path}: {reason}")
        raise


def _announced(task: Surrounded, path: str) -> AttemptKeys:
    keys = task.place.keys.attempt(task.place.step, path, task.attempt)
    gangs.announce(task.place.store, keys, own_address(environment().get("KUBERNETES_SERVICE_HOST", "")))
    return keys


def _met(task: Surrounded, path: str, count: int) -> AttemptKeys:
    """Wait until the first task, at *path*, runs in an attempt in which the gang is whole."""
    place = task.place
    limit = (decorator_of(task.step, kubernetes) or kubernetes()).hostname_resolution_timeout
    deadline, pause = time.monotonic() + limit, FIRST_PAUSE
    while time.monotonic() < deadline:
        attempt = gangs.last_attempt(place.store, place.keys, place.step, path)
        if attempt is not None:
            keys = place.keys.attempt(place.step, path, attempt)
            why = gangs.why_broken(place.store, keys.broken)
            if why is None:
                return keys
            if task.attempt <= attempt:  # it comes too late; one that is tried again waits for the others to be, too
                raise StepError(broken_text(place.step, why))
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)
    raise StepError(
        f"step {place.step!r}: the first of the {count} tasks of its num_parallel has not started within {limit} "
        "seconds; they run at the same time, so there must be room for all of them: ask for less in num_parallel or "
        "@resources, or wait longer with @kubernetes(hostname_resolution_timeout=…)"
    )


def own_address(api_server: str) -> str:
    """Where other pods of the cluster reach this one; *api_server* is its API's address, empty outside of any.

    No packet is sent: the kernel is asked from which address one would be.
    """
    if not api_server:
        return LOCALHOST
    family = socket.AF_INET6 if ":" in api_server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((api_server, 443))
        address: str = probe.getsockname()[0]
    return address
