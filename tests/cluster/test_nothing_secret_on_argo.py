"""Nothing secret is in any object that we write to a cluster, nor in what becomes of it there."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest
from conftest import Cluster, command

from metaflow_hera.settings import secret_settings, variable

SECRET = "planted-secret"

FLOW = """
from metaflow_hera import FlowSpec, schedule, secrets, step

@schedule(cron="1 1 1 1 ? *")
class SecretiveOnArgo(FlowSpec):
    @secrets(sources=[{"type": "inline", "options": {"env_vars": {"PASSWORD": "planted" + "-secret-of-a-step"}}}])
    @step
    def start(self):
        import os
        assert os.environ["PASSWORD"].endswith("of-a-step")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_no_object_in_the_cluster_holds_a_secret(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"tokens-secret-{uuid.uuid4().hex[:6]}"
    flow, token = tmp_path / "secretive.py", tmp_path / "token.txt"
    flow.write_text(FLOW)
    token.write_text(f"{SECRET}-of-a-file")
    for setting in secret_settings():
        monkeypatch.setenv(variable(setting), f"{SECRET}-of-{setting}")
    monkeypatch.setenv("MFHERA_TOKEN_HOME", str(tmp_path / "tokens"))
    program = (sys.executable, "-m", "metaflow_hera")
    options = ("--backend", "kubernetes")
    cluster.applied.append(name)
    command(*program, "deploy", flow, "--name", name, "--new-token", f"@{token}", *options)
    run = command(*program, "trigger", name, *options).split()[0].removeprefix("argo-")
    assert cluster.wait(run) == "Succeeded"
    pods = command("kubectl", "get", "pods", "-l", f"workflows.argoproj.io/workflow={run}", "-o", "yaml")
    assert "kind: Pod" in pods
    objects = [command("kubectl", "get", kind, name, "-o", "yaml") for kind in ("workflowtemplate", "cronworkflow")]
    objects.append(command("kubectl", "get", "workflow", run, "-o", "yaml"))
    assert [text for text in (pods, *objects) if SECRET in text] == []
    command(*program, "delete", name, *options)
