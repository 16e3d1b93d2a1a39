"""Work in several processes, and how long it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import children

from metaflow_hera import parallel_imap_unordered, parallel_map, profile
from metaflow_hera.datatools.multicore import MulticoreException


def test_results_come_in_the_order_of_the_items_from_processes_of_their_own() -> None:
    results = parallel_map(lambda number: (number * 2, os.getpid()), range(10), max_parallel=3)

    assert [result for result, _ in results] == [number * 2 for number in range(10)]
    assert os.getpid() not in {pid for _, pid in results}
    assert parallel_map(str, []) == []


def test_results_come_as_they_are_ready_and_may_be_large() -> None:
    large = b"x" * (3 << 20)
    waits = {0: 0.4, 1: 0.0}

    def work(number: int) -> tuple[int, bytes]:
        time.sleep(waits[number])
        return number, large

    found = list(parallel_imap_unordered(work, [0, 1], max_parallel=2))

    assert [number for number, _ in found] == [1, 0]
    assert all(content == large for _, content in found)


def raising(_: object) -> NoReturn:
    raise KeyError("inside")


def killed(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (raising, "item 0 failed:\nTraceback"),
        (raising, "KeyError: 'inside'"),
        (killed, "item 0: its process was ended by signal 9 without a result"),
        (lambda _: os._exit(7), "ended with exit code 7"),
        (lambda _: sys.exit("bye"), "SystemExit: bye"),
        (lambda _: (number for number in ()), "cannot be stored"),
    ],
)
def test_what_goes_wrong_is_told_with_the_item(work: Callable[[object], Any], told: str) -> None:
    with pytest.raises(MulticoreException) as failed:
        parallel_map(work, ["a"])

    assert told in str(failed.value)


def test_the_others_are_ended_when_one_fails_or_nobody_wants_more() -> None:
    def work(number: int) -> int:
        if number:
            time.sleep(60)
        return number

    before = children()
    results = parallel_imap_unordered(work, range(5), max_parallel=5)
    assert next(results) == 0
    assert len(children() - before) >= 4
    results.close()  # type: ignore[attr-defined]
    assert children() - before == set()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.integers(), st.text(), st.none()), max_size=6), st.integers(1, 4))
def test_it_is_a_map(items: list[object], width: int) -> None:
    assert parallel_map(repr, items, max_parallel=width) == list(map(repr, items))


def test_a_profile_is_printed_or_added_up(capfd: pytest.CaptureFixture[str]) -> None:
    stats: dict[str, float] = {}
    for _ in range(2):
        with profile("fit", stats_dict=stats):
            time.sleep(0.01)
    with profile("predict"):
        pass

    assert stats["fit"] >= 20
    assert "predict: took " in capfd.readouterr().err


def test_the_peers_names_lead_here() -> None:
    code = """
from metaflow_hera import compat; compat.install()
from metaflow import parallel_map, profile, S3
from metaflow.multicore_utils import parallel_map as same
from metaflow.plugins.datatools.s3 import MetaflowS3NotFound
from metaflow.plugins.datatools.s3.s3 import S3 as also
print(same is parallel_map, also is S3)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True True\n"
