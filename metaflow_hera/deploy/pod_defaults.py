"""What the settings say of pods: in the peer's formats, and by the rules of @kubernetes, which would say the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from metaflow_hera.errors import SettingsError
from metaflow_hera.flow import checks
from metaflow_hera.flow.decorators import kubernetes
from metaflow_hera.plan.options import PodDefaults
from metaflow_hera.settings import Settings


def pod_defaults(settings: Settings) -> PodDefaults:
    """`SettingsError` with everything that is wrong, and where it was set."""
    problems: list[str] = []
    said: dict[str, Any] = {}
    for attribute, (name, read) in _ATTRIBUTES.items():
        text = getattr(settings, name).strip()
        if text:
            said[attribute] = read(text)
            origin = settings.origins.get(name, name)
            problems += (f"{origin}: {problem}" for problem in kubernetes(**{attribute: said[attribute]}).problems())
    if problems:
        raise SettingsError("\n".join(problems))
    return _defaults(kubernetes(**said), settings)


def _defaults(said: kubernetes, settings: Settings) -> PodDefaults:
    sizes = {name: str(getattr(said, name) or "") for name in ("cpu", "memory", "disk", "shared_memory")}
    return PodDefaults(
        **sizes,
        node_selector=said.node_labels,
        tolerations=tuple(said.tolerations or ()),
        labels=dict(said.labels or {}),
        annotations=dict(said.annotations or {}),
        qos=said.qos.lower(),
        registry=settings.image_registry,
        image_pull_policy=said.image_pull_policy or "",
        image_pull_secrets=said.pull_secret_names,
        env_to_skip=frozenset(checks.listed(settings.pod_env_to_skip)),
    )


def _pairs(text: str) -> Mapping[str, str]:
    """``NAME=VALUE,…``; a name alone has an empty value, as at the peer's."""
    parts = (part.strip().partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def _json_or_text(text: str) -> object:
    """What is JSON as that; anything else is for the rules to refuse, or a list with commas."""
    try:
        return json.loads(text)
    except ValueError:
        return text


_ATTRIBUTES: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "node_selector": ("pod_node_selector", str),
    "tolerations": ("pod_tolerations", _json_or_text),
    "labels": ("pod_labels", _pairs),
    "annotations": ("pod_annotations", _pairs),
    "cpu": ("pod_cpu", str),
    "memory": ("pod_memory", str),
    "disk": ("pod_disk", str),
    "shared_memory": ("pod_shared_memory", str),
    "qos": ("pod_qos", str),
    "image_pull_policy": ("image_pull_policy", str),
    "image_pull_secrets": ("image_pull_secrets", _json_or_text),
}
"""Attributes of @kubernetes, each with the setting that stands for it and how that is read."""
