"""One flow, three ways to run it: locally, on the embedded engine over a directory, and over a real S3 server.

All leave the same tasks with the same artifacts, and those are what the flow means.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_oracle import run_oracle
from run_artifacts import Artifacts, artifacts, comparable

from metaflow_hera import compat, deploy, run
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.client import namespace
from metaflow_hera.flow.load import load_flow
from metaflow_hera.settings import Settings

TESTS = Path(__file__).parent
FLOWS = [
    *sorted((TESTS / "flows").glob("*_flow.py")),
    # But for the one that reads the run of another: tests/test_examples.py runs the pair.
    *sorted(set((TESTS.parent / "examples").glob("*/*flow.py")) - {TESTS.parent / "examples/events/report_flow.py"}),
]

UNKNOWN = {
    *("catch_flow", "config_flow", "custom_decorators_flow", "include_file_flow", "mutated_flow", "retry_flow"),
    *("card_flow", "project_flow", "secrets_flow", "timeout_flow"),
}
"""Flows of whose failures, own decorators, cards, configs, files, projects or secrets the oracle knows nothing."""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends the engine that a test started, and looks at runs whatever their namespace; `metaflow` is this package."""
    namespace(None)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    compat.install()
    yield
    stop_engine(Settings.load())


def run_deployed(flow: Path) -> Artifacts:
    return artifacts(deploy(flow).trigger().wait(timeout=240))


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
def test_a_flow_leaves_the_same_artifacts_wherever_it_runs_and_those_that_it_means(
    flow: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(flow.parent))
    local = artifacts(run(flow))
    monkeypatch.setenv("MFHERA_DATASTORE", str(tmp_path / "other-store"))
    in_directory = run_deployed(flow)
    stop_engine(Settings.load())
    s3 = request.getfixturevalue("s3")
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)
    in_bucket = run_deployed(flow)

    assert local
    assert in_directory == local
    assert in_bucket == local
    if flow.parent.name == "flows" and flow.stem not in UNKNOWN:
        assert meant(flow).keys() == local.keys()
        for task, values in meant(flow).items():
            assert {name: local[task].get(name) for name in values} == values


def meant(flow: Path) -> Artifacts:
    """What the tasks of the flow leave, by an interpreter of its own."""
    tasks = run_oracle(load_flow(flow)).tasks
    return {
        f"{step}/{path}": {name: comparable(value) for name, value in left.items()}
        for (step, path), left in tasks.items()
    }
