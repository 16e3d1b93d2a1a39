"""Options of the peer that need nothing done here: taken, so that a command line that was written for it works."""

from __future__ import annotations

import click

from metaflow_hera.cli.options import options

_ELSEWHERE = {
    "conda": "conda's environments are not made here",
    "pypi": "environments of packages are not made here",
    "fast-bakery": "images are not made here",
}


def _environment(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    if value in _ELSEWHERE:
        raise click.UsageError(
            f"--environment {value}: {_ELSEWHERE[value]}; install what the steps need where they run, or name an "
            "image that has it with @kubernetes(image=…)",
            ctx,
        )


def _namespace(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        from metaflow_hera.client import namespace  # most runs never choose one

        namespace(value or None)


top_options = options(
    click.option(
        "--metadata",
        type=click.Choice(["local", "service"]),
        hidden=True,
        expose_value=False,
        help="Runs are known by the datastore.",
    ),
    click.option(
        "--environment",
        type=click.Choice(["local", "uv", *_ELSEWHERE]),
        hidden=True,
        expose_value=False,
        callback=_environment,
        help="Steps run in the Python that is there.",
    ),
    click.option("--force-rebuild-environments/--no-force-rebuild-environments", hidden=True, expose_value=False),
    click.option("--pylint/--no-pylint", hidden=True, expose_value=False, help="The check has rules of its own."),
    click.option("--event-logger", hidden=True, expose_value=False, help="Nothing is sent anywhere."),
    click.option("--monitor", hidden=True, expose_value=False, help="Nothing is sent anywhere."),
)
"""Before a command."""

log_size_option = click.option(
    "--max-log-size", type=click.IntRange(min=0), hidden=True, expose_value=False, help="All that is printed is kept."
)
run_options = options(
    log_size_option,
    click.option(
        "--namespace",
        metavar="TAG",
        expose_value=False,
        callback=_namespace,
        help="What steps see of other runs: those with this tag, and not yours.",
    ),
)
"""Of a run on this machine."""

create_options = options(
    click.option(
        "--enable-heartbeat-daemon/--no-enable-heartbeat-daemon",
        hidden=True,
        expose_value=False,
        help="Tasks say themselves that they run: there is no service to tell.",
    ),
    click.option(
        "--enable-error-msg-capture/--no-enable-error-msg-capture",
        hidden=True,
        expose_value=False,
        help="A run's record always has its first failure.",
    ),
)
"""Of a deployment."""
