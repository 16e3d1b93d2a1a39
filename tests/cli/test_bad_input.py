"""Bad input: one clear message that says where, what and what to do; exit code 1 or 2; nothing written or deployed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import FAILING, LINEAR, Done, call, mfhera, write_flow

from metaflow_hera.settings import Settings

WRONG = """
alpha = Parameter("alpha", type=dict)

@step
def start(self):
    self.next(self.missing)

@step
def lonely(self):
    pass

@step
def end(self):
    pass
"""


pytestmark = pytest.mark.usefixtures("engine")


def refused(done: Done, code: int, *texts: str) -> Done:
    """The command ended with that code and said all of that, without a traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    assert done.code == code, done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr
    assert done.stdout == ""
    return done


def nothing_is_written() -> bool:
    data = Path(Settings.load().data_dir)
    return not [file for file in data.rglob("*") if file.is_file()]


@pytest.mark.parametrize("command", ["check", "run", "deploy", "compile"])
def test_all_mistakes_of_a_flow_are_told_at_once_with_their_lines(command: str) -> None:
    file = write_flow("Wrong", WRONG)
    done = mfhera(command, file)
    refused(done, 1, "'missing'", "'lonely'", "parameter 'alpha'", f"{file}:9", f"{file}:12")
    assert nothing_is_written()


@pytest.mark.parametrize("command", ["check", "run", "deploy", "compile", "show", "trigger"])
def test_a_file_that_is_not_there_is_named(command: str) -> None:
    refused(mfhera(command, "nowhere.py"), 2, "nowhere.py", "there is no such file")
    assert nothing_is_written()


def test_a_file_that_is_not_python_is_refused_with_its_line() -> None:
    Path("broken.py").write_text("x = 1\ndef (:\n")
    refused(mfhera("run", "broken.py"), 1, "broken.py:2", "not Python")


def test_a_file_of_another_kind_is_not_executed() -> None:
    Path("data.csv").write_text("print('executed')\n")
    done = mfhera("run", "data.csv")
    refused(done, 2, "data.csv is no Python file")
    assert "executed" not in done.stdout


def test_a_default_that_cannot_be_is_told_with_all_else_and_its_file() -> None:
    file = write_flow("Wrong", 'alpha = Parameter("alpha", type=int, default="a")\n' + WRONG.partition("\n\n")[2])
    refused(mfhera("run", file), 1, "wrong.py", "'alpha'", "'missing'", "'lonely'")


def test_a_folder_is_no_flow() -> None:
    Path("folder").mkdir()
    refused(mfhera("run", "./folder"), 2, "is a folder")


def test_a_file_that_raises_while_it_is_imported_is_refused_with_its_line() -> None:
    Path("raising.py").write_text("import sys\n\n1 / 0\n")
    refused(mfhera("deploy", "raising.py"), 1, "raising.py:3", "ZeroDivisionError")


def test_a_file_without_a_flow_says_what_to_write() -> None:
    Path("empty.py").write_text("x = 1\n")
    refused(mfhera("run", "empty.py"), 2, "has no flow", "FlowSpec")


def test_of_several_flows_one_is_chosen_by_name() -> None:
    file = write_flow("First", LINEAR)
    other = write_flow("Second", LINEAR)
    both = Path("both.py")
    both.write_text("\n".join(each.read_text().partition("if __name__")[0] for each in (file, other)))
    refused(mfhera("run", both), 2, "several flows, First, Second", f"{both}:First")
    refused(mfhera("run", both, "--flow", "Third"), 2, "no flow 'Third'", "First, Second")
    assert mfhera("run", f"{both}:Second").code == 0
    assert mfhera("check", both, "--flow", "First").code == 0


def test_a_wrong_parameter_is_refused_before_anything_is_written() -> None:
    file = write_flow("Linear", LINEAR)
    refused(mfhera("run", file, "--alpha", "much"), 2, "parameter 'alpha' takes a number, not 'much'")
    assert nothing_is_written()


def test_a_missing_parameter_is_told_with_all_others() -> None:
    body = LINEAR.replace('"alpha", default=0.01', '"alpha", type=float, required=True')
    file = write_flow("Needy", body + '\nflag = Parameter("flag", type=bool, required=True)')
    refused(mfhera("run", file), 2, "'alpha' must be given", "'flag' must be given")
    refused(mfhera("run", file, "--flag", "perhaps"), 2, "'alpha' must be given", "true or false, not 'perhaps'")


def test_an_unknown_option_or_command_is_a_usage_error() -> None:
    file = write_flow("Linear", LINEAR)
    refused(mfhera("run", file, "--beta", "1"), 2, "--beta")
    refused(mfhera("fly", file), 2, "fly")
    refused(mfhera("deploy", file, "--max-workers", "0"), 2, "--max-workers")
    refused(mfhera("deploy", file, "--backend", "swarm"), 2, "swarm")
    refused(mfhera("run"), 2, "FLOW")


def test_an_unknown_decorator_lists_those_that_there_are() -> None:
    file = write_flow("Linear", LINEAR)
    refused(mfhera("run", file, "--with", "retrie"), 2, "'retrie'", "retry")
    refused(mfhera("deploy", file, "--with", "retry:times=many"), 2, "times")
    assert nothing_is_written()


def test_an_empty_foreach_fails_in_the_step_that_opens_it() -> None:
    file = write_flow("Empty", FAILING.replace("[0, 1, 2]", "[]"))
    done = mfhera("run", file)
    assert done.code == 1
    assert "start" in done.stderr
    assert "'items'" in done.stderr
    assert "StepError" not in done.stderr.rpartition("failed")[2]


def test_an_artifact_that_cannot_be_stored_is_named() -> None:
    body = LINEAR.replace("self.double = self.alpha * 2", "self.lock = __import__('threading').Lock()")
    done = mfhera("run", write_flow("Unpicklable", body))
    assert done.code == 1
    assert "lock" in done.stderr
    assert "logs: mfhera logs Unpicklable/" in done.stderr


def test_a_name_that_argo_cannot_hold_says_what_can_be_done() -> None:
    name = "A" + "long" * 15
    file = write_flow(name, LINEAR)
    refused(mfhera("deploy", file), 1, "--name", "at most 45")
    refused(mfhera("deploy", file, "--name", "Not_Allowed"), 1, "'Not_Allowed'", "lower-case")
    assert nothing_is_written()
    assert mfhera("deploy", file, "--name", "short").code == 0


@pytest.mark.parametrize("command", ["run", "deploy", "compile"])
def test_a_bucket_that_is_out_of_reach_is_told_and_nothing_is_deployed(command: str) -> None:
    file = write_flow("Linear", LINEAR)
    env = {
        "MFHERA_S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
    }
    done = mfhera(command, file, "--datastore", "s3://nowhere/flows", env=env)
    assert done.code == 1
    assert "Traceback" not in done.stderr
    assert "s3://nowhere" in done.stderr
    assert mfhera("list", "--json").json == []


def test_a_bucket_that_is_missing_is_named(s3: object) -> None:
    file = write_flow("Linear", LINEAR)
    done = mfhera("deploy", file, "--datastore", "s3://there-is-none/flows")
    refused(done, 1, "there-is-none")
    assert mfhera("list", "--json").json == []


def test_a_datastore_of_another_kind_is_no_directory_of_that_name() -> None:
    file = write_flow("Linear", LINEAR)
    for command in ("run", "deploy", "compile", "runs"):
        words = () if command == "runs" else (file,)
        refused(mfhera(command, *words, "--datastore", "gs://bucket/flows"), 1, "gs://bucket/flows", "s3://bucket")
    assert not Path("gs:").exists()


def test_a_run_of_the_engine_shows_how_it_ended_where_the_datastore_is_out_of_reach() -> None:
    mfhera("deploy", write_flow("Linear", LINEAR))
    run = mfhera("trigger", "linear", "--wait").stdout.strip()
    Path("file").write_text("")
    assert "Succeeded" in mfhera("status", run, env={"MFHERA_DATASTORE": "file/store"}).stdout


def test_a_datastore_that_cannot_be_written_is_named() -> None:
    Path("file").write_text("")
    file = write_flow("Linear", LINEAR)
    for command in ("run", "deploy"):
        done = mfhera(command, file, "--datastore", "file/store")
        assert done.code == 1
        assert "Traceback" not in done.stderr
        assert "file/store" in done.stderr


def test_an_unknown_run_and_an_unknown_deployment_say_how_to_find_known_ones() -> None:
    for command in ("status", "logs", "terminate"):
        refused(mfhera(command, "argo-nothing-abcde"), 1, "argo-nothing-abcde", "mfhera runs")
        refused(mfhera(command, "nonsense"), 2, "mfhera runs")
    refused(mfhera("status", "Nothing/123"), 1, "Nothing/123")
    refused(mfhera("trigger", "nothing"), 1, "'nothing' is not deployed", "mfhera deploy")
    assert "deploy it" not in refused(mfhera("delete", "nothing"), 1, "'nothing' is not deployed").stderr
    linear = write_flow("Linear", LINEAR)
    refused(mfhera("trigger", linear), 1, "mfhera deploy linear.py")
    named = mfhera("trigger", linear, "--flow", "Linear", "--name", "mine")
    assert named.stderr.endswith("; deploy it first with: mfhera deploy linear.py --flow Linear --name mine\n")
    there = call(linear, "argo-workflows", "--name", "mine", "trigger").stderr
    assert there.endswith("; deploy it first with: python linear.py argo-workflows --name mine create\n")
    assert "deploy it" not in refused(call(linear, "argo-workflows", "delete"), 1, "'linear' is not deployed").stderr
    assert nothing_is_written()


def test_where_nothing_is_found_the_place_is_named_and_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load()
    assert mfhera("runs").stderr == f"there are no runs in {settings.datastore}\n"
    assert f"nothing is deployed in {settings.data_dir}; deploy" in mfhera("list").stderr
    refused(mfhera("trigger", "nothing"), 1, f"'nothing' is not deployed in {settings.data_dir}")
    monkeypatch.delenv("MFHERA_DATA_DIR")
    assert mfhera("runs", "--datastore", "chosen").stderr == f"there are no runs in {Path('chosen').absolute()}\n"
    for command in ("runs", "list"):
        assert "at or above the working directory: see `mfhera config`" in mfhera(command).stderr


def test_runs_of_nothing_that_is_known_are_refused() -> None:
    file = write_flow("Linear", LINEAR)
    mfhera("run", file)
    mfhera("deploy", file, "--name", "idle")
    refused(mfhera("runs", "nosuchflow"), 1, "no flow or deployment 'nosuchflow'", "are Linear;", "are idle")
    assert mfhera("runs", "idle").code == 0


def test_logs_of_what_is_not_there_name_what_is() -> None:
    run = mfhera("run", write_flow("Failing", FAILING)).stdout.strip()
    silent = mfhera("logs", f"{run}/start")
    assert (silent.code, silent.stdout, silent.stderr) == (0, "", f"{run}/start has printed nothing\n")
    assert mfhera("logs", f"{run}/work", "--stdout").stderr == f"{run}/work has printed nothing to stdout\n"
    for words in ((), ("--follow",)):
        refused(mfhera("logs", f"{run}/nostep", *words), 1, f"{run}/nostep", "steps are start, work, join, end")
        refused(mfhera("logs", f"{run}/join", *words), 1, "steps that have begun are start, work")
        refused(mfhera("logs", f"{run}/work/5", *words), 1, "tasks of work are 0, 1, 2")
        refused(mfhera("logs", f"{run}/work/1", "--attempt", "7", *words), 1, "no attempt 7", "attempts are 0")


def test_a_backend_that_is_not_configured_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "none")
    refused(mfhera("list", "--backend", "kubernetes"), 1, "set KUBECONFIG")
    refused(mfhera("list", "--backend", "argo"), 1, "MFHERA_ARGO_SERVER")


def test_a_wrong_setting_is_refused_with_its_place() -> None:
    Path("pyproject.toml").write_text('[tool.mfhera]\nbucket = "x"\n')
    refused(mfhera("config"), 1, "pyproject.toml", "'bucket'")
    Path("pyproject.toml").unlink()


def test_a_deployment_is_not_replaced_by_another_flow() -> None:
    assert mfhera("deploy", write_flow("Linear", LINEAR), "--name", "shared").code == 0
    done = mfhera("deploy", write_flow("Other", LINEAR), "--name", "shared")
    refused(done, 1, "'shared' belongs to the deployed flow Linear", "--name", "mfhera delete shared")
    assert [each["flow"] for each in mfhera("list", "--json").json] == ["Linear"]


def test_wrong_parameters_of_a_deployment_are_refused_and_nothing_is_triggered() -> None:
    mfhera("deploy", write_flow("Linear", LINEAR))
    refused(mfhera("trigger", "linear", "--alpha", "much"), 2, "'alpha' takes a number")
    refused(mfhera("trigger", "linear", "--beta", "1"), 2, "--beta")
    assert mfhera("runs", "--json").json == []


def test_a_deploy_time_function_that_raises_is_named_and_nothing_is_written() -> None:
    body = LINEAR.replace("default=0.01", "type=float, default=lambda context: 1 / 0")
    file = write_flow("Computed", body)
    for command in ("run", "deploy", "compile"):
        refused(mfhera(command, file), 1, "parameter 'alpha'", "ZeroDivisionError")
    assert nothing_is_written()


def test_a_file_that_cannot_be_written_is_named() -> None:
    file = write_flow("Linear", LINEAR)
    Path("taken").write_text("")
    refused(mfhera("show", file, "--svg", "taken/flow.svg"), 2, "taken/flow.svg", "cannot be written")


def test_a_value_that_is_no_unicode_is_refused_wherever_it_is_given() -> None:
    file = write_flow("Linear", LINEAR)
    refused(mfhera("run", file, "--name", os.fsdecode(b"\xff")), 2, "'name'", "\\udcff")
    mfhera("deploy", file)
    refused(mfhera("trigger", "linear", "--name", os.fsdecode(b"\xff")), 2, "'name'", "\\udcff")
    assert mfhera("runs", "--json").json == []


def test_a_run_is_not_found_under_another_flow_nor_a_task_below_a_task() -> None:
    file = write_flow("Linear", LINEAR)
    run = mfhera("run", file, "--quiet").stdout.strip().partition("/")[2]
    mfhera("deploy", file)
    triggered = mfhera("trigger", "linear", "--wait").stdout.strip()
    for known in (run, triggered):
        for command in ("status", "logs", "terminate"):
            refused(mfhera(command, f"Other/{known}"), 1, f"Other/{known}", "one of Linear", "mfhera runs")
        refused(mfhera("logs", f"{known}/start/0/1"), 2, f"{known}/start/0/1", "[Flow/]run[/step[/task]]")
    assert mfhera("status", f"Linear/{triggered}").code == 0


def test_runs_of_a_deployment_are_listed_after_it_was_deleted() -> None:
    mfhera("deploy", write_flow("Linear", LINEAR), "--name", "production")
    run = mfhera("trigger", "production", "--wait").stdout.strip()
    mfhera("delete", "production")
    assert [each["run"] for each in mfhera("runs", "production", "--json").json] == [run]


BEGINNINGS = """
@trigger(event="data", options={"reset_at": {"cron": "61 * * * *"}})
@schedule(cron="0 6 ? * MON#1 *")
class Begun(FlowSpec):
    alpha = Parameter("alpha", required=True, type=int)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_whatever_keeps_a_flow_from_starting_by_itself_is_told_at_once_by_its_check_and_at_deploying() -> None:
    file = Path("begun.py")
    file.write_text(f"from metaflow_hera import FlowSpec, Parameter, schedule, step, trigger\n{BEGINNINGS}")
    for words in (("check", file), ("deploy", file), ("compile", file)):
        refused = mfhera(*words)
        assert refused.code == 1
        *_, first, second, third = refused.stderr.strip().splitlines()
        assert first.endswith("begun.py:3: flow Begun: @trigger: the schedule '61 * * * *' cannot be read: bad minute")
        assert "begun.py:4: flow Begun: @schedule: parameter 'alpha' has no default" in second
        assert "begun.py:4: flow Begun: @schedule: the schedule '0 6 ? * MON#1 *' has 'MON#1'" in third
    assert mfhera("run", file, "--alpha", 1).code == 0, "it can be run all the same"
