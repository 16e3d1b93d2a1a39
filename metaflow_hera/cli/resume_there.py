"""`mfhera resume` on a backend: of a run by the code that it had, of a flow by its source as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaflow_hera.cli.attended import attend, choices_there, given_workers
from metaflow_hera.cli.output import tell
from metaflow_hera.cli.resume import resuming
from metaflow_hera.cli.run import Shown
from metaflow_hera.deploy.resume_there import resume_deployed, resume_source
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.records.run import RunRecord
from metaflow_hera.settings import Settings


def resume_run(
    target: str,
    step: str | None,
    settings: Settings,
    shown: Shown,
    of_source: Mapping[str, object],
    *,
    run_id_file: str | None,
    **chosen: Any,
) -> None:
    """Go on with a run of the backend; *of_source* are options that only a flow's source can have."""
    of_source = {**of_source, "--origin-run-id": chosen["origin_run_id"], "--max-num-splits": chosen["max_num_splits"]}
    if given := [option for option, value in of_source.items() if value]:
        raise UsageError(
            f"{target} is resumed by the code that it had, so {', '.join(given)} cannot be; give the flow's file: "
            f"mfhera resume flow.py --origin-run-id {target.rpartition('/')[2]} --backend {settings.backend}"
        )
    workers = given_workers(chosen["max_workers"])
    run = resume_deployed(target, settings, step, tags=chosen["tags"], max_workers=workers)
    attend(run, shown, run_id_file, resuming(run.flow, target.rpartition("/")[2], step))


def resume_flow(
    found: tuple[CheckedFlow, RunRecord],
    step: str | None,
    settings: Settings,
    shown: Shown,
    *,
    run_id_file: str | None,
    **chosen: Any,
) -> None:
    """Go on with a run of any place by the source as it is now, on the backend of the settings."""
    checked, origin = found
    run = resume_source(checked, origin, choices_there(**chosen), settings, step, tell)
    attend(run, shown, run_id_file, resuming(origin.flow, origin.run, step))
