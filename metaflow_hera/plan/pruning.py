"""What is left of a Plan when some of its tasks are done already: for those that are, no pod is started.

Top-level steps that are done go, with the branches that a switch did not choose; of an outermost foreach only those
items are left that are not wholly done. Inside of such an item the pods of tasks that are done start, and find that.
The templates of the whole flow stay beside what is left, so what was resumed can be resumed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

from metaflow_hera.labels import Annotations
from metaflow_hera.plan.compile import TEMPLATE_LIMIT
from metaflow_hera.plan.names import PATH, free_name
from metaflow_hera.plan.records import Container, Dag, Plan, Steps, Task, Template
from metaflow_hera.plan.text import (
    AllOf,
    AnyOf,
    Condition,
    Depends,
    Input,
    Item,
    Never,
    OutputIs,
    Reference,
    Succeeded,
    TaskOutput,
    Text,
    fill,
    referenced,
    text,
)

Done = Mapping[tuple[str, str], Mapping[str, str]]
"""The outputs of tasks that need not run, by step and by the index path that their pod has."""


def whole(plan: Plan) -> Plan:
    """The Plan of which *plan* is what was left; any other as it is."""
    entrypoint = plan.annotations.get(Annotations.ENTRYPOINT)
    if entrypoint is None:
        return plan
    annotations = {name: value for name, value in plan.annotations.items() if name != Annotations.ENTRYPOINT}
    return _reachable(replace(plan, entrypoint=entrypoint, annotations=annotations))


def without_done(plan: Plan, done: Done) -> Plan | None:
    """What is left of a whole Plan; None if that is nothing.

    What follows a task that is not done is not done either.
    """
    names = {template.name for template in plan.templates}
    fans: list[Steps] = []
    scope = _Scope(plan, done, _dag(plan, plan.entrypoint), {})
    tasks: list[Task] = []
    for task in scope.left():
        if (rest := scope.rest_of(task)) is not None:
            fans.append(replace(rest, name=free_name(f"rest-of-{task.template}", names)))
            task = replace(task, template=fans[-1].name, arguments=())
        tasks.append(task)
    if not tasks:
        return None
    entry = Dag(name=free_name(f"rest-of-{plan.entrypoint}", names), tasks=tuple(tasks))
    annotations = {**plan.annotations, Annotations.ENTRYPOINT: plan.entrypoint}
    made = replace(plan, entrypoint=entry.name, templates=(entry, *fans, *plan.templates), annotations=annotations)
    if len(made.templates) > TEMPLATE_LIMIT:
        return _reachable(replace(made, annotations=plan.annotations))
    return made


class _Open:
    """Of a task that is to run, or may be."""


class _LeftOut:
    """Of a task that is not to run: skipped, or omitted."""


Outputs = Mapping[str, str]
State = Outputs | _Open | _LeftOut
"""Of a task that is done, its outputs."""


@dataclass
class _Scope:
    """One invocation of a DAG, as far as it has come."""

    plan: Plan
    done: Done
    dag: Dag
    inputs: Mapping[str, str]
    states: dict[str, State] = field(default_factory=dict)
    depends: dict[str, Depends | None] = field(default_factory=dict)
    """For each task that is open, what it still waits for."""

    def __post_init__(self) -> None:
        tasks = {task.name: task for task in self.dag.tasks}
        order = TopologicalSorter({name: [*referenced(task.depends)] for name, task in tasks.items()})
        for name in order.static_order():
            self.states[name] = self._state(tasks[name])

    @property
    def is_done(self) -> bool:
        return not any(isinstance(state, _Open) for state in self.states.values())

    def left(self) -> Iterator[Task]:
        """The tasks that are open, with nothing in them that refers to one that is not."""
        for task in self.dag.tasks:
            if isinstance(self.states[task.name], _Open):
                known = task.when is None or self._holds(task.when) is not None
                yield replace(
                    task,
                    depends=self.depends[task.name],
                    when=None if known else task.when,
                    arguments=tuple((name, self._known(value)) for name, value in task.arguments),
                )

    def rest_of(self, task: Task) -> Steps | None:
        """A fan-out over the items of a foreach that are not done, if some are; None where all have to run."""
        wrapper = self.plan.by_name[task.template]
        if not isinstance(wrapper, Dag) or self.depends[task.name] is not None or wrapper.parallelism is None:
            return None
        (fan_out,) = wrapper.tasks
        inside = _Inside(self.plan, self.done, self._inputs(task))
        items = inside.items(fan_out)
        left = tuple(item for item in items if not inside.is_done(fan_out, item))
        if len(left) == len(items):
            return None
        arguments = tuple((name, _with_inputs(value, inside.inputs)) for name, value in fan_out.arguments)
        rest = replace(fan_out, count=None, items=left, arguments=arguments)
        return Steps(name=wrapper.name, tasks=(rest,), parallelism=wrapper.parallelism)

    def _state(self, task: Task) -> State:
        depends = self._simplified(task.depends)
        if depends is False:
            return _LeftOut()
        chosen = True if task.when is None else self._holds(task.when)
        if chosen is False:
            return _LeftOut()
        self.depends[task.name] = None if depends is True else depends
        if depends is True and chosen is True:
            return self._run(task)
        return _Open()

    def _run(self, task: Task) -> State:
        """The state of a task that is to run now, or did."""
        template, inputs = self.plan.by_name[task.template], self._inputs(task)
        if isinstance(template, Container):
            return self.done.get((_step(template), inputs.get(PATH, "0")), _Open())
        return {} if _Inside(self.plan, self.done, inputs).is_wholly_done(template) else _Open()

    def _inputs(self, task: Task) -> dict[str, str]:
        return {name: fill(value, self._resolve) for name, value in task.arguments}

    def _resolve(self, reference: Reference) -> str:
        match reference:
            case TaskOutput(task, parameter):
                state = self.states[task]
                assert isinstance(state, Mapping), "a task that is to run depends on those whose outputs it gets"
                return state[parameter]
            case Input(name):
                return self.inputs[name]
            case _:
                raise AssertionError(f"{reference!r} is no argument that the compiler writes")

    def _known(self, value: Text) -> Text:
        """*value* with the outputs of what is done as texts."""
        return text(*(self._part(part) for part in value))

    def _part(self, part: str | Reference) -> str | Reference:
        if isinstance(part, TaskOutput) and isinstance(self.states[part.task], Mapping):
            return self._resolve(part)
        return part

    def _holds(self, condition: Condition) -> bool | None:
        """None where that is not known yet."""
        match condition:
            case OutputIs(task, parameter, value):
                state = self.states[task]
                return state[parameter] == value if isinstance(state, Mapping) else None
            case Never():
                return False
            case _:
                return None

    def _simplified(self, depends: Depends | None) -> Depends | bool:
        """What is left of a condition; a truth value if that is known."""
        match depends:
            case None:
                return True
            case Succeeded(task):
                state = self.states[task]
                return depends if isinstance(state, _Open) else isinstance(state, Mapping)
            case AllOf(of):
                parts = [self._simplified(part) for part in of]
                return _folded(parts, decides=False, joined=AllOf)
            case AnyOf(of):
                parts = [self._simplified(part) for part in of]
                return _folded(parts, decides=True, joined=AnyOf)


@dataclass(frozen=True)
class _Inside:
    """What is done of a template that is invoked with these inputs."""

    plan: Plan
    done: Done
    inputs: Mapping[str, str]

    def is_wholly_done(self, template: Template) -> bool:
        match template:
            case Container():
                return (_step(template), self.inputs.get(PATH, "0")) in self.done
            case Steps():
                return all(isinstance(task.when, Never) for task in template.tasks)  # and nothing starts a pod
            case Dag(tasks=(Task(count=count) as fan_out,)) if count is not None:
                return all(self.is_done(fan_out, item) for item in self.items(fan_out))
            case Dag():
                return _Scope(self.plan, self.done, template, self.inputs).is_done

    def items(self, fan_out: Task) -> range:
        assert fan_out.count is not None, "the wrapper of a foreach has one task, with a count"
        return range(int(fill(fan_out.count, lambda reference: self._resolve(reference, 0))))

    def is_done(self, fan_out: Task, item: int) -> bool:
        """Whether nothing of an item of a foreach has to run."""
        inputs = {
            name: fill(value, lambda reference: self._resolve(reference, item)) for name, value in fan_out.arguments
        }
        return _Inside(self.plan, self.done, inputs).is_wholly_done(self.plan.by_name[fan_out.template])

    def _resolve(self, reference: Reference, item: int) -> str:
        match reference:
            case Input(name):
                return self.inputs[name]
            case Item():
                return str(item)
            case _:
                raise AssertionError(f"{reference!r} is nothing that a foreach of ours refers to")


def _folded(parts: list[Depends | bool], *, decides: bool, joined: type[AllOf] | type[AnyOf]) -> Depends | bool:
    """Several conditions as one, of which a single part that is *decides* decides."""
    if decides in [part for part in parts if isinstance(part, bool)]:
        return decides
    rest = tuple(part for part in parts if not isinstance(part, bool))
    if not rest:
        return not decides
    return rest[0] if len(rest) == 1 else joined(rest)


def _with_inputs(value: Text, inputs: Mapping[str, str]) -> Text:
    return text(*(inputs[part.name] if isinstance(part, Input) else part for part in value))


def _step(container: Container) -> str:
    return container.annotations.get(Annotations.STEP, "")


def _dag(plan: Plan, name: str) -> Dag:
    found = plan.by_name[name]
    assert isinstance(found, Dag), "a flow begins with a DAG"
    return found


def _reachable(plan: Plan) -> Plan:
    """Without the templates that nothing leads to."""
    waiting, found = [plan.entrypoint, *filter(None, [plan.on_exit])], set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            template = plan.by_name[name]
            tasks = () if isinstance(template, Container) else template.tasks
            waiting += (task.template for task in tasks)
    return replace(plan, templates=tuple(template for template in plan.templates if template.name in found))
