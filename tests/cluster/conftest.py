"""A real cluster with Argo, whatever KUBECONFIG names: skipped with a reason where there is none.

The environment tells the rest: ``MFHERA_TEST_BUCKET`` (``mfhera``), ``MFHERA_POD_SECRETS`` (``s3-cred``: the Kubernetes
Secrets with which pods reach the bucket, and the package index if their image lacks boto3), ``AWS_ENDPOINT_URL`` and
the keys of the bucket.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

FINAL = {"Succeeded", "Failed", "Error"}


def command(*words: str | Path, check: bool = True, text: str | None = None) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, input=text, timeout=120)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Cluster:
    folder: Path
    """Where manifests are compiled to."""
    suffix: str
    """Makes the names of this test run its own."""
    applied: list[str] = field(default_factory=list)
    """The names of its templates."""

    def compile(self, flow: Path, name: str, *options: str) -> str:
        """Apply what ``mfhera compile`` writes with kubectl; the template's name."""
        full = f"{name}-{self.suffix}"
        return self._apply(flow, full, "--name", full, *options)

    def compile_project(self, flow: Path) -> str:
        """The same for the flow of a project, whose name is that of its branch."""
        return self._apply(flow, flow.stem)

    def _apply(self, flow: Path, folder: str, *options: str) -> str:
        target = self.folder / folder
        command(sys.executable, "-m", "metaflow_hera", "compile", flow, "-o", target, *options)
        for manifest in sorted(target.iterdir()):
            applied = command("kubectl", "apply", "-o", "jsonpath={.metadata.name}", "-f", manifest)
        self.applied.append(applied)
        return applied

    def is_ours(self, name: str) -> bool:
        """Whether a template, or a workflow of one, is of this test run."""
        return any(applied in name for applied in self.applied)

    def submit(self, template: str, **parameters: object) -> str:
        """Start a workflow; its name."""
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
        return command("argo", "submit", "--from", f"workflowtemplate/{template}", "-o", "name", *given).strip()

    def workflow(self, name: str) -> dict[str, Any]:
        return json.loads(command("kubectl", "get", "workflow", name, "-o", "json"))

    def describe(self, name: str) -> str:
        """A workflow as Argo shows it to people."""
        return command("argo", "get", name)

    def phase(self, name: str) -> str:
        return self.workflow(name).get("status", {}).get("phase", "Pending")

    def wait(self, name: str, until: Callable[[], bool] | None = None, seconds: float = 400) -> str:
        """Wait for the end of a workflow, or until something holds; the phase then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            phase = self.phase(name)
            if phase in FINAL or (until and until()):
                return phase
            time.sleep(1)
        raise AssertionError(f"{name} did not end: {self.describe(name)}")

    def pods(self, workflow: str) -> list[dict[str, Any]]:
        selector = f"workflows.argoproj.io/workflow={workflow}"
        return json.loads(command("kubectl", "get", "pods", "-l", selector, "-o", "json"))["items"]


@pytest.fixture(scope="session")
def reachable() -> None:
    missing = [tool for tool in ("kubectl", "argo") if not shutil.which(tool)]
    if not os.environ.get("KUBECONFIG") or missing:
        pytest.skip(f"needs KUBECONFIG and {' and '.join(missing) or 'kubectl and argo'} on the PATH")
    if subprocess.run(["kubectl", "get", "workflowtemplates"], capture_output=True, timeout=60).returncode:
        pytest.skip("the cluster of KUBECONFIG does not answer, or has no Argo")


@pytest.fixture
def cluster(reachable: None, tmp_path: Path) -> Iterator[Cluster]:
    with cluster_in(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def module_cluster(reachable: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One that all tests of a module share."""
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    """The cluster, with settings and names of its own; what was made in it is deleted in the end."""
    suffix = uuid.uuid4().hex[:6]
    cluster = Cluster(folder=folder, suffix=suffix)
    with pytest.MonkeyPatch.context() as patch:
        bucket = os.environ.get("MFHERA_TEST_BUCKET", "mfhera")
        patch.setenv("MFHERA_DATASTORE", f"s3://{bucket}/cluster-tests/{suffix}")
        patch.setenv("MFHERA_DATA_DIR", str(folder / "data"))
        patch.setenv("MFHERA_POD_SECRETS", os.environ.get("MFHERA_POD_SECRETS", "s3-cred"))
        patch.setenv("MFHERA_IMAGE", os.environ.get("MFHERA_IMAGE", "python:3.11"))
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            patch.setenv("MFHERA_S3_ENDPOINT_URL", endpoint)
        yield cluster
    for kind in ("workflowtemplates", "cronworkflows", "sensors", "workflows"):
        names = command("kubectl", "get", kind, "-o", "name", check=False).split()
        ours = [name for name in names if cluster.is_ours(name)]
        if ours:
            command("kubectl", "delete", *ours, "--wait=false", check=False)


@pytest.fixture
def argo(reachable: None) -> Callable[..., str]:
    """Argo's own command line."""
    return lambda *words: command("argo", *words)
