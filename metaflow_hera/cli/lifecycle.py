"""Options of the life of a deployment's runs."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.options import options
from metaflow_hera.deploy.lifecycle import HOW_TO_HIDE, POD_GC, Lifecycle, LifecycleOptions
from metaflow_hera.settings import variable

_SECRETS = {
    "--notify-slack-webhook-url": "slack_webhook_url",
    "--notify-pager-duty-integration-key": "pager_duty_integration_key",
    "--notify-incident-io-api-key": "incident_io_api_key",
}
"""Options of the peer whose values are secrets, and the setting for each."""

_SECONDS = click.IntRange(min=0)


def _refuse_secret(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        name = option.opts[0]
        known_as = variable(_SECRETS[name])
        raise click.UsageError(
            f"{name}: its value is a secret, which would be seen in the list of processes and in the manifest; keep it "
            f"in a Kubernetes Secret: {HOW_TO_HIDE.format(known_as)}; for the embedded engine set {known_as}",
            ctx,
        )


def _pairs(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    if wrong := [value for value in values if not value.partition("=")[1] or value.startswith("=")]:
        raise click.BadParameter(f"{wrong[0]!r} must be KEY=VALUE", ctx, option)
    return dict(value.split("=", 1) for value in values)


_life_options = options(
    click.option(
        "--workflow-timeout", type=click.IntRange(min=1), metavar="SECONDS", help="How long a whole run may take."
    ),
    click.option(
        "--workflow-priority", type=int, metavar="N", help="Where runs wait for each other, the highest goes first."
    ),
    click.option("--ttl", type=_SECONDS, metavar="SECONDS", help="Delete the Workflow of a run so long after its end."),
    click.option("--ttl-after-success", type=_SECONDS, metavar="SECONDS", help="The same after success."),
    click.option("--ttl-after-failure", type=_SECONDS, metavar="SECONDS", help="The same after anything else."),
    click.option("--pod-gc", type=click.Choice(POD_GC), help="When ended pods are deleted."),
    click.option("--workflow-title", metavar="TEXT", help="The title in Argo, instead of the flow's name."),
    click.option("--workflow-description", metavar="TEXT", help="What Argo shows, instead of the flow's docstring."),
)
_notify_options = options(
    click.option("--notify-on-error/--no-notify-on-error", default=False, help="Tell people of runs that failed."),
    click.option(
        "--notify-on-success/--no-notify-on-success", default=False, help="Tell people of runs that succeeded."
    ),
    click.option("--notify-secret", metavar="NAME", help="The Kubernetes Secret that says whom to tell, and how."),
    *(click.option(name, hidden=True, expose_value=False, callback=_refuse_secret) for name in _SECRETS),
    click.option("--incident-io-alert-source-config-id", metavar="ID", help="The alert source of incident.io."),
    click.option(
        "--incident-io-metadata", multiple=True, metavar="K=V", callback=_pairs, help="For incident.io; repeatable."
    ),
)
lifecycle_options = options(_life_options, _notify_options)


def taken_lifecycle(chosen: dict[str, Any]) -> Lifecycle:
    """What was chosen of the `lifecycle_options`, which are taken out of *chosen*."""
    return Lifecycle(**{name: chosen.pop(name) for name in LifecycleOptions.__annotations__})
