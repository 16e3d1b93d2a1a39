"""Configs and files on the command line, in both grammars: given, listed, baked into deployments, resumed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from metaflow_hera import Flow, namespace
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.cli import mfhera
from metaflow_hera.cli.peer import Program, flow_group
from metaflow_hera.settings import Settings

SOURCE = """
import os
from metaflow_hera import Config, FlowSpec, IncludeFile, Parameter, environment, step

if os.environ.get("FROM_MODULE"):
    os.environ["METAFLOW_FLOW_CONFIG_VALUE"] = '{"cfg": {"word": "module", "list": [1]}}'


def counted(context):
    print("counted", context.parameter_name)
    return {"rate": 0.5}


class Configured(FlowSpec):
    cfg = Config("cfg", required=True, help="What is done")
    times = Config("times-2", default_value=counted)
    rate = Parameter("rate", default=times.rate)
    table = IncludeFile("table", default="table.csv", help="Rows")

    @environment(vars={"WORD": cfg.word})
    @step
    def start(self):
        self.word = os.environ["WORD"]
        self.next(self.each, foreach="items")

    items = cfg.list

    @step
    def each(self):
        self.doubled = self.input * 2 * self.rate
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [i.doubled for i in inputs]
        self.word = inputs[0].word
        if os.environ.get("FAIL"):
            raise ValueError("failed")
        self.next(self.end)

    @step
    def end(self):
        self.rows = self.table


if __name__ == "__main__":
    Configured()
"""
VALUE = json.dumps({"word": 'it\'s "$x"', "list": [1, 2]})


@pytest.fixture(autouse=True)
def flow() -> Iterator[Path]:
    namespace(None)
    file = Path("configured.py")
    file.write_text(SOURCE)
    Path("table.csv").write_text("a,b")
    Path("cfg.json").write_text('{"word": "file", "list": [3]}')
    yield file
    stop_engine(Settings.load())


def ours(*words: object) -> Result:
    return CliRunner().invoke(mfhera, [str(word) for word in words], prog_name="mfhera")


def peer(*words: object) -> Result:
    """``python configured.py``, in this process."""
    program = Program(target="configured.py")
    return CliRunner().invoke(flow_group, [str(word) for word in words], prog_name="python configured.py", obj=program)


def data() -> object:
    run = Flow("Configured").latest_run
    assert run
    assert run.data
    return run.data


def test_configs_are_options_of_a_run_and_their_functions_are_called_once(flow: Path) -> None:
    done = ours("run", "--config-value", "cfg", VALUE, "--tag", "x", flow, "-q", "--rate", "3")

    assert done.exit_code == 0, done.output
    assert done.output.count("counted times-2") == 1
    found = data()
    assert (found.word, found.all, found.rows, found.times) == ('it\'s "$x"', [6.0, 12.0], "a,b", {"rate": 0.5})


def test_in_the_grammar_of_the_peer_they_stand_before_the_command() -> None:
    Path("other.csv").write_text("c")
    done = peer("--quiet", "--config", "cfg", "cfg.json", "run", "--table", "other.csv")

    assert done.exit_code == 0, done.output
    assert done.output.count("counted times-2") == 1
    assert (data().word, data().all, data().rows) == ("file", [3.0], "c")


def test_the_environment_is_read_after_the_module_was_imported(monkeypatch: pytest.MonkeyPatch, flow: Path) -> None:
    monkeypatch.setenv("FROM_MODULE", "1")
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", "to be replaced")
    monkeypatch.setenv("MFHERA_RUN_RATE", "10")

    done = ours("run", flow, "-q")
    assert done.exit_code == 0, done.output
    assert (data().word, data().all) == ("module", [20.0])


def test_a_missing_config_is_told_and_help_lists_it_all_the_same(flow: Path) -> None:
    done = ours("run", flow)
    assert (done.exit_code, Path("../data").exists()) == (2, False)
    assert "config 'cfg' must be given: --config cfg FILE, or --config-value cfg JSON" in done.stderr

    for shown in (ours("run", flow, "--help"), peer("run", "--help"), peer("--help")):
        assert shown.exit_code == 0, shown.output
        assert re.search(r"cfg +What is done +\[required\]", shown.stdout)
        assert re.search(r"times-2 +\[default: computed once by counted\(\)\]", shown.stdout)
        assert re.search(r"--rate \w+ +\[default: times-2\.rate\]", shown.stdout)
        assert re.search(r"--table FILE +Rows +\[default: table\.csv\]", shown.stdout)
    shown = ours("run", flow, "--config", "cfg", "cfg.json", "--help")
    assert re.search(r"--rate FLOAT +\[default: 0\.5\]", shown.stdout)


@pytest.mark.parametrize("command", ["run", "check", "show", "compile", "deploy"])
def test_every_command_that_reads_a_flow_takes_configs(command: str, flow: Path) -> None:
    unknown = ours(command, flow, "--config-value", "cgf", "{}")
    assert unknown.exit_code == 2
    assert "Configured has no config 'cgf': did you mean 'cfg'?" in unknown.stderr
    if command in ("check", "show"):
        assert ours(command, flow, "--config", "cfg", "cfg.json").exit_code == 0


TAKEN = """
from metaflow_hera import FlowSpec, Parameter, step

class Taken(FlowSpec):
    config = Parameter("config")
    value = Parameter("config-value", default=1)

    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        self.seen = (self.config, self.value)
"""


def test_a_parameter_may_have_the_name_of_an_option_for_configs() -> None:
    Path("taken.py").write_text(TAKEN)
    done = ours("run", "taken.py", "--config", "mine", "--config-value", "2", "-q")
    assert done.exit_code == 0, done.output
    run = Flow("Taken").latest_run
    assert run
    assert run.data.seen == ("mine", 2)


def test_show_lists_parameters_and_configs(flow: Path) -> None:
    shown = ours("show", flow, "--config", "cfg", "cfg.json").stdout
    assert re.search(r"Parameters:\n +--rate FLOAT +\[default: 0\.5\]\n", shown)
    assert re.search(r"Configs .*:\n +cfg +What is done +\[required\]\n", shown)
    as_json = ours("show", flow, "--config", "cfg", "cfg.json", "--json").stdout
    described = json.loads(as_json.removeprefix("counted times-2\n"))
    assert described["configs"]["cfg"]["value"] == {"word": "file", "list": [3]}
    assert described["parameters"]["rate"] == {"type": "FLOAT", "help": "", "required": False, "default": "0.5"}


def test_a_deployment_keeps_its_configs_and_files(flow: Path) -> None:
    other = "x" * 5000
    done = ours("deploy", flow, "--config-value", "cfg", json.dumps({"word": "{[}]", "list": [1], "other": other}))
    assert done.exit_code == 0, done.output
    Path("table.csv").write_text("changed")
    Path("more.csv").write_text("more")
    for words, rows in (((), "a,b"), (("--table", "more.csv"), "more")):
        triggered = ours("trigger", flow, "--wait", *words)
        assert triggered.exit_code == 0, triggered.output
        assert (data().word, data().all, data().rows, data().cfg["other"]) == ("{[}]", [1.0], rows, other)
    manifest = ours("compile", flow, "--config-value", "cfg", json.dumps({"word": "w", "list": [1], "other": other}))
    assert other not in manifest.stdout
    refused = ours("trigger", flow, "--config", "cfg", "cfg.json")
    assert (refused.exit_code, "--config" in refused.stderr) == (2, True)


def test_a_resumed_run_has_the_configs_of_its_origin(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "yes")
    assert ours("run", flow, "-q", "--config-value", "cfg", VALUE, "--rate", "3").exit_code == 1
    monkeypatch.delenv("FAIL")
    Path("table.csv").unlink()

    done = ours("resume", flow, "-q")
    assert done.exit_code == 0, done.output
    assert (data().cfg, data().all, data().rows) == (json.loads(VALUE), [6.0, 12.0], "a,b")
    assert "counted" not in done.output
