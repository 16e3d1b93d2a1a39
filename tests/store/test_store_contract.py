"""What every store promises."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaflow_hera.errors import ConflictError, MissingKeyError, StoreError
from metaflow_hera.settings import Settings
from metaflow_hera.store import ABSENT, Store, open_store

HOSTILE = [
    *("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".hidden", "a/.hidden"),
    *("a\0b", "a\nb", "a\\b", "a\ud800b", "./a"),
]


def test_an_object_comes_back_as_it_was_put(store: Store) -> None:
    store.put("a/b", b"hello ", bytearray(b"wide "), memoryview(b"world"))
    assert bytes(store.get("a/b")) == b"hello wide world"


@pytest.mark.parametrize("parts", [(), (b"",), (b"", b"")])
def test_an_object_can_be_empty(store: Store, parts: tuple[bytes, ...]) -> None:
    version = store.put("empty", *parts)
    assert bytes(store.get("empty")) == b""
    assert store.head("empty") == version != ABSENT
    assert list(store.keys("")) == ["empty"]


def test_an_object_can_be_replaced(store: Store) -> None:
    store.put("a", b"a long text")
    store.put("a", b"short")
    assert bytes(store.get("a")) == b"short"


def test_many_parts_are_one_object(store: Store) -> None:
    store.put("a", *(bytes([number % 256]) for number in range(3000)))
    assert bytes(store.get("a")) == bytes(number % 256 for number in range(3000))


@pytest.mark.parametrize("size", [(1 << 18) - 1, 1 << 18, (1 << 23) + 1, 40_000_000])
def test_a_large_object_comes_back_as_it_was_put(store: Store, size: int) -> None:
    data = os.urandom(1 << 20) * (size // (1 << 20) + 1)
    view = memoryview(data)[:size]
    store.put("large", view[:1000], view[1000:2000], view[2000:])
    assert store.get("large") == view
    assert store.get("large", 1500, 2500) == view[1500:2500]
    assert store.get("large", size - 3) == view[-3:]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, None, b"0123456789"),
        (3, None, b"3456789"),
        (0, 4, b"0123"),
        (3, 7, b"3456"),
        (3, 3, b""),
        (7, 3, b""),
        (8, 100, b"89"),
        (10, None, b""),
        (100, None, b""),
        (100, 200, b""),
    ],
)
def test_a_range_gives_what_there_is_of_it(store: Store, start: int, end: int | None, expected: bytes) -> None:
    store.put("digits", b"0123456789")
    assert bytes(store.get("digits", start, end)) == expected


@pytest.mark.parametrize("read", [lambda s: s.get("a/b"), lambda s: s.get("a/b", 1, 2), lambda s: s.get("a/b", 2, 2)])
def test_a_missing_object_is_named(store: Store, read: Callable[[Store], object]) -> None:
    with pytest.raises(MissingKeyError, match="there is no a/b"):
        read(store)
    assert store.head("a/b") == ABSENT


def test_what_other_keys_begin_with_is_no_object(store: Store) -> None:
    store.put("a/b/c", b"")
    assert store.head("a/b") == ABSENT
    with pytest.raises(MissingKeyError):
        store.get("a/b")


def test_only_the_first_of_two_writers_finds_no_object(store: Store) -> None:
    store.put("a", b"first", expect=ABSENT)
    with pytest.raises(ConflictError):
        store.put("a", b"second", expect=ABSENT)
    assert bytes(store.get("a")) == b"first"


def test_an_unchanged_object_can_be_replaced_and_a_changed_one_cannot(store: Store) -> None:
    first = store.put("a", b"first")
    second = store.put("a", b"second", expect=first)
    assert store.head("a") == second != first
    with pytest.raises(ConflictError):
        store.put("a", b"third", expect=first)
    assert bytes(store.get("a")) == b"second"


def test_an_object_that_is_not_there_is_not_unchanged(store: Store) -> None:
    version = store.put("a", b"first")
    with pytest.raises(ConflictError):
        store.put("b", b"first", expect=version)
    assert list(store.keys("")) == ["a"]


def test_one_of_many_writers_at_once_wins(store: Store) -> None:
    def write(number: int) -> int | None:
        try:
            store.put("race", str(number).encode(), expect=ABSENT)
        except ConflictError:
            return None
        return number

    with ThreadPoolExecutor(16) as pool:
        winners = [number for number in pool.map(write, range(32)) if number is not None]
    assert [str(winner).encode() for winner in winners] == [bytes(store.get("race"))]


def test_a_counter_loses_no_step(store: Store) -> None:
    store.put("counter", b"0")

    def count(_: int) -> None:
        while True:
            version = store.head("counter")
            number = int(bytes(store.get("counter")))
            try:
                store.put("counter", str(number + 1).encode(), expect=version)
            except ConflictError:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(24)))
    assert bytes(store.get("counter")) == b"24"


def test_a_reader_never_sees_half_an_object(store: Store) -> None:
    contents = [bytes([letter]) * 100_000 for letter in b"abcdefgh"]
    store.put("a", contents[0])
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(store.put, "a", content[:7], content[7:]) for content in contents * 3]
        reads = [pool.submit(store.get, "a") for _ in range(50)]
    assert all(write.result() for write in writes)
    assert {bytes(read.result()) for read in reads} <= set(contents)


KEYS = [
    *(
        "a b/c+d%e&f",
        "a-b",
        "a.b",
        "a/b",
        "a/b/c2",
        "a/b2~3",
        "a/b.json",
        "a/z",
        "a/é",
        "a0",
        "e",
        "Z/x",
        "ä/x",
        "～",
        "𐍈",
    ),
    *("F/index/1-r", "F/runs/1/run.json", "F/runs/1/start/0/0/claim", "F/runs/1/start/0/0/task.json", "F/runs/10/x"),
]


@pytest.fixture
def filled(store: Store) -> Store:
    for key in KEYS:
        if key != "a/b":  # a directory cannot be an object as well
            store.put(key, b"x")
    return store


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b", "a/b/", "a/b2", "F/runs/1", "F/runs/1/", "nothing", "no/thing/"]
)
def test_keys_are_listed_in_the_order_of_their_code_points(filled: Store, prefix: str) -> None:
    expected = sorted(key for key in KEYS if key.startswith(prefix) and key != "a/b")
    assert list(filled.keys(prefix)) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("F/runs/", ["F/runs/1/", "F/runs/10/"]),
        ("F/runs/1/", ["F/runs/1/run.json", "F/runs/1/start/"]),
        ("a", ["a b/", "a-b", "a.b", "a/", "a0"]),
        ("a/b", ["a/b.json", "a/b/", "a/b2~3"]),
        ("nothing/", []),
    ],
)
def test_keys_are_listed_up_to_the_next_part(filled: Store, prefix: str, expected: list[str]) -> None:
    assert list(filled.keys(prefix, deep=False)) == expected


def test_more_keys_are_listed_than_a_server_tells_at_once(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: store.put(f"many/{number}/x", b""), range(1100)))
    assert list(store.keys("many/")) == sorted(f"many/{number}/x" for number in range(1100))
    assert list(store.keys("many/", deep=False)) == sorted(f"many/{number}/" for number in range(1100))


@pytest.mark.parametrize("key", HOSTILE)
def test_a_key_that_leads_elsewhere_is_refused(store: Store, key: str) -> None:
    for call in (lambda: store.put(key, b""), lambda: store.get(key), lambda: store.head(key)):
        with pytest.raises(StoreError, match="cannot be a key"):
            call()


@pytest.mark.parametrize("prefix", ["/", "/a", "../", "a/../b", "a//", ".lock", "a/.b"])
def test_a_prefix_that_leads_elsewhere_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError, match="cannot be the beginning of a key"):
        list(store.keys(prefix))


def test_the_uri_opens_the_same_store(store: Store) -> None:
    store.put("a", b"x")
    assert bytes(open_store(store.uri, Settings.load()).get("a")) == b"x"


def test_a_store_can_be_used_after_a_fork(store: Store) -> None:
    store.put("parent", b"")
    child = os.fork()
    if child == 0:
        store.put("child", bytes(store.get("parent")))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(store.keys("")) == ["child", "parent"]
