"""One flow, three ways to run it: locally, on the embedded engine over a directory, and over a real S3 server.

All leave the same tasks with the same artifacts.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow_oracle import run_oracle
from run_artifacts import Artifacts, artifacts, comparable

from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.client import Run, namespace
from metaflow_hera.flow.load import load_flow
from metaflow_hera.settings import Settings

TESTS = Path(__file__).parent
FLOWS = [
    *sorted((TESTS / "flows").glob("*_flow.py")),
    *sorted((TESTS.parent / "examples").glob("*/*flow.py")),
]

FAILING = {
    *("catch_flow", "config_flow", "custom_decorators_flow", "include_file_flow", "mutated_flow", "retry_flow"),
    *("card_flow", "project_flow", "secrets_flow", "timeout_flow"),
}
"""Flows of whose failures, own decorators, cards, configs, files, projects or secrets the oracle knows nothing."""


@pytest.fixture(autouse=True)
def engine() -> Iterator[None]:
    """Ends the engine that a test started, and looks at runs whatever their namespace."""
    namespace(None)
    yield
    stop_engine(Settings.load())


def mfhera(*words: str | Path) -> str:
    command = [sys.executable, "-m", "metaflow_hera", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"mfhera {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def run_locally(flow: Path, tmp_path: Path) -> Artifacts:
    id_file = tmp_path / "run-id"
    mfhera("run", flow, "--run-id-file", id_file)
    return artifacts(run_of(flow, id_file))


def run_deployed(flow: Path, tmp_path: Path) -> Artifacts:
    id_file = tmp_path / "deployed-run-id"
    mfhera("deploy", flow)
    mfhera("trigger", flow, "--wait", "--run-id-file", id_file)
    return artifacts(run_of(flow, id_file))


def run_of(flow: Path, id_file: Path) -> Run:
    return Run(f"{load_flow(flow).__name__}/{id_file.read_text()}")


@pytest.mark.parametrize("flow", FLOWS, ids=lambda path: path.stem)
def test_a_flow_leaves_the_same_artifacts_wherever_it_runs(
    flow: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(flow.parent))
    local = run_locally(flow, tmp_path)
    monkeypatch.setenv("MFHERA_DATASTORE", str(tmp_path / "other-store"))
    in_directory = run_deployed(flow, tmp_path)
    stop_engine(Settings.load())
    s3 = request.getfixturevalue("s3")
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)
    in_bucket = run_deployed(flow, tmp_path)

    assert local
    assert in_directory == local
    assert in_bucket == local


@pytest.mark.parametrize(
    "flow",
    [flow for flow in FLOWS if flow.parent.name == "flows" and flow.stem not in FAILING],
    ids=lambda path: path.stem,
)
def test_a_local_run_leaves_what_the_flow_means(flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(flow.parent))
    meant = run_oracle(load_flow(flow)).tasks
    local = run_locally(flow, tmp_path)
    assert local.keys() == {f"{step}/{path}" for step, path in meant}
    for (step, path), left in meant.items():
        assert {name: local[f"{step}/{path}"].get(name) for name in left} == {
            name: comparable(value) for name, value in left.items()
        }
