"""A spun step in a run of its own: that lies in a datastore below the data directory, or in a folder that is removed.

No other run knows of it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from metaflow_hera.command import TaskCommand
from metaflow_hera.deploy.arguments import Arguments
from metaflow_hera.deploy.local import LocalChoices, LocalRun
from metaflow_hera.deploy.overlay import Overlay
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.engine.local import Listener, LocalEnd
from metaflow_hera.engine.phases import Phase
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.graph.as_json import to_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import SPIN_FOLDER, IndexPath, RunKeys, data_key, pathspec
from metaflow_hera.plan.records import Container, Plan
from metaflow_hera.plan.text import text
from metaflow_hera.records import artifacts, runs, tasks
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.beginning import run_record
from metaflow_hera.runtime.inputs import Place
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store


@dataclass(frozen=True, kw_only=True)
class SpinChoices:
    """What the user of a spun step chooses beside the task."""

    skip_decorators: bool = False
    persist: bool = False
    artifacts: Mapping[str, object] | None = None
    """In place of what the task's inputs have."""


@dataclass(frozen=True, kw_only=True)
class Spin:
    """A step that is ready to be run: everything that can be refused has been looked at, and nothing is written."""

    flow: CheckedFlow
    origin: RunRecord
    step: str
    path: str
    store: Store
    """Of the origin."""
    settings: Settings
    choices: SpinChoices
    run_id: str

    @property
    def task(self) -> str:
        """The task that it repeats."""
        return pathspec(self.flow.name, self.origin.run, self.step, self.path)

    @property
    def pathspec(self) -> str:
        return pathspec(self.flow.name, self.run_id, self.step, self.path)

    def until_its_end(self, listener: Listener) -> LocalEnd:
        """Run it in this process."""
        with self._front() as front:
            keys = RunKeys(self.flow.name, self.run_id)
            over = Overlay(
                front=front,
                back=self.store,
                run=keys,
                origin=RunKeys(self.flow.name, self.origin.run),
                own=keys.task_prefix(self.step, self.path),
            )
            begun = _Begun(spin=self, store=over, keys=keys)
            end = begun.run(listener)
            if end.phase is Phase.SUCCEEDED:
                runs.end(over, self.flow.name, self.run_id, EndRecord(status=runs.SUCCEEDED, finished=time.time()))
            if self.choices.persist:
                begun.keep_values(front)
            return end

    @contextmanager
    def _front(self) -> Iterator[Store]:
        """Where its records go."""
        if self.choices.persist:
            yield open_store(spin_store(self.settings), self.settings)
            return
        with tempfile.TemporaryDirectory(prefix="mfhera-spin-") as folder:
            yield open_store(folder, self.settings)


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """A spun step in its own run."""

    spin: Spin
    store: Overlay
    keys: RunKeys

    def run(self, listener: Listener) -> LocalEnd:
        spin = self.spin
        ready = LocalRun(
            run_id=spin.run_id,
            flow=spin.flow,
            plan=_plan(self._command()),
            store=self.store,
            settings=spin.settings,
            arguments=Arguments({}),
            choices=LocalChoices(max_workers=1),
            take_over=self._begin,
        )
        return ready.until_its_end(listener)

    def _command(self) -> TaskCommand:
        spin = self.spin
        return TaskCommand(
            flow=spin.flow.name,
            file=spin.flow.file_name,
            step=spin.step,
            run=spin.run_id,
            path=spin.path,
            store=self.store.uri,
            user=spin.settings.user,
            origin=spin.origin.run,
        )

    def _begin(self) -> dict[tuple[str, str], Mapping[str, str]]:
        """Write the run, and inputs with other artifacts than they had."""
        spin = self.spin
        chosen = artifacts.save_all(self.store, spin.choices.artifacts or {})
        begun = run_record(
            self._command(),
            parameters=_replaced(spin.origin.parameters, chosen),
            parameter_names=tuple(parameters_of(spin.flow.flow_class)),
            configs=spin.origin.configs,
            graph=to_json(spin.flow.graph),
        )
        runs.begin(self.store, replace(begun, runner=os.getpid()))
        place = place_of(self.store, self.keys, spin.flow.graph, spin.step, spin.path)
        for record in place.parents if chosen else ():
            tasks.write(self.store, self.keys, _with(record, chosen))
        return {}

    def keep_values(self, front: Store) -> None:
        """Copy the values that the task has from the run before, so that they are there as long as it is."""
        for _, _, record in tasks.attempts(self.store, self.keys, self.spin.step, self.spin.path):
            for ref in (*record.parameters.values(), *record.artifacts.values()) if record else ():
                if ref.digest and not artifacts.is_there(front, ref.digest, ref.size):
                    key = data_key(ref.digest)
                    front.put(key, self.store.get(key))


def _with(record: TaskRecord, chosen: Mapping[str, Ref]) -> TaskRecord:
    others = {name: ref for name, ref in chosen.items() if name not in record.parameters}
    return replace(record, parameters=_replaced(record.parameters, chosen), artifacts={**record.artifacts, **others})


def _replaced(refs: Mapping[str, Ref], chosen: Mapping[str, Ref]) -> dict[str, Ref]:
    return {name: chosen.get(name, ref) for name, ref in refs.items()}


def _plan(command: TaskCommand) -> Plan:
    """One container, and no more."""
    container = Container(name=command.step, image="", command=(), args=tuple(map(text, command.argv())))
    return Plan(name="", entrypoint=container.name, templates=(container,))


def place_of(store: Store, keys: RunKeys, graph: Graph, step: str, path: str) -> Place:
    index = IndexPath.parse(path, len(graph.foreaches(step)))
    return Place(store=store, keys=keys, graph=graph, step=step, path=index)


def spin_store(settings: Settings) -> str:
    """The datastore of steps that were spun and kept."""
    return str(Path(settings.data_dir) / SPIN_FOLDER)
