"""A store in an S3 bucket, below a prefix, through boto3: AWS's own or any server that speaks its protocol.

Conditions are S3's If-Match and If-None-Match, versions its ETags. Large objects go up and come down in pieces, several
at once. Credentials, regions, proxies and certificates are found where boto3 looks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self, cast

from botocore.exceptions import BotoCoreError, ClientError

from metaflow_hera.errors import ConflictError, MissingKeyError, StoreError
from metaflow_hera.store import ABSENT, Data, Version
from metaflow_hera.store.keys import checked_key, split_prefix
from metaflow_hera.store.parallel import each
from metaflow_hera.store.s3_client import PARALLELISM, S3Server
from metaflow_hera.store.s3_errors import CONFLICTS, MISSING, OUT_OF_RANGE, code_of, explain
from metaflow_hera.store.views import Views, slices

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PIECE = 1 << 23
"""Bytes of one request for an object that is read."""

WHOLE_UP_TO = 1 << 25
"""Bytes up to which an object is written in one request; S3 allows 10,000 requests for one object."""

_MOST_PIECES = 9_000


@dataclass(frozen=True, slots=True)
class S3Store:
    """Objects below *prefix* in a bucket that exists."""

    bucket: str
    prefix: str = ""
    """Empty, or with a ``/`` at its end."""
    server: S3Server = field(default_factory=S3Server)

    @classmethod
    def open(cls, uri: str, endpoint_url: str = "", region: str = "") -> Self:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        if not bucket or not uri.startswith("s3://"):
            raise StoreError(f"datastore {uri!r} names no bucket; write s3://bucket or s3://bucket/prefix")
        prefix = prefix.strip("/")
        return cls(bucket, checked_key(prefix) + "/" if prefix else "", S3Server(endpoint_url, region))

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def parallelism(self) -> int:
        return PARALLELISM

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        where = self._place(key)
        condition = _condition(expect)
        try:
            if sum(memoryview(part).nbytes for part in parts) <= WHOLE_UP_TO:
                answer = self._client.put_object(**where, Body=b"".join(parts), **condition)
                return Version(answer["ETag"])
            return self._put_pieces(where, parts, condition)
        except (BotoCoreError, ClientError, ValueError) as error:
            if expect is not None and code_of(error) in CONFLICTS | MISSING:
                raise ConflictError(f"datastore {self.uri}: {key} is not as expected") from error
            raise self._problem("write", key, error) from error

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        where = self._place(key)
        if end is not None and end <= start:
            end = start + 1  # a range has at least one byte; the object may be missing all the same
            return self.get(key, start, end)[:0]
        last = start + PIECE if end is None else min(end, start + PIECE)
        try:
            answer = self._client.get_object(**where, Range=f"bytes={start}-{last - 1}")
            begin = answer["Body"].read()
            size = int(answer.get("ContentRange", "/0").rpartition("/")[2])
            end = size if end is None else min(end, size)
            if start + len(begin) >= end:
                return begin
            return self._get_pieces(where, answer["ETag"], begin, range(start, end))
        except (BotoCoreError, ClientError, ValueError) as error:
            if code_of(error) in OUT_OF_RANGE:
                return b""
            if code_of(error) in MISSING:
                raise MissingKeyError(f"datastore {self.uri}: there is no {key}") from error
            raise self._problem("read", key, error) from error

    def head(self, key: str) -> Version:
        try:
            return Version(self._client.head_object(**self._place(key))["ETag"])
        except (BotoCoreError, ClientError, ValueError) as error:
            if code_of(error) in MISSING:
                return ABSENT
            raise self._problem("look at", key, error) from error

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        split_prefix(prefix)
        grouped: dict[str, Any] = {} if deep else {"Delimiter": "/"}
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix, **grouped
            )
            for page in pages:
                found = [entry["Key"] for entry in page.get("Contents", ())]
                found += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
                yield from sorted(name.removeprefix(self.prefix) for name in found)
        except (BotoCoreError, ClientError, ValueError) as error:
            raise self._problem("list", prefix, error) from error

    def _place(self, key: str) -> Mapping[str, Any]:
        return {"Bucket": self.bucket, "Key": self.prefix + checked_key(key)}

    @property
    def _client(self) -> S3Client:
        return self.server.client

    def _put_pieces(self, where: Mapping[str, Any], parts: Sequence[Data], condition: Mapping[str, Any]) -> Version:
        size = sum(memoryview(part).nbytes for part in parts)
        piece = max(WHOLE_UP_TO, -(-size // _MOST_PIECES))
        upload = self._client.create_multipart_upload(**where)["UploadId"]
        try:
            pieces = tuple(enumerate(slices(parts, piece), start=1))
            done = each(self, lambda numbered: self._put_piece(where, upload, *numbered), pieces)
            answer = self._client.complete_multipart_upload(
                **where, UploadId=upload, MultipartUpload={"Parts": done}, **condition
            )
        except BaseException:
            self._client.abort_multipart_upload(**where, UploadId=upload)
            raise
        return Version(answer["ETag"])

    def _put_piece(
        self, where: Mapping[str, Any], upload: str, number: int, views: Sequence[memoryview]
    ) -> CompletedPartTypeDef:
        answer = self._client.upload_part(
            **where, UploadId=upload, PartNumber=number, Body=cast(IO[bytes], Views(views))
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _get_pieces(self, where: Mapping[str, Any], etag: str, begin: bytes, wanted: range) -> memoryview:
        whole = memoryview(bytearray(len(wanted)))
        whole[: len(begin)] = begin

        def fill(start: int) -> None:
            end = min(start + PIECE, wanted.stop)
            answer = self._client.get_object(**where, Range=f"bytes={start}-{end - 1}", IfMatch=etag)
            position = start - wanted.start
            for block in answer["Body"].iter_chunks(1 << 20):
                whole[position : position + len(block)] = block
                position += len(block)

        each(self, fill, range(wanted.start + len(begin), wanted.stop, PIECE))
        return whole

    def _problem(self, verb: str, key: str, error: Exception) -> StoreError:
        reason = explain(error, self.bucket)
        return StoreError(f"datastore {self.uri} at {self.server.name}: cannot {verb} {key or 'its keys'}: {reason}")


def _condition(expect: Version | None) -> Mapping[str, Any]:
    if expect is None:
        return {}
    return {"IfNoneMatch": "*"} if expect == ABSENT else {"IfMatch": expect}
