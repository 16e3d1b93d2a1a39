"""Flows of a project, triggers and hooks on the command line, in both grammars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import call, mfhera

from metaflow_hera import Flow, Run, namespace
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.settings import Settings

FLOW = """
from metaflow import FlowSpec, current, exit_hook, project, step, trigger_on_finish


def told(run):
    print("hook of", run.pathspec)


@exit_hook(on_success=[told], on_error=["told"])
@trigger_on_finish(flow="Up")
@project(name="fraud")
class Down(FlowSpec):
    @step
    def start(self):
        self.place = current.branch_name
        self.cause = current.trigger and current.trigger.run.pathspec
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Down()
"""


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "down.py"
    file.write_text(FLOW)
    namespace(None)
    yield file
    stop_engine(Settings.load())


def latest() -> Run:
    found = Flow("Down").latest_run
    assert isinstance(found, Run)
    return found


def test_the_branch_and_the_trigger_stand_before_the_command_in_the_peers_grammar(flow: Path) -> None:
    first = call(flow, "--branch", "x", "run")
    assert first.code == 0, first.stderr
    assert f"hook of {first.stdout.strip()}" in first.stderr
    assert latest()["start"].task.data.place == "test.x"

    path = first.stdout.strip()
    second = call(flow, "--production", "--quiet", "--trigger", path, "run", env={"METAFLOW_BRANCH": "y"})
    assert second.code == 0, second.stderr
    assert (latest()["start"].task.data.place, latest()["start"].task.data.cause) == ("prod.y", path)

    unknown = call(flow, "--trigger", "Down/1", "run")
    assert unknown.code == 2
    assert "--trigger Down/1: there is no such run in " in unknown.stderr


def test_what_changes_a_deployment_takes_its_flow_and_its_branch(flow: Path) -> None:
    branch = ("--branch", "trial")
    assert mfhera("deploy", flow, *branch).code == 0
    assert mfhera("token", flow, *branch).stdout.startswith("mfprj-")
    (first,) = mfhera("list", "--versions", flow, *branch, "--json").json
    assert (first["name"], first["live"]) == ("fraud.test.trial.down", True)
    flow.write_text(FLOW.replace("class Down(FlowSpec):", "class Down(FlowSpec):\n    more = 1\n"))
    assert mfhera("deploy", flow, *branch).code == 0
    back = mfhera("rollback", flow, *branch, "--json").json
    assert (back["name"], back["version"]) == (first["name"], first["version"])
    for words in (("token",), ("list", "--versions"), ("rollback",), ("delete",)):
        missing = mfhera(*words, flow, "--production")
        assert missing.code == 1
        assert "'fraud.prod.down' is not deployed" in missing.stderr
        advice = f"; deploy it first with: mfhera deploy {flow} --production\n"
        assert missing.stderr.endswith(advice) is (words != ("delete",)), missing.stderr
    there = call(flow, "--production", "argo-workflows", "trigger").stderr
    assert there.endswith(f"; deploy it first with: python {flow.name} --production argo-workflows create\n")
    assert mfhera("delete", flow, *branch).stdout == "fraud.test.trial.down is deleted\n"


def test_a_deployment_is_found_by_its_branch(flow: Path) -> None:
    deployed = mfhera("deploy", flow, "--branch", "x")
    assert "Down is deployed as fraud.test.x.down on" in deployed.stdout
    assert "has no effect" not in deployed.stderr
    assert "  it runs by itself when a run of fraud.test.x.Up succeeds\n" in deployed.stdout

    triggered = mfhera("trigger", flow, "--branch", "x", "--wait")
    assert triggered.code == 0, triggered.stderr
    assert triggered.stdout.startswith("argo-fraud.test.x.down-")
    assert latest()["start"].task.data.place == "test.x"
    assert "project_branch:test.x" in latest().system_tags

    other = mfhera("trigger", flow, "--production")
    assert other.code == 1
    assert "fraud.prod.down" in other.stderr

    named = call("-m", "metaflow_hera", flow, "argo-workflows", "--name", "n", "create")
    assert named.code == 2
    assert "--name n: Down is of the project 'fraud'" in named.stderr
    listed = call("-m", "metaflow_hera", flow, "--branch", "x", "argo-workflows", "list-runs")
    assert "argo-fraud.test.x.down-" in listed.stdout
