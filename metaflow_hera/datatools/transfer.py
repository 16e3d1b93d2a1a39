"""Objects between S3 and local files, many at once, large ones in pieces."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, Any, NoReturn, TypeVar

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.exceptions import BotoCoreError, ClientError

from metaflow_hera.datatools.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
)
from metaflow_hera.datatools.places import Place
from metaflow_hera.datatools.wire import Facts, Upload, Wanted, arguments_of, facts_of, size_of
from metaflow_hera.settings import Settings
from metaflow_hera.store.s3_client import PARALLELISM, S3Server
from metaflow_hera.store.s3_errors import MISSING, OUT_OF_RANGE, code_of, explain

PIECE = 1 << 23
"""Bytes of one request."""

_DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"})

T = TypeVar("T")
R = TypeVar("R")


@lru_cache(maxsize=8)
def _shared_server(endpoint_url: str, region: str) -> S3Server:
    # To make a client takes a tenth of a second, and a step may open the tool for every object.
    return S3Server(endpoint_url, region)


class Transfers:
    """All that is asked of S3."""

    def __init__(self, settings: Settings) -> None:
        self._server = _shared_server(settings.s3_endpoint_url, settings.s3_region)

    def facts(self, places: Sequence[Place]) -> list[Facts | None]:
        """What there is to know of each object; None where there is none."""
        return self._each(self._head, places)

    def fetch(self, wanted: Sequence[Wanted]) -> list[Facts | None]:
        """Write the objects into their files; None where there is no object, and no file then."""
        begun = self._each(self._begin, wanted)
        pieces = [
            (one, facts, start)
            for one, facts in zip(wanted, begun, strict=True)
            if facts is not None
            for start in range(PIECE, size_of(one, facts), PIECE)
        ]
        self._each(lambda piece: self._go_on(*piece), pieces)
        return begun

    def store(self, uploads: Sequence[Upload], *, overwrite: bool) -> list[bool]:
        """Write the objects; whether each was written, as all are that *overwrite* or that were not there."""
        absent: list[Facts | None] = [None] * len(uploads)
        there = absent if overwrite else self.facts([upload.place for upload in uploads])
        config = TransferConfig(PIECE, PARALLELISM, preferred_transfer_client="classic")
        with create_transfer_manager(self._server.client, config) as manager:
            sent = [
                None
                if facts
                else manager.upload(upload.source, upload.place.bucket, upload.place.key, arguments_of(upload))
                for upload, facts in zip(uploads, there, strict=True)
            ]
            for upload, future in zip(uploads, sent, strict=True):
                if future is not None:
                    self._guarded("write", upload.place, future.result)
        return [future is not None for future in sent]

    def below(self, prefix: Place, *, deep: bool) -> Iterator[tuple[Place, int | None]]:
        """What lies below a prefix, with its size; not *deep*, what goes on after the next ``/`` is one without."""
        grouped: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        pages = self._server.client.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.folder, **grouped
        )
        for page in self._told("list", prefix, iter(pages)):
            for group in page.get("CommonPrefixes", ()):
                yield Place(prefix.bucket, group["Prefix"].removesuffix("/")), None
            for entry in page.get("Contents", ()):
                yield Place(prefix.bucket, entry["Key"]), entry["Size"]

    def _each(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if len(items) <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(PARALLELISM, len(items))) as pool:
            return list(pool.map(function, items))

    def _head(self, place: Place) -> Facts | None:
        call = self._server.client.head_object
        answer = self._found("look at", place, lambda: call(Bucket=place.bucket, Key=place.key))
        return None if answer is None else facts_of(answer, answer["ContentLength"])

    def _begin(self, wanted: Wanted) -> Facts | None:
        """Write the first piece; it comes with the facts."""
        place, call = wanted.place, self._server.client.get_object
        span = PIECE if wanted.length < 0 else min(PIECE, wanted.length)
        part = f"bytes={wanted.offset}-{wanted.offset + max(span, 1) - 1}"

        def first() -> Any:
            try:
                return call(Bucket=place.bucket, Key=place.key, Range=part)
            except ClientError as error:
                # No range fits an empty object.
                if wanted.offset or code_of(error) not in OUT_OF_RANGE:
                    raise
                return call(Bucket=place.bucket, Key=place.key)

        answer = self._found("read", place, first)
        if answer is None:
            return None
        with _room(wanted.file), open(wanted.file, "wb") as file:  # noqa: PTH123
            self._guarded("read", place, lambda: _copy(answer["Body"], file, span))
        total = answer.get("ContentRange", "").rpartition("/")[2]
        return facts_of(answer, int(total) if total else answer["ContentLength"])

    def _go_on(self, wanted: Wanted, facts: Facts, start: int) -> None:
        place, call = wanted.place, self._server.client.get_object
        end = min(start + PIECE, size_of(wanted, facts))
        part = f"bytes={wanted.offset + start}-{wanted.offset + end - 1}"

        def piece() -> None:
            answer = call(Bucket=place.bucket, Key=place.key, Range=part, IfMatch=facts.etag)
            with _room(wanted.file), open(wanted.file, "r+b") as file:  # noqa: PTH123
                file.seek(start)
                _copy(answer["Body"], file, end - start)

        self._guarded("read", place, piece)

    def _found(self, verb: str, place: Place, call: Callable[[], R]) -> R | None:
        """What S3 answers; None if there is no such object."""
        try:
            return call()
        except (BotoCoreError, ClientError, ValueError) as error:
            if code_of(error) in MISSING:
                return None
            self._refuse(verb, place, error)

    def _guarded(self, verb: str, place: Place, call: Callable[[], R]) -> R:
        try:
            return call()
        except (BotoCoreError, ClientError, ValueError) as error:
            self._refuse(verb, place, error)

    def _told(self, verb: str, place: Place, pages: Iterator[T]) -> Iterator[T]:
        while (page := self._guarded(verb, place, lambda: next(pages, None))) is not None:
            yield page

    def _refuse(self, verb: str, place: Place, error: Exception) -> NoReturn:
        code = code_of(error)
        where = f"{place.url} at {self._server.name}: cannot {verb} it"
        if code == "NoSuchBucket":
            raise MetaflowS3NotFound(f"{where}: there is no bucket {place.bucket!r}; correct its name") from error
        if code in MISSING:
            raise MetaflowS3NotFound(f"{place.url} at {self._server.name}: there is no such object") from error
        if code in OUT_OF_RANGE:
            raise MetaflowS3InvalidRange(f"{where}: it ends before the part that was asked for") from error
        kind = MetaflowS3AccessDenied if code in _DENIED else MetaflowS3Exception
        raise kind(f"{where}: {explain(error, place.bucket)}") from error


def _copy(body: Any, file: IO[bytes], most: int) -> None:
    left = most
    for block in body.iter_chunks(1 << 20):
        file.write(block[:left])
        left -= len(block)


@contextmanager
def _room(file: str) -> Iterator[None]:
    """Around writing a file: says what to do when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MetaflowS3InsufficientDiskSpace(
            f"there is no room left for {file}, which S3 was asked for; free some, or choose another folder with "
            "S3(tmproot=…)"
        ) from error
