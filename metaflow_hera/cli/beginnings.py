"""What starts runs of a deployment by itself, for people and for programs."""

from __future__ import annotations

import click

from metaflow_hera.deploy.deployed_flows import DeployedFlow
from metaflow_hera.deploy.starting import told
from metaflow_hera.plan.records import Concurrency, Plan, Schedule, Triggers


def print_beginnings(deployed: DeployedFlow) -> None:
    """What starts runs by itself, and what does not any more."""
    schedule, triggers = deployed.schedule, deployed.triggers
    if schedule:
        click.echo(f"  it runs by itself at {told_schedule(schedule)}{_CONCURRENCY[schedule.concurrency]}")
    if triggers:
        click.echo(f"  it runs by itself {told(triggers)}")
    if not (schedule or triggers):
        click.echo("  nothing triggers it by itself")
    if deployed.previous_schedule and not schedule:
        click.echo(f"  its schedule was removed: it ran by itself at {told_schedule(deployed.previous_schedule)}")
    if deployed.previous_triggers and not triggers:
        click.echo(f"  its triggers were removed: it ran by itself {told(deployed.previous_triggers)}")


_CONCURRENCY = {
    Concurrency.ALLOW: "",
    Concurrency.FORBID: ", unless the run before has not ended",
    Concurrency.REPLACE: ", in place of a run before that has not ended",
}


def told_schedule(schedule: Schedule) -> str:
    """When a deployment runs by itself, in a few words."""
    return f"{schedule.cron} ({schedule.timezone})"


def _schedule_facts(schedule: Schedule) -> dict[str, object]:
    return {"cron": schedule.cron, "timezone": schedule.timezone, "concurrency_policy": schedule.concurrency.value}


def _trigger_facts(triggers: Triggers) -> list[dict[str, object]]:
    return [
        {
            "event": each.name,
            "parameters": dict(each.parameters),
            "flow": each.flow or None,
            "project": each.project or None,
            "branch": each.branch or None,
        }
        for each in triggers.events
    ]


def beginnings_facts(plan: Plan) -> dict[str, object]:
    """As JSON."""
    return {
        "schedule": _schedule_facts(plan.schedule) if plan.schedule else None,
        "triggers": _trigger_facts(plan.triggers) if plan.triggers else [],
    }


def starts(plan: Plan) -> str:
    """What starts runs by itself, for a cell of a table."""
    found = [told_schedule(plan.schedule)] if plan.schedule else []
    return ", ".join([*found, *(each.name for each in plan.triggers.events)] if plan.triggers else found)
