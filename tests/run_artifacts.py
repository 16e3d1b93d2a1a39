"""What a run left, in a form in which runs of different places can be compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from metaflow_hera.client import Run

DIFFERS = {"info"}
"""When a flow was deployed is no property of the flow."""

Artifacts = Mapping[str, Mapping[str, object]]


def artifacts(run: Run) -> Artifacts:
    """For each task, what it left, in a form that can be compared."""
    assert run.successful
    return {
        f"{step.id}/{task.id}": {
            artifact.id: comparable(artifact.data) for artifact in task if artifact.id not in DIFFERS
        }
        for step in run
        for task in step
    }


def comparable(value: Any) -> object:
    """*value* without the folders of files that a caught exception names: those depend on where it was caught."""
    match value:
        case str():
            return re.sub(r'File ".*/', 'File "', value)
        case tuple() | list():
            return [comparable(part) for part in value]
        case _ if hasattr(value, "stacktrace"):
            return (value.type, comparable(value.exception))
        case _:
            return value
