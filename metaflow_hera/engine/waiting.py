"""Pods that wait for room on this machine, in the order in which they may start."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from metaflow_hera.engine.pod import Pod


class Waiting:
    """A queue in which a gang takes one place and needs room for one pod, however many it has.

    It starts whole, and whoever of it waits later, for being tried again, starts at once while another of it runs: its
    tasks wait for each other, so half of a gang would take its room for ever.
    """

    def __init__(self) -> None:
        self._order: deque[str] = deque()
        self._pods: dict[str, deque[Pod]] = {}

    def __bool__(self) -> bool:
        return bool(self._pods)

    def extend(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            if pod.slot not in self._pods:
                self._pods[pod.slot] = deque()
                self._order.append(pod.slot)
            self._pods[pod.slot].append(pod)

    def put_first(self, pod: Pod) -> None:
        self._pods.setdefault(pod.slot, deque()).appendleft(pod)
        self._order.appendleft(pod.slot)

    def take(self, running: Collection[str], *, has_room: bool) -> Pod | None:
        """The next pod, None if none may start; *running* are the slots that are taken."""
        slot = next((slot for slot in running if slot in self._pods), None)
        if slot is None and has_room:
            slot = self._first()
        return None if slot is None else self._pop(slot)

    def drain(self) -> Iterator[Pod]:
        """All that wait, the first first."""
        while (slot := self._first()) is not None:
            while slot in self._pods:
                yield self._pop(slot)

    def _first(self) -> str | None:
        while self._order:
            slot = self._order.popleft()
            if slot in self._pods:  # or the rest of it has started in the meantime
                return slot
        return None

    def _pop(self, slot: str) -> Pod:
        pods = self._pods[slot]
        pod = pods.popleft()
        if not pods:
            del self._pods[slot]
        return pod
