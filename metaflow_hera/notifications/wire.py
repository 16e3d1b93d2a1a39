"""A message on its way: tried again while that may help, and never for long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from metaflow_hera.notifications.message import Message

TRIES: Final = 4
TIMEOUT: Final = 10.0
"""Seconds for each try to connect, and for each answer."""

PATIENCE: Final = 30.0
"""Seconds at most between two tries, whatever a service asks for."""

ANSWER_LIMIT: Final = 200
"""Bytes of an answer that a sentence shows."""


class _Stay(HTTPRedirectHandler):
    """Goes nowhere else: a POST would become a GET there, and a secret would go along."""

    def redirect_request(self, *_: object) -> None:
        return None


def send(message: Message, pause: Callable[[float], None] = time.sleep) -> str:
    """Empty if the service took it, else why not, as the end of a sentence without any secret."""
    failure = ""
    for number in range(TRIES):
        failure, wait = _try(message)
        if not failure or wait is None:
            break
        if number + 1 < TRIES:
            pause(min(max(wait, 2.0**number), PATIENCE))
    for secret in filter(None, message.secrets):
        failure = failure.replace(secret, "(secret)")
    return failure


def _try(message: Message) -> tuple[str, float | None]:
    """What went wrong, empty for nothing, and the least time after which it is worth another try, None for never."""
    headers = {"Content-Type": "application/json", "User-Agent": "metaflow-hera", **message.headers}
    try:
        request = Request(message.url, json.dumps(message.body).encode(), headers, method="POST")  # noqa: S310
        with build_opener(_Stay).open(request, timeout=TIMEOUT):
            return "", None
    except HTTPError as error:
        with error:
            said = " ".join(error.read(ANSWER_LIMIT).decode(errors="replace").split())
            asked = error.headers.get("Retry-After", "")
        again = float(asked) if asked.isascii() and asked.isdigit() else 0.0
        return f"HTTP {error.code} {said}".strip(), again if error.code == 429 or error.code >= 500 else None
    except (ValueError, HTTPException) as error:  # of a URL that is none; its text would show it
        return f"the request cannot be made ({type(error).__name__})", None
    except OSError as error:
        return str(getattr(error, "reason", error)) or type(error).__name__, 0.0
