"""Flows before they run, deployments and their runs, as notebooks show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_hera.client.html import headline, page, table, trouble
from metaflow_hera.deploy.runs import client_run
from metaflow_hera.deploy.source import FlowLike, check_flow
from metaflow_hera.deploy.starting import told
from metaflow_hera.drawing import to_svg
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.records import runs as run_records
from metaflow_hera.store import open_store

if TYPE_CHECKING:
    from metaflow_hera.deploy.deployed_flows import DeployedFlow
    from metaflow_hera.deploy.triggered import TriggeredRun


@dataclass(frozen=True)
class Drawing:
    """A picture that a notebook shows."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, file: str | Path) -> None:
        Path(file).write_text(self.svg, encoding="utf-8")


def draw(flow: FlowLike, *, with_: Sequence[str] = ()) -> Drawing:
    """The graph of a flow: of a class, or of a file; `FlowError` if it is not in order."""
    return Drawing(to_svg(check_flow(flow, with_=with_).graph))


def deployment_html(deployed: DeployedFlow) -> str:
    about = f"{deployed.flow_name}, version {deployed.version}, on the {deployed.backend.name} backend"
    rows = [(each.name, _default(each), each.help) for each in deployed.parameters]
    starts = [f"{deployed.schedule.cron} ({deployed.schedule.timezone})"] if deployed.schedule else []
    starts += [told(deployed.triggers)] if deployed.triggers else []
    facts = [
        ("deployed", f"{deployed.deployed_at.astimezone():%Y-%m-%d %H:%M:%S}" + _by(deployed.deployer)),
        ("runs by itself", "; ".join(starts) or "never"),
    ]
    parts = (
        table("Deployment", ("", ""), facts),
        table("Parameters", ("parameter", "default", "meaning"), rows) if rows else "",
    )
    graph = deployed.graph or _graph_of_a_run(deployed)
    return page(headline(deployed.name, "", about), *parts, picture=to_svg(graph) if graph else "")


def triggered_html(triggered: TriggeredRun) -> str:
    """Its run, as the Client shows it; before its first task, what the backend knows."""
    run = client_run(triggered.flow, triggered.run_id, triggered.settings)
    if run is not None:
        return run._repr_html_()
    details = triggered.details
    return page(headline(triggered.pathspec, details.phase.value, "no task has begun"), trouble(details.message))


def _default(parameter: Parameter) -> str:
    return "(required)" if parameter.required else parameter.to_text(parameter.value_of(parameter.default))


def _by(deployer: str) -> str:
    return f" by {deployer}" if deployer else ""


def _graph_of_a_run(deployed: DeployedFlow) -> Graph | None:
    """A deployment that is found by its name has no graph; its newest run has."""
    store = open_store(deployed.settings.datastore, deployed.settings)
    newest = next(deployed.backend.runs(deployed.name), None)
    record = newest and run_records.read(store, newest.flow, newest.run)
    return from_json(record.graph) if record and record.graph else None
