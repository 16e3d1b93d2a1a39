"""Every shape of a flow on a real Argo: it leaves there what it leaves here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from run_artifacts import Artifacts, artifacts

from metaflow_hera import Run, namespace
from metaflow_hera.deployment_names import deployment_name
from metaflow_hera.flow.load import load_flow

pytestmark = pytest.mark.timeout(1200)

SHAPES = sorted((Path(__file__).parents[1] / "flows").glob("*_flow.py"))
OF_PROJECTS = [shape for shape in SHAPES if "@project" in shape.read_text()]
"""They get a name by their branch."""


@pytest.fixture(autouse=True)
def everything_is_visible() -> None:
    namespace(None)


@pytest.fixture(scope="module")
def workflows(module_cluster: Any, request: pytest.FixtureRequest) -> Iterator[Mapping[Path, str]]:
    """The workflow of each shape under test, all submitted at once: most of their time is the controller's."""
    wanted = {item.callspec.params["shape"] for item in request.session.items if item.path == Path(__file__)}
    submitted = {}
    for shape in sorted(wanted):
        if shape in OF_PROJECTS:
            template = module_cluster.compile_project(shape)
        else:
            template = module_cluster.compile(shape, deployment_name(load_flow(shape).__name__)[:30].rstrip("-."))
        submitted[shape] = module_cluster.submit(template)
    yield submitted


def run_locally(shape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    id_file = tmp_path / "run-id"
    with monkeypatch.context() as here:
        here.setenv("MFHERA_DATASTORE", str(tmp_path / "store"))
        words = [sys.executable, "-m", "metaflow_hera", "run", str(shape), "--run-id-file", str(id_file)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return artifacts(Run(f"{load_flow(shape).__name__}/{id_file.read_text()}"))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda path: path.stem)
def test_a_shape_leaves_on_argo_what_it_leaves_here(
    shape: Path,
    workflows: Mapping[Path, str],
    module_cluster: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(shape.parent))
    here = run_locally(shape, tmp_path, monkeypatch)

    assert module_cluster.wait(workflows[shape], seconds=900) == "Succeeded", module_cluster.describe(workflows[shape])

    there = artifacts(Run(f"{load_flow(shape).__name__}/argo-{workflows[shape]}"))
    assert here
    assert there == here
