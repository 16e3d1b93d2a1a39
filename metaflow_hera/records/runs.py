"""Runs: how they began, how they ended, and the list of them, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaflow_hera.naming import RunKeys, index_prefix, run_of_index
from metaflow_hera.records import objects
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.store import Store

SUCCEEDED = "Succeeded"
FAILED = "Failed"
RUNNING = "Running"
"""In an end record: the run had ended, and was taken up again."""


def begin(store: Store, record: RunRecord) -> RunRecord:
    """Write down that a run began, unless that is written already; return what holds.

    Safe to repeat after any death: the record decides when the run began, and its place in the list follows from that.
    One without the graph is of a process that could not load the flow; who can, completes it.
    """
    keys = RunKeys(record.flow, record.run)
    held = objects.write(store, keys.record, record)
    if record.graph and not held.graph:
        whole = replace(record, created=held.created)
        held = objects.write(store, keys.record, whole, lambda found: bool(found.graph))
    store.put(keys.index(held.created), b"")
    return held


def read(store: Store, flow: str, run: str) -> RunRecord | None:
    return objects.read(store, RunKeys(flow, run).record, RunRecord)


def end(store: Store, flow: str, run: str, record: EndRecord) -> EndRecord:
    """Write down how a run ended; return what holds.

    A run that failed can be taken up again, and then ends anew; one that succeeded stays so.
    """
    return objects.write(store, RunKeys(flow, run).end, record, lambda held: held.status == SUCCEEDED)


def reopen(store: Store, flow: str, run: str) -> None:
    """A task of the run is tried again: if the run has an end that is no success, it has none any more."""
    if (held := read_end(store, flow, run)) is not None and held.status != SUCCEEDED:
        end(store, flow, run, EndRecord(status=RUNNING, finished=held.finished, message=held.message))


def take_back(store: Store, flow: str, run: str, record: EndRecord) -> None:
    """The run has not ended after all, unless somebody has written another end since *record*."""
    running = EndRecord(status=RUNNING, finished=record.finished, message=record.message)
    objects.write(store, RunKeys(flow, run).end, running, lambda held: held != record)


def read_end(store: Store, flow: str, run: str) -> EndRecord | None:
    """How the run ended; None while it goes on."""
    held = objects.read(store, RunKeys(flow, run).end, EndRecord)
    return None if held is None or held.status == RUNNING else held


def run_ids(store: Store, flow: str) -> Iterator[str]:
    """The runs of a flow, the newest first."""
    return (run_of_index(key) for key in store.keys(index_prefix(flow)))


def flows(store: Store) -> list[str]:
    """The flows that ever ran, by name."""
    folders = (key.removesuffix("/") for key in store.keys("", deep=False) if key.endswith("/"))
    return [flow for flow in folders if next(run_ids(store, flow), None) is not None]
