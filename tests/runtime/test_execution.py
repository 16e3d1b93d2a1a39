"""An attempt as a local run's worker makes it: forked, without a container."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import HEAD, steps

from metaflow_hera.command import TaskCommand
from metaflow_hera.flow.load import load_flow
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.runtime.execution import run_attempt
from metaflow_hera.runtime.watching import death_text, record_death
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

KEYS = RunKeys("F", "1")


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Callable[[str], type]]:
    """Loads a flow from its source, and forgets it afterwards."""
    path, modules = list(sys.path), set(sys.modules)

    def load(source: str) -> type:
        (tmp_path / "attempt_flow.py").write_text(HEAD + source)
        return load_flow(tmp_path / "attempt_flow.py")

    yield load
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        del sys.modules[name]


def attempt(flow: type, store: Store, step: str, **options: str) -> int:
    """Run an attempt in a fork, as it leaves its process changed; how that ended, as `os.waitpid` says."""
    command = TaskCommand(flow="F", file="", step=step, run="1", path="0", store=store.uri, **options)
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        outcome = run_attempt(command, flow, parse(flow), store, settings=Settings.load(), parameters={})
        os._exit(0 if outcome.ok else 1)
    return os.waitpid(pid, 0)[1]


def test_a_run_without_containers_leaves_the_same_records(
    directory_store: Store, loaded: Callable[[str], type]
) -> None:
    flow = loaded(steps("self.x = 1", "self.y = self.x + 1"))
    assert attempt(flow, directory_store, "start") == 0
    assert attempt(flow, directory_store, "end") == 0
    record = tasks.find(directory_store, KEYS, "end", "0")
    assert record is not None
    assert set(record.artifacts) == {"x", "y"}
    run = runs.read(directory_store, "F", "1")
    assert run is not None
    assert "runtime:dev" in run.system_tags
    ended = runs.read_end(directory_store, "F", "1")
    assert ended is not None
    assert ended.status == "Succeeded"


def test_unchanged_artifacts_are_handed_on_without_being_stored_again(
    directory_store: Store, loaded: Callable[[str], type]
) -> None:
    flow = loaded(steps("self.big = bytes(100_000)", "len(self.big)"))
    assert attempt(flow, directory_store, "start") == 0
    stored = list(directory_store.keys("data/"))
    assert attempt(flow, directory_store, "end") == 0
    assert list(directory_store.keys("data/")) == stored
    assert len(stored) == 1


def test_what_a_step_changed_in_place_is_handed_on_changed(
    directory_store: Store, loaded: Callable[[str], type]
) -> None:
    flow = loaded(steps("self.many = [1]", "self.many.append(2); self.seen = list(self.many)"))
    assert attempt(flow, directory_store, "start") == 0
    assert attempt(flow, directory_store, "end") == 0
    first, last = (tasks.find(directory_store, KEYS, step, "0") for step in ("start", "end"))
    assert first is not None
    assert last is not None
    assert first.artifacts["many"] != last.artifacts["many"]


def test_a_death_never_hides_a_success(directory_store: Store, loaded: Callable[[str], type]) -> None:
    flow = loaded(steps())
    assert attempt(flow, directory_store, "start") == 0
    command = TaskCommand(flow="F", file="", step="start", run="1", path="0", store=directory_store.uri)
    held = record_death(directory_store, command, 0, death_text(9))
    assert held.status is TaskStatus.SUCCEEDED


def test_an_exit_of_the_process_by_the_step_is_a_failure(directory_store: Store, loaded: Callable[[str], type]) -> None:
    flow = loaded(steps("raise SystemExit(0)"))
    assert os.waitstatus_to_exitcode(attempt(flow, directory_store, "start")) == 1
    record = tasks.read(directory_store, KEYS, "start", "0", 0)
    assert record is not None
    assert record.failure is not None
    assert record.failure.type == "SystemExit"


@pytest.mark.parametrize(
    ("status", "terminated", "told"),
    [
        (9, False, "killed by SIGKILL: it may have used more memory than there is"),
        (9, True, "got SIGTERM and was killed, as it had not ended 20 seconds later"),
        (15, True, "killed by SIGTERM: its run was terminated"),
        (3 << 8, False, "exit code 3"),
    ],
)
def test_deaths_are_told_in_a_sentence(status: int, terminated: bool, told: str) -> None:
    assert told in death_text(status, terminated=terminated)


def test_a_fork_that_leaves_the_users_code_is_not_the_task(
    directory_store: Store, loaded: Callable[[str], type]
) -> None:
    flow = loaded(
        steps("""
import os
self.pid = os.fork()
if not self.pid:
    raise ValueError('of the copy')
os.waitpid(self.pid, 0)
""")
    )
    assert attempt(flow, directory_store, "start") == 0
    record = tasks.find(directory_store, KEYS, "start", "0")
    assert record is not None
    assert "pid" in record.artifacts


def test_a_step_may_close_its_output(directory_store: Store, loaded: Callable[[str], type]) -> None:
    assert attempt(loaded(steps("import sys\nsys.stdout.close()")), directory_store, "start") == 0


def test_an_exception_without_a_text_is_recorded(directory_store: Store, loaded: Callable[[str], type]) -> None:
    flow = loaded(steps("class Mute(Exception):\n    def __str__(self):\n        raise OSError\nraise Mute"))
    assert attempt(flow, directory_store, "start") != 0
    ((_, _, record),) = tasks.attempts(directory_store, KEYS, "start", "0")
    assert record is not None
    assert record.failure is not None
    assert "OSError" in record.failure.text
    assert "Mute" in record.failure.type
