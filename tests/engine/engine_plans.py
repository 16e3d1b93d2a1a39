"""Plans for tests of the engine, short to write, and a driver that runs them without a machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from metaflow_hera.engine.journal import Ended, Event
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.plan.records import Container, Dag, Plan, Retry, Steps, Task, Template
from metaflow_hera.plan.text import (
    AllOf,
    AnyOf,
    Depends,
    Input,
    Item,
    OutputIs,
    Retries,
    StatusIs,
    StatusIsNot,
    Succeeded,
    TaskOutput,
    WorkflowName,
    WorkflowStatus,
    text,
)

SUCCEEDED = PodOutcome(phase=Phase.SUCCEEDED)
FAILED = PodOutcome(phase=Phase.FAILED, message="main: Error (exit code 1)")


def container(name: str, **fields: object) -> Container:
    return Container(name=name, image="python", command=("python",), **fields)  # type: ignore[arg-type]


def after(*tasks: str) -> Depends | None:
    needed = tuple(map(Succeeded, tasks))
    return None if not needed else needed[0] if len(needed) == 1 else AllOf(needed)


def plan(*templates: Template, **fields: object) -> Plan:
    return Plan(name="wf", entrypoint=templates[0].name, templates=templates, **fields)  # type: ignore[arg-type]


def chain(*names: str) -> Dag:
    tasks = [
        Task(name=name, template="x", depends=after(*names[number - 1 : number])) for number, name in enumerate(names)
    ]
    return Dag(name="main", tasks=tuple(tasks))


def fan_out(count: str, *, parallelism: int | None = None, retry: Retry | None = None) -> Plan:
    """A foreach as the compiler writes it: a wrapper DAG around one task with a count, and a join."""
    main = Dag(
        name="main",
        tasks=(
            Task(name="wrap", template="foreach-x", arguments=(("splits", (count,)),)),
            Task(name="join", template="join", depends=Succeeded("wrap")),
        ),
    )
    items = Task(name="x", template="x", arguments=(("path", (Item(),)),), count=(Input("splits"),))
    wrapper = Dag(name="foreach-x", tasks=(items,), inputs=("splits",), parallelism=parallelism)
    body = container("x", inputs=("path",), args=(text("x", Input("path")),), retry=retry)
    return plan(main, wrapper, body, container("join"))


EXIT = (
    Steps(name="exit", tasks=(Task(name="finish", template="finish", when=StatusIsNot("Succeeded")),)),
    container("finish", args=(text(WorkflowStatus()),)),
)


def with_exit(of: Plan, *more: Task) -> Plan:
    """With an exit handler of one step, and whichever come after that."""
    steps, finish = EXIT
    return replace(of, templates=(*of.templates, replace(steps, tasks=(*steps.tasks, *more)), finish), on_exit="exit")


@dataclass
class Drive:
    """Runs a plan: *decide* says how each pod ends; pods end in the order that *pick* chooses."""

    plan: Plan
    decide: Callable[[Pod], PodOutcome] = lambda pod: SUCCEEDED
    pick: Callable[[Sequence[str]], str] = lambda names: names[0]
    phases: dict[str, Phase] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pods: dict[str, Pod] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.plan, "wf", started=0.0, observe=self._observe)

    def _observe(self, node: str, phase: Phase) -> None:
        assert node not in self.phases, f"{node} ended twice"
        self.phases[node] = phase

    def take(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            assert pod.name not in self.started
            self.started.append(pod.name)
            self.pods[pod.name] = pod

    def step(self) -> None:
        """Let one pod end, or time pass."""
        if not self.pods:
            due = self.scheduler.next_due
            assert due is not None, "nothing runs and nothing is due"
            self.now = max(self.now, due)
            self.take(self.scheduler.advance(self.now))
            return
        name = self.pick(tuple(self.pods))
        self.now += 1
        outcome = self.decide(self.pods.pop(name))
        self.events.append(Ended(pod=name, outcome=outcome, at=self.now))
        self.take(self.scheduler.ended(name, outcome, self.now))

    def run(self) -> Drive:
        self.take(self.scheduler.begin())
        while not self.scheduler.phase.is_final:
            self.step()
        assert not self.pods
        return self


@st.composite
def plans(draw: st.DrawFn, depth: int = 2) -> Plan:
    """Any mixture of chains, splits, joins, switches, fan-outs, nested DAGs, limits and retries."""
    templates: list[Template] = []
    retry = st.none() | st.builds(Retry, limit=st.integers(0, 3), backoff=st.integers(0, 5))

    def new_container() -> str:
        name = f"c{len(templates)}"
        args = (text(WorkflowName(), Retries()),) if (chosen := draw(retry)) else ()
        templates.append(container(name, retry=chosen, args=args, outputs=(("next", "out/next"), ("n", "out/n"))))
        return name

    def new_dag(level: int) -> str:
        name = f"d{len(templates)}"
        templates.append(container("placeholder"))
        place = len(templates) - 1
        tasks: list[Task] = []
        plain: set[str] = set()
        for number in range(draw(st.integers(1, 4))):
            nested = level > 0 and draw(st.booleans())
            template = new_dag(level - 1) if nested else new_container()
            needed = (
                draw(st.lists(st.sampled_from([task.name for task in tasks]), unique=True, max_size=3)) if tasks else []
            )
            depends = after(*needed)
            if len(needed) > 1 and draw(st.booleans()):
                depends = AnyOf(tuple(map(Succeeded, needed)))
            # Outputs are certain only of a plain container that the task depends on alone.
            producer = needed[0] if len(needed) == 1 and needed[0] in plain else None
            when = OutputIs(producer, "next", "a") if producer and draw(st.booleans()) else None
            count = None
            if draw(st.booleans()):
                count = text(TaskOutput(producer, "n")) if producer and not when else (str(draw(st.integers(0, 5))),)
            task = Task(name=f"t{number}", template=template, depends=depends, when=when, count=count)
            tasks.append(task)
            if not nested and count is None:
                plain.add(task.name)
        limit = draw(st.none() | st.integers(1, 3))
        templates[place] = Dag(name=name, tasks=tuple(tasks), parallelism=limit)
        return name

    entry = new_dag(depth)
    made = plan(*(t for t in templates if t.name == entry), *(t for t in templates if t.name != entry))
    made = replace(made, deadline=draw(st.none() | st.integers(1, 30)))
    more = st.lists(st.tuples(st.sampled_from([None, StatusIs("Succeeded")]), st.booleans()), max_size=2)
    tasks = (
        Task(name=f"more{number}", template="finish", when=when, is_forgiven=is_forgiven)
        for number, (when, is_forgiven) in enumerate(draw(more))
    )
    return with_exit(made, *tasks) if draw(st.booleans()) else made


def outcomes(seed: int) -> Callable[[Pod], PodOutcome]:
    """How each pod ends, by its name alone, so that a replay sees the same."""

    def decide(pod: Pod) -> PodOutcome:
        chance = random.Random(f"{seed}{pod.name}")
        kind = chance.choice([Phase.SUCCEEDED, Phase.SUCCEEDED, Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR])
        outputs = {"next": chance.choice("ab"), "n": str(chance.randrange(4))} if kind is Phase.SUCCEEDED else {}
        return PodOutcome(phase=kind, outputs=outputs, message="" if outputs else "it broke")

    return decide
