"""Decides what of a Plan runs when, by Argo's rules; starts nothing, waits for nothing and knows no clock.

It is told how pods ended and what time it is, and answers with the pods to start. Told the same again, it decides the
same: that is how a run goes on after a crash.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from metaflow_hera.engine.nodes import Caller, Execution, FanOut, Globals, Scope
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.shape import Shape
from metaflow_hera.errors import EngineError
from metaflow_hera.plan.records import Container, Dag, Plan, Steps, Task, Template
from metaflow_hera.plan.text import fill

ON_EXIT: Final = ".onExit"
"""What follows the workflow's name in that of the exit handler's node."""

Observe = Callable[[str, Phase], None]
"""Told each node of the workflow that ended, by name."""


class Scheduler:
    """The state of one run of a Plan. Times are seconds since the epoch and never go back."""

    def __init__(self, plan: Plan, workflow: str, *, started: float, observe: Observe | None = None) -> None:
        self.phase = Phase.PENDING
        self.message = ""
        self._plan = plan
        self._about = Globals(workflow)
        self._observe = observe
        self._deadline = started + plan.deadline if plan.deadline is not None else None
        self._shapes: dict[str, Shape] = {}
        self._agenda: deque[tuple[Scope, int | None]] = deque()
        self._running: dict[str, Execution] = {}
        self._delayed: list[tuple[float, int, Execution]] = []
        self._delays = 0
        self._starts: list[Pod] = []
        self.is_terminated = False
        self.is_stopping = False

    def begin(self) -> list[Pod]:
        """The first pods of the run."""
        self.phase = Phase.RUNNING
        self._call(self._plan.entrypoint, self._about.workflow, {}, None)
        return self._decided()

    def ended(self, pod: str, outcome: PodOutcome, now: float) -> list[Pod]:
        """A pod ended; the pods that may start because of it."""
        self._wake(now)
        execution = self._running.pop(pod)
        outcome = outcome.promised(execution.template)
        if outcome.phase is Phase.SUCCEEDED or not execution.may_retry or self.is_stopping:
            self._execution_ended(execution, outcome)
        else:
            self._report(pod, outcome.phase)
            self._try_again(execution, now)
        return self._decided()

    def advance(self, now: float) -> list[Pod]:
        """Time passed; the pods whose backoff is over."""
        self._wake(now)
        return self._decided()

    def shut_down(self, how: Shutdown, message: str = "") -> list[Pod]:
        """Start nothing more; when what runs has ended, so has the run. A stop comes too late for the exit handler."""
        if self.phase.is_final or (how is Shutdown.STOP and self._about.status is not None):
            return []
        if how is Shutdown.TERMINATE:
            self.is_terminated, self.message = True, message or how
        self._stop(message or how)
        return self._decided()

    @property
    def next_due(self) -> float | None:
        """When `advance` has something to decide, if nothing else happens."""
        dues = [due for due, _, _ in self._delayed[:1]]
        if self._deadline is not None and not self.phase.is_final:
            dues.append(self._deadline)
        return min(dues, default=None)

    def _decided(self) -> list[Pod]:
        while self._agenda:
            scope, task = self._agenda.popleft()
            if self.is_stopping:
                continue
            if task is None:
                self._fill(scope)
            else:
                self._consider(scope, task)
        if self.is_stopping and not self._running and not self.phase.is_final:
            self._conclude(Phase.FAILED)
            return self._decided()
        starts, self._starts = self._starts, []
        return starts

    def _wake(self, now: float) -> None:
        """What came due, in the order of time: late or in small steps, the same is decided."""
        deadline = math.inf if self._deadline is None else self._deadline
        while self._delayed and self._delayed[0][0] <= now and self._delayed[0][0] < deadline:
            self._start(heapq.heappop(self._delayed)[2])
        if now >= deadline:
            self._deadline = None
            self._stop("the run took longer than its deadline")

    def _stop(self, message: str) -> None:
        if not self.phase.is_final and not self.is_stopping:
            self.is_stopping = True
            self._delayed.clear()
            self.message = message

    def _consider(self, scope: Scope, number: int) -> None:
        """A task whose needs have all ended: omit it, skip it, or let it start."""
        task = scope.shape.tasks[number]
        if not scope.shape.may_start(number, scope.phases):
            self._task_ended(scope, number, Phase.OMITTED)
            return
        try:
            if not scope.holds(task.when, self._about):
                self._task_ended(scope, number, Phase.SKIPPED)
                return
            items = self._items(scope, task)
        except EngineError as error:
            self._fail(scope.node(number), str(error))
            self._task_ended(scope, number, Phase.ERROR)
            return
        if items is not None and not items:
            self._task_ended(scope, number, Phase.SKIPPED)
            return
        scope.waiting.append(number if items is None else FanOut(number, items))
        self._fill(scope)

    def _items(self, scope: Scope, task: Task) -> Sequence[int] | None:
        """What a task fans out over; None for one that does not."""
        if task.count is None:
            return task.items or None
        written = fill(task.count, lambda reference: scope.resolve(reference, None, self._about))
        if not written.isascii() or not written.isdigit():
            raise EngineError(f"{scope.name}: {written!r} is no number of items")
        return range(int(written))

    def _fill(self, scope: Scope) -> None:
        """Start what waits, in order, as far as the parallelism of the DAG lets it."""
        while scope.waiting and scope.has_room and not self.is_stopping:
            first = scope.waiting[0]
            if isinstance(first, FanOut):
                place = first.next
                first.next += 1
                if first.next == len(first.items):
                    scope.waiting.popleft()
                self._invoke(Caller(scope, first.task, first), place)
            else:
                scope.waiting.popleft()
                self._invoke(Caller(scope, first, None), None)

    def _invoke(self, caller: Caller, place: int | None) -> None:
        """A task, or the item of its fan-out that is in this place."""
        scope = caller.scope
        task = scope.shape.tasks[caller.task]
        scope.active += 1
        name, item = scope.node(caller.task), None
        if caller.fan_out is not None and place is not None:
            item = caller.fan_out.items[place]
            name = f"{name}({place}:{item})"
        try:
            inputs = {
                key: fill(value, lambda reference: scope.resolve(reference, item, self._about))
                for key, value in task.arguments
            }
            self._call(task.template, name, inputs, caller)
        except EngineError as error:
            self._fail(name, str(error))
            self._child_ended(name, caller, Phase.ERROR, {})

    def _call(self, template: str, name: str, inputs: Mapping[str, str], caller: Caller | None) -> None:
        called = self._plan.by_name[template]
        if isinstance(called, Container):
            self._start(Execution(name, called, inputs, caller))
        else:
            self._open(Scope.open(name, self._shape(called), inputs, caller))

    def _shape(self, template: Template) -> Shape:
        if template.name not in self._shapes:
            assert isinstance(template, Dag | Steps)
            self._shapes[template.name] = Shape.of(template)
        return self._shapes[template.name]

    def _open(self, scope: Scope) -> None:
        for task in scope.shape.order:
            if scope.missing[task]:
                break
            self._agenda.append((scope, task))
        if not scope.unfinished:
            self._scope_ended(scope)

    def _start(self, execution: Execution) -> None:
        name, template = execution.pod_name, execution.template
        args = tuple(fill(arg, lambda reference: execution.resolve(reference, self._about)) for arg in template.args)
        self._running[name] = execution
        self._starts.append(
            Pod(
                name=name,
                node=execution.name,
                template=template,
                args=args,
                attempt=execution.attempt,
                gang=execution.gang,
            )
        )

    def _try_again(self, execution: Execution, now: float) -> None:
        assert execution.template.retry is not None
        execution.attempt += 1
        if execution.template.retry.backoff:
            self._delays += 1
            heapq.heappush(self._delayed, (now + execution.template.retry.backoff, self._delays, execution))
        else:
            self._start(execution)

    def _execution_ended(self, execution: Execution, outcome: PodOutcome) -> None:
        if execution.template.retry:
            self._report(execution.pod_name, outcome.phase)
        if outcome.phase.is_bad:
            self._fail(execution.name, outcome.message)
        self._child_ended(execution.name, execution.caller, outcome.phase, outcome.outputs)

    def _scope_ended(self, scope: Scope) -> None:
        self._child_ended(scope.name, scope.caller, scope.shape.phase(scope.phases), {})

    def _child_ended(self, name: str, caller: Caller | None, phase: Phase, outputs: Mapping[str, str]) -> None:
        if caller is None:
            self._report(name, phase)
            self._conclude(phase)
            return
        scope = caller.scope
        scope.active -= 1
        self._agenda.append((scope, None))
        if caller.fan_out is None:
            self._task_ended(scope, caller.task, phase, outputs)
        else:
            self._report(name, phase)
            self._item_ended(scope, caller.fan_out, phase)

    def _item_ended(self, scope: Scope, fan_out: FanOut, phase: Phase) -> None:
        fan_out.ended += 1
        if phase.is_bad and not fan_out.phase.is_bad:
            fan_out.phase = phase
        if fan_out.ended == len(fan_out.items):
            self._task_ended(scope, fan_out.task, fan_out.phase)

    def _task_ended(self, scope: Scope, number: int, phase: Phase, outputs: Mapping[str, str] | None = None) -> None:
        task = scope.shape.tasks[number]
        self._report(scope.node(number), phase)
        scope.phases[number] = phase
        if outputs and scope.shape.dependents[number]:
            scope.outputs[task.name] = outputs
        scope.unfinished -= 1
        for dependent in scope.shape.dependents[number]:
            scope.missing[dependent] -= 1
            if not scope.missing[dependent]:
                self._agenda.append((scope, dependent))
        if not scope.unfinished:
            self._scope_ended(scope)

    def _conclude(self, phase: Phase) -> None:
        """The entrypoint, or the exit handler after it, has ended."""
        if self.phase.is_final:
            return
        status = self._about.status
        if status is None:
            status = phase if phase.is_bad else Phase.SUCCEEDED
            self._about = Globals(self._about.workflow, status)
            if self._plan.on_exit and not self.is_terminated:
                self.is_stopping = False
                self._deadline = None
                self._call(self._plan.on_exit, f"{self._about.workflow}{ON_EXIT}", {}, None)
                return
        elif phase.is_bad and status is Phase.SUCCEEDED:
            status = phase
        self.phase = status
        if status is Phase.SUCCEEDED:
            self.message = ""

    def _fail(self, node: str, message: str) -> None:
        """Keep the first reason for a failure."""
        if not self.message:
            self.message = f"{node}: {message}" if message else f"{node} failed"

    def _report(self, node: str, phase: Phase) -> None:
        if self._observe is not None:
            self._observe(node, phase)
