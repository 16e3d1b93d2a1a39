"""Schedules, with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from engine_plans import chain, container, plan

from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.schedules import missed_firing, next_firing
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.timetable import Timetable
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import BackendError, ManifestError
from metaflow_hera.plan.records import STARTING_DEADLINE, Concurrency, Parameter, Plan, Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def at(*when: int, zone: ZoneInfo = BERLIN) -> float:
    year, month, day, hour, minute = when
    return datetime(year, month, day, hour, minute, tzinfo=zone).timestamp()


def test_a_schedule_fires_in_its_own_time_zone() -> None:
    schedule = Schedule(cron="0 10 * * *", timezone="Europe/Berlin")
    assert next_firing(schedule, at(2026, 7, 1, 9, 59)) == at(2026, 7, 1, 10, 0)
    assert next_firing(schedule, at(2026, 7, 1, 10, 0)) == at(2026, 7, 2, 10, 0)


def test_clocks_that_change_do_not_move_a_schedule() -> None:
    schedule = Schedule(cron="0 10 * * *", timezone="Europe/Berlin")
    assert next_firing(schedule, at(2026, 3, 28, 10, 0)) == at(2026, 3, 29, 10, 0)
    assert at(2026, 3, 29, 10, 0) - at(2026, 3, 28, 10, 0) == 23 * 3600


def test_only_the_last_of_many_missed_firings_is_made_up_for() -> None:
    every_minute = Schedule(cron="* * * * *")
    assert missed_firing(every_minute, 0.0, 1_000_000_059.0, 3540) == 1_000_000_020.0


def test_what_was_missed_too_long_ago_is_let_go() -> None:
    daily = Schedule(cron="0 0 * * *")
    assert missed_firing(daily, 0.0, 86_400.0 + 3540, 3540) == 86_400.0
    assert missed_firing(daily, 0.0, 86_400.0 + 3541, 3540) is None


def test_what_was_fired_is_not_fired_again() -> None:
    hourly = Schedule(cron="0 * * * *")
    assert missed_firing(hourly, 7200.0, 7260.0, 3540) is None


@pytest.mark.parametrize(
    "schedule", [Schedule(cron="nonsense"), Schedule(cron="61 * * * *"), Schedule(cron="* * * * *", timezone="Mars")]
)
def test_a_schedule_that_cannot_be_is_refused(schedule: Schedule) -> None:
    with pytest.raises(BackendError, match=r"Mars|is no schedule"):
        next_firing(schedule, 0.0)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[TriggeringState]:
    with closing(TriggeringState.open(tmp_path / "state.sqlite3")) as opened:
        yield opened


def scheduled(cron: str) -> Plan:
    made = plan(chain("a"), container("x"), parameters=(Parameter(name="alpha", value="0.5"),))
    return replace(made, schedule=Schedule(cron=cron))


def fired(state: TriggeringState) -> list[str]:
    return [run.workflow for run in state.runs()][::-1]


def test_a_deployment_fires_each_time_once_with_its_defaults(state: TriggeringState) -> None:
    plans = {"v1": scheduled("*/10 * * * *")}
    state.deploy("wf", "v1", 0.0)
    timetable = Timetable(state, plans.__getitem__)
    assert timetable.fire(30.0) == 600.0
    assert fired(state) == []
    assert timetable.fire(600.0) == 1200.0
    assert timetable.fire(601.0) == 1200.0
    assert fired(state) == ["wf-600"]
    [run] = state.unfinished()
    assert (run.parameters, run.manifest, run.deployment) == ({"alpha": "0.5"}, "v1", "wf")


def test_an_engine_that_was_away_makes_up_for_one_firing(state: TriggeringState) -> None:
    plans = {"v1": scheduled("*/10 * * * *")}
    state.deploy("wf", "v1", 0.0)
    Timetable(state, plans.__getitem__).fire(600.0)
    Timetable(state, plans.__getitem__).fire(6001.0)
    assert fired(state) == ["wf-600", "wf-6000"]
    Timetable(state, plans.__getitem__).fire(6600.0 + STARTING_DEADLINE - 1)
    assert fired(state)[2:] == ["wf-9600"]


def test_a_new_version_has_its_own_schedule_from_when_it_was_deployed(state: TriggeringState) -> None:
    plans = {"v1": scheduled("*/10 * * * *"), "v2": scheduled("5 * * * *"), "v3": replace(scheduled(""), schedule=None)}
    timetable = Timetable(state, plans.__getitem__)
    state.deploy("wf", "v1", 0.0)
    timetable.fire(1.0)
    state.deploy("wf", "v2", 590.0)
    assert timetable.fire(601.0) == 3900.0
    assert fired(state) == []
    assert not timetable.is_empty
    state.deploy("wf", "v3", 700.0)
    assert timetable.fire(4000.0) is None
    assert timetable.is_empty
    state.delete("wf")
    assert timetable.fire(8000.0) is None
    assert fired(state) == []


def test_what_is_deployed_again_after_a_deletion_has_its_own_schedule(state: TriggeringState) -> None:
    plans = {"v1": scheduled("*/10 * * * *"), "v2": scheduled("5 * * * *")}
    timetable = Timetable(state, plans.__getitem__)
    state.deploy("wf", "v1", 0.0)
    timetable.fire(1.0)
    state.delete("wf")
    state.deploy("wf", "v2", 2.0)
    assert timetable.fire(601.0) == 3900.0
    assert fired(state) == ["wf-300"]


def test_a_deployment_that_cannot_be_read_does_not_keep_others_from_their_schedules(
    state: TriggeringState, caplog: pytest.LogCaptureFixture
) -> None:
    lost = replace(scheduled("0 * * * *"), schedule=Schedule(cron="0 * * * *", timezone="Atlantis/Capital"))

    def read(manifest: str) -> Plan:
        if manifest == "newer":
            raise ManifestError("'sidecars' is not in our subset of Argo")
        return {"lost": lost, "v1": scheduled("*/10 * * * *")}[manifest]

    for name in ("newer", "lost", "v1"):
        state.deploy(name, name, 0.0)
    timetable = Timetable(state, read)
    assert [timetable.fire(now) for now in (600.0, 601.0)] == [1200.0, 1200.0]
    assert fired(state) == ["v1-600"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, "once for each"
    assert "newer is not run by its schedule: 'sidecars'" in told[1]
    assert "Atlantis" in told[0]


def concurrent(policy: Concurrency, **options: int) -> Plan:
    made = scheduled("*/10 * * * *")
    assert made.schedule is not None
    return replace(made, schedule=replace(made.schedule, concurrency=policy, **options))


def end(state: TriggeringState, workflow: str) -> None:
    run = state.run(workflow)
    assert run is not None
    state.end_run(run.number, Phase.SUCCEEDED, "", 0.0)


@pytest.mark.parametrize(
    ("policy", "started", "terminated"),
    [
        (Concurrency.ALLOW, ["wf-600", "wf-1200"], []),
        (Concurrency.FORBID, ["wf-600"], []),
        (Concurrency.REPLACE, ["wf-600", "wf-1200"], ["wf-600"]),
    ],
)
def test_the_policy_says_what_becomes_of_a_firing_while_the_run_before_goes_on(
    state: TriggeringState, policy: Concurrency, started: list[str], terminated: list[str]
) -> None:
    state.deploy("wf", "v1", 0.0)
    timetable = Timetable(state, {"v1": concurrent(policy)}.__getitem__)
    for now in (600.0, 1200.0, 1201.0):
        timetable.fire(now)
    assert fired(state) == started
    ending = state.controls()
    assert [run.workflow for run in state.unfinished() if run.number in ending] == terminated


def test_a_firing_that_was_let_go_is_not_made_up_for_when_the_run_before_has_ended(state: TriggeringState) -> None:
    state.deploy("wf", "v1", 0.0)
    timetable = Timetable(state, {"v1": concurrent(Concurrency.FORBID)}.__getitem__)
    for now in (600.0, 1200.0):
        timetable.fire(now)
    end(state, "wf-600")
    timetable.fire(1201.0)
    assert fired(state) == ["wf-600"]
    timetable.fire(1800.0)
    assert fired(state) == ["wf-600", "wf-1800"]


def test_runs_that_a_person_started_do_not_count(state: TriggeringState) -> None:
    plans = {"v1": concurrent(Concurrency.REPLACE)}
    state.deploy("wf", "v1", 0.0)
    state.add_run(StoredRun(workflow="wf-26492", deployment="wf", flow="F", manifest="v1", created=1.0))
    Timetable(state, plans.__getitem__).fire(600.0)
    assert state.controls() == {}
    assert fired(state) == ["wf-26492", "wf-600"]


def test_the_starting_deadline_is_that_of_the_schedule(state: TriggeringState) -> None:
    state.deploy("wf", "v1", 0.0)
    plans = {"v1": concurrent(Concurrency.ALLOW, starting_deadline=120)}
    Timetable(state, plans.__getitem__).fire(721.0)
    assert fired(state) == []
    Timetable(state, plans.__getitem__).fire(1320.0)
    assert fired(state) == ["wf-1200"]
