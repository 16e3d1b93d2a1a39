"""Sensors through the Argo Server: Hera's service for them has models that cannot hold what a Sensor starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import requests

from metaflow_hera.backends.api import ConflictingWriteError, Document
from metaflow_hera.backends.api_errors import refused, unreachable
from metaflow_hera.backends.argo_session import ArgoSession, whole

NOT_FOUND: Final = 404


@dataclass(frozen=True)
class Sensors:
    """The Sensors of one namespace of the server at *url*, which ends with a slash."""

    session: ArgoSession
    url: str
    namespace: str
    place: str

    def get(self, name: str) -> Document | None:
        answer = self._ask("get", name)
        return None if answer is None else whole(answer, "Sensor")

    def create(self, document: Mapping[str, Any]) -> Document:
        return self._written("post", "", document)

    def replace(self, document: Mapping[str, Any]) -> Document:
        return self._written("put", document["metadata"]["name"], document)

    def delete(self, name: str) -> bool:
        return self._ask("delete", name) is not None

    def _written(self, method: str, name: str, document: Mapping[str, Any]) -> Document:
        body = {"namespace": self.namespace, "sensor": document, **({"name": name} if name else {})}
        answer = self._ask(method, name, body)
        if answer is None:
            raise ConflictingWriteError(f"cannot update Sensor {name!r}: it was deleted")
        return whole(answer, "Sensor")

    def _ask(self, method: str, name: str, body: Mapping[str, Any] | None = None) -> Document | None:
        """The answer; None if there is no such Sensor."""
        what = f"{method} Sensor {name or (body or {})['sensor']['metadata']['name']!r}"
        url = f"{self.url}api/v1/sensors/{self.namespace}" + (f"/{name}" if name else "")
        try:
            answer = self.session.request(method, url, json=body)
            told = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise unreachable(what, self.place, error) from error
        if answer.ok:
            return dict(told)
        message = str(told.get("message", told))
        if name and answer.status_code == NOT_FOUND and f'"{name}" not found' in message:
            return None
        raise refused(what, self.place, answer.status_code, message)
