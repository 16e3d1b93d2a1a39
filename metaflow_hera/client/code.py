"""The code that a run ran, as it was packaged."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from metaflow_hera.store import Store


@dataclass(frozen=True, slots=True)
class MetaflowCode:
    """The code package of a run: the user's files as they lay beside the flow's, and the rooms that ran them."""

    store: Store
    path: str
    """Its key in the datastore."""
    script_name: str
    """The flow's file in it."""

    @property
    def archive(self) -> ZipFile:
        return ZipFile(io.BytesIO(self.store.get(self.path)))

    @property
    def flowspec(self) -> str:
        """The source of the flow."""
        with self.archive as archive:
            return archive.read(self.script_name).decode("utf-8")

    def extract(self) -> TemporaryDirectory[str]:
        """The files in a temporary folder, which lives as long as what is returned."""
        folder: TemporaryDirectory[str] = TemporaryDirectory(prefix="mfhera-code-")
        with self.archive as archive:
            archive.extractall(Path(folder.name))
        return folder
