"""Owners, tokens, versions and rollbacks of deployments on a real cluster, through both of its APIs."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster, command

from metaflow_hera import deploy
from metaflow_hera.deploy import DeployedFlow, deployed
from metaflow_hera.errors import NotDeployedError, ProductionTokenError
from metaflow_hera.labels import Annotations
from metaflow_hera.settings import Settings

FLOW = """
from metaflow_hera import FlowSpec, Parameter, current, get_namespace, schedule, step

{decorator}
class OnArgo(FlowSpec):
    alpha = Parameter("alpha", default={default})

    @step
    def start(self):
        self.told = ({told!r}, self.alpha, current.namespace, get_namespace())
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture(params=["kubernetes", "argo"])
def person(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Callable[[str], Settings]:
    """Of somebody with a home of their own."""
    server = os.environ.get("MFHERA_TEST_ARGO_SERVER", "")
    if request.param == "argo" and not server:
        pytest.skip("MFHERA_TEST_ARGO_SERVER names no Argo Server")
    place = command("kubectl", "config", "view", "--minify", "-o", "jsonpath={..namespace}") or "default"

    def settings(name: str) -> Settings:
        options = {"user": name, "token_home": str(tmp_path / name), "namespace": place, "argo_server": server}
        return Settings.load({"backend": request.param, **options})

    return settings


@pytest.fixture
def name(person: Callable[[str], Settings]) -> Iterator[str]:
    chosen = f"tokens-{uuid.uuid4().hex[:6]}"
    yield chosen
    try:
        found = deployed(chosen, person("ann"))
    except NotDeployedError:
        return
    for each in found.backend.runs(chosen):
        command("kubectl", "delete", "workflow", each.run.removeprefix("argo-"), "--wait=false")
    found.backend.delete(chosen)


def version(told: str, *, decorator: str = "", default: int = 1) -> Path:
    file = Path(os.environ["MFHERA_DATA_DIR"]).parent / "on_argo.py"
    file.write_text(FLOW.format(told=told, decorator=decorator, default=default))
    return file


def cron(name: str) -> dict[str, Any] | None:
    found = command("kubectl", "get", "cronworkflow", name, "-o", "json", "--ignore-not-found")
    return json.loads(found) if found else None


def test_a_version_is_rolled_back_to_with_its_schedule_and_whose_it_is_stays(
    person: Callable[[str], Settings], name: str
) -> None:
    scheduled = "@schedule(cron='7 3 * * ? *', timezone='Europe/Berlin')"
    first = deploy(version("one", decorator=scheduled, default=11), name=name, settings=person("ann"))
    second = deploy(version("two"), name=name, settings=person("ann"))
    assert cron(name) is None
    with pytest.raises(ProductionTokenError, match="belongs to ann, and you are bob"):
        deployed(name, person("bob")).rollback()
    back = deployed(name, person("bob")).rollback(authorize=second.production_token)
    found = cron(name)
    assert found is not None
    assert (found["spec"]["schedules"], found["spec"]["timezone"]) == (["7 3 * * *"], "Europe/Berlin")
    assert (back.version, back.deployer) == (first.version, "ann")
    assert [(each.version, each.deployer, each.is_live) for each in back.versions()] == [
        (first.version, "bob", True),
        (second.version, "ann", False),
    ]
    run = back.trigger().wait(timeout=300)
    tag = f"production:{back.production_namespace}"
    assert run.data.told == ("one", 11, tag, tag)
    assert {tag, "user:ann"} <= run.system_tags
    assert deployed(name, person("ann")).rollback().version == second.version
    assert cron(name) is None


def test_of_first_deployments_at_once_one_person_has_it_with_one_token(
    person: Callable[[str], Settings], name: str
) -> None:
    file = version("one")

    def deploy_as(who: str) -> DeployedFlow | None:
        try:
            return deploy(file, name=name, settings=person(who))
        except ProductionTokenError:
            return None

    with ThreadPoolExecutor(3) as pool:
        (made,) = filter(None, pool.map(deploy_as, ("ann", "bob", "eve")))
    known = deployed(name, person("ann")).plan.annotations
    assert known[Annotations.DEPLOYER] == made.deployer
    assert made.production_token
    objects = command("kubectl", "get", "workflowtemplate", name, "-o", "yaml")
    assert made.production_token not in objects
    made.delete()
    again = deploy(file, name=name, settings=person("ann"))
    assert again.production_token not in (None, made.production_token)


SLEEPING = Path(__file__).parent / "flows" / "sleeping.py"


def test_a_run_that_a_schedule_started_outlives_the_schedule_and_the_deployment(
    person: Callable[[str], Settings], name: str, argo: Callable[..., str]
) -> None:
    file = Path(os.environ["MFHERA_DATA_DIR"]).parent / "asleep.py"
    plain = SLEEPING.read_text()
    file.write_text(
        plain.replace("import FlowSpec", "import FlowSpec, schedule").replace("class", "@schedule()\nclass")
    )
    deploy(file, name=name, settings=person("ann"))
    fired = argo("submit", "--from", f"cronwf/{name}", "-o", "name").strip()
    workflow = json.loads(command("kubectl", "get", "workflow", fired, "-o", "json"))
    assert workflow["metadata"]["ownerReferences"][0]["kind"] == "CronWorkflow"

    file.write_text(plain)
    scheduled_no_more = deploy(file, name=name, settings=person("ann"))
    assert cron(name) is None
    scheduled_no_more.delete()

    time.sleep(5)  # in which what is owned by something that is gone would go, too
    assert "ownerReferences" not in json.loads(command("kubectl", "get", "workflow", fired, "-o", "json"))["metadata"]
    command("kubectl", "delete", "workflow", fired, "--wait=false")


def test_both_apis_of_a_cluster_know_the_same_versions(person: Callable[[str], Settings], name: str) -> None:
    server = os.environ.get("MFHERA_TEST_ARGO_SERVER", "")
    if not server:
        pytest.skip("MFHERA_TEST_ARGO_SERVER names no Argo Server")
    made = deploy(version("one"), name=name, settings=person("ann"))
    other = "argo" if made.backend.name == "kubernetes" else "kubernetes"
    elsewhere = replace(person("ann"), backend=other)
    again = deploy(version("two"), name=name, settings=elsewhere)
    assert again.production_token == made.production_token
    assert [each.version for each in deployed(name, elsewhere).versions()] == [again.version, made.version]
    assert deployed(name, person("ann")).rollback().version == made.version
