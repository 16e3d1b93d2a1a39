"""No secret is where others can read it: not in manifests, not in command lines, not in logs, not in the datastore."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command_line import mfhera, write_flow

from metaflow_hera.settings import Settings, secret_settings, variable

SECRET = "planted-secret"
"""Is in everything that is secret here, and in nothing else."""

FLOW = """
@secrets(sources=[{"type": "inline", "options": {"env_vars": {"PASSWORD": "planted" + "-secret-of-a-step"}}}])
@step
def start(self):
    import os, time
    assert os.environ["PASSWORD"].endswith("of-a-step")
    self.given = sorted(name for name in os.environ if name.startswith(("MFHERA_", "METAFLOW_")))
    print("step", len(self.given))
    time.sleep(1)
    self.next(self.end)

@step
def end(self):
    pass
"""


@pytest.fixture
def environment() -> dict[str, str]:
    """Every setting that is secret, and a token as a file."""
    Path("token.txt").write_text(f"{SECRET}-of-a-file\n")
    return {variable(name): f"{SECRET}-of-{name}" for name in secret_settings()}


pytestmark = pytest.mark.usefixtures("engine")


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """Those of all processes that ran meanwhile, but for this one's own."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for process in Path("/proc").glob("[0-9]*"):
                if int(process.name) != os.getpid():
                    with suppress(OSError):
                        seen.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def holding(folder: Path) -> list[str]:
    """The files below a folder with something secret in them."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [str(file) for file in files if SECRET.encode() in file.read_bytes()]


def test_no_secret_leaves_its_place(environment: dict[str, str]) -> None:
    flow = write_flow("Secretive", FLOW)
    printed = []
    with command_lines() as seen:
        for words in (
            ("deploy", flow, "--new-token", "@token.txt"),
            ("compile", flow),
            ("list", "--json"),
            ("list", "--versions", "--json"),
            ("config",),
            ("config", "--json"),
            ("trigger", flow, "--wait"),
            ("runs", "--json"),
        ):
            done = mfhera(*words, env=environment)
            assert done.code == 0, done.stderr
            printed += [done.stdout, done.stderr]
        piped = subprocess.run(
            [sys.executable, "-m", "metaflow_hera", "delete", "secretive", "--authorize", "-"],
            env={**os.environ, "MFHERA_USER": "bob", "MFHERA_TOKEN_HOME": "nowhere"},
            input=f"{SECRET}-of-a-file",
            capture_output=True,
            text=True,
        )
        assert piped.returncode == 0, piped.stderr
        printed += [piped.stdout, piped.stderr]
    assert not [text for text in printed if SECRET in text]
    assert any("metaflow_hera" in line for line in seen)
    assert not [line for line in seen if SECRET in line]
    assert holding(Path(Settings.load().data_dir)) == []
    kept = holding(Path(Settings.load().token_home))
    assert len(kept) == 1


def test_a_task_of_the_engine_does_not_inherit_the_secrets_of_who_started_it(environment: dict[str, str]) -> None:
    done = mfhera("deploy", flow := write_flow("Secretive", FLOW), env=environment)
    assert done.code == 0, done.stderr
    run = mfhera("trigger", flow, "--wait", env=environment).stdout.split()[0]
    dumped = mfhera("dump", f"Secretive/{run}/start/0", "--json").stdout
    assert "MFHERA_USER" in dumped
    assert not [name for name in environment if name in dumped]


@pytest.mark.parametrize("words", [["--authorize", "@token.txt"], ["--authorize", "typed-in-as-it-is"]])
def test_a_token_that_is_refused_is_not_shown(environment: dict[str, str], words: list[str]) -> None:
    flow = write_flow("Secretive", FLOW)
    assert mfhera("deploy", flow).code == 0
    done = mfhera("deploy", flow, *words, env={"MFHERA_USER": "bob", "MFHERA_TOKEN_HOME": "nowhere"})
    assert done.code == 1
    assert "the token that was given is not its token" in done.stderr
    assert SECRET not in done.stderr + done.stdout
    assert "typed-in" not in done.stderr + done.stdout
