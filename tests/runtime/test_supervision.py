"""Tasks that print, die, are killed, or leave something behind: nothing of it is lost, and nothing hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from containers import RUN, Deployment, deploy, steps
from s3_server import S3Server

from metaflow_hera.records import runs, tasks
from metaflow_hera.records.task import Failure, TaskStatus
from metaflow_hera.store import Store

WAIT = "import time\nopen({file!r}, 'w').write(str(__import__('os').getpid()))\ntime.sleep(60)"


def failure_of(deployment: Deployment, attempt: int = 0) -> Failure:
    record = deployment.record("start", attempt=attempt)
    assert record.status is TaskStatus.FAILED
    assert record.failure is not None
    return record.failure


def eventually(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def started(deployment: Deployment, file: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A container of the start step, once its code has written its process id into *file*."""
    process = deployment.begin(deployment.command("start"))
    eventually(lambda: file.exists() and file.read_text())
    return process, int(file.read_text())


def test_what_a_task_prints_reaches_the_container_and_the_store(store: Store, tmp_path: Path) -> None:
    body = """
import os, subprocess, sys
print("héllo ☃ 🎈")
print("to stderr", file=sys.stderr)
os.write(1, b"raw \\\\xff bytes\\n")
subprocess.run(["echo", "from a child"])
sys.stdout.write("no newline at the end")
"""
    deployment = deploy(store, tmp_path, steps(body))
    done = deployment.run("start")
    expected = "héllo ☃ 🎈\nraw \\xff bytes\nfrom a child\nno newline at the end"
    assert (done.code, done.stdout, done.stderr) == (0, expected, "to stderr\n")
    assert deployment.log("stdout", "start") == expected
    assert deployment.log("stderr", "start") == "to stderr\n"


def test_a_silent_task_writes_no_logs(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps())
    assert deployment.run("start").code == 0
    assert not [key for key in directory_store.keys("F/") if "stdout" in key or "stderr" in key]


def test_much_output_arrives_whole(directory_store: Store, tmp_path: Path) -> None:
    body = "for number in range(100_000): print(number, 'x' * 200)"
    deployment = deploy(directory_store, tmp_path, steps(body))
    done = deployment.run("start")
    expected = "".join(f"{number} {'x' * 200}\n" for number in range(100_000))
    assert done.stdout == expected
    assert deployment.log("stdout", "start") == expected


def test_output_is_in_the_store_while_the_task_runs(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    deployment = deploy(directory_store, tmp_path, steps("print('so far', end='')\n" + WAIT.format(file=str(file))))
    process, pid = started(deployment, file)
    eventually(lambda: deployment.log("stdout", "start") == "so far")
    os.kill(pid, signal.SIGKILL)
    assert deployment.end(process).code == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL: it may have used more memory"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV: a segmentation fault"),
        ("import os; os.abort()", "killed by SIGABRT"),
        ("import os; os._exit(7)", "ended with exit code 7 before the step was over"),
        ("import os; os._exit(0)", "ended with exit code 0 before the step was over"),
    ],
)
def test_the_death_of_a_task_is_a_failed_attempt(directory_store: Store, tmp_path: Path, body: str, told: str) -> None:
    deployment = deploy(directory_store, tmp_path, steps(f"print('last words', end='')\n{body}"))
    done = deployment.run("start")
    assert (done.code, done.stdout, done.splits) == (1, "last words", "")
    assert told in done.stderr
    assert told in failure_of(deployment).text
    assert deployment.log("stdout", "start") == "last words"
    assert told in deployment.log("stderr", "start")


def test_a_death_before_the_step_is_a_failed_attempt_of_a_run_that_is_seen(
    directory_store: Store, tmp_path: Path
) -> None:
    deployment = deploy(directory_store, tmp_path, "import os; print('importing'); os.kill(os.getpid(), 9)\n" + steps())
    assert [deployment.run(step).code for step in ("start", "end")] == [1, 1]
    assert "SIGKILL" in failure_of(deployment).text
    assert deployment.log("stdout", "start") == "importing\n"
    assert runs.read(directory_store, "F", deployment.keys.run) is not None


def test_a_segmentation_fault_shows_the_line_of_python(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy(directory_store, tmp_path, steps("import ctypes; ctypes.string_at(0)"))
    assert 'flow.py", line' in deployment.run("start").stderr


def test_a_terminated_task_saves_what_it_had_and_says_so(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    deployment = deploy(directory_store, tmp_path, steps("self.had = 1\n" + WAIT.format(file=str(file))))
    process, _ = started(deployment, file)
    process.terminate()
    assert deployment.end(process).code == 1
    assert "got SIGTERM" in failure_of(deployment).text
    assert deployment.artifact("start", "had") == 1


def test_a_run_that_is_terminated_has_ended_until_a_task_of_it_is_tried_again(
    directory_store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    body = f"if current.retry_count == 0:\n    {WAIT.format(file=str(file)).replace(chr(10), chr(10) + '    ')}"
    deployment = deploy(directory_store, tmp_path, steps(body))
    process, _ = started(deployment, file)
    process.terminate()
    deployment.end(process)
    end = runs.read_end(directory_store, "F", RUN)
    assert end is not None
    assert end.status == "Failed"
    assert "step 'start'" in end.message
    assert "got SIGTERM" in end.message

    assert deployment.run("start", attempt=1).code == 0
    assert runs.read_end(directory_store, "F", RUN) is None
    assert deployment.run("end").code == 0
    ended = runs.read_end(directory_store, "F", RUN)
    assert ended is not None
    assert ended.status == "Succeeded"


def test_catch_does_not_hold_up_a_termination(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    source = steps(WAIT.format(file=str(file)), decorators="@catch(var='error')")
    deployment = deploy(directory_store, tmp_path, source)
    process, _ = started(deployment, file)
    process.terminate()
    assert deployment.end(process).code == 1
    assert "got SIGTERM" in failure_of(deployment).text


def test_a_task_that_does_not_end_on_sigterm_is_killed_and_recorded(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    body = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAIT.format(file=str(file))
    deployment = deploy(directory_store, tmp_path, steps(body))
    impatient = "from metaflow_hera.runtime import supervisor; supervisor.GRACE_SECONDS = 0.5\n"
    process = deployment.begin(deployment.command("start"), before=impatient)
    eventually(lambda: file.exists() and file.read_text())
    process.terminate()
    assert deployment.end(process).code == 1
    assert "was killed, as it had not ended" in failure_of(deployment).text


def test_a_task_dies_with_its_supervisor(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    deployment = deploy(directory_store, tmp_path, steps(WAIT.format(file=str(file))))
    process, pid = started(deployment, file)
    process.kill()
    deployment.end(process)
    eventually(lambda: not is_alive(pid))
    assert tasks.read(directory_store, deployment.keys, "start", "0", 0) is None
    retried = deployment.begin(deployment.command("start", attempt=1))
    eventually(lambda: len(tasks.attempts(directory_store, deployment.keys, "start", "0")) == 2)
    retried.terminate()
    deployment.end(retried)


def test_processes_that_a_task_leaves_behind_do_not_hold_the_pod(directory_store: Store, tmp_path: Path) -> None:
    body = "import subprocess; self.pid = subprocess.Popen(['sleep', '60']).pid; print('done')"
    deployment = deploy(directory_store, tmp_path, steps(body))
    begin = time.monotonic()
    process = deployment.begin(deployment.command("start"))
    assert process.stdout is not None
    assert process.wait(timeout=30) == 0
    assert time.monotonic() - begin < 20
    pid = deployment.artifact("start", "pid")
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    assert deployment.end(process).stdout == "done\n"
    assert deployment.log("stdout", "start") == "done\n"


def test_threads_are_waited_for_and_exit_functions_run(directory_store: Store, tmp_path: Path) -> None:
    body = """
import atexit, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
"""
    deployment = deploy(directory_store, tmp_path, steps(body))
    assert deployment.run("start").stdout == "thread\nat exit\n"
    assert deployment.log("stdout", "start") == "thread\nat exit\n"


def test_a_death_after_the_step_does_not_undo_it(directory_store: Store, tmp_path: Path) -> None:
    body = "import atexit, os; atexit.register(os.kill, os.getpid(), 9)"
    deployment = deploy(directory_store, tmp_path, steps(body))
    done = deployment.run("start")
    assert done.code == 0
    assert "after the step was over" in done.stderr
    assert deployment.record("start").status is TaskStatus.SUCCEEDED


def test_a_step_may_fork_and_use_processes(directory_store: Store, tmp_path: Path) -> None:
    body = """
import warnings, os
warnings.simplefilter("error")
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2) as pool: self.got = list(pool.map(abs, [-1, -2]))
if os.fork() == 0: os._exit(3)
self.status = os.waitstatus_to_exitcode(os.wait()[1])
"""
    deployment = deploy(directory_store, tmp_path, steps(body))
    done = deployment.run("start")
    assert done.code == 0, done.stderr
    assert deployment.artifact("start", "got") == [1, 2]
    assert deployment.artifact("start", "status") == 3


def test_a_bucket_that_is_not_there_ends_the_container_with_one_line(s3: S3Server, tmp_path: Path) -> None:
    deployment = deploy(s3.open(), tmp_path, steps())
    command = replace(deployment.command("start"), store="s3://not-there/x")
    done = deployment.end(deployment.begin(command))
    assert done.code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "s3://not-there/x" in done.stderr


def test_a_store_that_takes_no_artifact_is_the_reason_of_the_failure(directory_store: Store, tmp_path: Path) -> None:
    body = """
import os, resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
self.large = os.urandom(1 << 22)
"""
    deployment = deploy(directory_store, tmp_path, steps(body))
    done = deployment.run("start")
    assert done.code == 1
    assert failure_of(deployment).text.startswith(f"datastore {directory_store.uri}: cannot write data/")
    assert done.stderr.count("cannot write") == 1
