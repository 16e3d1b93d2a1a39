"""Every flow of the tests and of the examples compiles to a manifest that Argo would take."""

from __future__ import annotations

import sys
from pathlib import Path

import crds
import pytest

from metaflow_hera import compat
from metaflow_hera.argo import yaml_text
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Parameter, Schedule

ROOT = Path(__file__).parents[2]
FLOWS = [*sorted((ROOT / "tests" / "flows").glob("*_flow.py")), *sorted((ROOT / "examples").glob("*/*_flow.py"))]


@pytest.fixture(autouse=True)
def metaflow_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples import from `metaflow`, as those who come from there do."""
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    compat.install()


@crds.required
@pytest.mark.parametrize("file", FLOWS, ids=lambda file: file.stem)
def test_a_flow_file_becomes_a_manifest_that_kubernetes_takes(file: Path) -> None:
    options = CompileOptions(
        name="flow",
        file=file.name,
        store="s3://bucket",
        image="python:3.11",
        command=("python", "-c", "pass"),
        parameters=(Parameter(name="alpha", value="0.01"),),
        schedule=Schedule(cron="0 10 * * *"),
    )
    plan = compile_plan(check_flow(file).graph, options)
    documents = manifests(plan)
    assert [crds.problems(document) for document in documents] == [[], []]
    assert from_manifests(yaml_text.load(yaml_text.dump(documents))) == plan
