"""Every example: its committed manifest, and what its run leaves, here and on the embedded engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from goldens import ALL, EXAMPLES, Example, manifest_of

from metaflow_hera import Flow, Run, compat, deploy, run
from metaflow_hera.argo.yaml_text import load
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.errors import NotFoundError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.integrations import ArgoEvent
from metaflow_hera.settings import Settings


@pytest.fixture(autouse=True)
def peer_name() -> Iterator[None]:
    """The seed's flows import from `metaflow`; the engine that a test started ends with it."""
    compat.install()
    yield
    stop_engine(Settings.load())


def run_locally(flow: Path, **parameters: object) -> Run:
    return run(flow, **parameters)


def run_deployed(flow: Path, **parameters: object) -> Run:
    return deploy(flow).trigger(**parameters).wait(timeout=120)


EVERYWHERE = pytest.mark.parametrize("run_flow", [run_locally, run_deployed])


@pytest.mark.parametrize("example", ALL, ids=lambda example: example.flow.stem)
def test_an_example_has_the_manifest_that_is_committed_with_it(example: Example, tmp_path: Path) -> None:
    assert load(manifest_of(example, tmp_path)) == load(example.manifest.read_text()), "nox -s golden writes it anew"


@EVERYWHERE
def test_the_parameter_of_the_seed_arrives(run_flow: Any) -> None:
    finished = run_flow(EXAMPLES / "seed/parameter_flow.py", alpha=0.5)
    assert finished.successful
    assert finished.data.alpha == 0.5
    assert finished["start"].task.stdout == "alpha is 0.500000\n"
    assert finished["end"].task.stdout == "alpha is still 0.500000\n"


@EVERYWHERE
def test_the_deployment_info_of_the_seed_is_who_and_when(run_flow: Any) -> None:
    finished = run_flow(EXAMPLES / "seed/deployment_info_flow.py")
    info: Mapping[str, str] = finished.data.info
    assert info["who"] == "tester"
    assert finished["start"].task.stdout == f"This flow was deployed at {info['when']} by tester\n"


def test_the_deployment_info_of_the_seed_stays_that_of_the_deployment() -> None:
    deployed = deploy(EXAMPLES / "seed/deployment_info_flow.py")
    first, second = (deployed.trigger().wait(timeout=120) for _ in range(2))
    given = deployed.trigger(deployment_info={"who": "me", "when": "now"}).wait(timeout=120)
    assert first.data.info == second.data.info
    assert given["start"].task.stdout == "This flow was deployed at now by me\n"


@EVERYWHERE
def test_the_hourly_flow_of_the_seed_runs_when_it_is_asked_to(run_flow: Any) -> None:
    finished = run_flow(EXAMPLES / "seed/hourly_flow.py")
    assert finished["start"].task.stdout.startswith("time is 20")


def test_the_hourly_flow_of_the_seed_is_deployed_with_its_schedule() -> None:
    schedule = deploy(EXAMPLES / "seed/hourly_flow.py").schedule
    assert schedule is not None
    assert (schedule.cron, schedule.timezone) == ("0 * * * *", "UTC")


@EVERYWHERE
def test_training_keeps_the_best_of_its_models(run_flow: Any) -> None:
    finished = run_flow(EXAMPLES / "training/training_flow.py", epochs=3)
    data = finished.data
    assert list(data.scores) == [0.0003, 0.003, 0.03, 0.3]
    assert data.scores[data.rate] == max(data.scores.values())
    assert data.accuracy > 0.9
    assert {task.index for task in finished["train"]} == {0, 1, 2, 3}
    assert len(data.test) == 38


@EVERYWHERE
def test_reliability_goes_on_after_every_kind_of_failure(run_flow: Any) -> None:
    finished = run_flow(EXAMPLES / "reliability/reliability_flow.py")
    assert finished.data.answers == {"flaky": "answered at attempt 1", "hanging": "incomplete"}
    assert finished.data.failures["hanging"].endswith("TimeoutException")
    assert "no number" in finished.data.failures["broken"]


def test_the_event_driven_pair_runs_one_after_the_other_when_the_event_comes() -> None:
    for name in ("orders", "report"):
        deploy(EXAMPLES / f"events/{name}_flow.py")
    ArgoEvent("orders_arrived", payload={"day": "2030-02-03", "orders": {"cy": 30, "dan": 12}}).publish()
    report = the_run_of("ReportFlow")
    orders = report.trigger.run
    assert orders.trigger.event.name == "orders_arrived"
    assert (report.data.of, report.data.day, report.data.total) == (orders.pathspec, "2030-02-03", 42)


def test_the_event_driven_flows_run_when_they_are_asked_to_as_well() -> None:
    run_locally(EXAMPLES / "events/orders_flow.py")
    report = run_locally(EXAMPLES / "events/report_flow.py")
    assert (report.trigger, report.data.day, report.data.total) == (None, "2030-01-01", 12)


def the_run_of(flow: str) -> Any:
    """The first run of a flow, when it has ended."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            found = Flow(flow).latest_run
        except NotFoundError:
            found = None
        if found is not None and found.finished_at is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no run of {flow} has ended")


def test_every_flow_of_the_examples_has_a_manifest_and_a_readme() -> None:
    flows = {file for file in EXAMPLES.glob("*/*_flow.py")}
    assert {example.flow for example in ALL} == flows
    assert all((file.parent / "README.md").is_file() for file in flows)
    assert all(load_flow(file) for file in flows)
