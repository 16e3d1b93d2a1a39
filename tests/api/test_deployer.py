"""`Deployer`: deployments from Python, their runs, and what notebooks show of both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from api_flows import PLAIN, write_flow

from metaflow_hera import DeployedFlow, Deployer, deploy, draw
from metaflow_hera.errors import NotDeployedError, ParameterError, UnknownRunError, UsageError


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flows")


def create(flow: Path, name: str | None = None, **arguments: object) -> DeployedFlow:
    with Deployer(flow, show_output=False) as deployer:
        return deployer.argo_workflows(name=name).create(**arguments)


def test_a_file_is_deployed_and_triggered(flow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deployed = Deployer(flow).argo_workflows().create(max_workers=7, tags=["mine"])
    assert "SquaresFlow is deployed as squaresflow" in capsys.readouterr().out
    assert (deployed.name, deployed.flow_name) == ("squaresflow", "SquaresFlow")
    assert deployed.production_token and deployed.production_token.startswith(deployed.production_namespace)
    triggered = deployed.trigger(numbers=[4, 5], scale_by=2)
    assert triggered.name == "squaresflow"
    run = triggered.wait_for_run(check_interval=0.1, timeout=60)
    triggered.wait_for_completion(check_interval=0.1, timeout=60)
    assert (triggered.status, triggered.is_running, triggered.terminate()) == ("Succeeded", False, False)
    assert run.data.results == [32.0, 50.0]
    assert "mine" in run.user_tags


def test_a_deployment_is_found_without_its_source(flow: Path) -> None:
    made = create(flow, name="mine")
    flow.unlink()
    found = DeployedFlow.from_deployment("mine")
    assert (found.name, found.version, found.metadata) == (made.name, made.version, made.metadata)
    assert [each.name for each in DeployedFlow.list_deployed_flows()] == ["mine"]
    assert list(DeployedFlow.list_deployed_flows("OtherFlow")) == []
    run = found.trigger(numbers=[1])
    again = DeployedFlow.get_triggered_run("mine", run.run_id, metadata=made.metadata)
    assert again.wait(timeout=60) == run.run
    with pytest.raises(UnknownRunError):
        DeployedFlow.get_triggered_run("mine", "argo-mine-other")
    assert found.delete()
    with pytest.raises(NotDeployedError, match="'mine' is not deployed"):
        DeployedFlow.from_argo_workflows("mine")


def test_only_json_deploys_nothing_and_has_the_manifest(flow: Path) -> None:
    template = create(flow, only_json=True).workflow_template
    assert (template["kind"], template["metadata"]["name"]) == ("WorkflowTemplate", "squaresflow")
    assert list(DeployedFlow.list_deployed_flows()) == []


def test_arguments_that_cannot_be_are_refused_all_at_once(flow: Path) -> None:
    with pytest.raises(ValueError, match=r"create\(\): 'authorise' is no argument.*did you mean 'authorize'") as raised:
        create(flow, authorise="token", max_workers="many", numbers=[1])
    assert "'max_workers' takes a whole number" in str(raised.value)
    assert "'numbers' is no argument" in str(raised.value)
    assert list(DeployedFlow.list_deployed_flows()) == []


def test_a_flow_that_cannot_be_deployed_raises_with_the_output(tmp_path: Path) -> None:
    file = write_flow(
        tmp_path / "wrong", "from metaflow import *\nclass F(FlowSpec):\n    @step\n    def start(self): 1\n"
    )
    with pytest.raises(RuntimeError, match=r"(?s)is not deployed to argo-workflows.*self\.next"):
        create(file)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flows", PLAIN, "plain.py")


def test_what_this_version_has_not_is_refused_with_a_sentence(plain: Path) -> None:
    deployed = deploy(plain)
    with pytest.raises(UsageError, match="not to 'step-functions'"):
        DeployedFlow.from_deployment("plainflow", impl="step-functions")
    with pytest.raises(ParameterError, match="there is no parameter 'alpha'"):
        deployed.trigger(alpha=1)
    run = deployed.trigger()
    with pytest.raises(TimeoutError, match="has not ended; it is"):
        run.wait_for_completion(timeout=0)
    run.wait(timeout=60)


def test_waiting_shows_one_line_of_progress(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(plain).trigger().wait(timeout=60, show=True)
    *_, last, rest = capsys.readouterr().err.replace("\n", "\r").split("\r")
    assert re.fullmatch(r"argo-plainflow-\w+ Succeeded \d+s  start ✓  end ✓ *", last)
    assert rest == ""


def test_deployments_and_their_runs_show_themselves(flow: Path) -> None:
    deployed = create(flow)
    html = deployed._repr_html_()
    assert "<svg" in html and "<td>scale-by</td><td>1.0</td>" in html and "never" in html
    run = deployed.trigger()
    assert "Pending" in run._repr_html_() or "Running" in run._repr_html_()
    run.wait(timeout=60)
    assert 'class="succeeded"' in run._repr_html_()
    assert "<svg" in DeployedFlow.from_deployment("squaresflow")._repr_html_()


def test_a_flow_is_drawn_before_it_runs(plain: Path, tmp_path: Path) -> None:
    drawing = draw(plain)
    assert drawing._repr_svg_().startswith("<svg") and "PlainFlow" in drawing.svg
    drawing.save(tmp_path / "flow.svg")
    assert (tmp_path / "flow.svg").read_text() == drawing.svg
