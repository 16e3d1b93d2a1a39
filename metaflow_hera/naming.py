"""Every name that crosses a process: of Argo's objects, of runs and tasks, and of the objects in the store.

Nothing is hashed that a person might have to read, and no name is put together anywhere else.
"""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import dataclass

from metaflow_hera.errors import NamingError


def ascii_of(text: str) -> str:
    """*text* without what is not ASCII, letters without their accents."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def short_digest(text: str) -> str:
    """Five letters and digits that are no English word, from all of *text*."""
    import hashlib  # loads OpenSSL, which takes milliseconds that the start of a container need not pay

    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(alphabet[number >> shift & 31] for shift in range(0, 25, 5))


WORKFLOW_RUN_PREFIX = "argo-"


def local_run_id(now: float | None = None) -> str:
    """The id of a run on this machine without a deployment: microseconds since the epoch."""
    return str(int((time.time() if now is None else now) * 1_000_000))


def workflow_run_id(workflow: str) -> str:
    """The id of the run of an Argo Workflow, real or embedded.

    >>> workflow_run_id("parameterflow-x7k2p")
    'argo-parameterflow-x7k2p'
    """
    return WORKFLOW_RUN_PREFIX + workflow


def workflow_of_run(run: str) -> str | None:
    """The Argo Workflow behind a run, None for a run that has none."""
    return run.removeprefix(WORKFLOW_RUN_PREFIX) if run.startswith(WORKFLOW_RUN_PREFIX) else None


@dataclass(frozen=True, slots=True)
class IndexPath:
    """Which task of a step: its index in each foreach around it, outermost first, and the round of a self-looping step.

    >>> str(IndexPath()), str(IndexPath((3, 7))), str(IndexPath((3,), iteration=12))
    ('0', '3.7', '3~12')
    >>> IndexPath.parse("3.7", depth=2), IndexPath.parse("0", depth=0)
    (IndexPath(indexes=(3, 7), iteration=None), IndexPath(indexes=(), iteration=None))
    """

    indexes: tuple[int, ...] = ()
    iteration: int | None = None

    def __str__(self) -> str:
        text = ".".join(map(str, self.indexes)) or "0"
        return text if self.iteration is None else f"{text}~{self.iteration}"

    @classmethod
    def parse(cls, text: str, depth: int) -> IndexPath:
        """Read a path of a step that lies in *depth* foreaches; outside of any, the path is ``0``."""
        match = re.fullmatch(r"(\d+(?:\.\d+)*)(?:~(\d+))?", text, re.ASCII)
        indexes = tuple(map(int, match[1].split("."))) if match else ()
        if match is None or len(indexes) != max(depth, 1) or (depth == 0 and indexes != (0,)):
            raise NamingError(
                f"{text!r} is no task of a step in {depth} foreaches; a task looks like '0', '3', '3.7' or '3~12'"
            )
        return cls(indexes if depth else (), int(match[2]) if match[2] else None)

    def child(self, index: int) -> IndexPath:
        """The path of item *index* of a foreach that this task opens."""
        return IndexPath((*self.indexes, index))

    @property
    def parent(self) -> IndexPath:
        """The path of the task that opened the innermost foreach."""
        return IndexPath(self.indexes[:-1])


def iteration_path(path: str, number: int) -> str:
    """The path of an iteration of a self-looping step; *path* is that of the whole, or of any other iteration.

    >>> iteration_path("0", 0), iteration_path("3.7~11", 12)
    ('0~0', '3.7~12')
    """
    return f"{path.partition('~')[0]}~{number}"


def iteration_of(path: str) -> int | None:
    """The number of an iteration, None for the path of another task.

    >>> iteration_of("3.7~11"), iteration_of("3.7")
    (11, None)
    """
    _, tilde, number = path.partition("~")
    return int(number) if tilde else None


SPIN_FOLDER = "spin"
"""Below the data directory: the datastore of steps that were spun."""

TASK_RECORD = "task.json"
CLAIM = "claim"


@dataclass(frozen=True, slots=True)
class RunKeys:
    """The keys of one run."""

    flow: str
    run: str

    @property
    def prefix(self) -> str:
        return f"{self.flow}/runs/{self.run}/"

    @property
    def record(self) -> str:
        return f"{self.prefix}run.json"

    @property
    def end(self) -> str:
        return f"{self.prefix}end.json"

    @property
    def tags(self) -> str:
        return f"{self.prefix}tags.json"

    @property
    def exits(self) -> str:
        """What the keys begin with of everything that was done when the run ended, each time that it did."""
        return f"{self.flow}/exits/{self.run}/"

    def exit(self, attempts: int) -> ExitKeys:
        """The end after so many attempts of tasks: a run that is taken up again has more when it ends anew."""
        return ExitKeys(f"{self.exits}{attempts}/")

    def index(self, created: float) -> str:
        """The entry by which runs are listed, the newest first; *created* in seconds since the epoch."""
        return f"{index_prefix(self.flow)}{10**14 - int(created * 1000):014d}-{self.run}"

    def step_prefix(self, step: str) -> str:
        return f"{self.prefix}{step}/"

    def task_prefix(self, step: str, path: str) -> str:
        return f"{self.prefix}{step}/{path}/"

    def iterations_prefix(self, step: str, path: str) -> str:
        """What the keys of all iterations of a self-looping task begin with, each followed by its number."""
        return f"{self.step_prefix(step)}{path}~"

    def attempt(self, step: str, path: str, attempt: int) -> AttemptKeys:
        return AttemptKeys(f"{self.task_prefix(step, path)}{attempt}/")


@dataclass(frozen=True, slots=True)
class AttemptKeys:
    """The keys of one attempt of a task."""

    prefix: str

    @property
    def claim(self) -> str:
        return self.prefix + CLAIM

    @property
    def record(self) -> str:
        return self.prefix + TASK_RECORD

    @property
    def cards(self) -> str:
        """What the keys of its cards begin with."""
        return self.prefix + "cards/"

    @property
    def address(self) -> str:
        """Where the first task of a gang runs."""
        return self.prefix + "address"

    @property
    def broken(self) -> str:
        """Why a gang cannot go on, beside the address of its first task."""
        return self.prefix + "broken"

    def log(self, stream: str, segment: int) -> str:
        """A piece of what the task printed; *stream* is ``stdout`` or ``stderr``, segments count from 0."""
        return f"{self.prefix}{stream}.{segment:06d}"

    def log_prefix(self, stream: str) -> str:
        return f"{self.prefix}{stream}."


@dataclass(frozen=True, slots=True)
class ExitKeys:
    """The keys of what was done at one end of a run."""

    prefix: str

    def done(self, what: str) -> str:
        """There when *what* was done, or at least begun, and is not to be done again."""
        return f"{self.prefix}done/{what}"

    def output(self, began: int) -> AttemptKeys:
        """What a container printed that began at that time, in nanoseconds."""
        return AttemptKeys(f"{self.prefix}{began:020d}/")


def index_prefix(flow: str) -> str:
    return f"{flow}/index/"


def run_of_index(key: str) -> str:
    """The run that an index entry stands for.

    >>> run_of_index(RunKeys("F", "argo-f-x1").index(1.5))
    'argo-f-x1'
    """
    return key.rpartition("/")[2].partition("-")[2]


DATA_PREFIX = "data/"


def data_key(digest: str) -> str:
    """The key of a content-addressed object."""
    return f"{DATA_PREFIX}{digest[:2]}/{digest}"


def pathspec(*parts: str | int) -> str:
    """``Flow/run/step/task``, or the beginning of it."""
    return "/".join(map(str, parts))


POD_DIR_VARIABLE = "MFHERA_POD_DIR"
"""The environment variable with the pod's own directory; the embedded engine gives each pod another one."""

POD_DIR = "/tmp/mfhera"  # noqa: S108  (a volume of the pod, not a shared folder)
EVENT_QUEUE_VARIABLE = "MFHERA_EVENT_QUEUE"
"""The environment variable by which pods of the embedded engine know its `event_queue.EventQueue`."""

PARAMETERS_FILE = "parameters"
SPLITS_OUTPUT = "splits"
NEXT_OUTPUT = "next"
TERMINATION_LOG = "termination-log"
"""Below the pod directory, and in a cluster below /dev: why the container failed, in a line that its backend shows."""


def output_file(parameter: str) -> str:
    """Where a container writes an output parameter, relative to its pod directory."""
    return f"out/{parameter}"


PRODUCTION_TAG = "production:"
"""Begins the system tag with the production namespace of a run."""


def own_tags(production: str, user: str) -> tuple[str, ...]:
    """The system tags that tell whose a run is.

    >>> own_tags("", "ann"), own_tags("parameterflow-0-gtqo", "ann")
    (('user:ann',), ('user:ann', 'production:parameterflow-0-gtqo'))
    """
    return tuple(dict.fromkeys((own_tag("", user), own_tag(production, user))))


def own_tag(production: str, user: str) -> str:
    """The tag of the runs that belong together: those of a production namespace, or of a user.

    >>> own_tag("", "ann"), own_tag("parameterflow-0-gtqo", "ann")
    ('user:ann', 'production:parameterflow-0-gtqo')
    """
    return f"{PRODUCTION_TAG}{production}" if production else f"user:{user}"
