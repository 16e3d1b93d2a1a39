"""Runs that are ended, held up, let go and tried again from the command line and from Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import LINEAR, call, mfhera, write_flow

from metaflow_hera import Flow, namespace
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.deploy import DeployedFlow
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

HEADER = "import time\nfrom pathlib import Path"
SLOW = LINEAR.replace("self.next(self.end)", "Path('begun').touch()\n    time.sleep(60)\n    self.next(self.end)", 1)
MENDED = """
@step
def start(self):
    self.items = [0, 1, 2]
    self.next(self.work, foreach="items")

@step
def work(self):
    with open("worked", "a") as file:
        file.write(f"{self.input}")
    if self.input == 1 and not Path("mended").exists():
        raise ValueError("one is too many")
    self.next(self.join)

@step
def join(self, inputs):
    self.next(self.end)

@step
def end(self):
    pass
"""


pytestmark = pytest.mark.usefixtures("engine")


def wait_for(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def phase(run: str) -> str:
    return str(mfhera("status", run, "--json").json["phase"])


@pytest.fixture
def slow() -> str:
    """A run that is at its first step, which takes a minute."""
    file = write_flow("Slow", SLOW.replace("'begun'", repr(str(Path("begun").absolute()))), header=HEADER)
    mfhera("deploy", file)
    run = mfhera("trigger", "slow").stdout.strip()
    wait_for(Path("begun").exists)
    return run


def test_a_run_is_stopped_once(slow: str) -> None:
    assert mfhera("stop", slow).stdout == f"{slow} is stopped\n"
    wait_for(lambda: phase(slow) == "Failed")
    assert mfhera("stop", slow, "--json").json == {"run": slow, "stopped": False, "before": "Failed"}
    assert mfhera("suspend", slow).stdout == f"{slow} had ended already: Failed\n"
    assert mfhera("status", slow, "--json").json["message"] == "stopped"


def test_when_a_run_began_does_not_change_by_its_end_being_written_before_the_backend_tells_it(slow: str) -> None:
    settings = Settings.load()
    before = mfhera("status", slow, "--json").json
    end = EndRecord(status="Succeeded", finished=time.time())
    runs.end(open_store(settings.datastore, settings), "Slow", slow, end)
    (listed,) = mfhera("runs", "Slow", "--json").json
    assert (listed["phase"], before["phase"]) == ("Succeeded", "Running")
    assert (listed["created"], listed["started"]) == (before["created"], before["started"])
    mfhera("terminate", slow)


def test_a_run_is_suspended_and_goes_on(slow: str) -> None:
    assert mfhera("unsuspend", slow).stdout == f"{slow} is not suspended\n"
    assert f"mfhera unsuspend {slow}" in mfhera("suspend", slow).stdout
    assert mfhera("suspend", slow).stdout == f"{slow} was suspended\n"
    assert "Running (suspended" in mfhera("status", slow).stdout
    assert mfhera("status", slow, "--json").json["suspended"] is True
    assert mfhera("unsuspend", slow, "--json").json == {"run": slow, "unsuspended": True, "before": "Running"}
    assert mfhera("retry", slow).stdout == f"{slow} has not ended: Running\n"
    mfhera("terminate", slow)


def test_a_failed_run_is_tried_again_and_repeats_only_what_did_not_succeed() -> None:
    body = MENDED.replace('"worked"', repr(str(Path("worked").absolute())))
    body = body.replace('"mended"', repr(str(Path("mended").absolute())))
    mfhera("deploy", write_flow("Mended", body, header=HEADER))
    run = mfhera("trigger", "mended", "--wait").stdout.strip()
    namespace(None)
    assert Flow("Mended")[run].finished
    Path("mended").touch()
    assert mfhera("retry", run).stdout.startswith(f"{run} goes on with what did not succeed")
    assert not mfhera("status", run, "--json").json["finished"] or Flow("Mended")[run].successful
    wait_for(lambda: phase(run) == "Succeeded")
    assert sorted(Path("worked").read_text()) == list("0112")
    assert Flow("Mended")[run].successful
    task = Flow("Mended")[run]["work"]
    assert sorted(each.current_attempt for each in task) == [0, 0, 1]
    refused = mfhera("retry", run)
    assert (refused.code, "succeeded, so there is nothing to try again" in refused.stderr) == (1, True)


def test_the_peers_grammar_holds_up_runs_of_its_own_flow_only(slow: str) -> None:
    other = write_flow("Other", LINEAR)
    for command in ("suspend", "unsuspend", "stop", "retry", "terminate"):
        refused = call(other, "argo-workflows", command, slow)
        assert (refused.code, f"run {slow} is one of the flow Slow, not of Other" in refused.stderr) == (2, True)
        refused = call("slow.py", "argo-workflows", "--name", "else", command, slow)
        assert (refused.code, "is one of the deployment 'slow', not of 'else'" in refused.stderr) == (2, True)
    assert f"{slow} is suspended" in call("slow.py", "argo-workflows", "suspend", slow).stdout
    assert call("slow.py", "argo-workflows", "unsuspend", slow).stdout == f"{slow} goes on\n"
    assert call("slow.py", "argo-workflows", "terminate", slow).stdout == f"{slow} is terminated\n"


def test_python_holds_up_ends_and_retries_runs(slow: str) -> None:
    run = DeployedFlow.get_triggered_run("slow", slow)
    assert (run.unsuspend(), run.suspend(), run.suspend(), run.unsuspend()) == (False, True, False, True)
    assert (run.retry(), run.stop()) == (False, True)
    run.wait(check=False, timeout=60)
    assert (run.stop(), run.terminate(), run.suspend()) == (False, False, False)
    Path("begun").unlink()
    assert run.retry()
    wait_for(Path("begun").exists)
    assert run.terminate()


def test_a_run_that_its_backend_forgot_is_told_what_goes_on_with_it(slow: str) -> None:
    mfhera("terminate", slow)
    stop_engine(Settings.load())
    for file in (Path(Settings.load().data_dir) / "engine").glob("state.sqlite3*"):
        file.unlink()
    refused = mfhera("retry", slow)
    assert (refused.code, f"`mfhera resume Slow/{slow}`" in refused.stderr) == (1, True), refused.stderr
