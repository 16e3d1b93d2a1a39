"""`mfhera run --backend` and `mfhera resume` of runs of a backend, as a user has them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import FAILING, LINEAR, Done, call, interrupted, mfhera, write_flow

ONCE = FAILING.replace("self.input == 1", "self.input == 1 and current.origin_run_id is None")
SHORT = """
@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""
SLOW = """
@step
def start(self):
    print("it begins", flush=True)
    import time
    time.sleep(60)
    self.next(self.end)

@step
def end(self):
    pass
"""


pytestmark = pytest.mark.usefixtures("engine")


def phase_of(run: str) -> str:
    phase: str = mfhera("status", run, "--json").json["phase"]
    return phase


def test_a_run_on_a_backend_is_followed_with_its_logs_and_ends_with_its_exit_code() -> None:
    flow = write_flow("LinearFlow", LINEAR)
    done = mfhera("run", flow, "--backend", "embedded", "--name", "ünï", "--run-id-file", "id", "--tag", "mine")
    assert done.code == 0, done.stderr
    run = Path("id").read_text()
    assert done.stdout.strip() == f"LinearFlow/{run}"
    assert "[start/0] hello ünï" in done.stderr
    assert "[end/0] Succeeded" in done.stderr
    assert mfhera("list", "--json").json == []
    assert [each["run"] for each in mfhera("runs", "--json").json] == [run]
    assert "mine" in mfhera("tag", "list", f"LinearFlow/{run}").stdout


def test_the_peers_grammar_runs_and_resumes_there_as_well() -> None:
    flow = write_flow("OnceFlow", ONCE)
    done = call(flow, "run", "--backend", "embedded", "--run-id-file", "id")
    assert done.code == 1, done.stderr
    origin = Path("id").read_text()
    again = call(flow, "resume", "--origin-run-id", origin, "--backend", "embedded", "--run-id-file", "id")
    assert again.code == 0, again.stderr
    assert Path("id").read_text().startswith("argo-onceflow-")
    assert "[work/0]" not in again.stderr


def test_the_backend_of_the_settings_changes_nothing_about_a_run_on_this_machine() -> None:
    flow = write_flow("LinearFlow", LINEAR)
    done = mfhera("run", flow, env={"MFHERA_BACKEND": "kubernetes"})
    assert done.code == 0, done.stderr
    assert "argo-" not in done.stdout


def test_what_starts_a_flow_by_itself_neither_hinders_a_single_run_nor_is_started_by_it() -> None:
    source = write_flow("SinceFlow", 'since = Parameter("since", required=True)\n' + SHORT)
    source.write_text(source.read_text().replace("class SinceFlow", "@schedule(hourly=True)\nclass SinceFlow"))
    assert "'since' has no default" in mfhera("deploy", source).stderr
    follower = write_flow("NextFlow", SHORT)
    follower.write_text(
        follower.read_text().replace("class NextFlow", '@trigger_on_finish(flow="SinceFlow")\nclass NextFlow')
    )
    assert mfhera("deploy", follower).code == 0
    done = mfhera("run", source, "--backend", "embedded", "--since", "now")
    assert done.code == 0, done.stderr
    assert mfhera("runs", "nextflow", "--json").json == []
    assert mfhera("event", "list", "--json").json == []


def test_a_run_that_fails_there_says_how_to_go_on_and_that_works() -> None:
    flow = write_flow("OnceFlow", ONCE)
    done = mfhera("run", flow, "--backend", "embedded", "--json")
    assert done.code == 1
    run = done.json["run"]
    assert (done.json["flow"], done.json["phase"]) == ("OnceFlow", "Failed")
    assert "ValueError: one is too many" in done.stderr
    said = f"mfhera resume {run} --backend embedded"
    assert said in done.stderr
    flow.unlink()

    again = mfhera(*said.split()[1:])

    assert again.code == 0, again.stderr
    assert f"resuming OnceFlow/{run}" in again.stderr
    assert "[work/1] Succeeded" in again.stderr
    assert "[work/0]" not in again.stderr


def test_a_flow_goes_on_there_with_its_source_of_today() -> None:
    flow = write_flow("OnceFlow", ONCE)
    assert mfhera("run", flow, "-q").code == 1
    done = mfhera("resume", flow, "work", "--backend", "embedded", "-q", "--json")
    assert (done.code, done.json["phase"]) == (0, "Succeeded"), done.stderr
    nodes = mfhera("status", done.json["run"], "--json").json["tasks"]
    assert len(nodes) == len(("work/0", "work/1", "work/2", "join/0", "end/0"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("resume", "argo-nothing-x1"), "argo-nothing-x1"),
        (("resume", "{run}", "--with", "retry"), "by the code that it had, so --with cannot be; give the flow's file"),
        (("resume", "{run}", "--origin-run-id", "1", "--branch", "b"), "so --branch, --origin-run-id cannot be"),
        (("resume", "OnceFlow/{run}", "end"), "never came to step 'end'"),
        (("run", "onceflow.py", "--backend", "embedded", "--max-num-splits", "3"), "--max-num-splits is for runs"),
        (("run", "onceflow.py", "--backend", "argo", "--nothing", "1"), "No such option"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(words: tuple[str, ...], told: str) -> None:
    flow = write_flow("OnceFlow", ONCE)
    run = mfhera("run", flow, "--backend", "embedded", "-q", "--json").json["run"]
    done = mfhera(*(word.format(run=run) for word in words))
    assert done.code in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(mfhera("runs", "--json").json) == 1


def test_without_a_terminal_ctrl_c_leaves_the_run_alone_and_says_how_to_look_at_it_again() -> None:
    flow = write_flow("SlowFlow", SLOW)
    done = interrupted("run", flow, "--backend", "embedded", "--run-id-file", "id", after="it begins")
    run = Path("id").read_text()
    assert done.code == 130
    assert f"mfhera logs {run} --follow" in done.stderr
    assert f"mfhera terminate {run}" in done.stderr
    assert phase_of(run) == "Running"
    mfhera("terminate", run)


def on_terminal(*words: object, after: str, keys: list[str]) -> Done:
    """`mfhera` on a terminal of its own, Ctrl-C once it printed this, and then these keys."""
    leader, follower = pty.openpty()
    program = "import sys; from metaflow_hera.cli import main; main(sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-uc", program, *map(str, words)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        preexec_fn=take_terminal,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(follower)
    printed = read_until(leader, after)
    for key in ["\x03", *keys]:
        os.write(leader, key.encode())
        printed += read_until(leader, "[y/N]" if key == "\x03" and "[y/N]" not in printed else "\n")
    printed += read_until(leader, "")
    code = process.wait(60)
    os.close(leader)
    return Done(code, "", printed)


def take_terminal() -> None:
    """Be of the terminal that stdin is, so that Ctrl-C comes as a signal, in the background, too."""
    import fcntl
    import signal
    import termios

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_until(leader: int, text: str) -> str:
    """What is printed up to a text; of an empty one, all that is left."""
    printed, deadline = "", time.monotonic() + 60
    while time.monotonic() < deadline and (not text or text not in printed):
        try:
            data = os.read(leader, 1 << 16)
        except OSError:
            break
        if not data:
            break
        printed += data.decode(errors="replace")
    return printed


@pytest.mark.parametrize(("keys", "ends"), [(["y\n"], True), (["\n"], False), (["\x03"], False)])
def test_on_a_terminal_ctrl_c_asks_whether_to_end_the_run(keys: list[str], ends: bool) -> None:
    flow = write_flow("SlowFlow", SLOW)
    words = ("run", flow, "--backend", "embedded", "--run-id-file", "id")
    done = on_terminal(*words, after="it begins", keys=keys)
    run = Path("id").read_text()
    assert done.code == 130, done.stderr
    assert f"end run {run}, too?" in done.stderr
    if ends:
        assert f"run {run} is terminated" in done.stderr
        assert phase_of(run) == "Failed"
    else:
        assert f"mfhera logs {run} --follow" in done.stderr
        assert phase_of(run) == "Running"
        mfhera("terminate", run)
