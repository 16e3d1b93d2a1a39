"""Tags of runs: changed for one run, listed for one or for many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from metaflow_hera.client import Flow, Run, namespace
from metaflow_hera.deploy.recorded import open_records
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.naming import pathspec
from metaflow_hera.records import runs
from metaflow_hera.settings import Settings


def run_to_tag(flow: str, run: str | None, settings: Settings) -> Run:
    """A run of a flow in the current namespace; `UsageError` if it is not said which."""
    store = open_records(settings)
    if run is not None:
        return Run(pathspec(flow, run.removeprefix(f"{flow}/")), store=store)
    latest = next(islice(runs.run_ids(store, flow), 1), None)
    if latest is None:
        raise UnknownRunError(f"{flow} has no run in {store.uri} that could be tagged; run it first")
    raise UsageError(f"say which run is meant with --run-id; the latest of {flow} is {latest}")


def change(run: Run, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
    """Remove tags and add others, as one change."""
    run.replace_tags(remove, add)


def runs_with_tags(
    flow: str, settings: Settings, *, of_everybody: bool = False, system: bool = True
) -> Iterator[tuple[Run, frozenset[str]]]:
    """The runs of a flow in the current namespace, or of everybody, with their tags; the newest first."""
    if of_everybody:
        namespace(None)
    for run in Flow(flow, store=open_records(settings)):
        yield run, tags_of(run, system=system)


def tags_of(run: Run, *, system: bool = True) -> frozenset[str]:
    return run.tags if system else run.user_tags


def by_tag(found: Iterable[tuple[Run, frozenset[str]]]) -> Mapping[str, list[str]]:
    """The runs that have each tag, by its name."""
    runs_of: dict[str, list[str]] = {}
    for run, tags in found:
        for tag in tags:
            runs_of.setdefault(tag, []).append(run.id)
    return {tag: runs_of[tag] for tag in sorted(runs_of)}
