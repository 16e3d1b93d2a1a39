"""The backend that the settings choose."""

from __future__ import annotations

from metaflow_hera.backends import Backend
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def open_backend(settings: Settings) -> Backend:
    if settings.backend == "embedded":
        return EmbeddedBackend(settings)
    if settings.backend == "kubernetes":
        return _kubernetes(settings)
    raise BackendError(
        f"this version cannot talk to the backend {settings.backend!r}: write the manifest with `mfhera compile` "
        "and apply it with kubectl, or use the backend 'embedded'"
    )


def _kubernetes(settings: Settings) -> Backend:
    try:
        from metaflow_hera.backends.kubernetes import KubernetesBackend  # needs an extra, and half a second
    except ModuleNotFoundError as error:
        if error.name not in ("lightkube", "httpx2"):
            raise
        raise BackendError(
            "the backend 'kubernetes' needs the extra of that name: pip install 'metaflow-hera[kubernetes]'"
        ) from error
    return KubernetesBackend(settings)
