"""Tasks as forked children of this process: a fork of a lean process costs a tenth of starting Python.

The forking process has one thread. A child runs one attempt and exits without running what its parent has registered
for its own exit; what the attempt has registered is run.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.output import Lines
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.model import Graph
from metaflow_hera.records.logs import STDERR, STDOUT
from metaflow_hera.runtime.channel import ChildEnd, SupervisorEnd
from metaflow_hera.runtime.execution import Outcome, run_attempt
from metaflow_hera.runtime.leaving import finish_what_is_left
from metaflow_hera.runtime.streams import Output, flush_output, print_to
from metaflow_hera.runtime.watching import Watched, death_text
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all tasks of a local run have in common."""

    flow_class: type[FlowSpec]
    graph: Graph
    store: Store
    settings: Settings
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Texts, by name."""
    done: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """The outputs of tasks that need not run, since their records are there, by step and index path."""


@dataclass(eq=False)
class Worker:
    """A forked child at its task, as the parent sees it."""

    pid: int
    pod: Pod
    watched: Watched
    lines: tuple[Lines, Lines]
    terminated: bool = False
    is_silent: bool = False
    """It can tell nothing more, so it is about to end, or has."""

    def outcome(self, status: int | None) -> Outcome:
        """What became of the task; *status* is how its process ended, as `os.waitpid` says, None if it told itself."""
        if (told := self.watched.channel.outcome) is not None:
            return told
        assert status is not None
        self._pump()
        return self.watched.die(death_text(status, terminated=self.terminated))

    def end(self) -> None:
        """Keep and show the last that it printed, and let go of it."""
        self._pump()
        for lines in self.lines:
            lines.finish()
        self.watched.store_output()
        self.watched.close()

    def _pump(self) -> None:
        for output in self.watched.outputs:
            output.pump()

    def begin(self) -> None:
        """Let a child go on that was forked before its task could begin."""
        self.watched.started = time.time()
        self.watched.channel.go_on()

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.terminated = True
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def pod_outcome(pod: Pod, outcome: Outcome) -> PodOutcome:
    if not outcome.ok:
        return PodOutcome(phase=Phase.FAILED, message=outcome.message)
    return PodOutcome(phase=Phase.SUCCEEDED, outputs=outputs_of_pod(pod, outcome.outputs))


def outputs_of_pod(pod: Pod, outputs: Mapping[str, str]) -> dict[str, str]:
    """Of what a task tells its backend, what its pod has promised."""
    promised = {name for name, _ in pod.template.outputs}
    return {name: value for name, value in outputs.items() if name in promised}


def fork_worker(
    job: Job,
    pod: Pod,
    command: TaskCommand,
    others: Iterable[Worker],
    show: Callable[[str, str], None],
    *,
    waits: bool = False,
) -> Worker:
    """Run the command of a pod in a child; *show* gets a stream's name and a line of it.

    One that *waits* does nothing before it is told to begin.
    """
    out, err, tell, answer, lifeline = (os.pipe() for _ in range(5))
    of_child = (out[1], err[1], tell[1], answer[0], lifeline[0])
    of_parent = (out[0], err[0], tell[0], answer[1], lifeline[1])
    pid = os.fork()
    if pid == 0:
        # What the parent holds for other children must not outlive it here: their lifelines end with it.
        for descriptor in (*of_parent, *(each for other in others for each in other.watched.descriptors)):
            os.close(descriptor)
        channel = ChildEnd(tell=tell[1], hear=answer[0], lifeline=lifeline[0])
        _run_child(job, command, channel, (out[1], err[1]), waits=waits)
    for descriptor in of_child:
        os.close(descriptor)
    lines = (Lines(STDOUT, show), Lines(STDERR, show))
    watched = Watched(
        command=command,
        store=job.store,
        channel=SupervisorEnd(tell[0], answer[1], lifeline[1]),
        outputs=(Output(out[0], STDOUT, lines[0].take), Output(err[0], STDERR, lines[1].take)),
    )
    return Worker(pid=pid, pod=pod, watched=watched, lines=lines)


def _run_child(job: Job, command: TaskCommand, channel: ChildEnd, prints: tuple[int, int], *, waits: bool) -> NoReturn:
    code = 1
    try:
        channel.bind_to_supervisor()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        print_to(*prints)
        atexit._clear()
        if waits and not channel.wait():
            os._exit(code)
        if "numpy.random" in sys.modules:
            from metaflow_hera.runtime.randomness import renew_randomness  # only there

            renew_randomness()
        outcome = _attempt(job, command, channel)
        finish_what_is_left()
        flush_output()
        channel.ended(outcome)
        code = 0 if outcome.ok else 1
    except BaseException:  # noqa: BLE001  (the outermost line of a process)
        sys.excepthook(*sys.exc_info())
    os._exit(code)


def _attempt(job: Job, command: TaskCommand, channel: ChildEnd) -> Outcome:
    try:
        return run_attempt(
            command,
            job.flow_class,
            job.graph,
            job.store,
            settings=job.settings,
            parameters=job.parameters,
            watcher=channel,
        )
    except MetaflowHeraError as error:
        sys.stderr.write(f"{error.message}\n")
        return Outcome(ok=False, attempt=int(command.attempt), message=error.message)
