"""Which pods may start on a machine with little room."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from metaflow_hera.engine.pod import Pod
from metaflow_hera.engine.waiting import Waiting
from metaflow_hera.plan.records import Container

TEMPLATE = Container(name="x", image="python", command=("python",))


def pod(name: str, gang: str = "") -> Pod:
    return Pod(name=name, node=name, template=TEMPLATE, args=(), gang=gang)


def taken(waiting: Waiting, limit: int, running: set[str]) -> list[str]:
    """What starts now; *running* are the slots, to which it is added."""
    names = []
    while (found := waiting.take(running, has_room=len(running) < limit)) is not None:
        running.add(found.slot)
        names.append(found.name)
    return names


def test_pods_start_in_order_as_far_as_there_is_room() -> None:
    waiting = Waiting()
    waiting.extend(map(pod, "abc"))
    assert taken(waiting, 2, set()) == ["a", "b"]
    assert waiting
    assert taken(waiting, 2, {"b"}) == ["c"]
    assert not waiting


def test_a_gang_starts_whole_where_there_is_room_for_one() -> None:
    waiting = Waiting()
    waiting.extend([pod("a"), pod("g0", "g"), pod("g1", "g"), pod("b")])
    running: set[str] = set()
    assert taken(waiting, 1, running) == ["a"]
    running.discard("a")
    assert taken(waiting, 1, running) == ["g0", "g1"]
    waiting.extend([pod("g0(1)", "g")])
    assert taken(waiting, 1, running) == ["g0(1)"]
    assert taken(waiting, 1, set()) == ["b"]


def test_what_is_put_first_comes_first() -> None:
    waiting = Waiting()
    waiting.extend(map(pod, "ab"))
    waiting.put_first(pod("z"))
    assert [each.name for each in waiting.drain()] == ["z", "a", "b"]
    assert not waiting


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["", "", "g", "h"]), st.booleans(), st.booleans()), max_size=30),
    st.integers(1, 3),
)
def test_every_pod_starts_once_and_no_gang_waits_for_itself(moves: list[tuple[str, bool, bool]], limit: int) -> None:
    waiting, running, started = Waiting(), set[str](), list[str]()
    for number, (gang, goes_first, one_ends) in enumerate(moves):
        name = str(number)
        if goes_first:
            waiting.put_first(pod(name, gang))
        else:
            waiting.extend([pod(name, gang)])
        started += taken(waiting, limit, running)
        assert len(running) <= limit
        if running and one_ends:
            running.discard(min(running))
    while waiting:
        running.clear()
        found = taken(waiting, limit, running)
        assert found
        started += found
    assert sorted(started) == sorted(map(str, range(len(moves))))
