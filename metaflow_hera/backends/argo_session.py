"""Connections to an Argo Server: time-outs, retries, tokens, certificates, and answers that come line by line."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning
from urllib3.util import Retry

from metaflow_hera.argo import fixed
from metaflow_hera.backends.api import Document
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings

TIMEOUT: Final = (5.0, 60.0)
"""Seconds to connect, and to wait for each piece of an answer."""

RETRIES: Final = Retry(
    total=4, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), allowed_methods=("GET", "PUT", "DELETE")
)
"""For a server that restarts, or has too much to do; a POST is not repeated, for it may have been heard."""

_TRUE: Final = ("true", "yes", "1")


def base_url(settings: Settings) -> str:
    """The server's, with a slash at its end: Hera drops the last part of a base path that has none."""
    url = settings.argo_server
    if not url:
        raise BackendError(
            "the backend 'argo' needs the URL of an Argo Server; set MFHERA_ARGO_SERVER, for example to "
            "https://argo.example.org"
        )
    return f"{url if '://' in url else f'https://{url}'}".rstrip("/") + "/"


class ArgoSession(requests.Session):
    """A session that waits for no answer forever, and trusts and identifies itself as the settings say."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._chosen = _certificates(settings)
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(max_retries=RETRIES))

    def request(self, *args: Any, **options: Any) -> requests.Response:
        headers = {**(options.pop("headers", None) or {}), **self._authorization()}
        with warnings.catch_warnings():  # whoever set it knows that it is insecure
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return super().request(*args, **{"timeout": TIMEOUT, **options, **self._chosen, "headers": headers})

    def _authorization(self) -> dict[str, str]:
        """Read each time where it is in a file: such tokens are exchanged while they are used."""
        token = self._settings.argo_token
        if file := self._settings.argo_token_file:
            try:
                token = Path(file).read_text().strip()
            except OSError as error:
                raise BackendError(f"the token for the Argo Server cannot be read: {file}: {error.strerror}") from error
        if not token:
            return {}
        return {"Authorization": token if " " in token else f"Bearer {token}"}

    def lines(self, url: str, parameters: Mapping[str, str], patience: float) -> Iterator[Any]:
        """What an endpoint answers that goes on answering: one JSON document in each line.

        It ends when *patience* seconds brought nothing new.
        """
        timeout = (TIMEOUT[0], patience)
        with self.get(url, params=parameters, stream=True, timeout=timeout) as response:
            try:
                for line in response.iter_lines():
                    if line:
                        yield json.loads(line)
            except requests.ConnectionError as error:
                if "timed out" not in str(error):
                    raise


def whole(document: Mapping[str, Any], kind: str) -> Document:
    """An object that was asked for, with what the server leaves out: its kind."""
    return {"apiVersion": fixed.API_VERSION, "kind": kind, **document}


def _certificates(settings: Settings) -> dict[str, Any]:
    """What requests calls whom to trust and as whom to come; `BackendError` for a file that is not there."""
    files = (settings.argo_ca_file, settings.argo_client_cert, settings.argo_client_key)
    if missing := [file for file in files if file and not Path(file).is_file()]:
        raise BackendError(
            f"there is no file {missing[0]}, which a setting for the Argo Server names; see `mfhera config`"
        )
    chosen: dict[str, Any] = {}
    if settings.argo_insecure.lower() in _TRUE:
        chosen["verify"] = False
    elif settings.argo_ca_file:
        chosen["verify"] = settings.argo_ca_file
    if settings.argo_client_cert:
        key = settings.argo_client_key
        chosen["cert"] = (settings.argo_client_cert, key) if key else settings.argo_client_cert
    return chosen
