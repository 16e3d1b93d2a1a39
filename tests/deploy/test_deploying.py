"""Deploying and running from Python: classes, values, versions, what is refused."""

from __future__ import annotations

import json
import linecache
import pickle
import subprocess
import sys
import types
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import Flow, FlowSpec, Run, deploy, run, to_workflow_template
from metaflow_hera.deploy import DeployedFlow, deployed, deployments
from metaflow_hera.deploy.logs import follow_logs, read_logs, select
from metaflow_hera.deploy.runs import list_runs, status
from metaflow_hera.errors import (
    BackendError,
    FlowError,
    NotDeployedError,
    ParameterError,
    RunFailedError,
    UnknownRunError,
)
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import RunKeys
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

CELL = """
from metaflow_hera import FlowSpec, JSONType, Parameter, step

calls = []

def computed(context):
    calls.append(context.parameter_name)
    return {"by": context.user_name}

class CellFlow(FlowSpec):
    rate = Parameter("learning-rate", default=0.1)
    info = Parameter("info", type=JSONType, default=computed)
    words = Parameter("words", separator=",", default="a,b")

    @step
    def start(self):
        print("rate", self.rate)
        self.next(self.end)

    @step
    def end(self):
        self.seen = (self.rate, self.info, self.words)
"""


pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The names that a notebook's cell defined: its source is known to linecache alone, and its module has no file."""
    name = "<cell 1>"
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setitem(linecache.cache, name, (len(CELL), None, CELL.splitlines(keepends=True), name))
    exec(compile(CELL, name, "exec"), vars(module))
    return module


def finished(deployment: DeployedFlow, **parameters: object) -> Run:
    return deployment.trigger(**parameters).wait(timeout=60)


def test_a_class_of_a_notebook_is_deployed_and_run(cell: Any) -> None:
    data = finished(deploy(cell.CellFlow), learning_rate=0.5, words=["x", "y"]).data
    assert data.seen == (0.5, {"by": "tester"}, ["x", "y"])


def test_a_class_of_a_notebook_is_run_here(cell: Any) -> None:
    here = run(cell.CellFlow, learning_rate=0.5, tags=["mine"])
    assert here.successful
    assert here.data.seen == (0.5, {"by": "tester"}, ["a", "b"])
    assert "mine" in here.tags
    assert Flow("CellFlow").latest_run == here


def test_a_deploy_time_function_is_called_once_for_a_deployment_and_once_for_a_run(cell: Any) -> None:
    deployment = deploy(cell.CellFlow)
    assert cell.calls == ["info"]
    assert finished(deployment).data.info == {"by": "tester"}
    assert finished(deployment, info={"by": "me"}).data.info == {"by": "me"}
    run(cell.CellFlow)
    assert cell.calls == ["info", "info"]


def test_a_deployment_is_found_by_its_name_and_tells_its_parameters(cell: Any) -> None:
    made = deploy(cell.CellFlow, name="mine")
    found = deployed("mine")
    assert (found.flow_name, found.version, found.deployer) == ("CellFlow", made.version, "tester")
    assert [parameter.name for parameter in found.parameters] == ["learning-rate", "info", "words"]
    assert [each.name for each in deployments()] == ["mine"]
    found.delete()
    with pytest.raises(NotDeployedError):
        deployed("mine")


def test_the_version_is_that_of_what_would_run(cell: Any) -> None:
    first = deploy(cell.CellFlow)
    cell.calls.clear()  # a name of the notebook that the flow uses, so part of what would run
    assert deploy(cell.CellFlow).version == first.version
    cell.calls.clear()
    changed = deploy(cell.CellFlow, tags=["another"])
    assert changed.version != first.version == changed.previous


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": "much"}, "'learning-rate' takes a number, not 'much'"),
        ({"rate": 1}, "there is no parameter 'rate'"),
        ({"info": {1, 2}}, "'info' takes JSON"),
        ({"words": "x" * 300_000}, "262,144"),
    ],
)
def test_values_that_cannot_be_are_refused_and_nothing_runs(cell: Any, values: dict[str, object], message: str) -> None:
    deployment = deploy(cell.CellFlow)
    with pytest.raises(ParameterError, match=message):
        deployment.trigger(**values)
    assert list_runs(None, Settings.load(), 10) == []


def test_waiting_ends_at_its_time(cell: Any) -> None:
    triggered = deploy(cell.CellFlow).trigger()
    with pytest.raises(TimeoutError, match=triggered.run_id):
        triggered.wait(timeout=0)
    assert triggered.wait(timeout=60).successful
    assert triggered.run is not None
    assert triggered.status == "Succeeded"


def test_deployments_and_runs_show_themselves_in_a_few_words(cell: Any) -> None:
    deployment = deploy(cell.CellFlow)
    assert repr(deployment) == f"DeployedFlow('cellflow', version='{deployment.version}')"
    triggered = deployment.trigger()
    assert repr(triggered) == f"TriggeredRun('CellFlow/{triggered.run_id}')"


@pytest.fixture
def failing() -> Path:
    file = Path("badly_ending.py")
    file.write_text(
        "from metaflow_hera import FlowSpec, step\n\nclass Failing(FlowSpec):\n    @step\n    def start(self):\n"
        "        raise ValueError('no\\nway')\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    return file


def test_a_run_that_fails_raises_and_says_which_task_why_and_where_its_logs_are(failing: Path) -> None:
    for start in (run, lambda flow: finished(deploy(flow))):
        with pytest.raises(RunFailedError) as raised:
            start(failing)
        failed = raised.value.run
        task = f"{failed.pathspec}/start/0"
        first, second, third = str(raised.value).splitlines()
        assert first == f"run {failed.pathspec}: Failed"
        assert second == f"{task} failed: ValueError: no"
        assert f"Task('{task}')" in third
        assert f"mfhera logs {task}" in third
        assert pickle.loads(pickle.dumps(raised.value)).run == failed


def test_a_run_that_is_interrupted_before_its_end_says_so(cell: Any) -> None:
    triggered = deploy(cell.CellFlow).trigger()
    triggered.terminate()
    with pytest.raises(RunFailedError, match=rf"run (CellFlow/)?{triggered.run_id}.*terminated"):
        triggered.wait(timeout=60)


def test_a_run_that_fails_is_returned_where_nobody_wants_it_checked(failing: Path) -> None:
    for failed in (run(failing, check=False), deploy(failing).trigger().wait(timeout=60, check=False)):
        assert not failed.successful
        assert "no" in str(failed["start"].task.exception)


def test_hera_gets_an_object_of_its_own_and_nothing_is_written(cell: Any) -> None:
    template = to_workflow_template(cell.CellFlow)
    assert type(template).__name__ == "WorkflowTemplate"
    assert template.name == "cellflow"
    settings = Settings.load()
    assert list(open_store(settings.datastore, settings).keys("")) == []


def test_another_flow_does_not_take_a_name_that_is_in_use(cell: Any) -> None:
    deploy(cell.CellFlow, name="taken")
    other = type("OtherFlow", (cell.CellFlow,), {})
    with pytest.raises((BackendError, FlowError)):
        deploy(other, name="taken")
    assert deployed("taken").plan.annotations[Annotations.FLOW] == "CellFlow"


def test_what_is_no_flow_is_refused() -> None:
    for thing in (int, FlowSpec):
        with pytest.raises(FlowError):
            deploy(thing)  # type: ignore[type-var]


def test_a_directory_of_this_machine_is_no_datastore_for_a_cluster(cell: Any) -> None:
    with pytest.raises(BackendError):
        deploy(cell.CellFlow, settings=Settings.load({"backend": "kubernetes"}))


def texts(lines: Sequence[Any]) -> list[str]:
    return [line.text for line in lines]


def test_logs_are_read_by_run_step_and_task_and_followed_to_the_end(cell: Any) -> None:
    triggered = deploy(cell.CellFlow).trigger(learning_rate=0.25)
    settings = Settings.load()
    assert texts(list(follow_logs(select(triggered.run_id, settings), settings))) == ["rate 0.25"]
    for target in (triggered.run_id, triggered.pathspec, f"{triggered.run_id}/start", f"{triggered.run_id}/start/0"):
        assert texts(list(read_logs(select(target, settings), settings))) == ["rate 0.25"]
    assert list(read_logs(select(f"{triggered.run_id}/end", settings), settings)) == []
    with pytest.raises(UnknownRunError):
        list(read_logs(select(f"{triggered.run_id}/nowhere", settings), settings))


def test_a_run_whose_end_could_not_be_written_gets_it_by_the_next_look(cell: Any) -> None:
    done = finished(deploy(cell.CellFlow))
    settings = Settings.load()
    (Path(settings.datastore) / RunKeys("CellFlow", done.id).end).unlink()
    assert not Run(done.pathspec).finished
    assert status(done.id, settings).phase == "Succeeded"
    assert Run(done.pathspec).successful


def test_a_local_run_whose_process_was_killed_has_failed_by_the_next_look(tmp_path: Path) -> None:
    file = tmp_path / "sleeping.py"
    file.write_text(CELL.replace("print(", "import time; print('asleep'); time.sleep(60); print(", 1))
    runner = subprocess.Popen(
        [sys.executable, "-m", "metaflow_hera", "run", file],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert runner.stderr
    while "asleep" not in runner.stderr.readline():
        assert runner.poll() is None
    (before,) = list_runs("CellFlow", Settings.load(), 5)
    runner.kill()
    runner.communicate()
    (after,) = list_runs("CellFlow", Settings.load(), 5)
    assert (before.phase, after.phase) == ("Running", "Failed")
    assert f"process {runner.pid}" in after.message
    assert Run(f"CellFlow/{after.run}").finished


def test_a_run_is_known_by_its_records_when_its_engine_is_not(cell: Any) -> None:
    finished_run = finished(deploy(cell.CellFlow))
    settings = Settings.load()
    elsewhere = Settings.load({"data_dir": "elsewhere", "datastore": settings.datastore})
    found = status(finished_run.id, elsewhere)
    assert (found.flow, found.phase) == ("CellFlow", "Succeeded")
    assert [node.step for node in found.nodes] == ["start", "end"]
    assert [each.run for each in list_runs("CellFlow", elsewhere, 5)] == [finished_run.id]


def test_runs_of_a_deployment_are_told_from_those_of_others_of_its_flow(cell: Any) -> None:
    one, other = deploy(cell.CellFlow, name="one"), deploy(cell.CellFlow, name="one-more")
    deploy(cell.CellFlow, name="idle")
    runs = [finished(each).id for each in (one, other, one, other, other)]
    settings = Settings.load()
    elsewhere = Settings.load({"data_dir": "elsewhere", "datastore": settings.datastore})
    assert [each.run for each in list_runs("one", settings, 9)] == [runs[2], runs[0]]
    assert [each.run for each in list_runs("one", settings, 1)] == [runs[2]]
    assert [each.run for each in list_runs("one-more", settings, 9)] == [runs[4], runs[3], runs[1]]
    assert list_runs("idle", settings, 9) == []
    for place in (settings, elsewhere):
        assert [each.run for each in list_runs("CellFlow", place, 9)] == runs[::-1]


def test_data_files_travel_in_the_package_if_their_suffix_is_named() -> None:
    Path("words.csv").write_text("a,b")
    file = Path("reading.py")
    file.write_text(
        "from pathlib import Path\nfrom metaflow_hera import FlowSpec, step\n\nclass Reading(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.words = Path(__file__).with_name('words.csv').read_text()\n"
        "        self.next(self.end)\n\n    @step\n    def end(self):\n        pass\n"
    )
    assert finished(deploy(file, package_suffixes=[".csv"])).data.words == "a,b"
    with pytest.raises(RunFailedError, match=r"words\.csv"):
        finished(deploy(file))


def test_a_dry_run_says_what_would_be_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "dry.py"
    body = (
        "    @step\n    def start(self):\n        self.next(self.end)\n\n    @step\n    def end(self):\n        pass\n"
    )
    file.write_text(f"from metaflow_hera import *\n\nclass DryFlow(FlowSpec):\n{body}")
    words = (sys.executable, "-m", "metaflow_hera", "deploy", str(file), "--dry-run")
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "DryFlow can be deployed as dryflow" in done.stdout) == (0, True), done.stderr
    assert "nothing was written" in done.stdout
    settings = Settings.load()
    assert not Path(settings.datastore).exists()
    assert not Path(settings.data_dir, "engine").exists()
    version = deploy(str(file)).version
    again = subprocess.run((*words, "--json"), capture_output=True, text=True, timeout=60)
    assert json.loads(again.stdout).items() >= {"version": version, "replaces": version, "dry_run": True}.items()
    file.write_text(f"from metaflow_hera import *\n\n@schedule(cron='0 10 * * 9')\nclass DryFlow(FlowSpec):\n{body}")
    assert subprocess.run(words, capture_output=True, text=True, timeout=60).returncode == 1
    assert [each.version for each in deployments()] == [version]


def test_of_several_who_deploy_at_once_each_has_the_last_word_or_is_told_who_has() -> None:
    flow = Path(__file__).parents[2] / "examples" / "seed" / "parameter_flow.py"
    told: dict[int, list[str]] = {number: [] for number in range(1, 5)}

    def deployed_by(number: int) -> tuple[int, str]:
        made = deploy(flow, max_workers=number, tell=told[number].append)
        return number, made.plan.annotations[Annotations.MAX_WORKERS]

    with ThreadPoolExecutor(len(told)) as pool:
        live = dict(pool.map(deployed_by, told))
    for number, found in live.items():
        is_told = any("at the same time: version" in sentence for sentence in told[number])
        assert (found == str(number)) is not is_told


def test_settings_beside_a_flow_that_do_not_count_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tmp_path / "flows", tmp_path / "here"
    for folder in (beside, here):
        folder.mkdir()
        (folder / "pyproject.toml").write_text("[tool.mfhera]\nuser = 'ann'\n")
    (beside / "cell_flow.py").write_text(CELL)
    told: list[str] = []

    monkeypatch.chdir(here)
    deploy(beside / "cell_flow.py", tell=told.append)
    assert f"the settings in {beside}/pyproject.toml, beside the flow, do not count here; those of {here}" in told[1]
    told.clear()
    monkeypatch.chdir(beside)
    deploy(beside / "cell_flow.py", tell=told.append)
    assert not [text for text in told if "do not count" in text]
