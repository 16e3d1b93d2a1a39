"""Pods as processes of this machine: each has a folder, runs the container's real command, and outlives the engine."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.shim import EXIT, HEARD, LOCK, PID, WORK, Command, supervise
from metaflow_hera.naming import EVENT_QUEUE_VARIABLE, POD_DIR, POD_DIR_VARIABLE, TERMINATION_LOG
from metaflow_hera.plan.records import Container, EmptyDir, Plan, Steps
from metaflow_hera.settings import channel_secrets, environment

PODS_AT_ONCE: Final = max(4, 2 * (os.cpu_count() or 1))
"""Of all runs on this machine: a pod is a Python that computes at its start and waits for its data after."""

RESOURCES: Final = "resources"

GRACE: Final = 30.0
"""Seconds from SIGTERM to SIGKILL, as in Kubernetes."""


class PodState(Enum):
    """What a pod's folder tells."""

    RUNNING = "running"
    ENDED = "ended"
    GONE = "gone"
    """Nobody waits for it and nobody wrote how it ended: the machine went down, or its supervisor was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What all pods of an engine have in common."""

    wake: Path
    events: Path
    """Where pods leave events that they publish."""
    grace: float = GRACE


def start(folder: Path, pod: Pod, parameters: bytes, machine: Machine) -> None:
    """Start a pod in a new folder; *parameters* is what its parameters file holds, if it has one."""
    shutil.rmtree(folder, ignore_errors=True)
    work = folder / WORK
    work.mkdir(parents=True)
    for _, path in pod.template.outputs:
        (work / path).parent.mkdir(parents=True, exist_ok=True)
    if pod.template.parameters_file:
        (work / pod.template.parameters_file).write_bytes(parameters)
    command = Command(
        folder=folder,
        argv=_argv(pod),
        env={
            **environment(secrets=channel_secrets() if pod.tells_people else ()),
            **pod.template.env,
            POD_DIR_VARIABLE: str(work),
            EVENT_QUEUE_VARIABLE: str(machine.events),
        },
        deadline=pod.template.deadline,
        grace=machine.grace,
        wake=machine.wake,
    )
    _fork(command)


def _argv(pod: Pod) -> tuple[str, ...]:
    first, *rest = pod.template.command
    return (sys.executable if first in ("python", "python3") else first, *rest, *pod.args)


def _fork(command: Command) -> None:
    # The lock is taken before there is a second process: it never looks free while a pod is about to run.
    lock = os.open(command.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    pid = os.fork()
    if pid == 0:
        supervise(command, lock)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.pwrite(lock, str(pid).encode(), 0)
    os.close(lock)


def state(folder: Path) -> PodState:
    if _is_locked(folder / LOCK):
        return PodState.RUNNING
    return PodState.ENDED if (folder / EXIT).exists() else PodState.GONE


def _is_locked(file: Path) -> bool:
    try:
        lock = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def terminate(folder: Path) -> None:
    """SIGTERM to the pod's processes, and SIGKILL if they do not end in time."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int((folder / LOCK).read_text())
        if _is_locked(folder / LOCK):  # or else the number may be somebody else's by now
            os.kill(pid, signal.SIGTERM)


def kill_orphans(folder: Path) -> None:
    """End what a pod without its supervisor still runs, before it is started again."""
    with suppress(OSError, ValueError):
        pid = int((folder / PID).read_text())
        # Only what works in the pod's own directory: the number may be somebody else's by now.
        if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder.resolve()):
            os.killpg(pid, signal.SIGKILL)


def outcome(folder: Path, template: Container) -> PodOutcome:
    """How an ended pod ended, in Argo's words."""
    how = json.loads((folder / EXIT).read_text())
    if how["reason"] == "deadline":
        return PodOutcome(phase=Phase.FAILED, message="Pod was active on the node longer than the specified deadline")
    if how["code"] == 0:
        return PodOutcome(phase=Phase.SUCCEEDED, outputs=dict(_outputs(folder / WORK, template)))
    # A signal looks like this in Argo, whichever it was.
    code = how["code"] if how["code"] > 0 else 137
    reason = how["reason"] or _reason_left(folder / WORK)
    more = f": {reason}" if reason else ""
    return PodOutcome(phase=Phase.FAILED, message=f"main: Error (exit code {code}){more}")


def _reason_left(work: Path) -> str:
    """What the container said of its failure: in a cluster the kubelet adds it to the message."""
    try:
        return (work / TERMINATION_LOG).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""


def _outputs(work: Path, template: Container) -> Iterator[tuple[str, str]]:
    """The output parameters that are there, each less one newline at its end."""
    for name, path in template.outputs:
        with suppress(FileNotFoundError):
            yield name, (work / path).read_text(encoding="utf-8", errors="replace").removesuffix("\n")


def clear(folder: Path) -> None:
    """Remove what a pod that succeeded left on this machine; all that is of use is in the store."""
    shutil.rmtree(folder, ignore_errors=True)


def clear_work(folder: Path) -> None:
    """Remove what a pod that failed worked with; its log stays."""
    shutil.rmtree(folder / WORK, ignore_errors=True)


def parameters_file(parameters: Mapping[str, str]) -> bytes:
    """What Argo makes of ``{{=toBase64(workflow.parameters.json)}}``."""
    listed = [{"name": name, "value": value} for name, value in parameters.items()]
    return base64.b64encode(json.dumps(listed, ensure_ascii=False).encode())


def not_honoured(plan: Plan) -> tuple[str, ...]:
    """What the plan asks of a cluster that processes of this machine do not have, each with who asks."""
    asked: dict[str, list[str]] = {}
    at_exit = plan.by_name.get(plan.on_exit)
    ours = {task.template for task in at_exit.tasks} if isinstance(at_exit, Steps) else set()
    for template in plan.templates:
        for wish in _wishes(template) if isinstance(template, Container) else ():
            if not (wish == RESOURCES and template.name in ours):  # which nobody asked for
                asked.setdefault(wish, []).append(template.name)
    wishes = {"ttl (runs stay)": plan.ttl, "pod_gc": plan.pod_gc}
    return (
        *(f"{wish} (of {', '.join(names)})" for wish, names in asked.items()),
        *(wish for wish, value in wishes.items() if value),
    )


def _wishes(template: Container) -> Iterator[str]:
    if template.image != f"python:{sys.version_info.major}.{sys.version_info.minor}":
        yield f"image {template.image}"
    wishes = {
        RESOURCES: {**template.requests, **template.limits},
        "node selector": template.node_selector,
        "tolerations": template.tolerations,
        "secrets": template.secrets,
        "image pull secrets": template.image_pull_secrets,
        "service account": template.service_account,
        "security context": template.security_context,
        "ports": template.ports,
        "volumes": [volume for volume in template.volumes if not _is_pod_directory(volume)],
    }
    yield from (wish for wish, value in wishes.items() if value)


def _is_pod_directory(volume: object) -> bool:
    return isinstance(volume, EmptyDir) and volume.path == POD_DIR
