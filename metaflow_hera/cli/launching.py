"""Options of what a flow is launched with, as far as that changes the flow itself."""

from __future__ import annotations

from typing import Any

import click

from metaflow_hera.cli.options import options
from metaflow_hera.deploy.launching import LaunchOptions

branch_option = click.option("--branch", metavar="NAME", help="The branch of its project that a flow runs in.")
production_option = click.option("--production", is_flag=True, help="Run a flow of a project in production.")
config_option = click.option(
    "--config",
    "config",
    nargs=2,
    multiple=True,
    metavar="NAME FILE",
    help="Read a config of the flow from this file; repeatable.",
)
config_value_option = click.option(
    "--config-value",
    "config_value",
    nargs=2,
    multiple=True,
    metavar="NAME JSON",
    help="Give a config of the flow this value; repeatable.",
)
branch_options = options(branch_option, production_option)
launch_options = options(config_option, config_value_option, branch_options)
trigger_option = click.option(
    "--trigger",
    "triggers",
    multiple=True,
    metavar="FLOW/RUN",
    help="Run as if triggered by the end of this run; repeatable.",
)


def branch_words(launch: LaunchOptions) -> str:
    """The `branch_options` as they were given."""
    return (f" --branch {launch.branch}" if launch.branch else "") + (" --production" if launch.production else "")


def taken_launch(chosen: dict[str, Any]) -> LaunchOptions:
    """What was chosen of the `launch_options`, which are taken out of *chosen*."""
    return LaunchOptions(
        config=chosen.pop("config", ()),
        config_value=chosen.pop("config_value", ()),
        branch=chosen.pop("branch"),
        production=chosen.pop("production"),
    )
