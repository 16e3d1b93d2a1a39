"""What @kubernetes, @resources and @environment say about a step's pod."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.graph.model import Step
from metaflow_hera.naming import merged
from metaflow_hera.plan.options import CompileOptions
from metaflow_hera.plan.quantity import amount, quantity
from metaflow_hera.plan.records import Claim, EmptyDir, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """The part of a `Container` that the user decides."""

    image: str
    env: Mapping[str, str]
    secrets: tuple[str, ...]
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    service_account: str
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, object], ...]
    volumes: tuple[Volume, ...]
    security_context: Mapping[str, object]
    ports: tuple[int, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def attributes_of(step: Step, decorator: str) -> Mapping[str, Any]:
    """The attributes of a step's decorator that are given, none if it has no such decorator."""
    spec = step.decorator(decorator)
    return {name: value for name, value in spec.attributes.items() if value is not None} if spec else {}


def pod_of(step: Step, options: CompileOptions) -> Pod:
    """The pod of *step*; `FlowError` if its decorators say something that no pod can be."""
    try:
        return _pod(attributes_of(step, "kubernetes"), attributes_of(step, "resources"), step, options)
    except ValueError as error:
        raise FlowError([Problem(f"step {step.name!r}: {error}", file=step.file, line=step.line)]) from error


def _pod(kubernetes: Mapping[str, Any], resources: Mapping[str, Any], step: Step, options: CompileOptions) -> Pod:
    if (namespace := kubernetes.get("namespace") or options.namespace) != options.namespace:
        raise ValueError(f"@kubernetes asks for namespace {namespace!r}, but a flow runs in one, {options.namespace!r}")
    requests, limits = _resources(kubernetes, resources)
    tmpfs = _tmpfs(kubernetes, requests)
    return Pod(
        image=kubernetes.get("image") or options.image,
        env={**_temporary_directory(kubernetes, tmpfs), **_texts(attributes_of(step, "environment").get("vars", {}))},
        secrets=tuple(dict.fromkeys((*options.secrets, *_listed(kubernetes.get("secrets"))))),
        requests=requests,
        limits=limits,
        image_pull_policy=kubernetes.get("image_pull_policy", ""),
        image_pull_secrets=_listed(kubernetes.get("image_pull_secrets")),
        service_account=kubernetes.get("service_account", ""),
        node_selector=_pairs(kubernetes.get("node_selector")),
        tolerations=tuple(kubernetes.get("tolerations", ())),
        volumes=(*tmpfs, *_shared_memory(kubernetes, resources), *_claims(kubernetes)),
        security_context=_camel_case(kubernetes.get("security_context", {})),
        ports=(int(kubernetes["port"]),) if kubernetes.get("port") else (),
        labels=_texts(kubernetes.get("labels", {})),
        annotations=_texts(kubernetes.get("annotations", {})),
    )


# A container asks for nothing that nobody asked for: the cluster's own defaults (LimitRange) know it better than we do.
_RESOURCES = {"cpu": ("cpu", ""), "memory": ("memory", "M"), "disk": ("ephemeral-storage", "M")}
_GUARANTEED_CPU, _GUARANTEED_MEMORY = "1", "4096M"


def _resources(
    kubernetes: Mapping[str, Any], resources: Mapping[str, Any]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Requests and limits: of each resource the most that either decorator asks for."""
    requests: dict[str, str] = {}
    for field_, (name, unit) in _RESOURCES.items():
        asked = [quantity(said[field_], unit) for said in (kubernetes, resources) if field_ in said]
        if asked:
            requests[name] = max(asked, key=amount)
    limits = _devices(kubernetes, resources)
    if str(kubernetes.get("qos", "")).lower() == "guaranteed":
        requests = {"cpu": _GUARANTEED_CPU, "memory": _GUARANTEED_MEMORY, **requests}
        limits = {**requests, **limits}
    return merged(requests, _devices(kubernetes, resources)), merged(limits)


def _devices(kubernetes: Mapping[str, Any], resources: Mapping[str, Any]) -> dict[str, str]:
    """Processors of graphics and whatever else a cluster counts: never shared, so requested and limited alike."""
    devices = {name: quantity(value) for name, value in kubernetes.get("extended_resources", {}).items()}
    gpus = max((int(said["gpu"]) for said in (kubernetes, resources) if "gpu" in said), default=0)
    if gpus:
        devices[f"{str(kubernetes.get('gpu_vendor', 'nvidia')).lower()}.com/gpu"] = str(gpus)
    return devices


def _tmpfs(kubernetes: Mapping[str, Any], requests: Mapping[str, str]) -> tuple[EmptyDir, ...]:
    """A file system in memory, of half of the container's unless a size in MB is given."""
    if not (kubernetes.get("use_tmpfs") or kubernetes.get("tmpfs_size")):
        return ()
    size = kubernetes.get("tmpfs_size")
    if size is None and "memory" in requests:
        size = max(int(amount(requests["memory"]) / 2 / 1024**2), 1)
    path = kubernetes.get("tmpfs_path", "/metaflow_temp")
    return (EmptyDir(name="tmpfs", path=path, medium="Memory", size=quantity(size, "Mi") if size else ""),)


def _temporary_directory(kubernetes: Mapping[str, Any], tmpfs: tuple[EmptyDir, ...]) -> dict[str, str]:
    return {"TMPDIR": tmpfs[0].path} if tmpfs and kubernetes.get("tmpfs_tempdir", True) else {}


def _shared_memory(kubernetes: Mapping[str, Any], resources: Mapping[str, Any]) -> Iterator[Volume]:
    sizes = [quantity(said["shared_memory"], "Mi") for said in (kubernetes, resources) if "shared_memory" in said]
    if sizes:
        yield EmptyDir(name="shared-memory", path="/dev/shm", medium="Memory", size=max(sizes, key=amount))  # noqa: S108


def _claims(kubernetes: Mapping[str, Any]) -> Iterator[Volume]:
    return (Claim(name=name, path=path) for name, path in kubernetes.get("persistent_volume_claims", {}).items())


def _listed(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """A text with commas, or a list of texts, as the peer takes either."""
    parts = value.split(",") if isinstance(value, str) else value or ()
    return tuple(part.strip() for part in parts if part.strip())


def _pairs(value: str | Mapping[str, object] | None) -> dict[str, str]:
    """``"key=value,key=value"``, or a mapping."""
    if not isinstance(value, str):
        return _texts(value or {})
    pairs = [part.partition("=") for part in _listed(value)]
    if bare := [key for key, equals, _ in pairs if not equals]:
        raise ValueError(f"node_selector {value!r} lacks '=' after {bare[0]!r}")
    return {key.strip(): text.strip() for key, _, text in pairs}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _camel_case(values: Mapping[str, object]) -> dict[str, object]:
    """``run_as_user``, as the peer writes it, and ``runAsUser``, as Kubernetes does, are the same."""
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in values.items()}
