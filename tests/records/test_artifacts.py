"""Artifacts and logs over a store."""

from __future__ import annotations

import hashlib
import os
import tracemalloc

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.errors import ArtifactError, MissingKeyError, StoreError
from metaflow_hera.naming import RunKeys, data_key
from metaflow_hera.records import logs
from metaflow_hera.records.artifacts import INLINE_LIMIT, INLINE_TOTAL, LazyValues, digest, identity, load, save_all
from metaflow_hera.records.values import Ref, dump
from metaflow_hera.store import Store

KEYS = RunKeys("F", "1").attempt("a", "0", 0)


def test_values_come_back(store: Store) -> None:
    values = {"small": 1, "text": "x" * 5000, "array": numpy.arange(500_000.0), "nothing": None}
    refs = save_all(store, values)
    assert list(refs) == list(values)
    assert load(store, refs["small"]) == 1
    assert load(store, refs["text"]) == "x" * 5000
    assert numpy.array_equal(load(store, refs["array"]), values["array"])  # type: ignore[arg-type]
    assert load(store, refs["nothing"]) is None


def test_small_values_are_no_objects_of_their_own(store: Store) -> None:
    refs = save_all(store, {"a": 1, "b": "x" * 500})
    assert list(store.keys("")) == []
    assert all(ref.inline is not None and ref.digest is None for ref in refs.values())


def test_larger_values_are_objects_named_by_their_bytes(store: Store) -> None:
    ref = save_all(store, {"a": "x" * 5000})["a"]
    assert ref.inline is None
    assert ref.digest
    assert list(store.keys("")) == [data_key(ref.digest)]
    assert hashlib.sha256(bytes(store.get(data_key(ref.digest)))).hexdigest() == ref.digest


def test_equal_values_are_stored_once(store: Store) -> None:
    first = save_all(store, {"a": "x" * 5000, "b": "x" * 5000})
    key = data_key(first["a"].digest or "")
    version = store.head(key)
    assert save_all(store, {"c": "x" * 5000})["c"] == first["a"] == first["b"]
    assert list(store.keys("")) == [key]
    assert store.head(key) == version


def test_an_object_that_lost_its_end_is_written_again(store: Store) -> None:
    ref = save_all(store, {"a": "x" * 5000})["a"]
    for left in (b"", b"half"):
        store.put(data_key(ref.digest or ""), left)
        with pytest.raises(ArtifactError, match="artifact 'a' is damaged"):
            load(store, ref, "a")
        save_all(store, {"a": "x" * 5000})
        assert load(store, ref) == "x" * 5000


def test_a_record_holds_a_limited_number_of_bytes(directory_store: Store) -> None:
    refs = save_all(directory_store, {str(number): os.urandom(900) for number in range(100)})
    assert sum(len(ref.inline or b"") for ref in refs.values()) <= INLINE_TOTAL
    more = save_all(directory_store, {"more": os.urandom(INLINE_LIMIT - 100)}, beside=refs.values())
    assert more["more"].inline is None


def test_what_is_inherited_counts(directory_store: Store) -> None:
    inherited = [Ref(size=INLINE_TOTAL, type="bytes", inline=b"x" * INLINE_TOTAL)]
    assert save_all(directory_store, {"a": 1}, beside=inherited)["a"].digest


def test_nothing_is_stored_if_one_value_cannot_be(store: Store) -> None:
    with pytest.raises(ArtifactError, match="artifact 'bad' of type generator"):
        save_all(store, {"good": "x" * 5000, "bad": (n for n in ())})
    assert list(store.keys("")) == []


def test_many_values_are_stored(store: Store) -> None:
    values = {str(number): f"{number}" * 2000 for number in range(60)}
    assert dict(LazyValues(store, save_all(store, values))) == values


def test_lazy_values_are_read_when_asked_for_and_once(directory_store: Store) -> None:
    refs = save_all(directory_store, {"a": "x" * 5000, "b": "y" * 5000})
    gone = Ref(size=1, type="str", digest="0" * 64)
    values = LazyValues(directory_store, {**refs, "gone": gone})
    assert set(values) == {"a", "b", "gone"}
    assert "gone" in values
    assert len(values) == 3
    assert values["a"] is values["a"]
    with pytest.raises(ArtifactError, match="artifact 'gone' is gone"):
        values["gone"]
    with pytest.raises(KeyError):
        values["never"]


def test_identity_is_that_of_the_bytes(directory_store: Store) -> None:
    refs = save_all(directory_store, {"a": 1, "b": 1, "c": 2, "d": "x" * 5000, "e": "x" * 5000})
    assert identity(refs["a"]) == identity(refs["b"]) != identity(refs["c"])
    assert identity(refs["d"]) == identity(refs["e"])


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_a_digest_is_that_of_the_joined_parts(parts: list[bytes]) -> None:
    assert digest(parts) == hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("size", [(1 << 23) - 1, 1 << 23, (1 << 23) + 1, 3 << 23])
def test_the_digest_of_many_bytes_does_not_depend_on_where_they_are_cut(size: int) -> None:
    data = os.urandom(1000) * (size // 1000 + 1)
    view = memoryview(data)[:size]
    assert digest([view]) == digest([view[:1], view[1:5000], b"", view[5000:]])
    assert digest([view]) != digest([view[:-1], b"\0" if view[-1] else b"\1"])


def test_saving_a_large_array_takes_little_memory(directory_store: Store) -> None:
    array = numpy.arange(4_000_000.0)
    save_all(directory_store, {"warm": numpy.arange(1_200_000.0)})
    tracemalloc.start()
    try:
        refs = save_all(directory_store, {"array": array})
        _, saved = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        loaded = load(directory_store, refs["array"])
        _, read = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert max(saved, read) < 0.2 * array.nbytes
    assert isinstance(loaded, numpy.ndarray)
    loaded[0] = 5
    assert load(directory_store, refs["array"])[0] == 0  # type: ignore[index]


def test_a_value_dumped_is_known_by_its_type() -> None:
    assert dump(numpy.arange(3), "x").type == "numpy.ndarray"


# --- logs -----------------------------------------------------------------------------------------


def test_a_log_is_what_was_written(store: Store) -> None:
    writer = logs.LogWriter(store, KEYS, logs.STDOUT)
    expected = b""
    for number in range(12):
        writer.write(f"line {number}\n".encode())
        writer.write(b"")
        expected += f"line {number}\n".encode()
        if number % 5 == 0:
            writer.flush()
            writer.flush()
    writer.flush()
    assert logs.read(store, KEYS, logs.STDOUT) == expected
    assert logs.read(store, KEYS, logs.STDERR) == b""
    assert len(list(store.keys(""))) == 4


def test_what_a_store_refused_is_written_by_the_next_flush(directory_store: Store, tmp_path: object) -> None:
    class Broken:
        def __init__(self, store: Store) -> None:
            self.store, self.works = store, False

        def put(self, key: str, *parts: bytes) -> object:
            if not self.works:
                raise StoreError("out of reach")
            return self.store.put(key, *parts)

    broken = Broken(directory_store)
    writer = logs.LogWriter(broken, KEYS, logs.STDOUT)  # type: ignore[arg-type]
    writer.write(b"one")
    with pytest.raises(StoreError):
        writer.flush()
    writer.write(b"two")
    assert writer.pending == 6
    broken.works = True
    writer.flush()
    assert writer.pending == 0
    assert logs.read(directory_store, KEYS, logs.STDOUT) == b"onetwo"


def test_streams_and_attempts_are_apart(directory_store: Store) -> None:
    other = RunKeys("F", "1").attempt("a", "0", 1)
    for keys, stream in ((KEYS, logs.STDOUT), (KEYS, logs.STDERR), (other, logs.STDOUT)):
        writer = logs.LogWriter(directory_store, keys, stream)
        writer.write(f"{keys.prefix}{stream}".encode())
        writer.flush()
    assert logs.read(directory_store, other, logs.STDOUT) == f"{other.prefix}stdout".encode()
    with pytest.raises(MissingKeyError):
        directory_store.get(other.record)
