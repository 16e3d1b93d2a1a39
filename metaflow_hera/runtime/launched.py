"""What the flow of this container was launched with, as its code package says."""

from __future__ import annotations

from pathlib import Path

import metaflow_hera
from metaflow_hera.flow.launch import LAUNCH_FILE, Launch


def shipped_launch() -> Launch:
    """The launch in the archive from which this very package was imported; one without choices if there is none."""
    archive = metaflow_hera.__loader__
    try:
        data: bytes = archive.get_data(str(Path(metaflow_hera.__file__).parents[1] / LAUNCH_FILE))
    except OSError:
        return Launch()
    return Launch.from_bytes(data)
