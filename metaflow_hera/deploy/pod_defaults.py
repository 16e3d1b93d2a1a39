"""What the settings say of pods, read: the peer's formats of `METAFLOW_KUBERNETES_*`, and everything wrong at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from metaflow_hera.errors import SettingsError
from metaflow_hera.plan.options import PodDefaults
from metaflow_hera.settings import Settings

PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
QUALITIES: Final = ("burstable", "guaranteed")


def pod_defaults(settings: Settings) -> PodDefaults:
    """`SettingsError` with everything that is wrong, and where it was set."""
    reader = _Reader(settings)
    defaults = PodDefaults(
        node_selector=reader.pairs("pod_node_selector"),
        tolerations=reader.tolerations("pod_tolerations"),
        labels=reader.pairs("pod_labels"),
        annotations=reader.pairs("pod_annotations"),
        cpu=reader.amount("pod_cpu"),
        memory=reader.amount("pod_memory"),
        disk=reader.amount("pod_disk"),
        shared_memory=reader.amount("pod_shared_memory"),
        qos=reader.one_of("pod_qos", QUALITIES, str.lower),
        registry=settings.image_registry,
        image_pull_policy=reader.one_of("image_pull_policy", PULL_POLICIES, str),
        image_pull_secrets=reader.names("image_pull_secrets"),
        env_to_skip=frozenset(reader.names("pod_env_to_skip")),
    )
    if reader.problems:
        raise SettingsError("\n".join(reader.problems))
    return defaults


@dataclass(frozen=True)
class _Reader:
    settings: Settings
    problems: list[str] = field(default_factory=list)

    def pairs(self, name: str) -> dict[str, str]:
        """``NAME=VALUE,…``, a name alone having no value, as the peer reads it."""
        parts = [part.strip() for part in self._value(name).split(",") if part.strip()]
        found = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in parts)}
        if "" in found:
            self._wrong(name, "must be NAME=VALUE,…")
        return found

    def names(self, name: str) -> tuple[str, ...]:
        """A list with commas, or in JSON."""
        value = self._value(name)
        listed = self._json(name) if value.startswith("[") else value.split(",")
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            self._wrong(name, "must be a list of names")
            return ()
        return tuple(each.strip() for each in listed if each.strip())

    def tolerations(self, name: str) -> tuple[Mapping[str, Any], ...]:
        listed = self._json(name) if self._value(name) else []
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            self._wrong(name, 'must be a list of tolerations in JSON, such as [{"key": "gpu"}]')
            return ()
        return tuple(listed)

    def amount(self, name: str) -> str:
        value = self._value(name)
        if value and not _is_amount(value):
            self._wrong(name, "must be a number above 0")
            return ""
        return value

    def one_of(self, name: str, known: tuple[str, ...], spelled: Callable[[str], str]) -> str:
        value = spelled(self._value(name))
        if value and value not in known:
            self._wrong(name, f"must be one of {', '.join(known)}")
        return value

    def _value(self, name: str) -> str:
        return str(getattr(self.settings, name)).strip()

    def _json(self, name: str) -> object:
        try:
            return json.loads(self._value(name))
        except ValueError:
            return None

    def _wrong(self, name: str, rule: str) -> None:
        self.problems.append(f"{self.settings.origins.get(name, name)} {rule}, not {self._value(name)!r}")


def _is_amount(value: str) -> bool:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return False
    return number.is_finite() and number > 0
