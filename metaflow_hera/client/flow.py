"""Flows: their runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from metaflow_hera.client.datastores import opened_store
from metaflow_hera.client.namespaces import get_namespace
from metaflow_hera.client.objects import ClientObject, nearest
from metaflow_hera.client.run import Run
from metaflow_hera.errors import NotFoundError, WrongNamespaceError
from metaflow_hera.records import runs
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each


class Flow(ClientObject[Run], depth=1):
    """A flow that ran at least once; its runs are those of the namespace, the newest first."""

    @property
    def latest_run(self) -> Run | None:
        return next(iter(self), None)

    @property
    def latest_successful_run(self) -> Run | None:
        return next((run for run in self if run.successful), None)

    def runs(self, *tags: str) -> Iterator[Run]:
        """Its runs that have all of the tags."""
        return (run for run in self if not tags or frozenset(tags) <= run.tags)

    def is_in_namespace(self) -> bool:
        return self.latest_run is not None

    def __iter__(self) -> Iterator[Run]:
        ids = iter(runs.run_ids(self._store, self.id))
        width = 1  # whoever wants the latest run waits for no other
        while batch := list(islice(ids, width)):
            yield from filter(None, each(self._store, self._seen, batch))
            width = self._store.parallelism

    def _seen(self, id: str) -> Run | None:
        run = self._child(id)
        return run if runs.read(self._store, self.id, id) and self._is_seen(run) else None

    def _is_seen(self, run: Run) -> bool:
        return not self._checks or run.is_in_namespace()

    def _existing(self, id: str) -> Run:
        run = super()._existing(id)
        if self._checks:
            run._check_namespace()
        return run

    def _check_exists(self) -> None:
        if next(runs.run_ids(self._store, self.id), None) is None:
            there = nearest(self.id, runs.flows(self._store), "flows")
            raise NotFoundError(f"there is no {self!r} in {self._store.uri}: {there}")

    def _check_namespace(self) -> None:
        if not self.is_in_namespace():
            raise WrongNamespaceError(
                f"{self!r} has no run in namespace {get_namespace()!r}; call namespace(None) to see those of everybody"
            )

    def _repr_html_(self) -> str:
        from metaflow_hera.client.displays import flow_html  # pictures, for notebooks only

        return flow_html(self)


class Metaflow:
    """All flows of the datastore that have a run in the namespace."""

    def __init__(self, *, store: Store | None = None) -> None:
        self._store = store or opened_store()

    @property
    def flows(self) -> list[Flow]:
        return list(self)

    def __iter__(self) -> Iterator[Flow]:
        every = (Flow._at(self._store, (name,)) for name in runs.flows(self._store))
        return (flow for flow in every if flow.is_in_namespace())

    def __getitem__(self, name: str) -> Flow:
        return Flow(name, store=self._store)

    def __contains__(self, name: object) -> bool:
        try:
            Flow(str(name), store=self._store)
        except NotFoundError:
            return False
        return True

    def __repr__(self) -> str:
        return "Metaflow()"
