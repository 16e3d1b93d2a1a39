"""A step that may come after itself: each iteration is a task of its own, and one process runs them one by one."""

from __future__ import annotations

from dataclasses import replace

from metaflow_hera.command import TaskCommand
from metaflow_hera.naming import NEXT_OUTPUT, RunKeys, iteration_of, iteration_path
from metaflow_hera.records import runs, tasks
from metaflow_hera.runtime.execution import Outcome
from metaflow_hera.store import Store


def first_iteration(command: TaskCommand, store: Store) -> TaskCommand:
    """The iteration with which to begin, or go on: the first without a success; the last one if all is done.

    A list and a read, however many there are.
    """
    keys = RunKeys(command.flow, command.run)
    last = tasks.last_iteration(store, keys, command.step, command.path)
    if last is None:
        return _iteration(command, 0)
    runs.reopen(store, command.flow, command.run)
    done = tasks.find(store, keys, command.step, iteration_path(command.path, last))
    return _iteration(command, last + 1 if done and command.step in done.next else last)


def next_iteration(command: TaskCommand, outcome: Outcome) -> TaskCommand | None:
    """The iteration that comes after this one, None if the loop is over or cannot go on."""
    goes_on = outcome.ok and outcome.outputs[NEXT_OUTPUT] == command.step
    return iteration_after(command) if goes_on else None


def iteration_after(command: TaskCommand) -> TaskCommand:
    """The one that comes next if the loop goes on."""
    return _iteration(command, (iteration_of(command.path) or 0) + 1)


def _iteration(command: TaskCommand, number: int) -> TaskCommand:
    # Attempts of a pod are no attempts of the iteration that it happens to be at.
    return replace(command, path=iteration_path(command.path, number), attempt="0")
