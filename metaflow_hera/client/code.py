"""The code that a run ran, as it was packaged."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zipfile import ZipFile

from metaflow_hera.store import Store

if TYPE_CHECKING:
    from tarfile import TarFile


@dataclass(frozen=True, slots=True)
class MetaflowCode:
    """The code package of a run: the user's files as they lay beside the flow's, and the rooms that ran them."""

    store: Store
    path: str
    """Its key in the datastore."""
    script_name: str
    """The flow's file in it."""

    @property
    def info(self) -> dict[str, str]:
        """Where it lies, and which file in it is the flow's."""
        return {"location": self.path, "datastore": self.store.uri, "script": self.script_name}

    @property
    def tarball(self) -> TarFile:
        """The files as a tar archive in memory."""
        import tarfile  # three compressions, for the few who ask for this form

        written = io.BytesIO()
        with self.archive as archive, tarfile.open(fileobj=written, mode="w") as tar:
            for entry in archive.infolist():
                packed = tarfile.TarInfo(entry.filename)
                packed.size = entry.file_size
                tar.addfile(packed, io.BytesIO(archive.read(entry)))
        written.seek(0)
        return tarfile.open(fileobj=written)

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
            archive.extractall(Path(folder.name))  # noqa: S202  (a zip, whose members stay in the folder)
        return folder
