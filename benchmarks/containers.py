"""Figures of one step in a container: the real command of a manifest, started as a process."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.figure import FLOWS, Bench, Figure
from benchmarks.measure import Cost, median, process, python
from benchmarks.s3_server import s3_server


def figures(bench: Bench) -> Iterator[Figure]:
    costs = _end_step(bench, str(bench.folder / "container-store"), bench.env)
    yield bench.starts("a step in a container, directory, wall", costs.wall, 15)
    yield bench.starts("a step in a container, directory, CPU", costs.cpu, 15)
    iteration = _per_iteration(bench, str(bench.folder / "loop-store"), 200)
    yield bench.starts("a loop of 200 in one container, directory, per iteration", iteration, 1)
    with s3_server(bench.folder / "s3") as s3:
        env = {**bench.env, **s3.environment}
        boto3 = median(partial(python, "import boto3; boto3.client('s3').close()", env), 5)
        costs = _end_step(bench, f"s3://{s3.bucket}/benchmarks", env)
        yield bench.starts("a step in a container, S3, wall, over boto3", costs.wall - boto3.wall, 15)
        yield bench.starts("a step in a container, S3, CPU, over boto3", costs.cpu - boto3.cpu, 15)
        yield _join_requests(bench, env, f"s3://{s3.bucket}/joins")


def _end_step(bench: Bench, datastore: str, env: Mapping[str, str]) -> Cost:
    """The end step of the 2-step flow, each time for a run of its own, after its start step."""
    compiled = _compiled("two_steps.py", {**env, "MFHERA_DATASTORE": datastore})
    numbers = count()

    def end_step() -> Cost:
        run = f"bench-{next(numbers)}"
        _step(compiled, "start", run, bench)
        return _step(compiled, "end", run, bench)

    return median(end_step, 7)


def _per_iteration(bench: Bench, datastore: str, iterations: int) -> float:
    """What each further iteration of a step costs in one container, once there are some."""
    compiled = _compiled("loop.py", {**bench.env, "MFHERA_DATASTORE": datastore})
    numbers = count()

    def run_loop(times: int) -> Cost:
        run = f"bench-{next(numbers)}"
        _step(compiled, "start", run, bench, times=str(times))
        return _step(compiled, "again", run, bench)

    few = median(partial(run_loop, 2), 3)
    return (median(partial(run_loop, iterations), 3).wall - few.wall) / (iterations - 2)


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """A flow's manifest, as far as its containers need it."""

    env: Mapping[str, str]
    containers: Mapping[str, Mapping[str, list[str]]]
    known: Mapping[str, str]
    """What they know of the workflow."""


def _compiled(flow: str, env: Mapping[str, str]) -> _Compiled:
    compiled = process([sys.executable, "-m", "metaflow_hera", "compile", str(FLOWS / flow), "--json"], env)
    template = json.loads(compiled.output)[0]
    annotations = template["spec"]["workflowMetadata"]["annotations"]
    return _Compiled(
        env=env,
        containers={each["name"]: each["container"] for each in template["spec"]["templates"] if "container" in each},
        known={f"workflow.annotations.{name}": value for name, value in annotations.items()},
    )


def _step(compiled: _Compiled, name: str, run: str, bench: Bench, **parameters: str) -> Cost:
    """A container's command as Argo starts it, with what it knows of the workflow put in."""
    pod = Path(tempfile.mkdtemp(dir=bench.folder))
    if name == "start":
        given = json.dumps([{"name": name, "value": value} for name, value in parameters.items()])
        (pod / "parameters").write_bytes(base64.b64encode(given.encode()))
    container = compiled.containers[name]
    words = [*container["command"], *container.get("args", [])]
    for reference, value in {**compiled.known, "workflow.name": run}.items():
        words = [word.replace(f"{{{{{reference}}}}}", value) for word in words]
    words = [word.replace("$$", "$") for word in words]
    return process([sys.executable, *words[1:]], {**compiled.env, "MFHERA_POD_DIR": str(pod)})


_JOIN = """
import json, sys, time
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import codec, tasks
from metaflow_hera.records.task import TaskRecord, TaskStatus
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store
store = open_store({datastore!r}, Settings.load())
keys = RunKeys("F", "r")
paths = [str(index) for index in range(1000)]
for path in paths:
    record = TaskRecord(step="work", path=path, attempt=0, status=TaskStatus.SUCCEEDED, started=0, finished=0)
    tasks.write(store, keys, record)
started = time.perf_counter()
found = tasks.find_all(store, keys, "work", paths)
took = time.perf_counter() - started
assert [record.path for record in found] == paths
one = time.perf_counter()
tasks.find(store, keys, "work", "0")
print(json.dumps([took, time.perf_counter() - one]))
"""


def _join_requests(bench: Bench, env: Mapping[str, str], datastore: str) -> Figure:
    took, one = json.loads(python(_JOIN.format(datastore=datastore), env).output)
    return Figure(
        name="records of 1,000 inputs of a join, S3",
        value=took * 1000,
        unit="ms",
        bare=one * 1000,
        bare_name="the record of one",
        budget=1000,
    )
