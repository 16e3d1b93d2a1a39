"""Production tokens, versions and rollbacks on the command line, in both grammars and from Python."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from command_line import Done, call, mfhera, write_flow

from metaflow_hera import Deployer
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.settings import Settings

BODY = """
{parameter} = Parameter("{parameter}", default=1)

@step
def start(self):
    self.next(self.end)

@step
def end(self):
    pass
"""


@pytest.fixture
def flow() -> Iterator[Path]:
    yield write_flow("TokenFlow", BODY.format(parameter="alpha"))
    stop_engine(Settings.load())


def as_person(name: str, *words: object, **env: str) -> Done:
    return mfhera(*words, env={"MFHERA_USER": name, "MFHERA_TOKEN_HOME": f"home-of-{name}", **env})


def said(done: Done) -> str:
    assert done.code == 0, done.stderr
    return done.stdout.strip()


def test_a_token_is_printed_on_request_alone(flow: Path) -> None:
    deployed = as_person("ann", "deploy", flow)
    assert "its runs are in the namespace production:tokenflow-0-" in said(deployed)
    token = said(as_person("ann", "token", "tokenflow"))
    assert token not in deployed.stdout + deployed.stderr
    assert str(Path("home-of-ann").resolve()) in deployed.stderr
    assert "`mfhera token tokenflow` prints it" in deployed.stderr
    facts = as_person("ann", "token", "tokenflow", "--json").json
    assert facts == {"name": "tokenflow", "namespace": token[: len("tokenflow-0-abcd")], "token": token}
    refused = as_person("bob", "token", "tokenflow")
    assert refused.code == 1
    assert "is not kept here: ann has it" in refused.stderr
    for words in (("list", "--json"), ("list", "--versions", "--json"), ("config", "--json")):
        assert token not in said(as_person("ann", *words, MFHERA_PRODUCTION_TOKEN=token))


def test_a_token_is_given_by_a_file_by_standard_input_by_the_environment_and_as_it_is(flow: Path) -> None:
    said(as_person("ann", "deploy", flow))
    token = said(as_person("ann", "token", "tokenflow"))
    Path("token.txt").write_text(f"{token}\n")
    refused = as_person("bob", "deploy", flow)
    assert refused.code == 1
    assert "belongs to ann, and you are bob" in refused.stderr
    assert "MFHERA_PRODUCTION_TOKEN or with --authorize @FILE" in refused.stderr
    said(as_person("bob", "deploy", flow, "--authorize", "@token.txt"))
    said(as_person("eve", "deploy", flow, MFHERA_PRODUCTION_TOKEN=token))
    said(as_person("dan", "deploy", flow, "--authorize", token))
    piped = subprocess.run(
        [sys.executable, "-m", "metaflow_hera", "token", "tokenflow", "--keep", "-"],
        input=f"production:{token}\n",
        capture_output=True,
        text=True,
    )
    assert piped.returncode == 0, piped.stderr
    assert token not in piped.stdout + piped.stderr
    assert said(mfhera("token", "tokenflow")) == token
    said(mfhera("delete", "tokenflow"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--authorize", "@nowhere.txt"], "--authorize: 'nowhere.txt' cannot be read"),
        (["--authorize", "@empty.txt"], "--authorize: there is no token in @empty.txt"),
        (["--authorize", "@binary"], "--authorize: 'binary' cannot be read"),
        (["--authorize", "-", "--new-token", "-"], "standard input holds one token"),
        (["--generate-new-token", "--new-token", "abcdefghijklmnop"], "say two things"),
        (["--new-token", "short"], "5 characters"),
    ],
)
def test_what_is_no_token_is_refused_before_anything_is_written(flow: Path, words: list[str], message: str) -> None:
    Path("empty.txt").write_text("\n")
    Path("binary").write_bytes(b"\xff\xfe\x00")
    done = subprocess.run(
        [sys.executable, "-m", "metaflow_hera", "deploy", flow, *words],
        input="a-token-of-standard-input",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing is deployed" in mfhera("list").stderr


def test_the_peers_grammar_has_the_peers_options(flow: Path) -> None:
    created = call(flow, "argo-workflows", "create", "--new-token", "a-token-of-my-own", "--namespace", "user:carl")
    assert created.code == 0, created.stderr
    assert said(mfhera("token", "tokenflow")) == "a-token-of-my-own"
    bob = {"MFHERA_USER": "bob", "MFHERA_TOKEN_HOME": "home-of-bob"}
    assert call(flow, "argo-workflows", "create", env=bob).code == 1
    run = said(call(flow, "argo-workflows", "trigger", env=bob))
    refused = call(flow, "argo-workflows", "terminate", run, env=bob)
    assert (refused.code, "belongs to tester" in refused.stderr) == (1, True)
    assert call(flow, "argo-workflows", "terminate", run, "--authorize", "a-token-of-my-own", env=bob).code == 0
    assert call(flow, "argo-workflows", "delete", env=bob).code == 1
    token = "production:a-token-of-my-own"
    assert call(flow, "argo-workflows", "delete", "--authorize", token, env=bob).code == 0


def test_python_gives_tokens_by_the_peers_names_and_no_process_shows_them(flow: Path) -> None:
    secret = "planted-secret-token-of-python"
    made = Deployer(str(flow), show_output=False).argo_workflows().create(given_token=secret)
    assert made.production_token == secret
    bob = Deployer(str(flow), show_output=False, env={"MFHERA_USER": "bob", "MFHERA_TOKEN_HOME": "home-of-bob"})
    with pytest.raises(MetaflowHeraError, match="belongs to tester"):
        bob.argo_workflows().create()
    assert bob.argo_workflows().create(authorize=secret).deployer == "bob"


def test_versions_are_listed_and_rolled_back_to(flow: Path) -> None:
    first = said(mfhera("deploy", flow, "--json"))
    write_flow("TokenFlow", BODY.format(parameter="beta"))
    second = said(mfhera("deploy", flow, "--json"))
    first_version, second_version = (json.loads(each)["version"] for each in (first, second))
    listed = said(mfhera("list", "--versions", "tokenflow")).splitlines()
    assert listed[0].split() == ["NAME", "VERSION", "DEPLOYED", "BY", "CODE", "STARTS", "BY", "ITSELF"]
    assert [line.split()[1] for line in listed[1:]] == [second_version, first_version]
    assert [line.split()[-1] == "live" for line in listed[1:]] == [True, False]

    back = said(mfhera("rollback", "tokenflow"))
    assert back == f"tokenflow is rolled back to version {first_version}; runs in flight of {second_version} go on"
    facts = mfhera("list", "--versions", "-n", "2", "--json").json
    assert [(each["version"], each["live"]) for each in facts] == [(first_version, True), (second_version, False)]
    assert set(mfhera("list", "tokenflow", "--json").json[0]["parameters"]) == {"alpha"}

    forth = mfhera("rollback", "tokenflow", second_version, "--json").json
    assert (forth["version"], forth["replaces"]) == (second_version, first_version)
    again = said(mfhera("rollback", "tokenflow", second_version))
    assert again == f"tokenflow is at version {second_version} already"
    unknown = mfhera("rollback", "tokenflow", "0000000000")
    assert unknown.code == 2
    assert "never had a version '0000000000'; it had\n" in unknown.stderr
    assert first_version in unknown.stderr
    refused = as_person("bob", "rollback", "tokenflow")
    assert (refused.code, "rolling it back takes its production token" in refused.stderr) == (1, True)
    assert "is not deployed" in mfhera("rollback", "nothing").stderr


def test_a_version_that_cannot_be_read_is_listed_with_the_others(flow: Path) -> None:
    said(mfhera("deploy", flow))
    write_flow("TokenFlow", BODY.format(parameter="beta"))
    said(mfhera("deploy", flow))
    _, oldest = sorted((Path(Settings.load().datastore) / "deployments").glob("*/versions/tokenflow/*.json"))
    oldest.write_text(oldest.read_text().replace("templates", "formworks"))
    live, other = said(mfhera("list", "--versions", "tokenflow")).splitlines()[1:]
    assert live.endswith("live")
    assert other.rstrip().endswith("unreadable: written by another metaflow-hera")
    facts = mfhera("list", "--versions", "tokenflow", "--json").json
    assert "cannot be read: it was written by another metaflow-hera (" in facts[1]["problem"]


def test_a_deployment_is_listed_with_when_it_was_deployed_last(flow: Path) -> None:
    said(mfhera("deploy", flow))
    write_flow("TokenFlow", BODY.format(parameter="beta"))
    said(mfhera("deploy", flow))
    (facts,) = mfhera("list", "--json").json
    (live, _) = mfhera("list", "--versions", flow, "--json").json
    assert facts["deployed"] == live["deployed"]


def test_secrets_among_the_settings_are_not_shown(flow: Path) -> None:
    env = {
        "MFHERA_ARGO_TOKEN": "planted-argo-token",
        "MFHERA_PRODUCTION_TOKEN": "planted-production-token",
        "MFHERA_ARGO_SERVER": "https://ann:planted-password@argo.example.org",
    }
    for words in (("config",), ("config", "--json")):
        printed = said(mfhera(*words, env=env))
        assert "planted" not in printed
        assert "https://(set)@argo.example.org" in printed
    assert mfhera("config", "--json", env=env).json["production_token"]["value"] == "(set)"


def test_a_deployment_of_another_version_of_ours_is_listed_and_hides_no_other(flow: Path) -> None:
    said(mfhera("deploy", flow, "--name", "newer"))
    database = Path(Settings.load().data_dir, "engine", "state.sqlite3")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            'update manifests set text = replace(text, \'"entrypoint":\', \'"unheardOf": 1, "entrypoint":\')'
        )
    said(mfhera("deploy", flow, "--name", "ours"))
    listed = mfhera("list", "--json").json
    assert [(each["name"], each["flow"], each["deployer"]) for each in listed] == [
        ("newer", "TokenFlow", "tester"),
        ("ours", "TokenFlow", "tester"),
    ]
    refused = mfhera("trigger", "newer")
    assert refused.code == 1
    assert "unheardOf" in refused.stderr
    assert said(mfhera("delete", "newer")) == "newer is deleted"
    assert [each["name"] for each in mfhera("list", "--json").json] == ["ours"]
