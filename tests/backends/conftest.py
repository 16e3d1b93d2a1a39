"""Backends to test; an engine that a test started is ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from argo_wire import NAMESPACE, opened_wire
from backend_plans import FLOW
from board import Board, opened_board
from real_servers import ARGO_SERVER, CLUSTER, CONTEXT

from metaflow_hera.backends import Backend
from metaflow_hera.backends.embedded import EmbeddedBackend, stop_engine
from metaflow_hera.backends.kubernetes_api import KubernetesApi
from metaflow_hera.backends.open import open_backend
from metaflow_hera.engine.pods import kill_orphans
from metaflow_hera.errors import EngineError
from metaflow_hera.labels import Annotations
from metaflow_hera.settings import Settings


@pytest.fixture
def embedded_settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings.load({"data_dir": str(tmp_path / "data"), "backend": "embedded"})
    yield settings
    with suppress(EngineError):  # of a database that a test broke
        stop_engine(settings)
    for folder in (tmp_path / "data/engine/pods").glob("*"):
        kill_orphans(folder)


@pytest.fixture
def board() -> Iterator[Board]:
    with opened_board() as board:
        yield board


@pytest.fixture
def cluster_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of the cluster of ``MFHERA_TEST_KUBECONFIG``; what a test deploys there is removed with all of its runs."""
    if not CLUSTER:
        pytest.skip("MFHERA_TEST_KUBECONFIG names no kubeconfig of a cluster with Argo")
    monkeypatch.setenv("KUBECONFIG", CLUSTER)
    settings = Settings.load({"backend": "kubernetes", "kube_context": CONTEXT})
    api = KubernetesApi(settings)
    assert api.namespace, "it is connected to before a test uses another kubeconfig"
    yield settings
    for kind in ("WorkflowTemplate", "CronWorkflow", "Sensor", "Workflow"):
        for document in api.list(kind, {Annotations.FLOW: FLOW}):
            api.delete(kind, document["metadata"]["name"])


@pytest.fixture
def argo_settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Of the Argo Server of ``MFHERA_TEST_ARGO_SERVER``; where none is named, of a wire like one's."""
    if ARGO_SERVER:
        namespace = KubernetesApi(request.getfixturevalue("cluster_settings")).namespace
        yield Settings.load({"backend": "argo", "argo_server": ARGO_SERVER, "namespace": namespace})
        return
    with opened_wire(request.getfixturevalue("embedded_settings")) as url:
        yield Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE})


@pytest.fixture(params=["embedded", "kubernetes", "argo"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "embedded":
        return EmbeddedBackend(request.getfixturevalue("embedded_settings"))
    return open_backend(
        request.getfixturevalue({"kubernetes": "cluster_settings", "argo": "argo_settings"}[request.param])
    )
