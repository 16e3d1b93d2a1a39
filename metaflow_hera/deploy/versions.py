"""The versions that a deployment had: written down in the store when they were deployed, and put back from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice

from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.backends import Backend, Deployment
from metaflow_hera.errors import BackendError, ManifestError, UsageError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.namespace import in_namespace
from metaflow_hera.plan.records import Plan, Schedule
from metaflow_hera.production_names import PlaceKeys, version_of
from metaflow_hera.records import objects
from metaflow_hera.records.deployments import VersionRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import ABSENT, Store, open_store
from metaflow_hera.store.parallel import each

SHOWN = 20
"""Versions that an error lists."""

_DIGEST = re.compile(r"[0-9a-z]{1,64}\Z")

OF_NOW = (Annotations.DEPLOYER, Annotations.TOKEN_DIGEST, Annotations.PLACE)
"""What a deployment keeps when it is rolled back: whose it is."""


@dataclass(frozen=True, kw_only=True)
class DeployedVersion:
    """A version of a deployment, as it was deployed last."""

    record: VersionRecord
    is_live: bool

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.version!r}, deployed={self.deployed:%Y-%m-%d %H:%M:%S}, by={self.deployer!r})"
        )

    @property
    def version(self) -> str:
        return self.record.version

    @property
    def deployed(self) -> datetime:
        return datetime.fromtimestamp(self.record.deployed, UTC)

    @property
    def deployer(self) -> str:
        """Who deployed it, or rolled back to it."""
        return self.record.deployer

    @property
    def code(self) -> str:
        """The digest of its code package."""
        return self.plan.annotations.get(Annotations.CODE, "").rpartition("/")[2]

    @property
    def schedule(self) -> Schedule | None:
        return self.plan.schedule

    @cached_property
    def plan(self) -> Plan:
        """`BackendError` for one that this metaflow-hera cannot read."""
        try:
            return from_manifests(json.loads(self.record.manifests))
        except (ManifestError, ValueError) as error:
            raise BackendError(
                f"version {self.version} of {self.record.deployment} cannot be read: it was written by another "
                f"metaflow-hera ({error}); deploy its code anew"
            ) from error


def keep(found: Deployment, backend: Backend, store: Store, deployer: str | None = None) -> None:
    """Write a version down, unless it is; *deployer* is who made it live, by default its owner."""
    if not (version := _version(found)):
        return
    key = PlaceKeys(_place(found, backend)).version(found.name, version, deployed_at(found))
    if store.head(key) == ABSENT:
        objects.write(store, key, _record(found, deployer))


def _record(found: Deployment, deployer: str | None = None) -> VersionRecord:
    return VersionRecord(
        deployment=found.name,
        version=_version(found),
        deployed=deployed_at(found),
        deployer=deployer or found.plan.annotations.get(Annotations.DEPLOYER, ""),
        manifests=json.dumps(manifests(found.plan), sort_keys=True),
    )


def versions(
    found: Deployment, backend: Backend, settings: Settings, limit: int | None = None
) -> list[DeployedVersion]:
    """Each once: the one that is deployed now, and then the others, that which was deployed last first.

    What is deployed now need not be written down: kubectl, or a tool that calls it, may have put it there.
    """
    store, prefix, live = _kept(found, backend, settings)
    version = _version(found)
    others = (key for key in _newest_of_each(store.keys(prefix)) if version_of(key) != version)
    if not version:
        return _read(store, list(islice(others, limit)), live)
    now = _read(store, [live], live) or [DeployedVersion(record=_record(found), is_live=True)]
    return now + _read(store, list(islice(others, None if limit is None else limit - 1)), live)


def _newest_of_each(keys: Iterable[str]) -> Iterator[str]:
    """Of each version the key of when it was deployed last; *keys* have the newest first."""
    seen = set()
    for key in keys:
        if (version := version_of(key)) not in seen:
            seen.add(version)
            yield key


def _read(store: Store, keys: list[str], live: str) -> list[DeployedVersion]:
    records = each(store, lambda key: objects.read(store, key, VersionRecord), keys)
    pairs = zip(keys, records, strict=True)
    return [DeployedVersion(record=record, is_live=key == live) for key, record in pairs if record is not None]


def roll_back(found: Deployment, backend: Backend, settings: Settings, version: str | None) -> None:
    """Deploy an earlier version anew, as it was; by default the one before the one that is deployed now.

    Runs in flight keep theirs. Nothing is deployed if the version cannot be had whole.
    """
    store, prefix, live = _kept(found, backend, settings)
    keep(found, backend, store)
    key = _chosen(list(store.keys(prefix)), live, found, version, store)
    if key == live:
        return
    (chosen,) = _read(store, [key], live)
    _refuse_missing_code(chosen, settings)
    now = found.plan.annotations
    own = {name: now[name] for name in OF_NOW if name in now}
    own[Annotations.DEPLOYED_AT] = datetime.now(UTC).isoformat(timespec="milliseconds")
    old = {name: value for name, value in chosen.plan.annotations.items() if name not in OF_NOW}
    plan = in_namespace(replace(chosen.plan, annotations=old), now.get(Annotations.PRODUCTION, ""), own)
    made = Deployment(name=found.name, plan=plan, created=datetime.now(UTC))
    of_version = _store(made, settings)
    keep(found, backend, of_version)
    backend.deploy(plan)
    keep(made, backend, of_version, settings.user)


def _kept(found: Deployment, backend: Backend, settings: Settings) -> tuple[Store, str, str]:
    """Where versions are kept, what their keys begin with, and the key of the one that is deployed now."""
    keys = PlaceKeys(_place(found, backend))
    live = keys.version(found.name, _version(found), deployed_at(found))
    return _store(found, settings), keys.versions(found.name), live


def _chosen(keys: list[str], live: str, found: Deployment, version: str | None, store: Store) -> str:
    """The key of the version to go back to; keys that come after the live one in their order are older."""
    if version is None:
        chosen = next((key for key in keys if key > live and version_of(key) != _version(found)), None)
    elif version == _version(found):
        chosen = live
    else:
        chosen = next((key for key in keys if version_of(key) == version), None)
    if chosen is not None:
        return chosen
    if version is None:
        raise BackendError(
            f"{found.name} has no version before {_version(found)}, so there is nothing to roll it back to"
        )
    known = _read(store, list(islice(_newest_of_each(keys), SHOWN)), live)
    told = [f"{each.version}  {each.deployed:%Y-%m-%d %H:%M:%S} UTC, by {each.deployer}" for each in known]
    raise UsageError("\n".join([f"{found.name} never had a version {version!r}; it had", *told]))


def _refuse_missing_code(chosen: DeployedVersion, settings: Settings) -> None:
    annotations = chosen.plan.annotations
    uri, code = annotations.get(Annotations.DATASTORE, ""), annotations.get(Annotations.CODE, "")
    if not code or open_store(uri, settings).head(code) == ABSENT:
        raise BackendError(
            f"version {chosen.version} of {chosen.record.deployment} cannot be rolled back to: its code package "
            f"{code or '(none)'} is not in {uri or 'any datastore'} any more; deploy its code anew"
        )


def _version(found: Deployment) -> str:
    """Empty for a template that was written by hand."""
    version = found.plan.annotations.get(Annotations.VERSION, "")
    return version if _DIGEST.match(version) else ""


def _place(found: Deployment, backend: Backend) -> str:
    return found.plan.annotations.get(Annotations.PLACE) or backend.place


def _store(found: Deployment, settings: Settings) -> Store:
    return open_store(found.plan.annotations.get(Annotations.DATASTORE) or settings.datastore, settings)


def deployed_at(found: Deployment) -> float:
    """When, in seconds since the epoch.

    By the clock of whoever did it, or of the server where kubectl did or what is written there is no time.
    """
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(found.plan.annotations.get(Annotations.DEPLOYED_AT, "")).timestamp()
    return found.created.timestamp()
