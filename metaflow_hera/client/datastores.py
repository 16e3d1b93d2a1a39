"""Which datastore this process looks at: that of the settings, or one that it chose.

The choice holds for the process, as it does with the peer, whose functions these are: there is no metadata service
here, since what is known of runs lies beside their data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from metaflow_hera.errors import NotFoundError, UsageError
from metaflow_hera.naming import SPIN_FOLDER
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

LOCAL: Final = "local"


@dataclass(slots=True)
class _Choice:
    """The place that this process chose; that of the settings, if it is empty."""

    place: str = ""


_CHOICE = _Choice()


def metadata(place: str) -> str:
    """Look at this datastore from now on: ``local@DIRECTORY``, a directory or ``s3://bucket/prefix``; ``local`` for
    that of the settings. Return what `get_metadata` will."""
    kind, at, root = place.partition("@")
    if kind == "service":
        raise UsageError(f"metadata({place!r}): there is no service; runs are known by their datastore, so give that")
    chosen = root if at and kind == LOCAL else place
    _CHOICE.place = "" if chosen == LOCAL else _absolute(chosen)
    return get_metadata()


def get_metadata() -> str:
    """``local@DIRECTORY`` or ``s3://bucket/prefix``: where runs are looked for."""
    place = _CHOICE.place or Settings.load().datastore
    return place if "://" in place else f"{LOCAL}@{place}"


def default_metadata() -> str:
    """Look at the datastore of the settings from now on, as in the beginning."""
    _CHOICE.place = ""
    return get_metadata()


def inspect_spin(datastore_root: str = ".") -> None:
    """Look at the steps that were spun with ``--persist`` from now on: below this folder, or this data directory."""
    root = Path(datastore_root).expanduser()
    data = Path(Settings.load().data_dir) if root == Path() else root
    places = [folder / SPIN_FOLDER for folder in (data, data / ".mfhera")]
    place = next((place for place in places if place.is_dir()), None)
    if place is None:
        raise NotFoundError(f"no step was spun in {data.absolute()}; keep one with: mfhera spin FLOW STEP --persist")
    _CHOICE.place = _absolute(str(place))


def opened_store() -> Store:
    """The datastore that was chosen, or that of the settings as they are now."""
    settings = Settings.load()
    return opened(replace(settings, datastore=_CHOICE.place or settings.datastore), Path.cwd())


@lru_cache(maxsize=8)
def opened(settings: Settings, _folder: Path) -> Store:
    # By folder, too: a datastore can be a relative path.
    return open_store(settings.datastore, settings)


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().absolute())
