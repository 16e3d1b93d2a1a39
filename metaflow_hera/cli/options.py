"""Options that several commands have, and what they mean to the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

from metaflow_hera.default_settings import DEPLOYED_WORKERS, LOCAL_WORKERS
from metaflow_hera.settings import BACKENDS, Settings

F = TypeVar("F", bound=Callable[..., Any])

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Check everything, where it would be deployed, too, and write nothing."
)
with_option = click.option(
    "--with",
    "with_",
    multiple=True,
    metavar="NAME[:K=V,…]",
    help="Add a decorator to every step that does not have it, such as retry or retry:times=4; repeatable.",
)
tag_option = click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag the runs; repeatable.")
flow_option = click.option("--flow", "flow_name", metavar="NAME", help="The flow's class, where a file has several.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
name_option = click.option("--name", metavar="NAME", help="The name in Argo, instead of one made of the class's name.")
run_id_file_option = click.option(
    "--run-id-file", type=click.Path(dir_okay=False), metavar="FILE", help="Write the id of the run to this file."
)
datastore_option = click.option("--datastore", metavar="PLACE", help="A directory or s3://bucket/prefix.")
backend_option = click.option("--backend", type=click.Choice(BACKENDS), help="Where deployed flows run.")

backend_of_run_option = click.option(
    "--backend", type=click.Choice(BACKENDS), help="Run there, once, instead of on this machine."
)


def options(*each: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order of the help."""
    return lambda function: reduce(lambda decorated, option: option(decorated), reversed(each), function)


place_options = options(datastore_option, backend_option)


def settings_of(datastore: str | None = None, backend: str | None = None, **others: str | None) -> Settings:
    """The settings with what was given on the command line."""
    return Settings.load({"datastore": datastore, "backend": backend, **others})


max_workers_option = click.option(
    "--max-workers",
    type=click.IntRange(min=1),
    default=DEPLOYED_WORKERS,
    show_default=True,
    help="How many tasks of each foreach may run at once.",
)
workers_option = click.option(
    "--max-workers",
    type=click.IntRange(min=1),
    default=LOCAL_WORKERS,
    show_default=True,
    help="How many tasks may run at once.",
)
splits_option = click.option(
    "--max-num-splits", type=click.IntRange(min=1), metavar="N", help="Refuse a foreach over more items than this."
)
suffixes_option = click.option(
    "--package-suffixes", metavar=".CSV,…", help="What the code package holds besides .py files."
)
events_option = click.option(
    "--auto-emit-argo-events/--no-auto-emit-argo-events",
    default=True,
    help="Whether each task publishes an event when it has succeeded; it does unless told not to.",
)
