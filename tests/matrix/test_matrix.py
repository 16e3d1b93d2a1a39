"""Shapes of flows × what flows do in them: each pair runs here and leaves what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import crds
import pytest
from flow_oracle import Artifacts, run_oracle
from matrix_flows import (
    CATCHES,
    FAILS_WHERE_TOLD,
    PLAIN,
    RETRIES,
    SHAPES,
    Behaviour,
    class_name,
    ends_anyhow,
    gangs,
    source,
)

from metaflow_hera import Run, Task, deploy, namespace, run
from metaflow_hera.argo import yaml_text
from metaflow_hera.argo.manifest import from_manifests
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.deploy import compile_manifests
from metaflow_hera.deploy.resume import resume
from metaflow_hera.flow.load import load_flow
from metaflow_hera.settings import Settings

PAIRS_ON_THE_ENGINE = (
    ("switch_in_foreach", RETRIES),
    ("nested_switch", CATCHES),
    ("loop_in_foreach", RETRIES),
    ("split_in_foreach", CATCHES),
    ("gang", PLAIN),
)
"""A sample, for the embedded engine takes longer."""

STEPS = [(shape, step) for shape, steps in SHAPES.items() for step in steps]
shapes = pytest.mark.parametrize("shape", SHAPES)


@pytest.fixture(autouse=True)
def everything_is_visible() -> None:
    namespace(None)


@dataclass(frozen=True)
class Author:
    """Writes flow files."""

    folder: Path

    def write(self, shape: str, behaviour: Behaviour) -> Path:
        file = self.folder / f"{shape}_matrix.py"
        file.write_text(source(shape, SHAPES[shape], behaviour))
        return file


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


Traces = Mapping[str, object]


def meant(author: Author, shape: str, **texts: str) -> dict[tuple[str, str], Artifacts]:
    """What the tasks of the plain flow leave, by an interpreter of its own."""
    return run_oracle(load_flow(author.write(shape, PLAIN)), **texts).tasks


def left(ended: Run) -> dict[tuple[str, str], Artifacts]:
    return {(step.id, task.id): {each.id: each.data for each in task} for step in ended for task in step}


def traces(tasks: Mapping[tuple[str, str], Artifacts]) -> Traces:
    return {"/".join(where): (values["trace"], values["common"]) for where, values in tasks.items()}


@shapes
@pytest.mark.parametrize("flip", [0, 1])
def test_artifacts_reach_every_task_through_every_transition_and_join(author: Author, shape: str, flip: int) -> None:
    expected = meant(author, shape, flip=str(flip))
    found = left(run(author.write(shape, PLAIN), flip=flip))
    assert found.keys() == expected.keys()
    for where, values in expected.items():
        assert {name: found[where][name] for name in values} == values


@shapes
def test_parameters_constants_and_tags_are_seen_in_every_task(author: Author, shape: str) -> None:
    ended = run(author.write(shape, PLAIN), flip=1, tags=["night"])
    tasks = [task for step in ended for task in step]
    assert tasks
    for task in tasks:
        assert (task.data.flip, task.data.constant) == (1, "c")
        assert "night" in task.user_tags


@shapes
def test_every_task_is_tried_again_and_the_run_is_none_the_worse(author: Author, shape: str) -> None:
    ended = run(author.write(shape, RETRIES))
    assert traces(left(ended)) == traces(meant(author, shape))
    for task in (task for step in ended for task in step):
        assert task.current_attempt == 1
        assert not Task(task.pathspec, attempt=0).successful


@shapes
def test_failures_are_caught_and_what_was_set_before_stays(author: Author, shape: str) -> None:
    ended = run(author.write(shape, CATCHES))
    assert ended.successful
    assert traces(left(ended)) == traces(meant(author, shape))
    caught = {step.id for step in ended if any(has_caught(task) for task in step)}
    ran = {step.id for step in ended}
    assert caught == {step for step in ran - gangs(SHAPES[shape]) if ends_anyhow(SHAPES[shape][step])}


def has_caught(task: Task) -> bool:
    """Whether the task itself failed, not one before it."""
    failed = getattr(task.data, "failed", None) if "failed" in task.data else None
    return failed is not None and f", in {task.parent.id}\n" in failed.stacktrace


@shapes
def test_lineage_leads_from_every_task_to_the_start_and_back(author: Author, shape: str) -> None:
    ended = run(author.write(shape, PLAIN))
    first = next(iter(SHAPES[shape]))
    for task in (task for step in ended for task in step):
        parents = list(task.parent_tasks)
        assert bool(parents) == (task.parent.id != first or task.id.rpartition("~")[2] not in (task.id, "0"))
        for parent in parents:
            assert task.pathspec in [child.pathspec for child in parent.child_tasks]
        for child in task.child_tasks:
            assert task.pathspec in [parent.pathspec for parent in child.parent_tasks]


@pytest.mark.parametrize(("shape", "step"), STEPS, ids=lambda value: value)
def test_a_run_that_failed_at_a_step_is_resumed_to_the_same_end(
    author: Author, shape: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = author.write(shape, FAILS_WHERE_TOLD)
    monkeypatch.setenv("FAIL_AT", step)
    failed = run(flow, check=False)
    monkeypatch.delenv("FAIL_AT")
    expected = meant(author, shape)
    flow = author.write(shape, FAILS_WHERE_TOLD)
    if failed.successful:
        assert step not in {name for name, _ in expected}
        return
    resumed = resume(flow)
    assert resumed.successful
    assert traces(left(resumed)) == traces(expected)
    before = {task.pathspec.split("/", 2)[2] for each in failed for task in each if task.successful}
    assert {task.pathspec.split("/", 2)[2] for each in resumed for task in each if is_clone(task)} == before


def is_clone(task: Task) -> bool:
    return "origin-task-id" in task.metadata_dict


@pytest.fixture
def stopped_engine() -> Callable[[], None]:
    yield
    stop_engine(Settings.load())


@pytest.mark.parametrize(("shape", "behaviour"), PAIRS_ON_THE_ENGINE, ids=[shape for shape, _ in PAIRS_ON_THE_ENGINE])
def test_a_sample_of_pairs_leaves_the_same_on_the_embedded_engine(
    author: Author, shape: str, behaviour: Behaviour, stopped_engine: None
) -> None:
    expected = traces(meant(author, shape))
    deployed = deploy(author.write(shape, behaviour))
    assert traces(left(deployed.trigger().wait(timeout=120))) == expected


@crds.required
@shapes
@pytest.mark.parametrize("behaviour", [PLAIN, RETRIES, CATCHES], ids=["plain", "retries", "catches"])
def test_every_pair_compiles_to_a_manifest_that_kubernetes_takes(
    author: Author, shape: str, behaviour: Behaviour
) -> None:
    documents = compile_manifests(author.write(shape, behaviour))
    assert [crds.problems(document) for document in documents] == [[] for _ in documents]
    plan = from_manifests(documents)
    assert from_manifests(yaml_text.load(yaml_text.dump(documents))) == plan
    assert class_name(shape).lower() in plan.name
