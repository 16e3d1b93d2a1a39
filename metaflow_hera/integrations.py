"""Events that steps and other programs publish, to start deployed flows with @trigger."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final, Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from metaflow_hera.errors import EventError
from metaflow_hera.event_queue import EventQueue
from metaflow_hera.flow.current import current
from metaflow_hera.naming import workflow_of_run
from metaflow_hera.records.events import stamped
from metaflow_hera.settings import Settings, event_queue_of_pod, is_in_pod, variable

TIMEOUT: Final = 60
"""Seconds that the other side may take to answer."""

RETRIES: Final = 5
"""How often an address that cannot be reached is tried again, each time after twice the seconds of before."""


class ArgoEvent:
    """An event of Argo Events, by name and payload.

    *name* may be a function that gives it, such as `namespaced_event_name` does. *url* is where the webhook of the
    event source listens; by default the setting ``events_url``. Without any, flows that are deployed to the embedded
    engine get the event.
    """

    def __init__(
        self,
        name: str | Callable[[], str],
        url: str | None = None,
        payload: Mapping[str, object] | None = None,
        access_token: str | None = None,
    ) -> None:
        self._name = name() if callable(name) else name
        self._url = url
        self._payload = dict(payload or {})
        self._token = access_token

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    def add_to_payload(self, key: str, value: object) -> Self:
        """Let the event carry a value, as text."""
        self._payload[key] = str(value)
        return self

    def safe_publish(self, payload: Mapping[str, object] | None = None, ignore_errors: bool = True) -> str | None:
        """Publish it in runs of deployments only: a flow that is tried out starts no other."""
        return self.publish(payload, force=False, ignore_errors=ignore_errors)

    def publish(
        self, payload: Mapping[str, object] | None = None, force: bool = True, ignore_errors: bool = True
    ) -> str | None:
        """Publish it and return its id; without *force* in runs of deployments only.

        What hinders it is told on stderr and None returned, or raised as `EventError` without *ignore_errors*.
        """
        if not force and workflow_of_run(current.get("run_id", "")) is None:
            _tell(f"event {self._name!r} is not published: this is no run of a deployment")
            return None
        try:
            content = {**self._payload, **(payload or {})}
            return publish(self._name, content, Settings.load(), url=self._url, token=self._token)
        except EventError as error:
            if not ignore_errors:
                raise
            _tell(str(error))
            return None


def publish(
    name: str, payload: Mapping[str, object], settings: Settings, *, url: str | None = None, token: str | None = None
) -> str:
    """Publish an event and return its id; `EventError` if that cannot be.

    It goes to the address that is given or set. Without one, and from tasks of the embedded engine, it goes to that.
    """
    told = stamped(name, {"id": str(uuid.uuid4()), **payload}, time.time())
    if told["name"] != name:
        raise EventError(
            f"event {name!r}: its payload cannot have a field 'name' with {told['name']!r}, for that is the event's own"
        )
    queue = event_queue_of_pod()
    url = url or ("" if queue else settings.events_url)
    if url:
        post(url, {"name": name, "payload": told}, token)
    elif queue:
        EventQueue(queue).put(name, told)
    elif settings.backend == "embedded" and not is_in_pod():
        from metaflow_hera.backends.events import put  # upwards: the engine is started if none runs

        put(name, told, settings)
    else:
        raise EventError(
            f"event {name!r}: there is no address to publish it at; give url= or set {variable('events_url')}, the "
            "webhook of the event source"
        )
    return str(told["id"])


def post(
    url: str, event: Mapping[str, Any], token: str | None = None, *, retries: int = RETRIES, timeout: float = TIMEOUT
) -> None:
    """Hand an event, its name and payload, to a webhook; `EventError` says why it cannot be."""
    where = f"event {event['name']!r}"
    if not url.startswith(("http://", "https://")):
        raise EventError(f"{where}: {url!r} is no address to publish it at; it must begin with http:// or https://")
    try:
        data = json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"{where}: its payload cannot be written as JSON: {error}") from error
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    _send(Request(url, data, headers), where, retries, timeout)  # noqa: S310  (the scheme is known)


def _send(request: Request, where: str, retries: int, timeout: float) -> None:
    for count in range(retries + 1):
        try:
            with urlopen(request, timeout=timeout):  # noqa: S310  (the scheme is known)
                return
        except HTTPError as error:
            error.close()
            raise EventError(f"{where}: {request.full_url} refuses it: {error.code} {error.reason}") from error
        except (OSError, ValueError, HTTPException) as error:
            if count == retries:
                raise EventError(f"{where}: {request.full_url} cannot be reached: {error}") from error
            time.sleep(2**count)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
