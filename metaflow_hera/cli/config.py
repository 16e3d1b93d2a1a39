"""`mfhera config`: every setting, its value and where it came from."""

from __future__ import annotations

import click

from metaflow_hera.cli.options import json_option, place_options, settings_of
from metaflow_hera.cli.output import print_json, print_table, tell
from metaflow_hera.settings import unread_of_peer, variable


@click.command()
@place_options
@json_option
def config(datastore: str | None, backend: str | None, as_json: bool) -> None:
    """Show the settings, and where each value comes from.

    A value is the first of: an option, MFHERA_*, Metaflow's own variable for the same, [tool.mfhera] in the nearest
    pyproject.toml, the user's config.toml, Metaflow's config.json, the default. What is set for Metaflow but means
    nothing here is told on stderr.

    \b
    Example:
      MFHERA_DATASTORE=s3://bucket/flows mfhera config
    """
    rows = list(settings_of(datastore, backend).describe())
    unread = unread_of_peer()
    if as_json:
        known = {name: {"value": value, "origin": origin} for name, value, origin, _ in rows}
        print_json({**known, "not_read": unread})
        return
    print_table(
        ("SETTING", "VALUE", "FROM", "VARIABLE", "MEANING"),
        [(name, value or "-", origin, variable(name), meaning) for name, value, origin, meaning in rows],
    )
    if unread:
        tell(f"set but not read: {', '.join(unread)}")
