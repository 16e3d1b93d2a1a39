"""Where objects are: addresses, and the roots that keys are relative to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from metaflow_hera.client.datastores import get_metadata
from metaflow_hera.client.run import Run
from metaflow_hera.datatools.errors import MetaflowS3URLException
from metaflow_hera.flow.current import current
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.settings import Settings, variable

SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key in it, or the beginning of keys."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}" if self.key else f"{SCHEME}{self.bucket}"

    @property
    def folder(self) -> str:
        """What the keys below it begin with."""
        return f"{self.key.rstrip('/')}/" if self.key.strip("/") else ""

    @classmethod
    def parse(cls, url: object) -> Self:
        """``s3://bucket/key``, without a key for the whole bucket."""
        bucket, _, key = str(url).removeprefix(SCHEME).partition("/")
        if not isinstance(url, str) or not url.startswith(SCHEME) or not bucket:
            raise MetaflowS3URLException(f"{url!r} is no address in S3; write s3://bucket/key")
        return cls(bucket, key)


@dataclass(frozen=True, slots=True)
class Root:
    """What keys are relative to; without a *place* they are whole addresses."""

    place: Place | None = None

    def at(self, key: object) -> Place:
        """Where a key is; None stands for the root itself."""
        if self.place is None:
            return _object(Place.parse(key))
        if key is None:
            return _object(self.place)
        if not isinstance(key, str) or not key:
            raise MetaflowS3URLException(f"{key!r} is no key; give a text")
        if key.startswith(SCHEME):
            raise MetaflowS3URLException(
                f"{key!r} is a whole address, but keys are relative to {self.place.url} here; use S3() for any address"
            )
        return _object(Place(self.place.bucket, self.place.folder + key.lstrip("/")))

    def below(self, key: object) -> Place:
        """The prefix that a key is taken for when it is listed; None stands for the root."""
        if self.place is None and key is None:
            raise MetaflowS3URLException("S3() has no root to list; give keys, or S3(s3root='s3://bucket/prefix')")
        if key is None:
            assert self.place is not None, "else refused above"
            return self.place
        return self.at(key) if self.place else Place.parse(key)

    def key_of(self, place: Place) -> str:
        """The key that leads to a place."""
        return place.url if self.place is None else place.key.removeprefix(self.place.folder)

    @property
    def url(self) -> str | None:
        return self.place.url if self.place else None


def _object(place: Place) -> Place:
    if not place.key:
        raise MetaflowS3URLException(f"{place.url} is a bucket; write the key of an object after it")
    return place


def make_root(*, run: FlowSpec | Run | None, s3root: str | None, bucket: str | None, prefix: str | None) -> Root:
    """The root that the arguments of `S3` ask for."""
    if s3root is not None:
        if run is not None or bucket is not None or prefix is not None:
            raise MetaflowS3URLException("S3(s3root=…) takes neither run nor bucket nor prefix: the root says it all")
        place = Place.parse(s3root)
        return Root(Place(place.bucket, place.key.rstrip("/")))
    if run is not None:
        return Root(_of_run(run, bucket, prefix))
    if prefix is not None and bucket is None:
        raise MetaflowS3URLException(f"S3(prefix={prefix!r}) names no bucket; add bucket=… or run=…")
    return Root(Place(bucket.removeprefix(SCHEME).strip("/"), (prefix or "").strip("/"))) if bucket else Root()


def _of_run(run: Any, bucket: str | None, prefix: str | None) -> Place:
    """Where the data of a run is: below the datastore, unless a setting, a bucket or a prefix says otherwise."""
    flow, run_id, datastore = _flow_and_run(run)
    if bucket is None or prefix is None:
        base = Place.parse(_data_root(datastore))
        bucket, prefix = bucket or base.bucket, base.key if prefix is None else prefix
    parts = (prefix.strip("/"), flow, run_id)
    return Place(bucket.removeprefix(SCHEME).strip("/"), "/".join(filter(None, parts)))


def _flow_and_run(run: object) -> tuple[str, str, str]:
    if isinstance(run, Run):
        flow, run_id = run.path_components
        return flow, run_id, run._store.uri
    if not isinstance(run, FlowSpec):
        raise MetaflowS3URLException(f"S3(run={run!r}) takes self in a step, or a Run of the Client")
    if not current.is_running_flow:
        raise MetaflowS3URLException(f"S3(run={run!r}): the flow does not run here, so there is no run to keep data of")
    return current.flow_name, current.run_id, get_metadata()


def _data_root(datastore: str) -> str:
    if root := Settings.load().datatools_s3root:
        return root
    if not datastore.startswith(SCHEME):
        raise MetaflowS3URLException(
            f"S3(run=…) keeps data beside the datastore, but that is the directory {datastore.removeprefix('local@')}: "
            f"set {variable('datatools_s3root')}=s3://bucket/prefix, or write S3(s3root='s3://bucket/prefix')"
        )
    return f"{datastore}/datatools"
