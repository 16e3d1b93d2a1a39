"""Versions of deployments: what is written down of them, and how one is put back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import deploy
from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy import DeployedFlow, deployed
from metaflow_hera.errors import BackendError, NotDeployedError, ProductionTokenError, UsageError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Schedule
from metaflow_hera.settings import Settings

FLOW = """
from metaflow_hera import FlowSpec, Parameter, current, get_namespace, schedule, step

{decorator}
class Versioned(FlowSpec):
    {parameter} = Parameter({parameter!r}, default={default})

    @step
    def start(self):
        import time
        time.sleep({sleep})
        self.told = ({told!r}, self.{parameter}, get_namespace())
        self.next(self.end)

    @step
    def end(self):
        pass
"""


pytestmark = pytest.mark.usefixtures("engine")


def version(told: str, *, decorator: str = "", parameter: str = "alpha", default: object = 1, sleep: float = 0) -> Path:
    """The flow's file in that version."""
    file = Path("versioned.py")
    file.write_text(FLOW.format(told=told, decorator=decorator, parameter=parameter, default=default, sleep=sleep))
    return file


def told(found: DeployedFlow, **parameters: object) -> Any:
    return found.trigger(**parameters).wait(timeout=60).data.told


def test_every_deployment_is_a_version_that_tells_when_by_whom_and_with_which_code() -> None:
    assert deploy(version("one")).versions()
    made = [deploy(version("two"), settings=Settings.load({"production_token": "unused"})), deploy(version("three"))]
    known = made[-1].versions()
    assert [each.is_live for each in known] == [True, False, False]
    assert [each.version for each in known[:2]] == [made[1].version, made[0].version]
    assert {each.deployer for each in known} == {"tester"}
    assert [each.deployed for each in known] == sorted((each.deployed for each in known), reverse=True)
    assert len({each.code for each in known}) == 3
    assert known[0].deployed == datetime.fromisoformat(deployed("versioned").plan.annotations[Annotations.DEPLOYED_AT])
    assert made[-1].versions(limit=2) == known[:2]


def test_rolling_back_restores_code_parameters_defaults_and_schedule() -> None:
    scheduled = "@schedule(cron='7 3 * * ? *', timezone='Europe/Berlin')"
    first = deploy(version("one", decorator=scheduled, default=11))
    second = deploy(version("two", parameter="beta", default=22))
    assert deployed("versioned").schedule is None
    back = second.rollback()
    assert (back.version, back.previous) == (first.version, second.version)
    assert back.schedule == Schedule(cron="7 3 * * *", timezone="Europe/Berlin") == deployed("versioned").schedule
    assert [(each.name, each.default) for each in back.parameters] == [("alpha", "11")]
    assert told(back)[:2] == ("one", 11)
    assert [(each.version, each.is_live) for each in back.versions()] == [
        (first.version, True),
        (second.version, False),
    ]
    forth = back.rollback()
    assert forth.version == second.version
    assert forth.schedule is None
    assert told(forth, beta=5)[:2] == ("two", 5)


def test_a_version_is_chosen_by_its_name_and_the_one_that_is_live_stays() -> None:
    first, second, third = (deploy(version(text)) for text in ("one", "two", "three"))
    assert told(third.rollback(first.version))[0] == "one"
    before = deployed("versioned").plan
    assert deployed("versioned").rollback(first.version).version == first.version
    assert deployed("versioned").plan == before
    assert deployed("versioned").rollback(second.version).version == second.version


def test_a_run_in_flight_keeps_the_version_that_it_began_with() -> None:
    deploy(version("one"))
    second = deploy(version("two", sleep=2))
    run = second.trigger()
    assert told(second.rollback())[0] == "one"
    assert run.wait(timeout=60).data.told[0] == "two"


def test_a_version_that_never_was_is_refused_with_those_that_were() -> None:
    first, second = deploy(version("one")), deploy(version("two"))
    with pytest.raises(UsageError) as raised:
        second.rollback("0123456789")
    assert "never had a version '0123456789'" in str(raised.value)
    assert first.version in str(raised.value)
    assert second.version in str(raised.value)
    assert deployed("versioned").version == second.version


def test_there_is_nothing_before_the_first_version() -> None:
    first = deploy(version("one"))
    deploy(version("one"))
    with pytest.raises(BackendError, match=f"no version before {first.version}"):
        first.rollback()
    first.delete()
    with pytest.raises(NotDeployedError):
        first.rollback()


def test_a_version_without_its_code_is_refused() -> None:
    first, second = deploy(version("one")), deploy(version("two"))
    key = first.plan.annotations[Annotations.CODE]
    (Path(Settings.load().datastore) / key).unlink()
    with pytest.raises(BackendError, match=f"its code package {key} is not in"):
        second.rollback()
    assert deployed("versioned").version == second.version


def test_whose_a_deployment_is_stays_and_its_namespace_too() -> None:
    ann = Settings.load({"user": "ann"})
    first = deploy(version("one"), settings=ann)
    second = deploy(version("two"), settings=ann, generate_new_token=True)
    assert second.production_namespace != first.production_namespace
    bob = Settings.load({"user": "bob", "token_home": "elsewhere"})
    with pytest.raises(ProductionTokenError, match="rolling it back takes its production token"):
        deployed("versioned", bob).rollback()
    back = deployed("versioned", bob).rollback(authorize=second.production_token)
    assert (back.deployer, back.versions()[0].deployer) == ("ann", "bob")
    assert deployed("versioned", ann).production_token == second.production_token
    run = back.trigger().wait(timeout=60)
    tag = f"production:{second.production_namespace}"
    assert run.data.told == ("one", 1, tag)
    assert tag in run.system_tags
    assert f"production:{first.production_namespace}" not in run.system_tags
    assert first.production_namespace not in repr(open_backend(ann).deployment("versioned").plan)


def records() -> list[Path]:
    return sorted(Path(Settings.load().datastore).glob("deployments/*/versions/versioned/*.json"))


def test_a_death_before_the_version_was_written_down_loses_nothing() -> None:
    first = deploy(version("one"))
    (written,) = records()
    written.unlink()
    second = deploy(version("two"))
    assert [each.version for each in second.versions()] == [second.version, first.version]
    assert second.rollback().version == first.version


def test_a_version_written_by_hand_or_half_is_passed_over_and_a_newer_one_says_so() -> None:
    first, second = deploy(version("one")), deploy(version("two"))
    newest, oldest = records()
    newest.with_name("00000000000001-broken.json").write_bytes(b'{"v":1,"deplo')
    assert [each.version for each in second.versions()] == [second.version, first.version]
    record = json.loads(oldest.read_text())
    documents = json.loads(record["manifests"])
    documents[0]["spec"]["somethingNew"] = True
    oldest.write_text(json.dumps({**record, "manifests": json.dumps(documents)}))
    with pytest.raises(BackendError, match=f"version {first.version} of versioned cannot be read.*somethingNew"):
        second.rollback()
    assert deployed("versioned").version == second.version


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (Annotations.DEPLOYED_AT, "yesterday"),
        (Annotations.DEPLOYED_AT, ""),
        (Annotations.VERSION, "../../../run"),
        (Annotations.VERSION, ""),
    ],
)
def test_what_somebody_wrote_into_annotations_is_no_version(name: str, text: str) -> None:
    first = deploy(version("one"))
    first.backend.deploy(replace(first.plan, annotations={**first.plan.annotations, name: text}))
    second = deploy(version("two"))
    known = second.versions()
    assert (known[0].version, known[0].is_live) == (second.version, True)
    assert {each.version for each in known} == {first.version, second.version}
    assert second.rollback().version == first.version


def test_a_record_is_the_manifests_as_they_were_deployed() -> None:
    made = deploy(version("one"))
    (file,) = records()
    record = json.loads(file.read_text())
    assert json.loads(record["manifests"]) == manifests(made.plan)
    assert replace(from_manifests(json.loads(record["manifests"]))) == made.plan


def test_a_version_is_listed_once_however_often_it_was_deployed() -> None:
    for text in ("one", "one", "two", "one", "two"):
        made = deploy(version(text))
    assert len(records()) == 5
    live, other = made.versions()
    assert (live.version, live.is_live, other.is_live) == (made.version, True, False)
    assert live.deployed == made.deployed_at > other.deployed
    assert made.versions(limit=1) == [live]
    assert deployed("versioned").deployed_at == live.deployed


def test_what_another_tool_put_there_is_the_live_version() -> None:
    first, second = deploy(version("one")), deploy(version("two"))

    def applied(name: str) -> list[tuple[str, bool]]:
        """As of manifests that were compiled for a GitOps tool: nobody wrote down when."""
        annotations = {**second.plan.annotations, Annotations.VERSION: name}
        del annotations[Annotations.DEPLOYED_AT]
        second.backend.deploy(replace(second.plan, annotations=annotations))
        return [(each.version, each.is_live) for each in second.versions()]

    assert applied("0123456789") == [("0123456789", True), (second.version, False), (first.version, False)]
    assert applied(first.version) == [(first.version, True), (second.version, False)]
    assert len(records()) == 2, "looking writes nothing"


def test_deployments_and_rollbacks_at_once_end_with_one_of_the_versions_whole() -> None:
    plans = {(made := deploy(version(text))).version: made.plan for text in ("one", "two", "three")}
    wanted = list(plans)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: deployed("versioned").rollback(name), wanted * 2))
    live = deployed("versioned")
    assert live.plan.templates == plans[live.version].templates
    assert [each.version for each in live.versions() if each.is_live] == [live.version]
