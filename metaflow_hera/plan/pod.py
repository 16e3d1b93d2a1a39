"""What @kubernetes, @resources and @environment say about a step's pod."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from metaflow_hera.errors import Problem
from metaflow_hera.flow.decorators import decorator_of, environment, kubernetes, resources
from metaflow_hera.graph.model import Step
from metaflow_hera.plan.options import CompileOptions, PodDefaults
from metaflow_hera.plan.records import Claim, EmptyDir, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """The part of a `Container` that the user decides."""

    image: str
    command: tuple[str, ...]
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


def pod_problems(step: Step, options: CompileOptions) -> Iterator[Problem]:
    """What the decorators of a step ask for that Argo has no place for."""
    wanted = decorator_of(step, kubernetes) or kubernetes()
    if wanted.namespace not in (None, options.namespace):
        text = f"asks for namespace {wanted.namespace!r}, but all steps of a run are in one, {options.namespace!r}"
        yield Problem(f"step {step.name!r}: @kubernetes {text}", file=step.file, line=step.line)
    if wanted.compute_pool:
        text = f"asks for compute_pool {wanted.compute_pool!r}, which plain Kubernetes does not have: use node_selector"
        yield Problem(f"step {step.name!r}: @kubernetes {text}", file=step.file, line=step.line)


def pod_of(step: Step, options: CompileOptions) -> Pod:
    """The pod of a step without `pod_problems`."""
    wanted = decorator_of(step, kubernetes) or kubernetes()
    needed = decorator_of(step, resources) or resources()
    variables = decorator_of(step, environment) or environment()
    tmpfs = _tmpfs(wanted, needed)
    defaults = options.pod
    return Pod(
        image=options.image_of(wanted.image or ""),
        command=(wanted.executable, *options.command[1:]) if wanted.executable else options.command,
        env=options.env_of({**_temporary_directory(wanted, tmpfs), **_texts(variables.vars)}),
        secrets=tuple(dict.fromkeys((*options.secrets, *wanted.secret_names))),
        requests=_requests(wanted, needed, defaults),
        limits=_limits(wanted, needed, defaults),
        image_pull_policy=wanted.image_pull_policy or defaults.image_pull_policy,
        image_pull_secrets=wanted.pull_secret_names or defaults.image_pull_secrets,
        service_account=wanted.service_account or "",
        node_selector=wanted.node_labels or defaults.node_selector,
        tolerations=tuple(map(camel_case, wanted.tolerations or defaults.tolerations)),
        volumes=(*tmpfs, *_shared_memory(wanted, needed, defaults), *_claims(wanted)),
        security_context=camel_case(wanted.security_context or {}),
        ports=(int(wanted.port),) if wanted.port else (),
        labels={**defaults.labels, **_texts(wanted.labels or {})},
        annotations={**defaults.annotations, **_texts(wanted.annotations or {})},
    )


_GUARANTEED = {"cpu": "1", "memory": "4096M"}
"""What the peer gives every container; we only where a quality of service is asked for that needs amounts."""


def _requests(wanted: kubernetes, needed: resources, defaults: PodDefaults) -> dict[str, str]:
    """What the user asked for and no more: what a container gets otherwise, the cluster's own defaults know better."""
    amounts = {
        "cpu": _largest(wanted.cpu, needed.cpu) or _largest(defaults.cpu or None),
        "memory": _megabytes(wanted.memory, needed.memory, default=defaults.memory),
        "ephemeral-storage": _megabytes(wanted.disk, needed.disk, default=defaults.disk),
    }
    asked = {name: amount for name, amount in amounts.items() if amount}
    return {**(_GUARANTEED if _is_guaranteed(wanted, defaults) else {}), **asked, **_devices(wanted, needed)}


def _limits(wanted: kubernetes, needed: resources, defaults: PodDefaults) -> dict[str, str]:
    return _requests(wanted, needed, defaults) if _is_guaranteed(wanted, defaults) else _devices(wanted, needed)


def _is_guaranteed(wanted: kubernetes, defaults: PodDefaults) -> bool:
    return "guaranteed" in (wanted.qos.lower(), defaults.qos)


def _devices(wanted: kubernetes, needed: resources) -> dict[str, str]:
    """GPUs and whatever else a cluster counts: never shared, so requested and limited alike."""
    gpus = _largest(wanted.gpu, needed.gpu)
    devices = {} if gpus in ("", "0") else {f"{wanted.gpu_vendor or 'nvidia'}.com/gpu": gpus}
    return {**_texts(wanted.extended_resources), **devices}


def _largest(*amounts: float | str | None, unit: str = "") -> str:
    """The largest number that is given, as a quantity of Kubernetes; empty if none is.

    >>> _largest(None, "512", 1000, unit="M"), _largest(0.50, None), _largest("2.0"), _largest()
    ('1000M', '0.5', '2', '')
    """
    given = [Decimal(str(amount).strip()) for amount in amounts if amount is not None]
    if not given:
        return ""
    number = format(max(given), "f")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + unit


def _megabytes(*amounts: float | str | None, default: str) -> str:
    return _largest(*amounts, unit="M") or _largest(default or None, unit="M")


def _tmpfs(wanted: kubernetes, needed: resources) -> tuple[EmptyDir, ...]:
    """A file system in memory; without a size, of half of the memory that the step asks for."""
    if not wanted.has_tmpfs:
        return ()
    memory = _largest(wanted.memory, needed.memory)
    size = _largest(wanted.tmpfs_size) or (str(max(int(Decimal(memory)) // 2, 1)) if memory else "")
    return (EmptyDir(name="tmpfs", path=wanted.tmpfs_path, medium="Memory", size=f"{size}M" if size else ""),)


def _temporary_directory(wanted: kubernetes, tmpfs: tuple[EmptyDir, ...]) -> dict[str, str]:
    return {"TMPDIR": tmpfs[0].path} if tmpfs and wanted.tmpfs_tempdir else {}


def _shared_memory(wanted: kubernetes, needed: resources, defaults: PodDefaults) -> Iterator[Volume]:
    if size := _megabytes(wanted.shared_memory, needed.shared_memory, default=defaults.shared_memory):
        yield EmptyDir(name="shared-memory", path="/dev/shm", medium="Memory", size=size)  # noqa: S108


def _claims(wanted: kubernetes) -> Iterator[Volume]:
    return (Claim(name=name, path=path) for name, path in (wanted.persistent_volume_claims or {}).items())


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def camel_case(values: Mapping[str, object]) -> dict[str, object]:
    """``run_as_user``, as the peer writes it, and ``runAsUser``, as Kubernetes does, are the same."""
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), name): value for name, value in values.items()}
