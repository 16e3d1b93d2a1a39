"""Steps in containers: what a task finds, what it leaves, and what the container says by its code and its output."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from containers import RUN, Deployment, deploy, steps
from webhook import opened_webhook

from metaflow_hera.command import ExitCommand
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.runtime.bootstrap import SOURCE
from metaflow_hera.store import Store

FOREACH = """
import helper

class F(FlowSpec):
    alpha = Parameter("alpha", type=float, default=0.1)
    K = 5

    @step
    def start(self):
        self.xs = ["a", "b", "c"]
        self.kept = [1]
        self.next(self.work, foreach="xs")

    @step
    def work(self):
        self.y = helper.double(self.input) + str(self.index)
        self.kept.append(self.index)
        print("working on", self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ys = [i.y for i in inputs]
        self.items = [i.input for i in inputs]
        self.kepts = [i.kept for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        self.last = (self.ys, self.alpha, self.K, current.run_id, current.task_id)
"""


def test_a_foreach_leaves_its_artifacts_in_any_store(store: Store, tmp_path: Path) -> None:
    deployment = deploy(store, tmp_path, FOREACH, helper="def double(text): return text * 2")
    start = deployment.run("start", parameters={"alpha": "0.5"})
    assert (start.code, start.splits) == (0, "3"), start.stderr
    for path in ("2", "0", "1"):
        assert deployment.run("work", path).code == 0
    assert deployment.run("join").code == 0
    assert runs.read_end(store, "F", RUN) is None
    end = deployment.run("end")
    assert (end.code, end.splits, end.next) == (0, "", "")
    assert deployment.artifact("end", "last") == (["aa0", "bb1", "cc2"], 0.5, 5, RUN, "0")
    assert deployment.artifact("join", "items") == ["a", "b", "c"]
    assert deployment.artifact("join", "kepts") == [[1, 0], [1, 1], [1, 2]]
    assert deployment.record("join").parents == ("work/0/0", "work/1/0", "work/2/0")
    assert deployment.record("work", "1").frames[0].count == 3
    assert deployment.log("stdout", "work", "1") == "working on b\n"
    ended = runs.read_end(store, "F", RUN)
    assert ended is not None
    assert ended.status == "Succeeded"


HOSTILE = {
    "empty": "",
    "quotes": "'\"` \\",
    "shell": "$(HOME) ${HOME} $HOME; rm -rf / | `id` && !!",
    "tags": "{{workflow.name}} {{=1+1}} {{x }}",
    "lines": "one\ntwo\r\nthree\ttab ",
    "unicode": "héllo ☃ 🎈 \u2028 \x01 \x7f",
    "json": '{"a": [1, "b"]}',
    "large": "é" * 25_000,
}


def test_hostile_parameters_arrive_byte_for_byte(directory_store: Store, tmp_path: Path) -> None:
    parameters = "\n".join(f"    {name} = Parameter({name!r})" for name in HOSTILE)
    body = f"self.got = [{', '.join(f'self.{name}' for name in HOSTILE)}]"
    source = steps(body).replace("class F(FlowSpec):", f"class F(FlowSpec):\n{parameters}")
    deployment = deploy(directory_store, tmp_path, source)
    done = deployment.run("start", parameters=HOSTILE)
    assert done.code == 0, done.stderr
    assert deployment.artifact("start", "got") == list(HOSTILE.values())


def test_wrong_parameters_fail_the_start_with_all_problems_and_the_run_is_seen(
    directory_store: Store, tmp_path: Path
) -> None:
    source = steps().replace(
        "class F(FlowSpec):",
        "class F(FlowSpec):\n    a = Parameter('a', type=int)\n    b = Parameter('b', type=float, required=True)",
    )
    deployment = deploy(directory_store, tmp_path, source)
    done = deployment.run("start", parameters={"a": "many"})
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert "'many'" in done.stderr
    assert "'b'" in done.stderr or " b" in done.stderr
    assert deployment.record("start").status is TaskStatus.FAILED
    assert runs.read(directory_store, "F", RUN) is not None
    assert (done.splits, done.next) == ("", "")


def test_a_task_that_succeeded_is_not_run_again_but_tells_its_outputs(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, FOREACH, helper="")
    first = deployment.run("start", parameters={})
    again = deployment.run("start", parameters={}, attempt=1)
    assert (first.code, again.code) == (0, 0)
    assert (first.splits, again.splits) == ("3", "3")
    assert len(tasks.attempts(directory_store, deployment.keys, "start", "0")) == 1


def test_a_retry_gets_the_next_number_and_its_count(directory_store: Store, tmp_path: Path) -> None:
    body = "self.tried = current.retry_count\nif current.retry_count < 2: raise ValueError('no')"
    deployment = deploy(directory_store, tmp_path, steps(body))
    codes = [deployment.run("start", attempt=attempt, retries=2).code for attempt in range(3)]
    assert codes == [1, 1, 0]
    assert deployment.artifact("start", "tried", attempt=2) == 2
    failure = deployment.record("start", attempt=1).failure
    assert failure is not None
    assert (failure.type, failure.text) == ("ValueError", "no")
    assert "metaflow_hera" not in failure.traceback


def test_a_workflow_that_is_retried_counts_anew_and_overwrites_nothing(directory_store: Store, tmp_path: Path) -> None:
    body = "if current.retry_count < 2: print('life', current.retry_count); raise ValueError(current.retry_count)"
    deployment = deploy(directory_store, tmp_path, steps(body))
    codes = [deployment.run("start", attempt=attempt, retries=1).code for attempt in (0, 1, 0)]
    assert codes == [1, 1, 0]
    assert [number for number, _, _ in tasks.attempts(directory_store, deployment.keys, "start", "0")] == [0, 1, 2]
    assert deployment.log("stdout", "start", attempt=0) == "life 0\n"
    assert deployment.log("stdout", "start", attempt=1) == "life 1\n"


def test_two_containers_of_one_task_at_once_get_two_attempts(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps("import time; time.sleep(0.5); print('ran')"))
    processes = [deployment.begin(deployment.command("start")) for _ in range(3)]
    assert [deployment.end(process).code for process in processes] == [0, 0, 0]
    attempts = tasks.attempts(directory_store, deployment.keys, "start", "0")
    assert [number for number, _, record in attempts if record] == [0, 1, 2]


def test_an_exception_is_caught_in_the_last_attempt_that_the_user_allows(
    directory_store: Store, tmp_path: Path
) -> None:
    source = steps("self.before = 1\nraise ValueError('boom')", "self.seen = self.error", "@catch(var='error')")
    deployment = deploy(directory_store, tmp_path, source)
    assert [deployment.run("start", attempt=attempt, retries=1).code for attempt in (0, 1)] == [1, 0]
    assert deployment.run("end").code == 0
    record = deployment.record("start", attempt=1)
    assert (record.status, record.next, record.failure) == (TaskStatus.SUCCEEDED, ("end",), None)
    assert deployment.artifact("start", "before", attempt=1) == 1
    caught = deployment.artifact("end", "seen")
    assert (caught.exception, caught.type) == ("boom", "ValueError")  # type: ignore[attr-defined]
    assert str(caught).startswith("Traceback")
    assert "ValueError: boom" in deployment.log("stderr", "start", attempt=1)


def test_without_an_exception_the_artifact_of_catch_is_none(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps("self.x = 1", decorators="@catch(var='error')"))
    assert deployment.run("start").code == 0
    assert deployment.artifact("start", "error") is None


def test_an_attempt_beyond_those_of_the_user_stands_in_for_a_process_that_died(
    directory_store: Store, tmp_path: Path
) -> None:
    source = steps("import os; os.kill(os.getpid(), 9)", decorators="@catch(var='error')")
    deployment = deploy(directory_store, tmp_path, source)
    assert [deployment.run("start", attempt=attempt, retries=1).code for attempt in (0, 1, 2)] == [1, 1, 0]
    caught = deployment.artifact("start", "error", attempt=2)
    assert caught.type == "metaflow.plugins.catch_decorator.FailureHandledByCatch"  # type: ignore[attr-defined]
    assert "kept failing over 2 attempts" in caught.exception  # type: ignore[attr-defined]


def test_a_step_that_takes_too_long_is_stopped_and_leaves_what_it_had(directory_store: Store, tmp_path: Path) -> None:
    source = steps("self.had = 1\nimport time; time.sleep(60)", decorators="@timeout(seconds=1)")
    deployment = deploy(directory_store, tmp_path, source)
    assert deployment.run("start").code == 1
    failure = deployment.record("start").failure
    assert failure is not None
    assert failure.type == "metaflow.plugins.timeout_decorator.TimeoutException"
    assert "timed out after 0 hours, 0 minutes, 1 seconds" in failure.text
    assert deployment.artifact("start", "had") == 1


def test_variables_keep_the_values_that_the_manifest_gives_them(
    directory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "as deployed")
    decorators = "@environment(vars={'GREETING': 'as the container would say', 'OTHER': 'x'})"
    source = steps("import os; self.got = os.environ['GREETING'], os.environ.get('OTHER')", decorators=decorators)
    deployment = deploy(directory_store, tmp_path, source)
    assert deployment.run("start").code == 0
    assert deployment.artifact("start", "got") == ("as deployed", None)


def test_an_artifact_that_cannot_be_stored_fails_the_step_and_spares_the_others(
    directory_store: Store, tmp_path: Path
) -> None:
    deployment = deploy(
        directory_store, tmp_path, steps("self.good = 1\nimport threading; self.bad = threading.Lock()")
    )
    done = deployment.run("start")
    assert done.code == 1
    assert "'bad'" in done.stderr
    assert "Traceback" not in done.stderr
    assert deployment.artifact("start", "good") == 1
    assert "bad" not in deployment.record("start").artifacts


def test_another_transition_than_the_source_has_fails_the_step(directory_store: Store, tmp_path: Path) -> None:
    source = steps("if self.name: return")
    deployment = deploy(directory_store, tmp_path, source)
    done = deployment.run("start")
    assert done.code == 1
    assert "without self.next()" in done.stderr


def test_an_empty_foreach_fails_in_the_splitting_step(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, FOREACH.replace('["a", "b", "c"]', "[]"), helper="")
    done = deployment.run("start")
    assert (done.code, done.splits) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "code/flow.py:" in done.stderr
    assert "'xs'" in done.stderr


def test_a_missing_parent_is_named(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps())
    done = deployment.run("end")
    assert done.code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "start/0" in done.stderr
    assert deployment.record("end").status is TaskStatus.FAILED


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nothing_like_this", "nothing_like_this"),
        ("def x(:", "not Python"),
        ("import sys; sys.exit(0)", "ends the"),
    ],
)
def test_a_flow_that_cannot_be_loaded_fails_its_tasks(
    directory_store: Store, tmp_path: Path, source: str, told: str
) -> None:
    deployment = deploy(directory_store, tmp_path, source + "\n" + steps())
    assert [deployment.run(step).code for step in ("start", "end")] == [1, 1]
    for step in ("start", "end"):
        failure = deployment.record(step).failure
        assert failure is not None
        assert told in failure.text
    assert runs.read(directory_store, "F", RUN) is not None


def test_a_flow_written_for_metaflow_runs(directory_store: Store, tmp_path: Path) -> None:
    source = "import metaflow\nfrom metaflow.exception import MetaflowException\n" + steps(
        "print(metaflow.current.step_name)"
    )
    deployment = deploy(directory_store, tmp_path, source)
    done = deployment.run("start")
    assert (done.code, done.stdout) == (0, "start\n"), done.stderr


def test_the_users_files_do_not_shadow_ours(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps(), metaflow_hera="raise SystemExit('not this one')")
    assert deployment.run("start").code == 0


def test_the_exit_of_a_failed_run_tells_the_first_failure(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps("raise ValueError('boom\\nand more')"))
    deployment.run("start")
    command = ExitCommand(flow="F", run=RUN, status="Failed", store=directory_store.uri, code=deployment.code)
    assert deployment.end(deployment.begin(command)).code == 0
    ended = runs.read_end(directory_store, "F", RUN)
    assert ended is not None
    assert (ended.status, ended.message) == ("Failed", "step 'start', task 0: ValueError: boom")


def test_the_exit_of_a_run_that_never_started_makes_it_seen(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps())
    whose = {"user": "ann", "production": "f-0-gtqo"}
    command = ExitCommand(flow="F", run=RUN, status="Error", store=directory_store.uri, code=deployment.code, **whose)
    assert deployment.end(deployment.begin(command)).code == 0
    assert list(runs.run_ids(directory_store, "F")) == [RUN]
    begun = runs.read(directory_store, "F", RUN)
    assert begun is not None
    assert begun.system_tags == ("user:ann", "production:f-0-gtqo")
    ended = runs.read_end(directory_store, "F", RUN)
    assert ended is not None
    assert "could not be started" in ended.message


def test_a_missing_code_package_is_told_in_one_line(store: Store, tmp_path: Path) -> None:
    deployment = deploy(store, tmp_path, steps())
    done = deployment.end(deployment.begin(deployment.command("start", code="data/aa/nothing")))
    assert done.code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "data/aa/nothing" in done.stderr


def test_the_command_is_short_and_nothing_in_it_is_evaluated() -> None:
    assert len(SOURCE) < 2_048
    assert not [mark for mark in ("{{", "}}", "$") if mark in SOURCE]
    compile(SOURCE, "command", "exec")


def test_what_a_container_imports_is_in_the_package(directory_store: Store, tmp_path: Path) -> None:
    body = "import sys, json; print(json.dumps([m for m in sys.modules if m.startswith('metaflow_hera')]))"
    deployment = deploy(directory_store, tmp_path, steps(body))
    loaded = json.loads(deployment.run("start").stdout)
    rooms = {name.split(".")[1] for name in loaded if "." in name}
    assert not rooms & {"argo", "backends", "cli", "deploy", "engine", "package", "plan"}


def test_the_runtime_has_a_command_line_of_its_own() -> None:
    command = [sys.executable, "-m", "metaflow_hera.runtime", "nonsense"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("metaflow_hera: expected 'task'")


def test_a_package_that_only_some_values_need_is_installed_when_one_does(
    directory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "cloudpickle-9.9-py3-none-any.whl", "w") as wheel:
        wheel.writestr("cloudpickle.py", "import pickle\ndef dumps(value, **_): return pickle.dumps('by value')\n")
        wheel.writestr("cloudpickle-9.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: cloudpickle\nVersion: 9.9\n")
        wheel.writestr("cloudpickle-9.9.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("cloudpickle-9.9.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    without = "sys.path[:] = [folder for folder in sys.path if not os.path.isdir(folder + '/cloudpickle')]\n"
    deployment = deploy(directory_store, tmp_path, steps("self.function = lambda: 1"))
    done = deployment.end(deployment.begin(deployment.command("start"), before=without))
    assert done.code == 0, done.stderr
    assert deployment.artifact("start", "function") == "by value"


def test_a_switch_goes_to_the_branch_it_chose_and_comes_together_again(directory_store: Store, tmp_path: Path) -> None:
    source = """
class F(FlowSpec):
    @step
    def start(self):
        self.kind = "b"
        self.next({"a": self.a, "b": self.b}, condition="kind")

    @step
    def a(self):
        self.next(self.end)

    @step
    def b(self):
        self.x = 1
        self.next(self.end)

    @step
    def end(self):
        self.seen = self.x
"""
    deployment = deploy(directory_store, tmp_path, source)
    assert deployment.run("start").next == "b"
    assert deployment.run("b").code == 0
    assert deployment.run("end").code == 0
    assert deployment.record("end").parents == ("b/0/0",)


def test_tasks_of_nested_foreaches_find_their_own_parents(directory_store: Store, tmp_path: Path) -> None:
    source = """
class F(FlowSpec):
    @step
    def start(self):
        self.outer = "ab"
        self.next(self.middle, foreach="outer")

    @step
    def middle(self):
        self.inner = range(self.index + 1)
        self.letter = self.input
        self.next(self.leaf, foreach="inner")

    @step
    def leaf(self):
        self.told = [item for _, _, item in self.foreach_stack()], [count for _, count, _ in self.foreach_stack()]
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.told = [i.told for i in inputs]
        self.mine = self.index, self.input
        self.merge_artifacts(inputs, include=["letter"])
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.told = [(i.letter, i.mine, i.told) for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""
    deployment = deploy(directory_store, tmp_path, source)
    order = ["start/0", "middle/0", "middle/1", "leaf/0.0", "leaf/1.0", "leaf/1.1", "inner_join/0", "inner_join/1"]
    for task in (*order, "outer_join/0", "end/0"):
        done = deployment.run(*task.split("/"))
        assert done.code == 0, done.stderr
    assert deployment.artifact("end", "told") == [
        ("a", (0, "a"), [(["a", 0], [2, 1])]),
        ("b", (1, "b"), [(["b", 0], [2, 2]), (["b", 1], [2, 2])]),
    ]


def test_a_container_that_fails_says_why_where_its_backend_looks(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps("raise ValueError('no such\\nthing')"))
    process = deployment.begin(deployment.command("start"))
    assert deployment.end(process).code == 1
    assert (process.pod / "termination-log").read_text() == "ValueError: no such"  # type: ignore[attr-defined]


EXIT_FLOW = """
import os, time
from metaflow_hera import exit_hook


def quick(run):
    print("quick", run.finished, run.successful)


def slow():
    print("slow began", flush=True)
    if os.environ.get("MFHERA_TEST_DIE"):
        os.kill(os.getppid(), 9)
        os.kill(os.getpid(), 9)


@exit_hook(on_error=[quick, slow])
"""


def exit_output(store: Store) -> str:
    keys = [key for key in store.keys(f"F/exits/{RUN}/") if "/done/" not in key]
    return b"".join(bytes(store.get(key)) for key in keys).decode()


def with_hooks(store: Store, tmp_path: Path) -> tuple[Deployment, ExitCommand]:
    deployment = deploy(store, tmp_path, EXIT_FLOW + steps("raise ValueError('boom')"))
    deployment.run("start")
    command = ExitCommand(
        flow="F", run=RUN, status="Failed", store=store.uri, code=deployment.code, file="flow.py", notify=("success",)
    )
    return deployment, command


def test_an_exit_that_dies_has_written_the_end_and_goes_on_with_the_hooks_that_were_not_called(
    directory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, command = with_hooks(directory_store, tmp_path)
    monkeypatch.setenv("MFHERA_TEST_DIE", "yes")
    died = deployment.end(deployment.begin(command))
    first = runs.read_end(directory_store, "F", RUN)
    monkeypatch.delenv("MFHERA_TEST_DIE")

    again = deployment.end(deployment.begin(command))

    assert (died.code, again.code) == (0, 0)
    assert "the process was killed by signal 9; the run stays as it is" in died.stderr
    assert runs.read_end(directory_store, "F", RUN) == first
    assert "the exit hook slow was called before, by a pod that did not come to its end" in again.stdout
    assert exit_output(directory_store).count("quick True False") == 1
    assert exit_output(directory_store).count("slow began") == 1


def test_hooks_are_called_again_when_the_run_was_taken_up_and_ends_anew(directory_store: Store, tmp_path: Path) -> None:
    deployment, command = with_hooks(directory_store, tmp_path)
    assert deployment.end(deployment.begin(command)).stdout.count("quick True False") == 1
    deployment.run("start")

    assert deployment.end(deployment.begin(command)).stdout.count("quick True False") == 1
    assert exit_output(directory_store).count("quick True False") == 2


def test_hooks_of_the_other_image_alone_are_called_in_it(directory_store: Store, tmp_path: Path) -> None:
    deployment, command = with_hooks(directory_store, tmp_path)
    assert "quick" not in deployment.end(deployment.begin(replace(command, image="other:1"))).stdout


def test_hooks_are_called_and_people_are_told_where_the_store_keeps_nothing_of_it(
    directory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, command = with_hooks(directory_store, tmp_path)
    (Path(directory_store.uri) / "F/exits").write_text("in the way")
    with opened_webhook() as slack:
        monkeypatch.setenv("MFHERA_SLACK_WEBHOOK_URL", slack.url)
        done = deployment.end(deployment.begin(replace(command, notify=("error",))))

    assert done.code == 0
    assert [event["text"] for event in slack.events] == [f":rotating_light: F/{RUN} failed"]
    for line in ("Slack was told how the run ended", "quick True False", "slow began"):
        assert done.stdout.count(f"{line}\n") == 1
    for fact in ("Slack was told how the run ended", "the exit hook quick was called", "the exit hook slow was called"):
        assert f"that {fact} cannot be written down, so a pod that takes over does it anew: datastore" in done.stdout
    assert "some of what was printed is not stored yet: datastore" in done.stderr


def test_a_secret_of_channels_that_is_missing_is_named(directory_store: Store, tmp_path: Path) -> None:
    deployment, command = with_hooks(directory_store, tmp_path)
    done = deployment.end(deployment.begin(replace(command, notify=("error",), secret="channels")))
    assert "is set; the Secret 'channels' is missing in the run's namespace, or has none of these keys\n" in done.stdout
    alone = deployment.end(deployment.begin(replace(command, notify=("error",))))
    assert "MFHERA_INCIDENT_IO_API_KEY is set\n" in alone.stdout
