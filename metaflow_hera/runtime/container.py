"""A task in its container: from the files that Argo put there to the files that it takes away."""

from __future__ import annotations

import base64
import binascii
import gc
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from metaflow_hera import compat
from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import MetaflowHeraError, StepError, StoreError
from metaflow_hera.flow.decospec import parse_decospec
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.prepare import decorated, prepare
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import PARAMETERS_FILE, TERMINATION_LOG, RunKeys, iteration_path, output_file
from metaflow_hera.records import logs, runs, tasks
from metaflow_hera.records.run import EndRecord
from metaflow_hera.records.tasks import Claimed
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.runtime.channel import ChildEnd
from metaflow_hera.runtime.execution import Outcome, claim_attempt, fail, finish, outputs_of, run_attempt
from metaflow_hera.runtime.launched import shipped_launch
from metaflow_hera.runtime.on_demand import install_on_demand
from metaflow_hera.runtime.supervisor import Work, supervise, supervise_iterations
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

REASON_LIMIT = 500
"""Characters: the reason is part of a node's status, of which a wide foreach has many."""


def run_task(command: TaskCommand, folder: Path, settings: Settings) -> int:
    """Run a task under a supervisor, with its files in the pod's *folder*; the exit code of the container."""
    store = open_store(command.store, settings)
    write_outputs(folder, outputs_of())
    container = _Container(folder, settings, store)
    work = partial(_work, container)
    if command.repeats:
        outcome = supervise_iterations(command, store, work, partial(_loaded_work, container, command))
    else:
        outcome = supervise(command, store, work)
    write_outputs(folder, outcome.outputs)
    if outcome.ok and command.publishes and settings.events_url:
        from metaflow_hera.runtime.publishing import publish_success  # HTTP, which few containers speak

        publish_success(command, settings, partial(_add_to_log, command, store, outcome.attempt))
    if outcome.terminated and not outcome.ok:
        # Argo leaves the exit handler out when a workflow is terminated; if the task is tried again, the run goes on.
        end = EndRecord(status=runs.FAILED, finished=time.time(), message=f"step {command.step!r}: {outcome.message}")
        runs.end(store, command.flow, command.run, end)
    if not outcome.ok:
        leave_reason(folder, outcome.message)
    return 0 if outcome.ok else 1


def _add_to_log(command: TaskCommand, store: Store, attempt: int, text: str) -> None:
    """Tell something on stderr, and in the log of the task, which is over."""
    sys.stderr.write(text)
    keys, path = RunKeys(command.flow, command.run), command.path
    try:
        if command.repeats:
            path = iteration_path(path, tasks.last_iteration(store, keys, command.step, path) or 0)
        logs.append(store, keys.attempt(command.step, path, attempt), logs.STDERR, text.encode())
    except StoreError as error:
        sys.stderr.write(f"metaflow_hera: the line before this one is not stored: {error}\n")


def leave_reason(folder: Path, message: str) -> None:
    """Leave the first line of *message* where the backend looks for it, be it the kubelet or the embedded engine."""
    reason = "".join(message.splitlines()[:1])[:REASON_LIMIT]
    (folder / TERMINATION_LOG).write_text(reason, encoding="utf-8", errors="replace")
    kubelets = Path("/dev") / TERMINATION_LOG
    if kubelets.is_file():
        kubelets.write_text(reason, encoding="utf-8", errors="replace")


def write_outputs(folder: Path, outputs: Mapping[str, str]) -> None:
    """Leave the output parameters where Argo looks for them: it takes a missing file for an error of its own."""
    for name, value in outputs.items():
        file = folder / output_file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)


def read_parameters(folder: Path) -> dict[str, str] | None:
    """The parameters of the workflow by name, as texts; None in a container that is not given any."""
    try:
        content = (folder / PARAMETERS_FILE).read_bytes()
    except FileNotFoundError:
        return None
    try:
        listed = json.loads(base64.b64decode(content)) or []
        return {parameter["name"]: parameter["value"] for parameter in listed}
    except (binascii.Error, ValueError, TypeError, KeyError) as error:
        raise StepError(f"the workflow's parameters cannot be read: {type(error).__name__}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Container:
    """What every task that runs in it has in common."""

    folder: Path
    settings: Settings
    store: Store


def _work(container: _Container, command: TaskCommand, channel: ChildEnd) -> Outcome:
    """The task, in a child of the supervisor, from the import of the flow on."""
    store = container.store
    _prepare(container.folder, command.file)
    claimed: Claimed | None = None
    # The start writes the record of the run before anything else; any other task is seen to run as soon as it does.
    if not (container.folder / PARAMETERS_FILE).exists():
        claimed = claim_attempt(command, store)
        channel.claimed(claimed.attempt)
        if claimed.finished:
            return finish(command, store, claimed.finished)
    try:
        parameters = read_parameters(container.folder)
        flow_class, graph = _load(command)
    except MetaflowHeraError as error:
        if claimed is None:
            runs.begin(store, run_record(command))
        return fail(command, store, error, claimed=claimed, watcher=channel)
    return run_attempt(
        command,
        flow_class,
        graph,
        store,
        settings=container.settings,
        parameters=parameters,
        claimed=claimed,
        watcher=channel,
    )


def _loaded_work(container: _Container, command: TaskCommand) -> Work | None:
    """What a child does that finds the flow loaded in this process, which happens now; None if that cannot be.

    A child has loaded it before, so what the import prints is known.
    """
    from metaflow_hera.runtime.randomness import renew_randomness  # few steps repeat
    from metaflow_hera.runtime.streams import unseen_output  # the same
    from metaflow_hera.runtime.warming import warm  # the same

    _prepare(container.folder, command.file)
    with unseen_output():
        try:
            flow_class, graph = _load(command)
        except MetaflowHeraError:
            return None
    warm(graph)
    gc.collect()
    gc.freeze()  # or a collection in a child copies every page of this process

    def work(command: TaskCommand, channel: ChildEnd) -> Outcome:
        renew_randomness()
        return run_attempt(command, flow_class, graph, container.store, settings=container.settings, watcher=channel)

    return work


def load_shipped(folder: Path, file: str, flow: str) -> type[FlowSpec]:
    """The flow of the code package, as its launch settled it, in a process that is made one for the user's code."""
    _prepare(folder, file)
    return prepare(load_flow(file, flow), shipped_launch())


def _prepare(folder: Path, file: str) -> None:
    install_on_demand(folder / "site")
    compat.install()
    sys.argv[:] = [file]


def _load(command: TaskCommand) -> tuple[type[FlowSpec], Graph]:
    flow_class = prepare(load_flow(command.file, command.flow), shipped_launch())
    flow_class = decorated(flow_class, [parse_decospec(text, flow_class).spec for text in command.decorators])
    return flow_class, parse(flow_class)
