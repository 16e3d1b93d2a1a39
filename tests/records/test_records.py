"""Records of runs and tasks over a store: dying before, in the middle and after; two at once; twice."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaflow_hera.errors import MissingKeyError, NotFoundError, StoreError, UsageError
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs, tags, tasks
from metaflow_hera.records.codec import UnreadableRecordError, decode, encode
from metaflow_hera.records.run import EndRecord, RunRecord
from metaflow_hera.records.task import Claim, Failure, Frame, TaskRecord, TaskStatus
from metaflow_hera.records.values import Ref
from metaflow_hera.store import Data, Store, Version
from metaflow_hera.store.directory import DirectoryStore

KEYS = RunKeys("F", "1")
CLAIM = Claim(started=1.0, host="h", pid=1)

texts = st.text(max_size=20)
times = st.floats(min_value=0, max_value=1e11)
counts = st.integers(min_value=0, max_value=10**6)
refs = st.builds(Ref, size=counts, type=texts, inline=st.binary(max_size=50)) | st.builds(
    Ref, size=counts, type=texts, digest=texts
)
names = st.dictionaries(texts, refs, max_size=4)
records = st.one_of(
    st.builds(EndRecord, status=texts, finished=times, message=texts),
    st.builds(Claim, started=times, host=texts, pid=counts, user=texts),
    st.builds(
        RunRecord,
        flow=texts,
        run=texts,
        created=times,
        user=texts,
        tags=st.lists(texts, max_size=3).map(tuple),
        parameters=names,
        parameter_names=st.lists(texts, max_size=3).map(tuple),
        graph=st.dictionaries(texts, st.lists(texts, max_size=2) | st.none(), max_size=3),
    ),
    st.builds(
        TaskRecord,
        step=texts,
        path=texts,
        attempt=counts,
        status=st.sampled_from(TaskStatus),
        started=times,
        finished=times,
        parents=st.lists(texts, max_size=3).map(tuple),
        frames=st.lists(st.builds(Frame, step=texts, over=texts, index=counts, count=counts), max_size=3).map(tuple),
        splits=st.none() | counts,
        artifacts=names,
        failure=st.none() | st.builds(Failure, type=texts, text=texts, traceback=texts),
    ),
)


def succeeded(step: str, path: str, attempt: int = 0) -> TaskRecord:
    return TaskRecord(step=step, path=path, attempt=attempt, status=TaskStatus.SUCCEEDED, started=1.0, finished=2.0)


def failed(step: str, path: str, attempt: int = 0) -> TaskRecord:
    failure = Failure(type="builtins.ValueError", text="boom", traceback="")
    return TaskRecord(
        step=step, path=path, attempt=attempt, status=TaskStatus.FAILED, started=1.0, finished=2.0, failure=failure
    )


class Counting:
    """A store that notes every call on the way to another."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: list[str] = []

    @property
    def uri(self) -> str:
        return self.store.uri

    @property
    def parallelism(self) -> int:
        return self.store.parallelism

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        self.calls.append(f"put {key}")
        return self.store.put(key, *parts, expect=expect)

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        self.calls.append(f"get {key}")
        return self.store.get(key, start, end)

    def head(self, key: str) -> Version:
        self.calls.append(f"head {key}")
        return self.store.head(key)

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        self.calls.append(f"keys {prefix}")
        return self.store.keys(prefix, deep=deep)


@given(records)
def test_a_record_comes_back_equal(record: object) -> None:
    assert decode(type(record), encode(record)) == record


def test_a_record_without_news_is_short() -> None:
    assert encode(EndRecord(status="Succeeded", finished=1.5)) == b'{"v":1,"status":"Succeeded","finished":1.5}'


def test_a_field_of_tomorrow_is_skipped() -> None:
    assert decode(EndRecord, b'{"v":1,"status":"S","finished":1,"mood":"fine"}') == EndRecord(status="S", finished=1)


def test_a_version_of_tomorrow_is_refused_with_what_to_do() -> None:
    with pytest.raises(StoreError, match=r"written in version 2 by a newer metaflow_hera.*upgrade"):
        decode(EndRecord, b'{"v":2,"status":"S","finished":1}')


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b'{"v":1,"status":', b"[]", b"3", b"{}", b'{"v":1}', b'{"v":1,"status":"S"}']
)
def test_what_a_lost_machine_left_is_no_record(data: bytes) -> None:
    with pytest.raises(UnreadableRecordError):
        decode(EndRecord, data)


# --- claims ---------------------------------------------------------------------------------------


def test_a_first_claim_is_one_write(directory_store: Store) -> None:
    counting = Counting(directory_store)
    assert tasks.claim(counting, KEYS, "a", "0", 0, CLAIM) == tasks.Claimed(attempt=0)
    assert counting.calls == ["put F/runs/1/a/0/0/claim"]


def test_every_claim_gets_an_attempt_of_its_own(store: Store) -> None:
    taken = [
        tasks.claim(store, KEYS, "a", "0", at_least, claim_of(pid)).attempt
        for pid, at_least in enumerate((0, 0, 1, 5, 0))
    ]
    assert taken == [0, 1, 2, 5, 3]


def claim_of(pid: int) -> Claim:
    return Claim(started=1.0, host="h", pid=pid)


def test_claims_at_once_get_different_attempts(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda pid: tasks.claim(store, KEYS, "a", "0", 0, claim_of(pid)).attempt, range(16)))
    assert sorted(taken) == list(range(16))


def _claim_in_process(root: str, pid: int) -> int:
    return tasks.claim(DirectoryStore.open(root), KEYS, "a", "0", 0, claim_of(pid)).attempt


def test_processes_at_once_get_different_attempts(directory_store: Store) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        taken = pool.starmap(_claim_in_process, [(directory_store.uri, pid) for pid in range(16)])
    assert sorted(taken) == list(range(16))


def test_a_claim_that_was_written_before_the_connection_broke_is_ones_own(store: Store) -> None:
    tasks.claim(store, KEYS, "a", "0", 0, CLAIM)
    assert tasks.claim(store, KEYS, "a", "0", 0, CLAIM).attempt == 0


@pytest.mark.parametrize("at_least", [0, 1, 3])
def test_a_task_that_succeeded_is_not_claimed_again(store: Store, at_least: int) -> None:
    tasks.claim(store, KEYS, "a", "0", 0, claim_of(0))
    tasks.write(store, KEYS, failed("a", "0", 0))
    tasks.claim(store, KEYS, "a", "0", 1, claim_of(1))
    done = tasks.write(store, KEYS, succeeded("a", "0", 1))
    claimed = tasks.claim(store, KEYS, "a", "0", at_least, claim_of(2))
    assert claimed == tasks.Claimed(attempt=1, finished=done)
    assert [number for number, _, _ in tasks.attempts(store, KEYS, "a", "0")] == [0, 1]


def test_a_failed_attempt_is_followed_by_the_next(store: Store) -> None:
    tasks.claim(store, KEYS, "a", "0", 0, claim_of(0))
    tasks.write(store, KEYS, failed("a", "0", 0))
    assert tasks.claim(store, KEYS, "a", "0", 1, claim_of(1)) == tasks.Claimed(attempt=1)


# --- records of tasks -----------------------------------------------------------------------------


def test_a_supervisor_never_hides_a_success(store: Store) -> None:
    done = succeeded("a", "0")
    assert tasks.write(store, KEYS, done) == done
    assert tasks.write(store, KEYS, failed("a", "0")) == done
    assert tasks.find(store, KEYS, "a", "0") == done


def test_a_record_that_a_lost_machine_left_empty_is_written_again(store: Store) -> None:
    store.put(KEYS.attempt("a", "0", 0).record, b"")
    assert tasks.find(store, KEYS, "a", "0") is None
    assert tasks.write(store, KEYS, succeeded("a", "0")) == tasks.find(store, KEYS, "a", "0")


def test_the_first_attempt_is_found_by_one_read(directory_store: Store) -> None:
    tasks.write(directory_store, KEYS, succeeded("a", "0"))
    counting = Counting(directory_store)
    assert tasks.find(counting, KEYS, "a", "0")
    assert counting.calls == ["get F/runs/1/a/0/0/task.json"]


def test_the_first_success_is_found_among_many_attempts(store: Store) -> None:
    for attempt in range(12):
        record = succeeded if attempt in (10, 11) else failed
        tasks.write(store, KEYS, record("a", "0", attempt))
    found = tasks.find(store, KEYS, "a", "0")
    assert found is not None
    assert found.attempt == 10


def test_nothing_is_found_of_a_task_that_did_not_succeed(store: Store) -> None:
    assert tasks.find(store, KEYS, "a", "0") is None
    tasks.claim(store, KEYS, "a", "0", 0, CLAIM)
    assert tasks.find(store, KEYS, "a", "0") is None
    tasks.write(store, KEYS, failed("a", "0"))
    assert tasks.find(store, KEYS, "a", "0") is None


def test_many_tasks_are_found_in_the_order_asked_for(store: Store) -> None:
    for index in range(30):
        tasks.write(store, KEYS, (failed if index == 7 else succeeded)("a", str(index)))
    tasks.write(store, KEYS, succeeded("a", "7", 1))
    found = tasks.find_all(store, KEYS, "a", [str(index) for index in range(31)])
    assert [record and record.path for record in found] == [*map(str, range(30)), None]
    assert found[7] is not None
    assert found[7].attempt == 1


def test_a_thousand_inputs_cost_a_thousand_reads(directory_store: Store) -> None:
    for index in range(1000):
        tasks.write(directory_store, KEYS, succeeded("a", str(index)))
    counting = Counting(directory_store)
    tasks.find_all(counting, KEYS, "a", [str(index) for index in range(1000)])
    assert len(counting.calls) == 1000


def test_attempts_tell_who_took_them_and_what_they_left(store: Store) -> None:
    tasks.claim(store, KEYS, "a", "3", 0, claim_of(7))
    left = tasks.write(store, KEYS, failed("a", "3", 0))
    tasks.claim(store, KEYS, "a", "3", 1, claim_of(8))
    assert tasks.attempts(store, KEYS, "a", "3") == [(0, claim_of(7), left), (1, claim_of(8), None)]


def test_a_claim_that_a_lost_machine_left_empty_still_takes_its_number(store: Store) -> None:
    store.put(KEYS.attempt("a", "0", 0).claim, b"")
    assert tasks.claim(store, KEYS, "a", "0", 0, CLAIM).attempt == 1
    assert [number for number, _, _ in tasks.attempts(store, KEYS, "a", "0")] == [1]


def test_tasks_are_listed_by_their_numbers(store: Store) -> None:
    for path in ("10", "9", "2.1", "2.0", "1~2", "1~10"):
        tasks.claim(store, KEYS, "a", path, 0, CLAIM)
    runs.begin(store, RunRecord(flow="F", run="1", created=1.0))
    assert tasks.paths(store, KEYS, "a") == ["1~2", "1~10", "2.0", "2.1", "9", "10"]
    assert tasks.steps(store, KEYS) == ["a"]


def test_the_last_iteration_of_a_task_is_found_among_those_of_others(store: Store) -> None:
    for path in ("3~0", "3~2", "3~10", "3~9", "33~40", "3.1~50", "3"):
        tasks.claim(store, KEYS, "again", path, 0, CLAIM)
    assert tasks.last_iteration(store, KEYS, "again", "3") == 10
    assert tasks.last_iteration(store, KEYS, "again", "3.1") == 50
    assert tasks.last_iteration(store, KEYS, "again", "4") is None


# --- runs -----------------------------------------------------------------------------------------


def test_a_run_begins_once(store: Store) -> None:
    first = RunRecord(flow="F", run="1", created=100.0, user="a")
    assert runs.begin(store, first) == first
    assert runs.begin(store, RunRecord(flow="F", run="1", created=200.0, user="b")) == first
    assert runs.read(store, "F", "1") == first
    assert list(runs.run_ids(store, "F")) == ["1"]


def test_who_can_load_the_flow_completes_what_an_attempt_wrote_that_could_not(store: Store) -> None:
    runs.begin(store, RunRecord(flow="F", run="1", created=1.0))
    whole = RunRecord(flow="F", run="1", created=2.0, graph={"end": "last"}, parameter_names=("alpha",))
    held = runs.begin(store, whole)
    assert (held.created, held.graph, held.parameter_names) == (1.0, {"end": "last"}, ("alpha",))
    assert runs.begin(store, RunRecord(flow="F", run="1", created=3.0)) == held
    assert runs.begin(store, RunRecord(flow="F", run="1", created=4.0, graph={"end": "other"})) == held
    assert runs.read(store, "F", "1") == held
    assert list(runs.run_ids(store, "F")) == ["1"]


def test_runs_are_listed_newest_first(store: Store) -> None:
    for run, created in (("a", 1000.0), ("c-x", 3e9), ("b", 2000.5), ("b2", 2000.501)):
        runs.begin(store, RunRecord(flow="F", run=run, created=created))
    runs.begin(store, RunRecord(flow="F2", run="other", created=1.0))
    assert list(runs.run_ids(store, "F")) == ["c-x", "b2", "b", "a"]
    assert runs.flows(store) == ["F", "F2"]


def test_a_run_that_died_between_its_record_and_its_listing_is_listed_when_it_begins_again(store: Store) -> None:
    store.put(KEYS.record, encode(RunRecord(flow="F", run="1", created=1.0)))
    assert list(runs.run_ids(store, "F")) == []
    runs.begin(store, RunRecord(flow="F", run="1", created=2.0))
    assert [*store.keys("F/index/")] == [KEYS.index(1.0)]


def test_a_run_record_that_a_lost_machine_left_empty_is_written_again(store: Store) -> None:
    store.put(KEYS.record, b"")
    assert runs.read(store, "F", "1") is None
    runs.begin(store, RunRecord(flow="F", run="1", created=2.0))
    assert runs.read(store, "F", "1") is not None


def test_runs_that_begin_at_once_are_one(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda n: runs.begin(store, RunRecord(flow="F", run="1", created=float(n))), range(8)))
    assert len({record.created for record in begun}) == 1
    assert list(runs.run_ids(store, "F")) == ["1"]


@pytest.mark.parametrize(
    ("ends", "held"),
    [
        (["Succeeded", "Failed"], "Succeeded"),
        (["Failed", "Succeeded"], "Succeeded"),
        (["Failed", "Error"], "Error"),
        (["Succeeded", "Succeeded", "Error", "Failed"], "Succeeded"),
    ],
)
def test_a_failure_never_replaces_a_success(store: Store, ends: list[str], held: str) -> None:
    for status in ends:
        runs.end(store, "F", "1", EndRecord(status=status, finished=1.0))
    end = runs.read_end(store, "F", "1")
    assert end is not None
    assert end.status == held


def test_of_ends_at_once_a_success_holds(store: Store) -> None:
    ends = ["Failed", "Succeeded", "Error", "Failed"] * 3
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda status: runs.end(store, "F", "1", EndRecord(status=status, finished=1.0)), ends))
    assert runs.read_end(store, "F", "1") == EndRecord(status="Succeeded", finished=1.0)


# --- tags -----------------------------------------------------------------------------------------


@pytest.fixture
def tagged(store: Store) -> Store:
    runs.begin(store, RunRecord(flow="F", run="1", created=1.0, tags=("b", "a"), system_tags=("user:x",)))
    return store


def test_tags_begin_with_those_of_the_run(tagged: Store) -> None:
    assert tags.read(tagged, KEYS) == ("a", "b")
    assert tags.edit(tagged, KEYS, add=["c"], remove=["a"]) == ("b", "c")
    assert tags.read(tagged, KEYS) == ("b", "c")
    assert tags.edit(tagged, KEYS, add=["b"], remove=["b"]) == ("b", "c")


def test_edits_at_once_are_all_kept(tagged: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: tags.edit(tagged, KEYS, add=[f"t{number}"]), range(20)))
    assert set(tags.read(tagged, KEYS)) == {"a", "b", *(f"t{number}" for number in range(20))}


@pytest.mark.parametrize(
    ("add", "remove", "told"),
    [
        ([""], [], "must not be empty"),
        (["x" * 501], [], "has 501 characters; at most 500"),
        ([3], [], "must be a string, not 3"),
        (["", 3], [], "must not be empty; a tag must be a string"),
        ([f"t{number}" for number in range(49)], [], "would have 51 tags; at most 50"),
        ([], ["a", "user:x"], "'user:x' cannot be removed"),
    ],
)
def test_tags_that_cannot_be_change_nothing(tagged: Store, add: list[str], remove: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tags.edit(tagged, KEYS, add=add, remove=remove)
    assert tags.read(tagged, KEYS) == ("a", "b")


def test_fifty_tags_fit(tagged: Store) -> None:
    assert len(tags.edit(tagged, KEYS, add=[f"t{number}" for number in range(48)])) == 50
    assert len(tags.edit(tagged, KEYS, add=["x"], remove=["a"])) == 50


def test_a_run_that_is_not_there_has_no_tags_to_edit(store: Store) -> None:
    assert tags.read(store, KEYS) == ()
    with pytest.raises(NotFoundError, match="no run F/1"):
        tags.edit(store, KEYS, add=["x"])


def test_tags_are_plain_json(tagged: Store) -> None:
    tags.edit(tagged, KEYS, add=["ä"])
    assert json.loads(bytes(tagged.get(KEYS.tags))) == ["a", "b", "ä"]


def test_a_store_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file") as told:
        runs.begin(DirectoryStore.open(str(tmp_path / "file")), RunRecord(flow="F", run="1", created=1.0))
    assert not isinstance(told.value, MissingKeyError)
