"""Runs on a backend of a flow that is not deployed there, or not in this version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import Compiled, compile_flow, describe_package
from metaflow_hera.deploy.deployed_flows import given_arguments
from metaflow_hera.deploy.deployment import refuse_unreachable_store, tell_not_honoured
from metaflow_hera.deploy.local import trigger_texts_of
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.plan.one_off import one_off
from metaflow_hera.settings import Settings


def submit_checked(
    flow: CheckedFlow,
    parameters: Mapping[str, str],
    choices: Choices,
    settings: Settings,
    tell: Tell = silent,
    *,
    triggers: Sequence[str] = (),
) -> TriggeredRun:
    """Start a run of a flow as it is now, whatever is deployed; *parameters* as a person would type them."""
    compiled = compiled_for_a_run(flow, choices, settings, tell)
    causes = trigger_texts_of(triggers, flow, compiled.store)
    plan = one_off(compiled.plan, deployment="", triggers=causes)
    arguments = given_arguments(plan, parameters)
    upload(compiled, settings, tell)
    arguments.upload(compiled.store)
    backend = open_backend(settings)
    run = backend.submit(plan, arguments.texts)
    return TriggeredRun(run_id=run, name="", flow=flow.name, backend=backend, settings=settings)


def compiled_for_a_run(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell) -> Compiled:
    """Checked as for a deployment, but for what starts runs by itself; nothing is written."""
    tell(f"{flow.name}: {len(flow.graph.order)} steps checked")
    compiled = compile_flow(flow, replace(choices, starts_by_itself=False, publishes=False), settings)
    refuse_unreachable_store(compiled, settings)
    return compiled


def upload(compiled: Compiled, settings: Settings, tell: Tell) -> None:
    """Put the code where the backend's tasks find it."""
    compiled.upload()
    tell(describe_package(compiled))
    tell_not_honoured(compiled.plan, settings, tell)


def on_backend(settings: Settings, backend: str) -> Settings:
    """The same settings with another backend; `SettingsError` for one that there is not."""
    return replace(settings, backend=Settings.load({"backend": backend}).backend)
