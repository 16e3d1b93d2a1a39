"""Deployments managed from inside of a cluster, with nothing but the service account of a pod."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_plans import one_step
from real_servers import CLUSTER, CONTEXT

from metaflow_hera.backends.open import open_backend
from metaflow_hera.settings import Settings

ROOT = Path(__file__).parents[2]
ACCOUNT = "metaflow-hera"
NODE = "mfhera"
"""Of `../shared/cluster`: this very machine."""


def kubectl(*words: str, text: str | None = None, check: bool = True) -> str:
    command = ["kubectl", "--kubeconfig", CLUSTER, "--context", CONTEXT or "", *words]
    done = subprocess.run(command, capture_output=True, text=True, input=text, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def pod(cluster_settings: Settings) -> Iterator[str]:
    """Its name; of a pod that sees this installation."""
    if not CONTEXT or NODE not in kubectl("get", "nodes", "-o", "name"):
        pytest.skip("the cluster's node is not this machine, so its pods do not see this installation")
    name = f"mfhera-{secrets.token_hex(4)}"
    folders = [str(ROOT), sysconfig.get_path("purelib")]
    volumes = [{"name": f"v{number}", "hostPath": {"path": folder}} for number, folder in enumerate(folders)]
    mounts = [{"name": f"v{number}", "mountPath": folder} for number, folder in enumerate(folders)]
    container = {
        "name": "main",
        "image": f"python:{sys.version_info.major}.{sys.version_info.minor}",
        "command": ["sleep", "300"],
        "volumeMounts": mounts,
        "env": [
            {"name": "PYTHONPATH", "value": ":".join(folders)},
            {"name": "MFHERA_BACKEND", "value": "kubernetes"},
            {"name": "MFHERA_DATA_DIR", "value": "/tmp/data"},
        ],
    }
    spec = {"serviceAccountName": ACCOUNT, "restartPolicy": "Never", "containers": [container], "volumes": volumes}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubectl("create", "-f", "-", text=json.dumps(manifest))
    kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    yield name
    kubectl("delete", "pod", name, "--grace-period=0", "--force", check=False)


def test_a_pod_triggers_watches_and_ends_runs_as_its_service_account(pod: str, cluster_settings: Settings) -> None:
    open_backend(cluster_settings).deploy(one_step("import time; time.sleep(60)", "within"))

    def mfhera(*words: str) -> dict[str, object]:
        printed: dict[str, object] = json.loads(kubectl("exec", pod, "--", "python3", "-m", "metaflow_hera", *words))
        return printed

    run = str(mfhera("trigger", "within", "--json")["run"])
    assert mfhera("status", run, "--json")["phase"] in ("Pending", "Running")
    assert mfhera("stop", run, "--json")["stopped"] is True
    until = time.monotonic() + 60
    while (status := mfhera("status", run, "--json"))["phase"] != "Failed":
        assert time.monotonic() < until
    assert status["message"] == "stopped"
