"""Runs whose Workflow is gone, and whose end nobody has written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from metaflow_hera import deploy
from metaflow_hera.backends import Phase
from metaflow_hera.backends.engine_control import home_of, stop_engine
from metaflow_hera.deploy.runs import list_runs, status
from metaflow_hera.records import runs
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

FLOW = """
from metaflow_hera import FlowSpec, Parameter, step


class GoneFlow(FlowSpec):
    fails = Parameter("fails", default=False)

    @step
    def start(self):
        if self.fails:
            raise OSError("the step broke")
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"data_dir": str(tmp_path / "data"), "backend": "embedded"})


def ended_run(tmp_path: Path, settings: Settings, *, fails: bool) -> str:
    """The id of a run that ended, of which the engine remembers nothing and whose end is not written."""
    file = tmp_path / "gone.py"
    file.write_text(FLOW)
    run = deploy(file, settings=settings).trigger(fails=fails).wait(timeout=60, check=False).id
    stop_engine(settings)
    with sqlite3.connect(home_of(settings).database) as database:
        for table in ("pods", "events", "runs"):
            database.execute(f"delete from {table}")
    database.close()
    (Path(settings.datastore) / "GoneFlow" / "runs" / run / "end.json").unlink()
    return run


@pytest.mark.parametrize("look", ["status", "list"])
@pytest.mark.parametrize(("fails", "phase"), [(False, Phase.SUCCEEDED), (True, Phase.FAILED)])
def test_the_next_look_at_a_run_whose_workflow_is_gone_writes_its_end(
    tmp_path: Path, settings: Settings, look: str, fails: bool, phase: Phase
) -> None:
    run = ended_run(tmp_path, settings, fails=fails)

    found = status(f"GoneFlow/{run}", settings) if look == "status" else list_runs("GoneFlow", settings, 5)[0]

    assert (found.run, found.phase) == (run, phase)
    end = runs.read_end(open_store(settings.datastore, settings), "GoneFlow", run)
    assert end is not None
    assert end.status == phase
    if fails:
        told = "step 'start', task 0: OSError: the step broke; its Workflow was deleted before its end was written"
        assert end.message == found.message == told


def test_a_run_that_may_be_somewhere_else_is_left_alone(tmp_path: Path, settings: Settings) -> None:
    run = ended_run(tmp_path, settings, fails=True)
    store = open_store(settings.datastore, settings)
    for other, fields in (
        ("argo-elsewhere-x1", {"deployment": "goneflow", "namespace": "team"}),
        ("argo-unknown-x1", {"deployment": "unknown"}),
        ("argo-nameless-x1", {}),
    ):
        runs.begin(store, RunRecord(flow="GoneFlow", run=other, created=1.0, **fields))  # type: ignore[arg-type]
        assert status(f"GoneFlow/{other}", settings).phase is Phase.RUNNING
    phases = {found.run: found.phase for found in list_runs("GoneFlow", settings, 9)}
    assert phases.pop(run) is Phase.FAILED
    assert set(phases.values()) == {Phase.RUNNING}
