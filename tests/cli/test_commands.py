"""What the commands do when nothing is wrong: results on stdout, progress on stderr, exit codes."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import FAILING, LINEAR, call, interrupted, mfhera, write_flow

from metaflow_hera import __version__
from metaflow_hera.argo.yaml_text import load

COMMANDS = (
    *("run", "resume", "spin", "check", "show", "compile", "deploy", "trigger", "list"),
    *("delete", "runs", "status", "logs", "dump", "tag", "package", "terminate", "engine", "config"),
    *("stop", "suspend", "unsuspend", "retry"),
)


pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def linear() -> Path:
    return write_flow("Linear", LINEAR)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_teaches(command: str) -> None:
    done = mfhera(command, "--help")
    assert done.code == 0
    assert "Usage:" in done.stdout
    assert "mfhera" in done.stdout.partition("Usage:")[2] or command == "engine"


def test_without_a_command_the_commands_are_listed() -> None:
    assert set(COMMANDS) <= set(re.findall(r"^  (\w+) ", mfhera("--help").stdout, re.MULTILINE))


def test_a_local_run_prints_its_path_and_what_its_tasks_print(linear: Path) -> None:
    done = mfhera("run", linear, "--name", "Ann", "--alpha", "2", "--run-id-file", "id", "--tag", "mine")
    run = Path("id").read_text()
    assert done.code == 0
    assert done.stdout == f"Linear/{run}\n"
    assert re.search(r"^\d\d:\d\d:\d\d \[start/0\] hello Ann$", done.stderr, re.MULTILINE)
    assert mfhera("logs", f"Linear/{run}/start/0").stdout == "hello Ann\n"
    assert mfhera("logs", run).stdout == "[start/0] hello Ann\n"


def test_the_parameters_of_a_flow_are_options_with_their_help(linear: Path) -> None:
    shown = mfhera("run", linear, "--help").stdout
    assert re.search(r"--alpha FLOAT +Learning rate +\[default: 0.01\]", shown)
    assert re.search(r"--name TEXT +\[default: nobody\]", shown)


def test_a_default_that_is_computed_is_shown_as_such_and_not_computed_for_help() -> None:
    header = "def now(context):\n    raise RuntimeError('called')\n"
    file = write_flow("Computed", LINEAR.replace("default=0.01", "default=now"), header=header)
    assert "computed once by now()" in re.sub(r"\s+", " ", mfhera("run", file, "--help").stdout)


def test_a_failed_run_says_which_task_failed_why_and_where_its_logs_are() -> None:
    done = mfhera("run", write_flow("Failing", FAILING), "--json")
    assert done.code == 1
    assert done.json["phase"] == "Failed"
    place = f"Failing/{done.json['run']}/work/1"
    assert f"{place} failed" in done.stderr
    assert "ValueError: one is too many" in done.stderr
    assert f"logs: mfhera logs {place}" in done.stderr
    status = mfhera("status", f"Failing/{done.json['run']}", "--json").json
    assert {task["path"]: task["phase"] for task in status["tasks"] if task["step"] == "work"}["1"] == "Failed"


def test_more_splits_than_allowed_end_the_run() -> None:
    done = mfhera("run", write_flow("Failing", FAILING), "--max-num-splits", "2")
    assert done.code == 1
    assert "3 items" in done.stderr
    assert mfhera("runs", "Failing", "--json").json[0]["phase"] == "Failed"


def test_a_deployment_is_triggered_followed_listed_and_deleted(linear: Path) -> None:
    deployed = mfhera("deploy", linear, "--with", "retry:times=1,minutes_between_retries=0", "--json").json
    assert (deployed["name"], deployed["flow"], deployed["replaces"]) == ("linear", "Linear", None)
    assert mfhera("list", "--json").json[0]["version"] == deployed["version"]
    done = mfhera("trigger", "linear", "--alpha", "0.5", "--wait")
    run = done.stdout.strip()
    assert done.code == 0
    assert "[end/0] Succeeded" in done.stderr
    assert mfhera("status", run, "--json").json["phase"] == "Succeeded"
    assert mfhera("status", run, "--json").json["parameters"] == {"alpha": "0.5", "name": "nobody"}
    assert mfhera("logs", run, "--follow").stdout == "[start/0] hello nobody\n"
    assert [each["run"] for each in mfhera("runs", "linear", "--json").json] == [run]
    assert mfhera("delete", "linear").code == 0
    assert mfhera("list", "--json").json == []
    assert mfhera("runs", "Linear", "--json").json[0]["run"] == run


def test_the_status_of_a_run_shows_a_file_by_its_size_and_as_json_by_its_description() -> None:
    Path("table.csv").write_text("a,b\n1,2\n")
    mfhera("deploy", write_flow("Reads", 'table = IncludeFile("table", default="table.csv")\n' + LINEAR))
    run = mfhera("trigger", "reads", "--wait", "--name", '{"type": "mfhera-file"}').stdout.strip()
    shown = mfhera("status", run)
    assert "  --table a file of 8 bytes, in the datastore\n" in shown.stdout
    assert '  --name {"type": "mfhera-file"}\n' in shown.stdout
    assert '"size": 8' in mfhera("status", run, "--json").json["parameters"]["table"]


def test_a_failed_run_of_a_deployment_is_the_exit_code_of_waiting() -> None:
    mfhera("deploy", write_flow("Failing", FAILING))
    done = mfhera("trigger", "failing.py", "--wait", "--json")
    assert done.code == 1
    assert done.json["phase"] == "Failed"
    assert "ValueError: one is too many" in done.stderr
    assert "exit/0" not in done.stderr
    run = done.json["run"]
    shown = mfhera("status", run).stdout
    assert shown.endswith(f"logs: mfhera logs Failing/{run}/work/1\n")
    assert "exit/0" not in shown


def test_the_status_of_one_task_is_that_of_this_task() -> None:
    run = mfhera("run", write_flow("Failing", FAILING), "--json").json["run"]
    assert [task["path"] for task in mfhera("status", f"Failing/{run}/work/1", "--json").json["tasks"]] == ["1"]
    assert len(mfhera("status", f"{run}/work", "--json").json["tasks"]) == 3
    refused = mfhera("status", f"{run}/work/7")
    assert (refused.code, "tasks of work are 0, 1, 2" in refused.stderr) == (1, True)


def test_logs_that_are_followed_after_the_end_come_in_the_order_of_logs() -> None:
    body = FAILING.replace("raise ValueError", "print").replace(
        "self.next(self.join)", "print('work', self.input)\n    self.next(self.join)"
    )
    run = mfhera("run", write_flow("Ordered", body)).stdout.strip()
    assert mfhera("logs", run).stdout.count("work") > 3
    assert mfhera("logs", run, "--follow").stdout == mfhera("logs", run).stdout


def test_deploying_again_gives_a_new_version_under_the_same_name(linear: Path) -> None:
    first = mfhera("deploy", linear, "--json").json
    again = mfhera("deploy", linear, "--json").json
    assert again["version"] == again["replaces"] == first["version"]
    write_flow("Linear", LINEAR.replace("hello", "good day"))
    changed = mfhera("deploy", linear)
    assert f"it replaces version {first['version']}" in changed.stdout
    assert len(mfhera("list", "--json").json) == 1


def test_deploying_says_what_triggers_the_flow(linear: Path) -> None:
    assert "nothing triggers it by itself" in mfhera("deploy", linear).stdout
    hourly = write_flow("Hourly", LINEAR, header="")
    unscheduled = hourly.read_text()
    hourly.write_text(unscheduled.replace("class Hourly", "@schedule(hourly=True)\nclass Hourly"))
    assert "runs by itself at 0 * * * * (UTC)" in mfhera("deploy", hourly).stdout
    hourly.write_text(unscheduled)
    assert "its schedule was removed: it ran by itself at 0 * * * * (UTC)" in mfhera("deploy", hourly).stdout
    assert "removed" not in mfhera("deploy", hourly).stdout


def test_deploying_tells_each_fact_once_and_how_to_start_a_run() -> None:
    body = LINEAR + '\ncsv = Parameter("csv", required=True)\nrate = Parameter("rate", type=int, required=True)'
    done = mfhera("deploy", write_flow("Tune", body))
    assert "start a run with: mfhera trigger tune --csv TEXT --rate INTEGER\n" in done.stdout
    version = mfhera("list", "--json").json[0]["version"]
    assert (done.stdout + done.stderr).count(version) == 1
    for words in (["trigger", "tune", "--rate", "1"], ["run", "tune.py", "--rate", "1"]):
        refused = mfhera(*words)
        assert (refused.code, "must be given (--csv)" in refused.stderr) == (2, True)


def test_the_version_is_told() -> None:
    assert mfhera("--version").stdout == f"mfhera {__version__}\n"


def test_a_flag_without_a_value_is_told_which_it_takes() -> None:
    file = write_flow("Flagged", LINEAR + '\ndebug = Parameter("debug", default=False)')
    for words in (["--debug"], ["--debug", "--alpha", "1"], ["--alpha", "1", "--debug"]):
        refused = mfhera("run", file, *words)
        assert (refused.code, "--debug true or --debug false" in refused.stderr) == (2, True), refused.stderr
    assert mfhera("run", file, "--debug", "true").code == 0


def test_a_run_is_terminated() -> None:
    mfhera("deploy", write_flow("Slow", LINEAR.replace("print(", "__import__('time').sleep(60) or print(")))
    run = mfhera("trigger", "slow").stdout.strip()
    assert mfhera("terminate", run).stdout == f"{run} is terminated\n"
    assert mfhera("terminate", run, "--json").code == 0
    assert mfhera("trigger", "slow", "--json").json["phase"] == "Pending"


SLOW = LINEAR.replace("self.next(self.end)", "sys.stdout.flush()\n    time.sleep(60)\n    self.next(self.end)", 1)


def test_who_stops_watching_a_run_is_told_that_it_goes_on_and_how_to_end_it() -> None:
    mfhera("deploy", write_flow("Slow", SLOW, header="import sys, time"))
    watching = interrupted("trigger", "slow", "--wait", after="[start/0] Running")
    run = re.findall(r"mfhera status (argo-slow-\w+)", watching.stderr)[0]
    reading = interrupted("logs", run, "--follow", after="hello")
    for done in (watching, reading):
        assert done.code == 130, done.stderr
        assert f"run {run} goes on" in done.stderr
        assert f"mfhera logs {run} --follow" in done.stderr
        assert f"mfhera terminate {run}" in done.stderr
    assert mfhera("status", run, "--json").json["phase"] == "Running"
    mfhera("terminate", run)


def test_what_is_interrupted_here_is_not_tried_again() -> None:
    file = write_flow("Slow", SLOW, header="import sys, time")
    done = interrupted("run", file, "--with", "retry", after="hello")
    assert done.code == 130
    assert "[start/0] failed" in done.stderr
    assert "tried again" not in done.stderr


def test_a_failed_attempt_that_is_followed_by_another_says_so() -> None:
    done = mfhera("run", write_flow("Failing", FAILING), "--with", "retry:times=1")
    told = [line.endswith("it is tried again") for line in done.stderr.splitlines() if "[work/1] failed" in line]
    assert told == [True, False], done.stderr


def test_manifests_are_compiled_to_stdout_and_to_files_and_are_the_same(linear: Path) -> None:
    printed = load(mfhera("compile", linear, "--max-workers", "500").stdout)
    assert [document["kind"] for document in printed] == ["WorkflowTemplate"]
    assert mfhera("compile", linear, "--max-workers", "500", "--json").json == printed
    assert mfhera("compile", linear, "--max-workers", "500", "-o", "manifests").stdout == ""
    assert load(Path("manifests/linear-workflowtemplate.yaml").read_text()) == printed


def test_compiling_removes_the_file_of_a_schedule_that_is_no_more_and_no_other(linear: Path) -> None:
    source = linear.read_text()
    linear.write_text(source.replace("class Linear", "@schedule(hourly=True)\nclass Linear"))
    mfhera("compile", linear, "-o", "manifests")
    of_schedule = Path("manifests/linear-cronworkflow.yaml")
    assert load(of_schedule.read_text())[0]["kind"] == "CronWorkflow"
    mine = Path("manifests/linear-sensor.yaml")
    mine.write_text("kind: Sensor")
    linear.write_text(source)
    done = mfhera("compile", linear, "-o", "manifests")
    assert "linear-cronworkflow.yaml is removed: the flow has no CronWorkflow any more" in done.stderr
    assert not of_schedule.exists()
    assert mine.exists()


def test_a_flow_is_shown_as_text_svg_and_json(linear: Path) -> None:
    assert "start  → end" in mfhera("show", linear).stdout
    assert mfhera("show", linear, "--svg", "linear.svg").stdout == ""
    assert ElementTree.parse("linear.svg").getroot().tag.endswith("svg")
    assert list(mfhera("show", linear, "--json").json["steps"])


def test_the_engine_is_looked_at_started_and_stopped() -> None:
    status = mfhera("engine", "status", "--json").json
    assert status["pid"] is None
    assert status["tasks_at_once"] >= 4
    assert f"tasks of all runs at once: {status['tasks_at_once']}" in mfhera("engine", "status").stdout
    started = mfhera("engine", "start", "--json").json["pid"]
    assert started == mfhera("engine", "status", "--json").json["pid"]
    assert mfhera("engine", "stop", "--json").json["pid"] is None


def test_the_settings_are_shown_with_their_origins() -> None:
    shown = mfhera("config", "--json", env={"MFHERA_NAMESPACE": "flows"}).json
    assert shown["namespace"] == {"value": "flows", "origin": "MFHERA_NAMESPACE"}
    assert "MFHERA_DATA_DIR" in mfhera("config").stdout


def test_the_settings_end_with_what_is_set_for_metaflow_but_not_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"METAFLOW_KUBERNETES_NAMESPACE": "flows", "METAFLOW_CARD_S3ROOT": "s3://cards"}')
    env = {"METAFLOW_HOME": str(tmp_path), "METAFLOW_DEFAULT_METADATA": "service"}
    done = mfhera("config", "--json", env=env)
    assert done.json["namespace"] == {"value": "flows", "origin": f"METAFLOW_KUBERNETES_NAMESPACE in {file}"}
    assert done.json["not_read"] == [f"METAFLOW_CARD_S3ROOT in {file}", "METAFLOW_DEFAULT_METADATA"]
    told = f"set but not read: METAFLOW_CARD_S3ROOT in {file}, METAFLOW_DEFAULT_METADATA\n"
    shown = mfhera("config", env=env)
    assert (shown.code, shown.stderr) == (0, told)
    assert "set but not read" not in shown.stdout
    assert mfhera("config").stderr == ""


def test_a_datastore_of_metaflows_that_cannot_be_used_ends_a_command_with_a_sentence() -> None:
    done = mfhera("runs", env={"METAFLOW_DEFAULT_DATASTORE": "azure"})
    assert done.code == 1
    assert "METAFLOW_DEFAULT_DATASTORE is 'azure'" in done.stderr
    assert done.stdout == ""


def test_nothing_is_coloured_where_there_is_no_terminal(linear: Path) -> None:
    for done in (mfhera("run", linear), mfhera("runs"), mfhera("nothing")):
        assert "\x1b" not in done.stdout + done.stderr


def test_the_peers_grammar_deploys_triggers_and_lists(linear: Path) -> None:
    created = call(linear, "--with", "retry", "argo-workflows", "create", "--max-workers", "500")
    assert created.code == 0, created.stderr
    run = call(linear, "argo-workflows", "trigger", "--alpha", "0.5").stdout.strip()
    assert run.startswith("argo-linear-")
    assert call(linear, "argo-workflows", "status", run).stdout.strip() in ("Pending", "Running", "Succeeded")
    assert run in call(linear, "argo-workflows", "list-runs").stdout
    assert call(linear, "argo-workflows", "list-workflow-templates").stdout == "linear\n"
    assert run in call(linear, "argo-workflows", "terminate", run).stdout
    assert call(linear, "argo-workflows", "delete").code == 0
    refused = call(linear, "argo-workflows", "trigger")
    assert refused.code == 1
    assert "argo-workflows create" in refused.stderr


def test_the_peers_grammar_runs_shows_and_checks(linear: Path) -> None:
    alone = call(linear)
    assert "Linear is in order" in alone.stdout
    assert "run it with: python linear.py run;" in alone.stderr
    assert "Linear is in order" in call(linear, "check").stdout
    assert "start  → end" in call("-m", "metaflow_hera", linear, "show").stdout
    done = call(linear, "--quiet", "run", "--name", "Ann", "--with", "retry", "--max-workers", "2")
    assert done.code == 0
    assert "hello Ann" not in done.stderr
    assert mfhera("logs", done.stdout.strip()).stdout == "[start/0] hello Ann\n"


def test_the_peers_grammar_takes_a_kind_of_datastore_and_its_root(linear: Path) -> None:
    assert call(linear, "--datastore", "local", "--datastore-root", "there", "run").code == 0
    assert list(Path("there/Linear/runs").iterdir())
    refused = call(linear, "--datastore", "s3", "run")
    assert refused.code == 2
    assert "--datastore-root" in refused.stderr


def test_the_peers_grammar_refuses_what_it_does_not_know(linear: Path) -> None:
    for words in (["fly"], ["argo-workflows", "fly"], ["run", "--beta", "1"], ["--environment", "conda", "run"]):
        done = call(linear, *words)
        assert done.code == 2
        assert "Traceback" not in done.stderr
        assert words[-1] in done.stderr or "--beta" in done.stderr or "conda" in done.stderr


def test_what_a_script_pickles_can_be_read_elsewhere() -> None:
    header = "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    file = write_flow("Pickling", LINEAR.replace("self.alpha * 2", "Point(3)"), header=header)
    done = call(file, "run")
    assert done.code == 0, done.stderr
    code = f"import {file.stem}; from metaflow_hera import Run; print(Run({done.stdout.strip()!r}).data.double.x)"
    assert call("-c", code, env={"PYTHONPATH": f"{Path.cwd()}"}).stdout == "3\n"


def test_a_parameter_gets_the_option_of_its_name_where_we_have_one_too() -> None:
    body = LINEAR.replace('"alpha"', '"flow"').replace("default=0.01", "default='none'")
    file = write_flow("Named", body)
    ran = mfhera("run", file, "--name", "bob", "--flow", "X")
    assert (ran.code, "hello bob" in ran.stderr) == (0, True)
    assert mfhera("run", file).code == 0
    assert mfhera("deploy", file).code == 0
    triggered = mfhera("trigger", file, "--name", "eve", "--flow", "Y", "--wait")
    assert triggered.code == 0, triggered.stderr
    assert "hello eve" in mfhera("logs", triggered.stdout.strip()).stdout
