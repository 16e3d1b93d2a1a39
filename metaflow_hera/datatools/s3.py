"""`S3`: the user's own objects, between S3 and local files that live as long as the tool does."""

from __future__ import annotations

import io
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from metaflow_hera.datatools.errors import (
    MetaflowS3Exception,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)
from metaflow_hera.datatools.objects import RangeInfo, S3GetObject, S3Object, S3PutObject
from metaflow_hera.datatools.places import Place, Root, make_root
from metaflow_hera.flow.current import current
from metaflow_hera.settings import Settings

if TYPE_CHECKING:
    from metaflow_hera.client import Run
    from metaflow_hera.datatools.transfer import Transfers
    from metaflow_hera.datatools.wire import Facts, Upload, Wanted
    from metaflow_hera.flow.spec import FlowSpec

Keys = Iterable[str | S3GetObject]
Value = str | bytes | IO[bytes] | IO[str]


class S3:
    """Objects of S3, to be used in a ``with`` statement: what was fetched is deleted at its end.

    ``S3(run=self)`` keeps data of a run apart, below ``<datastore>/datatools/<flow>/<run>``, in another *bucket* or
    *prefix* if they are given; ``S3(s3root="s3://bucket/prefix")`` and ``S3(bucket=…, prefix=…)`` have keys below a
    place; ``S3()`` takes whole addresses. Everything is done for many objects at once, and tried again where S3 fails.
    """

    def __init__(
        self,
        tmproot: str | None = None,
        bucket: str | None = None,
        prefix: str | None = None,
        run: FlowSpec | Run | None = None,
        s3root: str | None = None,
        encryption: str | None = None,
        **others: Any,
    ) -> None:
        if given := sorted(name for name, value in others.items() if value):
            raise MetaflowS3Exception(
                f"S3() takes no {', '.join(given)}; roles, sessions and clients are those of AWS's own configuration, "
                "for example of the profile that AWS_PROFILE names"
            )
        self._root: Root = make_root(run=run, s3root=s3root, bucket=bucket, prefix=prefix)
        self._encryption = encryption
        self._folder = _made_folder(tmproot)
        self._files = 0
        self._closing = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all files that were fetched; the objects in S3 stay."""
        self._closing()

    def list_paths(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """What lies directly below each key, or below the root: objects, and prefixes of others, which do not exist."""
        return self._listed(keys, deep=False)

    def list_recursive(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """All objects below each key, or below the root."""
        return self._listed(keys, deep=True)

    def info(self, key: str | None = None, return_missing: bool = False) -> S3Object:
        """What is known of an object, without its content; `MetaflowS3NotFound` unless missing ones are returned."""
        return self._infos([self._root.at(key)], return_missing)[0]

    def info_many(self, keys: Iterable[str], return_missing: bool = False) -> list[S3Object]:
        return self._infos([self._root.at(key) for key in _several(keys, "info_many")], return_missing)

    def get(
        self, key: str | S3GetObject | None = None, return_missing: bool = False, return_info: bool = True
    ) -> S3Object:
        """Fetch an object, or a part of it, into a local file."""
        return self._fetched([self._wanted(key)], return_missing, with_info=return_info)[0]

    def get_many(self, keys: Keys, return_missing: bool = False, return_info: bool = True) -> list[S3Object]:
        """Fetch several objects; they come in the order of their keys."""
        wanted = [self._wanted(key) for key in _several(keys, "get_many")]
        return self._fetched(wanted, return_missing, with_info=return_info)

    def get_recursive(self, keys: Iterable[str], return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below each key."""
        found = self.list_recursive(_several(keys, "get_recursive"))
        wanted = [self._wanted_at(Place.parse(each.url)) for each in found]
        fetched = self._fetched(wanted, False, with_info=return_info)
        return [replace(one, prefix=each.prefix) for one, each in zip(fetched, found, strict=True)]

    def get_all(self, return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below the root."""
        found = self.list_recursive()
        wanted = [self._wanted_at(Place.parse(each.url)) for each in found]
        return self._fetched(wanted, False, with_info=return_info)

    def put(
        self,
        key: str | None,
        obj: Value,
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> str:
        """Write a text, bytes or an open file as an object; return its address.

        Without *overwrite*, an object that is there already stays as it is.
        """
        upload = self._upload(key, _stream(key, obj), content_type, None, metadata)
        self._transfers.store([upload], overwrite=overwrite)
        return upload.place.url

    def put_many(
        self, key_objs: Iterable[tuple[str, Value] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Write several objects; return key and address of each that was written."""
        puts = [put if isinstance(put, S3PutObject) else S3PutObject(put[0], put[1]) for put in key_objs]
        return self._put([(put, _stream(put.key, put.value)) for put in puts], overwrite)

    def put_files(
        self, key_paths: Iterable[tuple[str, str] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Write several local files as objects; return key and address of each that was written."""
        puts = [put if isinstance(put, S3PutObject) else S3PutObject(put[0], path=str(put[1])) for put in key_paths]
        missing = [str(put.path) for put in puts if put.path is None or not Path(put.path).is_file()]
        if missing:
            told = ", ".join(missing[:5])
            raise MetaflowS3InvalidObject(f"put_files(): there is no file {told}; nothing was written")
        return self._put([(put, str(put.path)) for put in puts], overwrite)

    @cached_property
    def _transfers(self) -> Transfers:
        from metaflow_hera.datatools.transfer import Transfers  # boto3, when something is asked of S3

        return Transfers(Settings.load())

    def _listed(self, keys: Iterable[str] | None, *, deep: bool) -> list[S3Object]:
        places = [self._root.below(key) for key in (_several(keys, "list") if keys is not None else (None,))]
        return [
            S3Object(url=place.url, key=self._root.key_of(place), prefix=prefix.url, size=size, exists=size is not None)
            for prefix in places
            for place, size in self._transfers.below(prefix, deep=deep)
        ]

    def _infos(self, places: Sequence[Place], missing: bool) -> list[S3Object]:
        found = self._transfers.facts(places)
        self._refuse_missing(places, found, missing)
        return [self._object(place, facts, with_info=True) for place, facts in zip(places, found, strict=True)]

    def _wanted(self, key: str | S3GetObject | None) -> Wanted:
        if not isinstance(key, tuple):
            return self._wanted_at(self._root.at(key))
        part = S3GetObject(*key)
        offset, length = part.offset or 0, -1 if part.length is None else part.length
        if offset < 0 or length < -1:
            raise MetaflowS3InvalidRange(f"{part}: the offset must be at least 0, and the length -1 or more")
        return self._wanted_at(self._root.at(part.key), offset, length)

    def _wanted_at(self, place: Place, offset: int = 0, length: int = -1) -> Wanted:
        from metaflow_hera.datatools.wire import Wanted

        if not self._closing.alive:
            raise MetaflowS3Exception("this S3() is closed, and its files are deleted; open another one")
        self._files += 1
        return Wanted(place, f"{self._folder}/{self._files}", offset, length)

    def _fetched(self, wanted: Sequence[Wanted], missing: bool, *, with_info: bool) -> list[S3Object]:
        found = self._transfers.fetch(wanted)
        self._refuse_missing([one.place for one in wanted], found, missing)
        return [
            self._object(one.place, facts, with_info=with_info, wanted=one)
            for one, facts in zip(wanted, found, strict=True)
        ]

    def _refuse_missing(self, places: Sequence[Place], found: Sequence[Facts | None], missing: bool) -> None:
        absent = [place.url for place, facts in zip(places, found, strict=True) if facts is None]
        if absent and not missing:
            more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
            raise MetaflowS3NotFound(
                f"there is no {', '.join(absent[:5])}{more}; with return_missing=True, what is missing is returned as "
                "an object that does not exist"
            )

    def _object(self, place: Place, facts: Facts | None, *, with_info: bool, wanted: Wanted | None = None) -> S3Object:
        key, prefix = self._root.key_of(place), self._root.url
        if facts is None:
            return S3Object(url=place.url, key=key, prefix=prefix, exists=False)
        found = S3Object(url=place.url, key=key, prefix=prefix, size=facts.size)
        if wanted is not None:
            size = Path(wanted.file).stat().st_size
            part = RangeInfo(facts.size, wanted.offset, size)
            found = replace(found, path=wanted.file, size=size, range_info=part)
        if not with_info:
            return found
        return replace(
            found,
            has_info=True,
            content_type=facts.content_type,
            metadata=facts.metadata,
            encryption=facts.encryption,
            last_modified=facts.last_modified,
        )

    def _upload(
        self,
        key: str | None,
        source: str | IO[bytes],
        content_type: str | None,
        encryption: str | None,
        metadata: Mapping[str, object] | None,
    ) -> Upload:
        from metaflow_hera.datatools.wire import Upload

        return Upload(self._root.at(key), source, content_type, encryption or self._encryption, metadata)

    def _put(self, puts: Sequence[tuple[S3PutObject, str | IO[bytes]]], overwrite: bool) -> list[tuple[str, str]]:
        uploads = [
            self._upload(put.key, source, put.content_type, put.encryption, put.metadata) for put, source in puts
        ]
        written = self._transfers.store(uploads, overwrite=overwrite)
        pairs = zip(puts, uploads, written, strict=True)
        return [(put.key, upload.place.url) for (put, _), upload, is_written in pairs if is_written]


def _made_folder(tmproot: str | None) -> str:
    root = tmproot or current.get("tempdir") or None
    try:
        return tempfile.mkdtemp(prefix="mfhera-s3-", dir=root)
    except OSError as error:
        raise MetaflowS3Exception(
            f"S3(tmproot={root!r}): no folder can be made there ({error.strerror}); choose another"
        ) from error


def _several(keys: Iterable[Any], what: str) -> list[Any]:
    if isinstance(keys, str | S3GetObject):
        raise MetaflowS3URLException(f"{what} takes a list of keys, not one key ({keys!r})")
    return list(keys)


def _stream(key: str | None, value: object) -> IO[bytes]:
    """A value as a file to be read."""
    if isinstance(value, str):
        return io.BytesIO(value.encode())
    if isinstance(value, bytes | bytearray | memoryview):
        return io.BytesIO(value)
    if isinstance(value, io.TextIOBase):
        return io.BytesIO(value.read().encode())
    if isinstance(value, io.IOBase) or hasattr(value, "read"):
        return value  # type: ignore[return-value]
    raise MetaflowS3InvalidObject(
        f"the object for {key!r} is of type {type(value).__name__}; S3 takes texts, bytes and open files: for example "
        "json.dumps(value) or pickle.dumps(value)"
    )
