"""Flow files as they are written for Metaflow, run unchanged in each of the ways that there are to run them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from s3_server import S3Server

from metaflow_hera import Flow, Run, compat

FLOWS = Path(__file__).parent / "metaflow_flows"


class Case(NamedTuple):
    """What is said after ``run``, and artifacts of the end that follow from it."""

    flow: str
    artifacts: Mapping[str, object]
    words: tuple[str, ...] = ()


CASES: Mapping[str, Case] = {
    "branch": Case("BranchFlow", {"total": 3}),
    "cards": Case("CardFlow", {"count": 2, "has_report": True}),
    "client_inside": Case(
        "ClientFlow",
        {
            "graph": (["end"], "end"),
            "is_child": True,
            "namespace": True,
            "previous": None,
            "steps": ["end", "start"],
            "tags": ["seen"],
        },
    ),
    "config": Case(
        "ConfigurableFlow", {"doubled": 10, "mode": "test", "plain": {"rate": 0.5}, "rate": 0.5, "same": True}
    ),
    "custom_decorators": Case(
        "DecoratedFlow",
        {
            "all": ("by the mutator", "k-done", "middle", {}),
            "profiled": [("start", "s", True)],
            "variable": "start",
        },
    ),
    "custom_ends": Case("CustomEndsFlow", {"letters": "AB"}),
    "events": Case("EventFlow", {"published": None, "stage": "dev"}),
    "failures": Case(
        "FailuresFlow",
        {
            "failed": [(0, "ZeroDivisionError")],
            "lucky": 2,
            "results": [10.0, 5.0],
            "was_slow": "metaflow.plugins.timeout_decorator.TimeoutException",
        },
    ),
    "foreach": Case(
        "ForeachFlow",
        {
            "last": [(2, 3, "Narcos"), (1, 2, "a")],
            "results": ["Stranger Things processed", "House of Cards processed", "Narcos processed"],
        },
    ),
    "hello": Case("HelloFlow", {"greeting": "Hi!"}),
    "include_file": Case("PlayListFlow", {"playlist": ["Avatar"], "size": 71}, ("--genre", "Action")),
    "inherited": Case("InheritedFlow", {"report": ("data", False, "mixin", "InheritedFlow")}, ("--verbose", "False")),
    "merge_artifacts": Case(
        "MergeArtifactsFlow", {"common": 5, "conflicts": ["x", "y"], "has_x": False, "pass_down": "a"}
    ),
    "parallel": Case(
        "ParallelFlow", {"all_same": True, "nodes": [(node, 3, True) for node in range(3)], "squares": [0, 1, 4]}
    ),
    "parameters": Case(
        "ParameterFlow",
        {
            "SCALE": 10,
            "alpha": 0.5,
            "countries": ["DE", "US"],
            "gamma": 2.0,
            "info": {"flow": "ParameterFlow", "parameter": "info", "user": "tester"},
            "is_read_only": True,
            "nothing": None,
            "scaled": 5.0,
            "stages": ["x", "y"],
        },
        ("--alpha=0.5", "--gamma-rate", "2", "--country_titles", '{"US": [], "DE": []}', "--stages", "x,y"),
    ),
    "project": Case(
        "ProjectFlow",
        {
            "flow_name": "example_project.user.tester.ProjectFlow",
            "names": ("example_project", "user.tester", False, True),
            "trigger": None,
        },
    ),
    "recursion": Case("RecursiveFlow", {"count": 7, "value": 0.78125}),
    "switch": Case("SwitchFlow", {"result": "full-large"}),
}


def process(words: list[str], *, ok: bool = True, **env: str) -> str:
    """What a command prints; *env* is added to the environment."""
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **env}, check=False)
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout + done.stderr


def by_module(file: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "metaflow_hera", str(file), "run", *words]


def by_command(file: Path, *words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("mfhera")), "run", str(file), *words]


def by_itself(file: Path, *words: str) -> list[str]:
    """Of a copy that has the name of this package where the other one was."""
    for name in (file.name, "common.py", "myconfig.toml", "playlist.csv"):
        text = (FLOWS / name).read_text()
        Path(name).write_text(text.replace("from metaflow import", "from metaflow_hera import"))
    return [sys.executable, file.name, "run", *words]


def assert_ended_well(case: Case) -> Run:
    compat.install()  # some artifacts are of classes that the flow's file names by the alias
    run = Flow(case.flow).latest_run
    assert run is not None and run.successful
    data = run.data
    assert {name: getattr(data, name) for name in case.artifacts} == case.artifacts
    return run


@pytest.mark.parametrize("name", CASES)
def test_a_flow_that_was_written_for_metaflow_runs_unchanged(name: str) -> None:
    process(by_module(FLOWS / f"{name}.py", *CASES[name].words))
    assert_ended_well(CASES[name])


@pytest.mark.parametrize("command", [by_command, by_itself])
@pytest.mark.parametrize("name", ["config", "inherited", "parameters"])
def test_a_flow_runs_by_every_command(name: str, command: Callable[..., list[str]]) -> None:
    process(command(FLOWS / f"{name}.py", *CASES[name].words))
    assert_ended_well(CASES[name])


def test_a_flow_that_failed_is_resumed() -> None:
    file = FLOWS / "resume_debug.py"
    failed = process(by_module(file), ok=False)
    assert "2fail" in failed
    first = Flow("DebugFlow").latest_run
    assert first is not None and first.finished and not first.successful
    process([sys.executable, "-m", "metaflow_hera", str(file), "resume"], NUMBER_OF_B="5")
    run = assert_ended_well(Case("DebugFlow", {"origin": first.id, "total": 6}))
    assert run.origin_pathspec == first.pathspec


def test_a_flow_keeps_data_of_its_own_in_s3(s3: S3Server) -> None:
    process(by_module(FLOWS / "s3_data.py"), MFHERA_DATASTORE=s3.uri)
    values = ["value 0", "value 1", "value 2"]
    os.environ["MFHERA_DATASTORE"] = s3.uri
    assert_ended_well(
        Case("S3DemoFlow", {"is_local": True, "missing": False, "size": 11, "text": "hello world", "values": values})
    )


def test_every_flow_file_has_a_test() -> None:
    others = {"common", "resume_debug", "s3_data"}
    assert {file.stem for file in FLOWS.glob("*.py")} == CASES.keys() | others
