"""The backend that the settings choose."""

from __future__ import annotations

from metaflow_hera.backends import Backend
from metaflow_hera.backends.api import ArgoApi
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def open_backend(settings: Settings) -> Backend:
    if settings.backend == "embedded":
        return EmbeddedBackend(settings)
    from metaflow_hera.backends.cluster import ClusterBackend  # of no use to the embedded one

    if settings.backend == "kubernetes":
        return ClusterBackend("kubernetes", _kubernetes_api(settings), settings)
    from metaflow_hera.backends.argo_server_api import ArgoServerApi  # Hera's service, which takes a second

    return ClusterBackend("argo", ArgoServerApi(settings), settings)


def _kubernetes_api(settings: Settings) -> ArgoApi:
    try:
        from metaflow_hera.backends.kubernetes_api import KubernetesApi  # needs an extra, and a quarter of a second
    except ModuleNotFoundError as error:
        if error.name not in ("lightkube", "httpx2"):
            raise
        raise BackendError(
            "the backend 'kubernetes' needs the extra of that name: pip install 'metaflow-hera[kubernetes]'"
        ) from error
    return KubernetesApi(settings)
