"""Settings by the names that they have in the peer's ``metaflow_config``, as they are when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from metaflow_hera.settings import Settings

_NAMES: Mapping[str, Callable[[Settings], str | None]] = {
    "ARGO_EVENTS_EVENT": lambda settings: settings.event_name or None,
    "ARGO_EVENTS_EVENT_BUS": lambda settings: settings.event_bus or None,
    "ARGO_EVENTS_EVENT_SOURCE": lambda settings: settings.event_source or None,
    "ARGO_EVENTS_INTERNAL_WEBHOOK_URL": lambda settings: settings.pod_events_url or None,
    "ARGO_EVENTS_SERVICE_ACCOUNT": lambda settings: settings.sensor_service_account or None,
    "ARGO_EVENTS_WEBHOOK_URL": lambda settings: settings.events_url or None,
    "DATASTORE_LOCAL_DIR": lambda _: ".mfhera",
    "DATASTORE_SYSROOT_LOCAL": lambda settings: None if _is_bucket(settings) else settings.datastore,
    "DATASTORE_SYSROOT_S3": lambda settings: settings.datastore if _is_bucket(settings) else None,
    "DATATOOLS_S3ROOT": lambda settings: settings.datatools_s3root or None,
    "DEFAULT_DATASTORE": lambda settings: "s3" if _is_bucket(settings) else "local",
    "DEFAULT_METADATA": lambda _: "local",
    "KUBERNETES_CONTAINER_IMAGE": lambda settings: settings.image or None,
    "KUBERNETES_NAMESPACE": lambda settings: settings.namespace or None,
    "KUBERNETES_SERVICE_ACCOUNT": lambda settings: settings.service_account or None,
    "S3_ENDPOINT_URL": lambda settings: settings.s3_endpoint_url or None,
}


def _is_bucket(settings: Settings) -> bool:
    return settings.datastore.startswith("s3://")


def __getattr__(name: str) -> str | None:
    if name not in _NAMES:
        raise AttributeError(f"there is no setting {name!r} here; those of the peer's names are {', '.join(_NAMES)}")
    return _NAMES[name](Settings.load())


def __dir__() -> list[str]:
    return list(_NAMES)
