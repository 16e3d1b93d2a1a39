"""The backend that the settings choose."""

from __future__ import annotations

from metaflow_hera.backends import Backend
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def open_backend(settings: Settings) -> Backend:
    if settings.backend == "embedded":
        return EmbeddedBackend(settings)
    raise BackendError(
        f"this version cannot talk to the backend {settings.backend!r}: write the manifest with `mfhera compile` "
        "and apply it with kubectl, or use the backend 'embedded'"
    )
