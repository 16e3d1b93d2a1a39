"""`S3` against a real server: every way to name objects, to fetch, to store and to list them, and its errors."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from s3_server import S3Server

from metaflow_hera import S3, namespace, run
from metaflow_hera.client import Run
from metaflow_hera.datatools import transfer
from metaflow_hera.datatools.errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)
from metaflow_hera.datatools.objects import S3GetObject, S3Object, S3PutObject
from metaflow_hera.deploy.compilation import environment_of_pods
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.settings import Settings


@pytest.fixture
def tool(s3: S3Server) -> Iterator[S3]:
    """A tool with a root of its own."""
    with S3(s3root=s3.uri) as opened:
        yield opened


def test_what_is_put_can_be_got_until_the_tool_is_closed(s3: S3Server) -> None:
    with S3(s3root=s3.uri) as tool:
        url = tool.put("a/b", "täxt")
        found = tool.get("a/b")

        assert url == found.url == f"{s3.uri}/a/b"
        assert (found.key, found.prefix, found.text, found.blob) == ("a/b", s3.uri, "täxt", "täxt".encode())
        assert found.exists and found.downloaded and found.has_info and found.size == 5
        assert found.path is not None and Path(found.path).read_text() == "täxt"
    assert not Path(found.path).exists()
    with pytest.raises(MetaflowS3Exception, match="is closed"):
        tool.get("a/b")


@pytest.mark.parametrize("value", [b"bytes", bytearray(b"bytes"), io.BytesIO(b"bytes"), io.StringIO("bytes"), "bytes"])
def test_texts_bytes_and_open_files_are_put(tool: S3, value: object) -> None:
    tool.put("key", value)  # type: ignore[arg-type]

    assert tool.get("key").blob == b"bytes"


def test_whole_addresses_and_buckets_are_roots_too(s3: S3Server, tool: S3) -> None:
    tool.put("x/y", b"1")
    bucket, prefix = urlparse(s3.uri).netloc, urlparse(s3.uri).path

    with S3() as anywhere, S3(bucket=bucket, prefix=prefix) as below, S3(s3root=f"{s3.uri}/x/y") as itself:
        found = anywhere.get(f"{s3.uri}/x/y")
        assert (found.key, found.prefix, found.blob) == (found.url, None, b"1")
        assert below.get("x/y").blob == itself.get().blob == itself.get(None).blob == b"1"
        assert anywhere.put(f"{s3.uri}/z", b"2") == f"{s3.uri}/z"
        assert [each.key for each in anywhere.list_paths([s3.uri])] == [f"{s3.uri}/x", f"{s3.uri}/z"]


def test_facts_come_with_an_object_or_alone(tool: S3) -> None:
    facts = {"Name": "Zoë", "n": 3}
    tool.put("key", b"12345", content_type="text/csv", metadata=facts)

    for found in (tool.info("key"), tool.get("key"), *tool.info_many(["key"])):
        assert (found.size, found.content_type, found.metadata) == (5, "text/csv", facts)
        assert found.last_modified is not None and found.last_modified > 1_600_000_000
    assert not tool.info("key").downloaded and tool.info("key").blob is None
    plain = tool.get("key", return_info=False)
    assert not plain.has_info and plain.metadata is None and plain.blob == b"12345"


def test_many_are_fetched_in_the_order_of_their_keys(tool: S3) -> None:
    keys = [f"k/{number}" for number in range(60)]
    put = tool.put_many((key, key) for key in keys)

    assert [key for key, _ in put] == keys
    assert [found.text for found in tool.get_many(keys[::-1])] == keys[::-1]
    assert tool.get_many([]) == tool.info_many([]) == tool.put_many([]) == []


def test_files_are_put_with_their_facts(tool: S3, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    pairs = [("plain", tmp_path / "a"), S3PutObject("typed", path=str(tmp_path / "a"), content_type="text/x")]

    urls = dict(tool.put_files(pairs))  # type: ignore[arg-type]

    assert [*urls] == ["plain", "typed"]
    assert tool.info("typed").content_type == "text/x"
    assert tool.put_many([S3PutObject("valued", value="v", metadata={"a": 1})])[0][0] == "valued"
    assert tool.info("valued").metadata == {"a": 1}


def test_without_overwrite_what_is_there_stays(tool: S3) -> None:
    tool.put("a", "old")

    assert tool.put("a", "new", overwrite=False).endswith("/a")
    assert [key for key, _ in tool.put_many([("a", "new"), ("b", "new")], overwrite=False)] == ["b"]
    assert [each.text for each in tool.get_many(["a", "b"])] == ["old", "new"]
    tool.put("a", "new")
    assert tool.get("a").text == "new"


def test_listing_stops_at_the_next_level_or_goes_all_the_way(tool: S3, s3: S3Server) -> None:
    tool.put_many([(key, key) for key in ("top", "d/one", "d/e/two", "dd/three")])

    level = {each.key: (each.exists, each.size) for each in tool.list_paths()}
    assert level == {"top": (True, 3), "d": (False, None), "dd": (False, None)}
    assert [each.key for each in tool.list_paths(["d"])] == ["d/e", "d/one"]
    assert sorted(each.key for each in tool.list_recursive()) == ["d/e/two", "d/one", "dd/three", "top"]
    assert sorted(each.key for each in tool.list_recursive(["d"])) == ["d/e/two", "d/one"]
    assert tool.list_paths(["nothing"]) == []
    fetched = tool.get_recursive(["d", "dd/"])
    assert {each.key: each.text for each in fetched} == {key: key for key in ("d/e/two", "d/one", "dd/three")}
    assert {each.prefix for each in fetched} == {f"{s3.uri}/d", f"{s3.uri}/dd/"}
    assert len(tool.get_all()) == 4 and all(each.has_info for each in tool.get_all(return_info=True))


def test_missing_objects_are_told_or_returned(tool: S3, s3: S3Server) -> None:
    tool.put("there", "1")

    with pytest.raises(MetaflowS3NotFound, match=f"there is no {s3.uri}/nope; with return_missing=True"):
        tool.get("nope")
    with pytest.raises(MetaflowS3NotFound, match=r"/no1, .*/no2;"):
        tool.get_many(["there", "no1", "no2"])
    with pytest.raises(MetaflowS3NotFound):
        tool.info("nope")
    for found in (tool.get("nope", return_missing=True), tool.info("nope", return_missing=True)):
        assert not found.exists and not found.downloaded and found.size is None and "does not exist" in str(found)
    some = tool.get_many(["there", "nope"], return_missing=True)
    assert [each.exists for each in some] == [True, False]


@pytest.mark.parametrize(
    ("offset", "length", "content"),
    [(0, 3, b"012"), (5, -1, b"56789"), (8, 100, b"89"), (0, -1, b"0123456789"), (4, 1, b"4"), (0, 0, b"")],
)
def test_a_part_of_an_object_is_fetched(tool: S3, offset: int, length: int, content: bytes) -> None:
    tool.put("digits", "0123456789")

    found = tool.get(S3GetObject("digits", offset, length))

    assert found.blob == content and found.size == len(content)
    assert found.range_info is not None
    assert (found.range_info.total_size, found.range_info.request_offset) == (10, offset)


def test_a_part_that_is_not_there_is_told(tool: S3) -> None:
    tool.put("digits", "0123456789")
    tool.put("empty", b"")

    with pytest.raises(MetaflowS3InvalidRange, match="it ends before the part that was asked for"):
        tool.get(S3GetObject("digits", 10, 5))
    with pytest.raises(MetaflowS3InvalidRange, match="the offset must be at least 0"):
        tool.get(S3GetObject("digits", -3))
    assert tool.get("empty").blob == b""
    assert tool.get(S3GetObject("empty", 0, 5)).blob == b""


@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(size=st.integers(0, 70), offset=st.integers(0, 30), length=st.integers(-1, 70))
def test_large_objects_come_in_pieces_and_are_the_same(
    tool: S3, monkeypatch: pytest.MonkeyPatch, size: int, offset: int, length: int
) -> None:
    monkeypatch.setattr(transfer, "PIECE", 16)
    content = bytes(range(size))
    tool.put("large", content)
    if offset and offset >= size:
        return

    assert tool.get("large").blob == content
    wanted = content[offset:] if length < 0 else content[offset : offset + length]
    assert tool.get(S3GetObject("large", offset, length)).blob == wanted


def test_an_object_of_several_parts_goes_up_and_down(tool: S3, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 20
    (tmp_path / "large").write_bytes(content)

    tool.put_files([("file", str(tmp_path / "large"))])
    tool.put("memory", content)

    assert [each.blob == content for each in tool.get_many(["file", "memory"])] == [True, True]


# Without what the server of the tests, unlike AWS's own, takes for a folder's.
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\\/.")
KEYS = st.lists(st.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=3).map("/".join)


@examples(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=3, unique=True))
def test_keys_may_have_any_letters(s3: S3Server, keys: list[str]) -> None:
    with S3(s3root=f"{s3.uri}/{os.urandom(4).hex()}") as tool:
        unlike = [key for key in keys if not any(other.startswith(f"{key}/") for other in keys)]
        tool.put_many([(key, key) for key in unlike])

        assert sorted(each.key for each in tool.list_recursive()) == sorted(unlike)
        assert [each.text for each in tool.get_many(unlike)] == unlike


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: S3(s3root="/tmp/x"), "'/tmp/x' is no address in S3; write s3://bucket/key"),
        (lambda: S3(s3root="s3://"), "'s3://' is no address"),
        (lambda: S3(s3root="s3://b", bucket="c"), "takes neither run nor bucket nor prefix"),
        (lambda: S3(prefix="p"), "names no bucket"),
        (lambda: S3(run="F/1"), "takes self in a step, or a Run of the Client"),  # type: ignore[arg-type]
        (lambda: S3(role="arn:x"), "takes no role; roles, sessions and clients are those of AWS's own configuration"),
        (lambda: S3(tmproot="/nowhere"), "no folder can be made there"),
        (lambda: S3().get("plain"), "'plain' is no address in S3"),
        (lambda: S3().get("s3://bucket"), "s3://bucket is a bucket; write the key of an object after it"),
        (lambda: S3().list_paths(), "has no root to list"),
        (lambda: S3(s3root="s3://b/p").get("s3://b/p/k"), "is a whole address, but keys are relative to s3://b/p here"),
        (lambda: S3(s3root="s3://b/p").get(""), "'' is no key"),
        (lambda: S3(s3root="s3://b").get_many("key"), "takes a list of keys, not one key"),
        (lambda: S3(s3root="s3://b").put("k", {"a": 1}), "is of type dict; S3 takes texts, bytes and open files"),
        (lambda: S3(s3root="s3://b").put_files([("k", "/no/file")]), "there is no file /no/file; nothing was written"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_asked(make: object, told: str) -> None:
    with pytest.raises(MetaflowS3Exception) as refused:
        make()  # type: ignore[operator]

    assert told in str(refused.value)
    assert isinstance(refused.value, MetaflowHeraError)


def test_errors_are_told_apart_by_the_peers_names(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MetaflowS3NotFound, match="there is no bucket 'mfhera-none'"):
        S3(s3root="s3://mfhera-none").list_paths()
    with pytest.raises(MetaflowS3AccessDenied, match="access to bucket 'mfhera-none' was denied"):
        S3(s3root="s3://mfhera-none").put("k", "v")  # as this server says it
    with pytest.raises(MetaflowS3InvalidObject):
        S3(s3root=s3.uri).put("k", 3)  # type: ignore[arg-type]
    with pytest.raises(MetaflowS3URLException):
        S3().put("k", "v")
    with S3(s3root=s3.uri) as tool:
        tool.put("k", "v")
        (tmp_path / "1").symlink_to("/dev/full")
        monkeypatch.setattr(tool, "_folder", str(tmp_path))
        monkeypatch.setattr(tool, "_files", 0)
        with pytest.raises(MetaflowS3InsufficientDiskSpace, match="there is no room left"):
            tool.get("k")
    error = pickle.loads(pickle.dumps(MetaflowS3NotFound("gone")))
    assert type(error).known_as == "metaflow.plugins.datatools.s3.s3.MetaflowS3NotFound" and str(error) == "gone"


FLOW = """
from metaflow import FlowSpec, S3, current, step
from metaflow.plugins.datatools.s3 import S3PutObject

class Kept(FlowSpec):
    @step
    def start(self):
        with S3(run=self) as s3:
            self.url = s3.put("model", "weights")
        self.next(self.end)

    @step
    def end(self):
        with S3(run=self) as s3:
            self.text = s3.get("model").text
            self.listed = [each.key for each in s3.list_paths()]

if __name__ == "__main__":
    Kept()
"""


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    path, modules = list(sys.path), set(sys.modules)
    namespace(None)
    (tmp_path / "kept.py").write_text(FLOW)
    yield tmp_path / "kept.py"
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        del sys.modules[name]


def test_data_of_a_run_is_kept_beside_the_datastore(s3: S3Server, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)

    done = run(kept)

    assert done.data is not None
    assert done.data.url == f"{s3.uri}/datatools/Kept/{done.id}/model"
    assert (done.data.text, done.data.listed) == ("weights", ["model"])
    with S3(run=Run(f"Kept/{done.id}")) as tool, S3(run=done, bucket="other", prefix="p") as other:
        assert tool.get("model").text == "weights"
        assert other._root.url == f"s3://other/p/Kept/{done.id}"


def test_data_of_a_run_over_a_directory_needs_a_place(
    s3: S3Server, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = run(kept, check=False)

    assert failed.exception is not None
    assert "MetaflowS3URLException" in failed.exception.type
    assert "that is the directory" in failed.exception.text
    assert "set MFHERA_DATATOOLS_S3ROOT=s3://bucket/prefix" in failed.exception.text

    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", f"{s3.uri}/elsewhere")
    done = run(kept)
    assert done.data is not None
    assert done.data.url == f"{s3.uri}/elsewhere/Kept/{done.id}/model"


def test_pods_keep_data_where_they_were_told_when_they_were_deployed() -> None:
    chosen = Settings(datastore="/store", s3_region="eu-west-1", datatools_s3root="s3://data/of/runs")

    assert environment_of_pods(chosen) == {
        "MFHERA_S3_REGION": "eu-west-1",
        "MFHERA_DATATOOLS_S3ROOT": "s3://data/of/runs",
    }
    assert environment_of_pods(Settings(datastore="/store", s3_region="eu-west-1")) == {}


def test_an_s3_outside_of_a_run_is_told(kept: Path) -> None:
    from metaflow_hera.flow.load import load_flow

    with pytest.raises(MetaflowS3URLException, match="the flow does not run here"):
        S3(run=load_flow(kept)(use_cli=False))


def test_naming_s3_costs_no_boto3() -> None:
    code = "import sys; from metaflow_hera import S3; S3(s3root='s3://b/k').close(); print('boto3' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_an_object_tells_what_it_is() -> None:
    assert str(S3Object(url="s3://b/k", key="k", size=3, path="/x")) == "<S3Object s3://b/k (3 bytes, local)>"
