"""Runs whose Workflow is gone: deleted by somebody, or by its time to live, before or after its end was written."""

from __future__ import annotations

import time

from metaflow_hera.backends import Backend
from metaflow_hera.deploy.rights import deployed_as
from metaflow_hera.errors import ForeignRunError, UnknownRunError
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import RunKeys, workflow_of_run
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.runtime.ending import failure_message
from metaflow_hera.store import Store


def end_if_gone(store: Store, record: RunRecord, backend: Backend) -> EndRecord | None:
    """How the run ended; if nobody has written that, and its Workflow is gone for certain, that is written now."""
    held = runs.read_end(store, record.flow, record.run)
    if held is not None or workflow_of_run(record.run) is None or not _is_gone(store, record, backend):
        return held
    keys = RunKeys(record.flow, record.run)
    # It may have ended between the two looks.
    held = runs.read_end(store, record.flow, record.run)
    if held is not None:
        return held
    end = EndRecord(status=runs.SUCCEEDED, finished=time.time())
    if not _has_succeeded(store, record, keys):
        message = f"{failure_message(store, keys)}; its Workflow was deleted before its end was written"
        end = EndRecord(status=runs.FAILED, finished=end.finished, message=message)
    return runs.end(store, record.flow, record.run, end)


def _is_gone(store: Store, record: RunRecord, backend: Backend) -> bool:
    """Only of a run that can have been nowhere else: its namespace and its deployment are those of this backend.

    Of a run in a shared datastore whose pods did not know their namespace, nobody can say that.
    """
    is_shared = not record.namespace and "://" in store.uri
    if not record.deployment or record.namespace != backend.namespace or is_shared:
        return False
    if _is_there(record, backend):
        return False
    deployment = deployed_as(record.deployment, backend)
    return deployment is not None and deployment.plan.annotations.get(Annotations.DATASTORE) == store.uri


def _is_there(record: RunRecord, backend: Backend) -> bool:
    """Also where what has its name is none of ours, as far as can be seen: so nothing is certain."""
    try:
        backend.run(record.run)
    except UnknownRunError:
        return False
    except ForeignRunError:
        pass
    return True


def _has_succeeded(store: Store, record: RunRecord, keys: RunKeys) -> bool:
    """Whether the end step did: it writes the end next, if it is not killed in between."""
    if not record.graph:
        return False
    return tasks.find(store, keys, from_json(record.graph).end, "0") is not None
