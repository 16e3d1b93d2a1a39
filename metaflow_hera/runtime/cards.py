"""The cards of a task: `current.card` while its step runs, and the pages when it has ended.

In the task's own process: a page takes milliseconds. An alarm ends one that takes too long, and whatever goes wrong
with a card is told on stderr and, if its decorator says so, on the card; it never fails the step.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from metaflow_hera.cards.card import MetaflowCard, make_card
from metaflow_hera.cards.components import error_box, rendered
from metaflow_hera.cards.current import CurrentCards, EditedCard, Warner, Written
from metaflow_hera.cards.finding import find_card
from metaflow_hera.cards.page import page
from metaflow_hera.cards.stored import CardName, write_data, write_page
from metaflow_hera.client.task import Task
from metaflow_hera.errors import StepError
from metaflow_hera.flow.cards import card
from metaflow_hera.flow.current import provide
from metaflow_hera.flow.decorator import StepDecorator
from metaflow_hera.graph.as_json import to_json
from metaflow_hera.naming import AttemptKeys
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.runtime.failures import failure_of
from metaflow_hera.runtime.surroundings import Surrounded


@contextmanager
def carded(task: Surrounded) -> Iterator[None]:
    """Give the step ``current.card``, and write its cards when its artifacts are saved, however it ended."""
    warn = Warner(task.step.name)
    kind: type[StepDecorator] = card
    specs = [spec for spec in task.step.decorators if spec.name == kind.name]
    pages = [_Page(task, number, kind(**spec.attributes), warn) for number, spec in enumerate(specs)]
    provide(card=CurrentCards((each.written for each in pages if each.takes_components), warn))
    task.afterwards.extend(each.finish for each in pages)
    yield


class _Page:
    """One card of an attempt."""

    def __init__(self, task: Surrounded, number: int, decorator: card, warn: Warner) -> None:
        self._task = task
        self._decorator = decorator
        self._warn = warn
        self._name = CardName(number=number, type=decorator.type, id=decorator.id)
        self._kind = _kind_of(decorator.type)
        self._edited = EditedCard(warn, self._refresh)
        self._running = self._client_task(None)
        self._refreshed = float("-inf")
        self._process = os.getpid()

    @property
    def takes_components(self) -> bool:
        return isinstance(self._kind, type) and self._kind.ALLOW_USER_COMPONENTS

    @property
    def written(self) -> Written:
        return Written(id=self._decorator.id, edited=self._edited, is_chosen=self._decorator.customize)

    def finish(self, record: TaskRecord) -> None:
        """Write the card of the attempt that ended."""
        try:
            with _limited(self._decorator.timeout):
                document = self._document(self._client_task(record), None)
            self._write(document)
        except Exception as error:  # noqa: BLE001  (the user's card, and a store that fails: neither fails the step)
            self._fail(error)

    def _refresh(self, data: Any, force: bool) -> None:
        now = time.monotonic()
        is_time = force or now - self._refreshed >= self._decorator.refresh_interval
        is_ours = os.getpid() == self._process
        if not is_time or not is_ours or not isinstance(self._kind, type) or not self._kind.RUNTIME_UPDATABLE:
            return
        self._refreshed = now
        with _alarm_kept():
            try:
                if data is not None:
                    write_data(self._task.place.store, self._keys, self._name, data)
                self._write(self._document(self._running, data, is_running=True))
            except Exception as error:  # noqa: BLE001  (as above)
                self._warn(f"card {self._name} cannot be refreshed: {type(error).__name__}: {error}")

    def _document(self, task: Task, data: Any, *, is_running: bool = False) -> str:
        if not isinstance(self._kind, type):
            raise self._kind
        parts = [rendered(component) for component in self._edited.content]
        made = make_card(self._kind, self._decorator.options, parts, to_json(self._task.place.graph))
        document: object = made.render_runtime(task, data) if is_running else made.render(task)
        if not isinstance(document, str):
            raise StepError(f"render() of {self._kind.__name__} returned {type(document).__name__}, not HTML as a text")
        return document

    def _fail(self, error: Exception) -> None:
        failure = failure_of(error)
        self._warn(f"card {self._name} cannot be made: {failure.type}: {failure.text}")
        if not self._decorator.save_errors:
            return
        try:
            self._write(page("card", error_box(f"This card cannot be made: {failure.text}", failure.traceback)))
        except Exception as problem:  # noqa: BLE001  (as above)
            self._warn(f"card {self._name} cannot be stored: {problem}")

    def _write(self, document: str) -> None:
        write_page(self._task.place.store, self._keys, self._name, document)

    @property
    def _keys(self) -> AttemptKeys:
        place = self._task.place
        return place.keys.attempt(place.step, str(place.path), self._task.attempt)

    def _client_task(self, record: TaskRecord | None) -> Task:
        place = self._task.place
        parts = (place.keys.flow, place.keys.run, place.step, str(place.path))
        return Task._known(place.store, parts, self._task.attempt, record)


def _kind_of(type: str) -> type[MetaflowCard] | Exception:
    """The class, or why there is none: a card that cannot be made is told when it should have been."""
    try:
        return find_card(type)
    except Exception as error:  # noqa: BLE001  (modules of extensions may raise anything)
        return error


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """End the body with a `StepError` after that time, in the main thread, where no other alarm is set."""

    def on_alarm(_: int, __: FrameType | None) -> None:
        raise StepError(f"it took more than {seconds:g} s; give @card a longer timeout, or show less")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again, for code that catches whatever comes
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _alarm_kept() -> Iterator[None]:
    """Put off the alarm of @timeout: raised while a card is written, it could be taken for a mistake of the card."""
    if threading.current_thread() is not threading.main_thread():
        yield  # the alarm is raised in the main thread
        return
    came: list[FrameType | None] = []
    before = signal.signal(signal.SIGALRM, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
    if came and callable(before):
        before(signal.SIGALRM, came[0])
