"""Commands that go on from runs, look into them and mark them: `resume`, `spin`, `dump`, `logs`, `tag`, `package`."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from command_line import FAILING, call, interrupted, write_flow

import metaflow_hera.cli.run as run_command
from metaflow_hera import __version__
from metaflow_hera.cli import mfhera
from metaflow_hera.cli.peer import Program, flow_group
from metaflow_hera.client import Run, default_namespace, namespace

FLOW = '''
alpha = Parameter("alpha", default=2)

@step
def start(self):
    """Where it begins."""
    print("from start")
    self.items = ["a", "b"]
    self._hidden = "h"
    self.large = "x" * 5000
    self.next(self.work, foreach="items")

@step
def work(self):
    import sys
    print("out", self.input)
    print("err", self.input, file=sys.stderr)
    self.value = self.input * self.alpha
    self.next(self.join)

@step
def join(self, inputs):
    self.values = [i.value for i in inputs]
    if __import__("os").environ.get("FAIL"):
        raise ValueError("told to")
    self.next(self.end)

@step
def end(self):
    pass
'''

Peer = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_namespace() -> None:
    default_namespace()


@pytest.fixture
def flow() -> Path:
    return write_flow("Looked", FLOW)


def ours(*words: object) -> Result:
    """`mfhera` in this process."""
    return CliRunner().invoke(mfhera, [str(word) for word in words], prog_name="mfhera")


@pytest.fixture
def peer(flow: Path) -> Peer:
    """``python looked.py`` in this process."""

    def peer(*words: object) -> Result:
        program = Program(target=str(flow))
        return CliRunner().invoke(flow_group, [str(word) for word in words], prog_name="python looked.py", obj=program)

    return peer


@pytest.fixture
def run(flow: Path) -> str:
    """The id of a run that succeeded."""
    done = ours("run", flow, "-q")
    assert done.exit_code == 0, done.output
    return str(done.stdout.strip().partition("/")[2])


def failed(flow: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    with monkeypatch.context() as patch:
        patch.setenv("FAIL", "yes")
        return ours("run", flow, "--alpha", "3")


def test_a_failed_run_says_how_to_go_on_and_that_works(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = failed(flow, monkeypatch)
    assert done.exit_code == 1
    origin = done.stdout.strip().partition("/")[2]
    hint = re.search(r"mfhera resume looked.py --origin-run-id (\d+)$", done.stderr, re.MULTILINE)
    assert hint and hint[1] == origin
    resumed = ours("resume", flow, "--origin-run-id", origin, "--tag", "again", "--run-id-file", "id")
    assert resumed.exit_code == 0, resumed.output
    assert f"begins, resuming Looked/{origin}" in resumed.stderr
    assert "out a" not in resumed.stderr
    run = Run(f"Looked/{Path('id').read_text()}")
    assert (run.data.values, run.user_tags) == (["aaa", "bbb"], {"again"})
    assert ours("logs", run.pathspec + "/work/1", "--stdout").stdout == "out b\n"
    assert "[work/0] err a" in ours("logs", run.pathspec).stdout
    status = json.loads(ours("status", run.pathspec, "--json").stdout)
    assert {task["phase"] for task in status["tasks"]} == {"Succeeded"}


def test_the_peers_grammar_resumes_a_step_of_the_latest_run(peer: Peer, run: str) -> None:
    done = peer("resume", "join")
    assert f"resuming Looked/{run} from step join" in done.stderr
    assert peer("resume", "--with", "retry").exit_code == 0
    assert "all of it is taken over" in peer("resume").stderr


def test_a_resumed_run_takes_no_parameters_and_knows_its_steps(flow: Path, peer: Peer, run: str) -> None:
    for done in (
        ours("resume", flow, "--alpha", "1"),
        peer("resume", "--alpha", "1"),
        peer("spin", "work", "--alpha", "1"),
    ):
        assert done.exit_code == 2
        assert "parameters and configs are those of the run before" in done.stderr
    done = ours("resume", flow, "jion")
    assert done.exit_code == 2
    assert "no step 'jion': its steps are 'join'" in done.stderr


def test_now_and_then_a_line_says_how_far_a_run_has_come(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "PROGRESS_SECONDS", 0)
    shown = ours("run", flow, "--max-workers", "1").stderr
    assert re.search(r"^\S+ 2 tasks have ended$", shown, re.MULTILINE)
    assert re.search(r"^\S+ 5 tasks have ended$", shown, re.MULTILINE)


def test_ctrl_c_ends_a_run_that_can_be_resumed() -> None:
    body = FAILING.replace(
        "if self.input == 1:", 'print("now", flush=True)\n    import time; time.sleep(60)\n    if 0:'
    )
    done = interrupted("run", write_flow("Failing", body), after="now")
    assert done.code == 130
    assert "mfhera resume failing.py --origin-run-id" in done.stderr


def test_a_step_is_spun_and_kept_on_demand(flow: Path, peer: Peer, run: str, tmp_path: Path) -> None:
    done = ours("spin", flow, "work", "--json")
    assert json.loads(done.stdout)["origin"] == f"Looked/{run}/work/0"
    assert "[work/0] out a" in done.stderr
    assert not (tmp_path / "data" / "spin").exists()
    Path("others.py").write_text("ARTIFACTS = {'value': 'z'}\n")
    done = peer("spin", f"{run}/join", "--persist", "--artifacts-module", "others.py", "--run-id-file", "id")
    assert done.exit_code == 0, done.output
    task = done.stdout.strip()
    assert task == f"Looked/{Path('id').read_text()}/join/0"
    spun = Run(task.rpartition("/join")[0], store=_spin_store(tmp_path))
    assert spun["join"].task.data.values == ["z", "z"]


def _spin_store(tmp_path: Path) -> object:
    from metaflow_hera.settings import Settings
    from metaflow_hera.store import open_store

    return open_store(str(tmp_path / "data" / "spin"), Settings.load())


def test_artifacts_are_printed_with_their_types_and_sizes(flow: Path, run: str) -> None:
    shown = ours("dump", f"{run}/start").stdout
    assert "items (list, " in shown
    assert "): ['a', 'b']" in shown
    assert "large (str, " in shown
    assert "not shown" in shown
    assert "_hidden" not in shown
    assert "_hidden (str, " in ours("dump", f"Looked/{run}/start/0", "--private").stdout
    facts = json.loads(ours("dump", f"{run}/work", "--include", "value,nothing", "--json").stdout)
    assert [task["artifacts"][0]["value"] for task in facts] == ["'aa'", "'bb'"]


def test_artifacts_are_pickled_by_task(peer: Peer, run: str) -> None:
    done = peer("dump", f"{run}/work", "--private", "--include", "value,alpha", "--file", "all.pickle")
    assert done.exit_code == 0, done.output
    assert pickle.loads(Path("all.pickle").read_bytes()) == {
        f"Looked/{run}/work/0": {"value": "aa", "alpha": 2},
        f"Looked/{run}/work/1": {"value": "bb", "alpha": 2},
    }


def test_a_dump_of_what_is_not_there_is_refused(peer: Peer, run: str) -> None:
    done = peer("dump", f"{run}/wrok")
    assert done.exit_code == 1
    assert "steps that began are 'work'" in done.stderr
    assert "there is no run Looked/17" in peer("dump", "17/start").stderr


def test_logs_are_shown_task_after_task_and_removed_on_demand(peer: Peer, run: str) -> None:
    assert peer("logs", "--stdout", f"{run}/work").stdout == "out a\nout b\n"
    assert peer("logs", "show", f"Looked/{run}/work/1", "--both").stdout == "out b\nerr b\n"
    assert "no times to show" in peer("logs", f"{run}/work", "--timestamps", "--stderr").stderr
    assert "whole run" in peer("logs", "scrub", run).stderr
    assert f"Looked/{run}/work/0: logs removed" in peer("logs", "scrub", f"{run}/work/0", "--stdout").stdout
    assert peer("logs", f"{run}/work").stdout == "(what was printed here has been removed)\nerr a\nout b\nerr b\n"


def test_tags_are_changed_as_one(flow: Path, run: str) -> None:
    assert ours("tag", "add", run, "good", "new").exit_code == 0
    assert ours("tag", "replace", run, "--remove", "good", "--add", "best").exit_code == 0
    listed = json.loads(ours("tag", "list", run, "--json").stdout)
    assert listed["tags"] == ["best", "new"]
    assert "user:tester" in listed["system_tags"]
    assert ours("tag", "remove", run, "new").stderr == f"tags of Looked/{run}:\n"
    assert ours("tag", "list", run, "--hide-system-tags").stdout == "best\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["remove", "user:tester"], "'user:tester' cannot be removed: a system tag"),
        (["add", ""], "a tag must not be empty"),
        (["add", "x" * 501], "has 501 characters; at most 500 are allowed"),
        (["add", *(f"t{n}" for n in range(51))], "51"),
        (["replace", "--add", "x"], "name at least one tag with --remove, or use `tag add`"),
        (["replace", "--remove", "x"], "name at least one tag with --add, or use `tag remove`"),
    ],
    ids=["system", "empty", "long", "many", "nothing to remove", "nothing to add"],
)
def test_tags_that_cannot_be_are_refused_and_nothing_changes(peer: Peer, run: str, words: list[str], text: str) -> None:
    done = peer("tag", *words, "--run-id", run)
    assert done.exit_code == 2
    assert text in done.stderr
    assert Run(f"Looked/{run}").user_tags == frozenset()


@pytest.mark.parametrize("command", ["run", "deploy", "resume"])
def test_tags_that_cannot_be_are_refused_before_anything_begins(flow: Path, run: str, command: str) -> None:
    done = ours(command, flow, "--tag", "")
    assert done.exit_code == 2
    assert "a tag must not be empty" in done.stderr
    assert len(json.loads(ours("runs", "Looked", "--json").stdout)) == 1


def test_a_run_to_tag_must_be_named_and_be_seen(peer: Peer, run: str) -> None:
    assert f"with --run-id; the latest of Looked is {run}" in peer("tag", "add", "x").stderr
    assert "there is no Run('Looked/17')" in peer("tag", "add", "x", "--run-id", "17").stderr
    assert (
        "is not in namespace 'user:ann'" in peer("tag", "add", "x", "--run-id", run, "--namespace", "user:ann").stderr
    )
    namespace(None)


def test_tags_of_many_runs_are_grouped(peer: Peer, run: str) -> None:
    assert (
        "no run in"
        in CliRunner().invoke(flow_group, ["tag", "list"], obj=Program(target=str(write_flow("Never", FLOW)))).stderr
    )
    peer("tag", "add", "good", "--run-id", run)
    assert peer("tag", "list", "--my-runs", "--hide-system-tags").stdout == "good\n"
    assert peer("tag", "list", "--all", "--hide-system-tags", "--group-by-tag").stdout == f"good: {run}\n"
    assert peer("tag", "list", "--all", "--hide-system-tags", "--group-by-run").stdout == f"{run}: good\n"


def test_a_package_is_listed_and_saved(flow: Path, peer: Peer) -> None:
    Path("beside.py").write_text("")
    assert ours("package", "list", flow).stdout.split() == ["beside.py", "looked.py"]
    assert peer("package", "list").stdout.split() == ["beside.py", "looked.py"]
    facts = json.loads(ours("package", "info", flow, "--json").stdout)
    assert facts["files"] == 2
    assert "2 files" in peer("package", "info").stdout
    assert peer("package", "save", "saved.zip").exit_code == 0
    assert "looked.py" in zipfile.ZipFile("saved.zip").namelist()


def test_a_flow_is_described_for_other_programs(peer: Peer) -> None:
    dot = peer("output-dot").stdout
    assert '"start" -> "work" [label="foreach items"];' in dot
    described = json.loads(peer("output-raw", "--json").stdout)
    assert described["steps"]["start"]["doc"] == "Where it begins."
    assert described["parameters"] == [{"name": "alpha", "type": "int"}]
    assert peer("version").stdout == f"{__version__}\n"
    assert "argo-workflows" in peer("help").stdout


def test_options_of_the_peer_that_need_nothing_done_are_taken(peer: Peer) -> None:
    assert peer("check", "--no-warnings").exit_code == 0
    before = (
        "--no-pylint",
        "--metadata",
        "local",
        "--event-logger",
        "debugLogger",
        "--monitor",
        "none",
        "--datastore",
        "local",
    )
    done = peer(*before, "--quiet", "run", "--max-log-size", "5", "--namespace", "user:ann", "--run-id-file", "id")
    assert done.exit_code == 0, done.output
    assert re.fullmatch(r"\d+", Path("id").read_text())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--environment", "conda"], "conda's environments are not made here"),
        (["--datastore", "gs"], "only directories and S3"),
    ],
)
def test_what_the_peer_has_besides_is_refused_with_what_to_do(peer: Peer, words: list[str], text: str) -> None:
    done = peer(*words, "run")
    assert done.exit_code == 2
    assert text in done.stderr


def test_a_local_run_imports_nothing_of_what_looks_at_runs(flow: Path) -> None:
    flow.write_text(flow.read_text().replace("import *", "import FlowSpec, Parameter, step"))
    program = "from metaflow_hera.cli import main; main(['run', 'looked.py', '-q'])"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {program}"
    loaded = set(call("-c", code).stdout.split())
    assert "metaflow_hera.deploy.local" in loaded
    others = ("deploy.resume", "deploy.spin", "deploy.cloning", "deploy.overlay", "records.tags", "client", "cli.peer")
    assert not {f"metaflow_hera.{name}" for name in others} & loaded


@pytest.mark.parametrize(
    ("words", "absent", "told"),
    [
        (("step-functions", "create"), "step-functions", "`mfhera deploy flow.py` does that"),
        (("airflow", "create"), "airflow", "`mfhera deploy flow.py` does that"),
        (("batch", "list"), "batch", "@kubernetes and @resources"),
        (("card", "server"), "server", "`mfhera card view RUN`"),
    ],
)
def test_commands_of_the_peer_that_there_are_none_of_say_what_to_do(
    peer: Peer, words: tuple[str, ...], absent: str, told: str
) -> None:
    done = peer(*words)
    assert done.exit_code == 2
    assert f"there is no command {absent!r}: " in done.stderr
    assert told in done.stderr


def test_configuring_the_peers_way_says_where_settings_are() -> None:
    done = ours("configure", "aws")
    assert (done.exit_code, "`mfhera config` shows them" in done.stderr) == (2, True)


def test_a_run_on_this_machine_says_that_pods_are_for_clusters(peer: Peer) -> None:
    said = "@kubernetes is for runs in a cluster: here, steps are processes of this machine; see --backend"
    assert said not in peer("run").stderr
    assert said in peer("run", "--with", "kubernetes").stderr
    assert said not in peer("--quiet", "run", "--with", "kubernetes").stderr
