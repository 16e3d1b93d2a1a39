"""What only S3 can get wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from metaflow_hera.errors import ConflictError, MissingKeyError, StoreError
from metaflow_hera.settings import Settings
from metaflow_hera.store import ABSENT, open_store
from metaflow_hera.store.s3 import S3Store


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """The URL of a server that answers everything with one error of S3."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        (404, "NoSuchBucket", "there is no bucket 'bucket'; make it, or name another with --datastore"),
        (403, "AccessDenied", r"access to bucket 'bucket' was denied \(AccessDenied\); ask its owner"),
        (403, "InvalidAccessKeyId", r"the credentials were refused \(InvalidAccessKeyId\); renew them"),
        (400, "ExpiredToken", r"the credentials were refused \(ExpiredToken\)"),
        (418, "Teapot", "An error occurred .*Teapot"),
    ],
)
def test_an_error_of_the_server_is_told_with_what_to_do(credentials: None, status: int, code: str, told: str) -> None:
    with answering(status, code) as url:
        store = S3Store.open("s3://bucket/prefix", endpoint_url=url, region="us-east-1")
        for call in (lambda: store.put("a", b""), lambda: store.get("a"), lambda: list(store.keys(""))):
            with pytest.raises(StoreError, match=told) as raised:
                call()
            assert f"s3://bucket/prefix at {url}" in str(raised.value)
            assert not isinstance(raised.value, MissingKeyError | ConflictError)


def test_a_head_that_is_forbidden_is_told(credentials: None) -> None:
    with answering(403, "AccessDenied") as url:
        store = S3Store.open("s3://bucket", endpoint_url=url, region="us-east-1")
        with pytest.raises(StoreError, match=r"cannot look at a: access to bucket 'bucket' was denied"):
            store.head("a")


def test_a_server_out_of_reach_is_told(credentials: None) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        store = S3Store.open(
            "s3://bucket", endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}", region="us-east-1"
        )
        with pytest.raises(StoreError, match=r"the server cannot be reached: .*check MFHERA_S3_ENDPOINT_URL"):
            store.get("a")


def test_missing_credentials_are_told() -> None:
    store = S3Store.open("s3://bucket", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(StoreError, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        store.get("a")


def test_half_of_the_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    store = S3Store.open("s3://bucket", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(StoreError, match="no credentials were found; set AWS_ACCESS_KEY_ID"):
        store.get("a")


def test_a_profile_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"nobody.* choose another with AWS_PROFILE"):
        S3Store.open("s3://bucket", region="us-east-1").get("a")


def test_an_endpoint_that_is_no_url_is_told(credentials: None) -> None:
    with pytest.raises(StoreError, match=r"Invalid endpoint.*check MFHERA_S3_ENDPOINT_URL"):
        S3Store.open("s3://bucket", endpoint_url="nonsense", region="us-east-1").get("a")


@pytest.mark.parametrize("bucket", ["a b", "UPPER_case!"])
def test_a_name_that_no_bucket_has_is_told(credentials: None, bucket: str) -> None:
    store = S3Store.open(f"s3://{bucket}", endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(StoreError, match="cannot be the name of a bucket"):
        store.get("a")


@pytest.mark.parametrize("uri", ["s3://", "s3:///prefix"])
def test_a_uri_without_a_bucket_is_refused(uri: str) -> None:
    with pytest.raises(StoreError, match="names no bucket"):
        open_store(uri, Settings.load())


def test_a_prefix_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(StoreError, match="cannot be a key"):
        open_store("s3://bucket/../other", Settings.load())


@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/", "s3://bucket/a/b", "s3://bucket/a/b/"])
def test_the_uri_of_a_store_is_without_a_slash_at_its_end(uri: str) -> None:
    assert open_store(uri, Settings.load()).uri == uri.rstrip("/")


def test_a_bucket_that_is_not_there_is_told_by_a_real_server(s3: object) -> None:
    store = open_store("s3://no-such-bucket-here", Settings.load())
    with pytest.raises(StoreError, match="there is no bucket 'no-such-bucket-here'"):
        store.get("a")


def test_stores_of_one_bucket_do_not_see_each_other(s3: object) -> None:
    uri = s3.uri  # type: ignore[attr-defined]
    inner, outer = open_store(f"{uri}/inner", Settings.load()), open_store(uri, Settings.load())
    inner.put("a", b"x")
    assert list(inner.keys("")) == ["a"]
    assert list(outer.keys("")) == ["inner/a"]


def test_large_objects_can_be_conditional(s3: object) -> None:
    store = s3.open()  # type: ignore[attr-defined]
    data = os.urandom(1 << 20) * 40
    version = store.put("a", data, expect=ABSENT)
    assert store.head("a") == version
    for wrong in (ABSENT, '"0"'):
        with pytest.raises(ConflictError):
            store.put("a", data, b"more", expect=wrong)
    assert len(store.get("a")) == len(data)


def test_boto3_is_imported_for_s3_only() -> None:
    code = "import sys; from metaflow_hera.store import open_store; from metaflow_hera.settings import Settings; "
    code += "open_store('/tmp/x', Settings.load()); print('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
