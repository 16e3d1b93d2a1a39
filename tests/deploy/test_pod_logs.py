"""Logs of tasks in which our own code never began: what their pods still have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from metaflow_hera.deploy import deploy
from metaflow_hera.deploy.logs import POD, follow_logs, read_logs, select
from metaflow_hera.settings import Settings

FLOW = """
from metaflow_hera import FlowSpec, step

class LostFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


pytestmark = pytest.mark.usefixtures("engine")


def test_a_container_that_cannot_fetch_its_code_is_heard(tmp_path: Path) -> None:
    file = tmp_path / "lost.py"
    file.write_text(FLOW)
    deployed = deploy(str(file))
    settings = Settings.load()
    shutil.rmtree(Path(settings.datastore) / "data")
    run = deployed.trigger()
    run.wait_for_completion(check_interval=0.1, timeout=60)
    for target in (run.run_id, f"{run.run_id}/start", f"{run.run_id}/start/0"):
        lines = list(read_logs(select(target, settings), settings))
        assert {(line.step, line.path, line.stream) for line in lines} == {("start", "0", POD)}
        assert "main: Error (exit code 1)" in lines[-1].text
        assert len(lines) > 1, "what the bootstrap printed"
    assert list(follow_logs(select(run.run_id, settings), settings)) == lines
    assert list(read_logs(select(run.run_id, settings, streams=("stdout",)), settings)) == []
