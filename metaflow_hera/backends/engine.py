"""The process of the embedded engine: ``main`` is what runs in the background."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from metaflow_hera.argo.manifest import from_manifests
from metaflow_hera.engine.daemon import Limits, serve
from metaflow_hera.engine.home import Home
from metaflow_hera.plan.records import Plan


def read_plan(manifest: str) -> Plan:
    """The plan behind a manifest as it is stored."""
    return from_manifests(json.loads(manifest))


def main(data_dir: str, reservation: int) -> None:
    """Be the engine of a data directory; returns when there is nothing to do, or another engine is there.

    *reservation* is the open file by which others know that an engine is starting.
    """
    with suppress(PermissionError):  # we lead a session already
        os.setsid()
    os.chdir(data_dir)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    serve(Home(Path(data_dir)), read_plan, Limits(), lambda: os.close(reservation))
