"""From a clone to a finished run, or to the tests: needs Python 3.11 or newer and nothing else.

python start.py           install, deploy the flow of the documentation, run it, read its artifacts
python start.py test      install what the tests need, and run them
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
FLOW = Path("examples", "seed", "parameter_flow.py")
READ_ARTIFACTS = """
from metaflow_hera import Flow
run = Flow("ParameterFlow").latest_successful_run
print(run.pathspec, "finished at", f"{run.finished_at:%H:%M:%S}")
for artifact in run.end_task:
    print(f"  {artifact.id} = {artifact.data!r}")
print("  the start step printed:", run["start"].task.stdout.strip())
"""


def say(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f"\nstart.py: {text}")


def tool(name: str) -> str:
    """A program of the environment."""
    folder, suffix = ("Scripts", ".exe") if sys.platform == "win32" else ("bin", "")
    return str(ENVIRONMENT / folder / (name + suffix))


def call(*words: str, quiet: bool = False) -> None:
    """Show a command and carry it out; end here if it fails."""
    if not quiet:
        shown = [Path(words[0]).name, *words[1:]]
        print(
            "$ " + " ".join(word if word and " " not in word and "\n" not in word else "'…'" for word in shown),
            flush=True,
        )
    code = subprocess.run(words, cwd=HERE, check=False).returncode
    if code:
        fail(f"{' '.join(words[:3])} … ended with exit code {code}; what it said stands above")


def make_environment() -> None:
    if not Path(tool("python")).exists():
        say(f"Make a virtual environment in {ENVIRONMENT}")
        command = [sys.executable, "-m", "venv", str(ENVIRONMENT)]
        if subprocess.run(command, check=False).returncode:
            fail(
                "this Python cannot make a virtual environment; on Debian and Ubuntu, install the package python3-venv"
            )


def install(*requirements: str) -> None:
    call(tool("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def demonstrate() -> None:
    make_environment()
    say("Install metaflow_hera and what it needs (about a minute the first time)")
    install("--editable", ".")
    say("Check the flow of the documentation and draw it")
    call(tool("mfhera"), "show", str(FLOW))
    say("Deploy it: package the code, translate the flow through Hera, hand the template to the embedded engine")
    call(tool("mfhera"), "deploy", str(FLOW), "--with", "retry", "--max-workers", "500")
    say("Trigger it with a parameter and follow it to its end")
    call(tool("mfhera"), "trigger", "parameterflow", "--alpha", "0.5", "--wait")
    say("Read its artifacts through the Client")
    call(tool("python"), "-c", READ_ARTIFACTS)
    call(tool("mfhera"), "engine", "stop")
    say(f"Done. Next: activate {ENVIRONMENT.name}, then `mfhera --help`, README.md and docs/guide.md")


def test(arguments: list[str]) -> None:
    make_environment()
    say("Install nox, which makes an environment for each kind of check")
    import tomllib  # not in the older Pythons that are told so below

    groups = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    install(*groups["nox"])
    version = ".".join(map(str, sys.version_info[:2]))
    sessions = arguments or ["lint", "types", f"tests-{version}"]
    say(f"Run the sessions {', '.join(sessions)}; each says what it does")
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    call(tool("nox"), "--session", *sessions)


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  (whoever starts this has not installed anything yet)
        fail(f"needs Python 3.11 or newer, and this is {sys.version.split()[0]}")
    started = time.monotonic()
    arguments = sys.argv[1:]
    if not arguments:
        demonstrate()
    elif arguments[0] == "test":
        test(arguments[1:])
    else:
        print(__doc__)
        sys.exit(0 if arguments[0] in ("-h", "--help") else 2)
    say(f"All of it took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
