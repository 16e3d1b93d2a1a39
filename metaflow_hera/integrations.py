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
from metaflow_hera.flow.current import current
from metaflow_hera.naming import workflow_of_run
from metaflow_hera.settings import Settings, variable

TIMEOUT: Final = 60
"""Seconds that the other side may take to answer."""

RETRIES: Final = 5
"""How often an address that cannot be reached is tried again, each time after twice the seconds of before."""


class ArgoEvent:
    """An event of Argo Events, by name and payload.

    *name* may be a function that gives it, such as `namespaced_event_name` does. *url* is where the webhook of the
    event source listens; by default the setting ``events_url``.
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
        event = self._event(payload or {})
        try:
            self._post(event)
        except EventError as error:
            if not ignore_errors:
                raise
            _tell(str(error))
            return None
        return str(event["payload"]["id"])

    def _event(self, more: Mapping[str, object]) -> dict[str, Any]:
        now = time.time()
        facts = {
            "name": self._name,
            "id": str(uuid.uuid4()),
            "timestamp": int(now),
            "utc_date": time.strftime("%Y%m%d", time.gmtime(now)),
            "generated-by-metaflow": True,
        }
        return {"name": self._name, "payload": {**facts, **self._payload, **more}}

    def _post(self, event: Mapping[str, object]) -> None:
        where = f"event {self._name!r}"
        url = self._url or Settings.load().events_url
        if not url.startswith(("http://", "https://")):
            raise EventError(
                f"{where}: {url!r} is no address to publish it at; give url= or set {variable('events_url')}, the "
                "webhook of the event source"
            )
        try:
            data = json.dumps(event).encode()
        except (TypeError, ValueError) as error:
            raise EventError(f"{where}: its payload cannot be written as JSON: {error}") from error
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        _send(Request(url, data, headers), where)  # noqa: S310  (the scheme is known)


def _send(request: Request, where: str) -> None:
    for count in range(RETRIES + 1):
        try:
            with urlopen(request, timeout=TIMEOUT):  # noqa: S310  (the scheme is known)
                return
        except HTTPError as error:
            error.close()
            raise EventError(f"{where}: {request.full_url} refuses it: {error.code} {error.reason}") from error
        except (OSError, HTTPException) as error:
            if count == RETRIES:
                raise EventError(f"{where}: {request.full_url} cannot be reached: {error}") from error
            time.sleep(2**count)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
