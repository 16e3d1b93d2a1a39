"""@secrets and get_secret: inline, AWS Secrets Manager over the wire, plugs, and everything that can go wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from metaflow_hera import FlowSpec, deploy, get_secret, run, secrets, step
from metaflow_hera.deploy.manifests import compile_manifests
from metaflow_hera.deploy.source import check_flow
from metaflow_hera.errors import FlowError, RunFailedError, SecretError, UsageError
from metaflow_hera.settings import Settings
from metaflow_hera.vaults import variables
from metaflow_hera.vaults.sources import Source

SECRET = "hunter2 is a value"


def inline(values: Mapping[str, Any], id: str = "here", **more: Any) -> dict[str, Any]:
    return {"type": "inline", "id": id, "options": {"env_vars": values, **more}}


class Kept(FlowSpec):
    """A flow that uses a secret and prints all there is to see of it."""

    @secrets(sources=[inline({"DB_PASSWORD": SECRET})])
    @step
    def start(self):
        self.length = len(os.environ["DB_PASSWORD"])
        self.next(self.end)

    @step
    def end(self):
        self.is_gone = "DB_PASSWORD" not in os.environ


def test_a_secret_is_in_the_environment_of_its_step_and_nowhere_else(tmp_path: Path) -> None:
    made = run(Kept)

    assert made["start"].task.data.length == len(SECRET)
    assert made.data.is_gone
    assert "DB_PASSWORD" not in os.environ
    written = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]
    assert written
    assert not any(SECRET.encode() in file.read_bytes() for file in written)


def test_no_value_is_in_a_manifest() -> None:
    assert SECRET not in json.dumps(compile_manifests(Kept))
    text = 'secrets:sources=[{"type":"inline","options":{"env_vars":{"A":"x"}}}]'
    with pytest.raises(UsageError, match="the values of an inline secret would stand in the manifest"):
        deploy(Kept, with_=[text])


def gathered(*sources: Source, taken: tuple[str, ...] = (), settings: Settings | None = None) -> dict[str, str]:
    return variables(sources, None, settings or Settings.load(), taken)


def test_all_that_is_wrong_with_secrets_is_told_at_once_and_without_values() -> None:
    one = {"A B": SECRET, "METAFLOW_X": SECRET, "MFHERA_Y": SECRET, "HOME": SECRET, "N": 7, "Z": "a\0b", "SAME": SECRET}
    with pytest.raises(SecretError) as caught:
        gathered(
            Source("one", "inline", {"env_vars": one}),
            Source("two", "inline", {"env_vars": {"SAME": SECRET, 3: SECRET}}),
            Source("x", "no-such-vault"),
            Source("three", "inline", {"env": {}}),
            Source("loose"),
            taken=("HOME",),
        )

    told = str(caught.value)
    assert SECRET not in told
    assert told.splitlines() == [
        "secret 'inline.one' gives 'A B', which cannot be the name of an environment variable",
        "secret 'inline.one' gives METAFLOW_X, but names that begin with METAFLOW_ or MFHERA_ are not for secrets; "
        "rename it",
        "secret 'inline.one' gives MFHERA_Y, but names that begin with METAFLOW_ or MFHERA_ are not for secrets; "
        "rename it",
        "secret 'inline.one' gives HOME, which the environment has already; rename it, or say allow_override=True",
        "secret 'inline.one' gives N as int, but an environment variable is a text; store it as one",
        "secret 'inline.one' gives Z with a null character, which an environment variable cannot hold",
        "secret 'inline.two' gives SAME, and so does secret 'inline.one'; keep one",
        "secret 'inline.two' gives 3, which cannot be the name of an environment variable",
        "secret 'no-such-vault.x': there is nothing here that reads from 'no-such-vault'; install a package with an "
        "entry point of that name in the group 'metaflow_hera.vaults' (there are aws-secrets-manager and inline "
        "without one)",
        "secret 'inline.three' cannot be had: its option is env_vars, not 'env'",
        "secret 'loose' does not say where it is kept; write {type}.loose, for example aws-secrets-manager.loose, or "
        "set MFHERA_SECRETS_BACKEND",
    ]


@pytest.mark.parametrize("kind", ["gcp-secret-manager", "az-key-vault"])
def test_the_vaults_of_other_clouds_need_a_plug(kind: str) -> None:
    with pytest.raises(SecretError, match=f"nothing here that reads from '{kind}'; install a package with an entry"):
        get_secret(f"{kind}.x")


def test_a_step_fails_with_what_is_wrong_with_its_secrets() -> None:
    class Clashing(FlowSpec):
        @secrets(sources=[inline({"HOME": SECRET}), inline({"A-B": SECRET}, "two")])
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    with pytest.raises(RunFailedError, match=r"@secrets: secret 'inline\.here' gives HOME, which the env") as caught:
        run(Clashing)

    task = next(iter(caught.value.run["start"]))
    assert "@secrets: secret 'inline.two' gives 'A-B'" in str(task.exception)
    assert SECRET not in str(task.exception) + task.stdout + task.stderr


def test_what_is_written_wrongly_is_told_by_the_check(tmp_path: Path) -> None:
    file = tmp_path / "wrong_secrets.py"
    file.write_text(
        "from metaflow_hera import FlowSpec, secrets, step\n\n\nclass Wrong(FlowSpec):\n"
        "    @secrets(sources=['x.', 5, {'id': 1, 'tpye': 'inline', 'options': 'a'}, {'type': 'x'}], role=7,\n"
        "             allow_override=1)\n"
        "    @step\n    def start(self):\n        self.next(self.middle)\n\n"
        "    @secrets(sources='inline.x')\n"
        "    @step\n    def middle(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    with pytest.raises(FlowError) as caught:
        check_flow(str(file))

    start = f"{file}:8: step 'start': @secrets: "
    assert str(caught.value).splitlines() == [
        f"{start}'x.' names no secret; write 'aws-secrets-manager.my-secret'",
        f"{start}a source is a text or a dictionary, not int",
        f"{start}a source has no 'tpye'; it has type, id, options, role",
        f"{start}the id of a source must be a text, not int",
        f"{start}the options of a source must be a dictionary, not str",
        f"{start}a source needs an id; write {{'type': '…', 'id': '…'}}",
        f"{start}role must be a text, not 7",
        f"{start}allow_override must be True or False, not 1",
        f"{file}:13: step 'middle': @secrets: sources must be a list, not str",
    ]


SECRETS = {
    "prod/db": {"SecretString": json.dumps({"USERNAME": "ann", "PASSWORD": SECRET})},
    "token": {"SecretString": SECRET},
    "binary": {"SecretBinary": "aGk="},
}


class Cloud(BaseHTTPRequestHandler):
    """AWS Secrets Manager and STS, as far as a client of theirs can tell."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        scope = re.search(r"Credential=(\w+)/\d+/([\w-]+)/", self.headers["Authorization"])
        assert scope
        self.server.seen.append((scope[1], scope[2], body))  # type: ignore[attr-defined]
        if "Action=AssumeRole" in body:
            credentials = (
                "<AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
                "<Expiration>2099-01-01T00:00:00Z</Expiration>"
            )
            result = f"<AssumeRoleResult><Credentials>{credentials}</Credentials></AssumeRoleResult>"
            namespace = "https://sts.amazonaws.com/doc/2011-06-15/"
            self._answer(200, f'<AssumeRoleResponse xmlns="{namespace}">{result}</AssumeRoleResponse>', "text/xml")
            return
        wanted = json.loads(body)["SecretId"].rpartition(":secret:")[2]
        if wanted in SECRETS:
            self._answer(200, json.dumps({"Name": wanted, **SECRETS[wanted]}))
        else:
            told = {"__type": "ResourceNotFoundException", "message": "there is no such secret"}
            self._answer(400, json.dumps(told))

    def _answer(self, status: int, text: str, kind: str = "application/x-amz-json-1.1") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str]]]:
    """The requests that came: the key and the region that they were signed with, and their bodies."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    server.seen = []  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "OWN")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    yield server.seen  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


Seen = list[tuple[str, str, str]]


def test_a_secret_of_aws_is_an_object_of_variables(cloud: Seen) -> None:
    assert get_secret("aws-secrets-manager.prod/db") == {"USERNAME": "ann", "PASSWORD": SECRET}
    assert [seen[:2] for seen in cloud] == [("OWN", "eu-west-1")]


def test_a_secret_of_aws_can_be_one_text(cloud: Seen) -> None:
    arn = "arn:aws:secretsmanager:us-east-2:123456789012:secret:token"
    plain = {"type": "aws-secrets-manager", "id": arn, "options": {"json": False}}

    assert get_secret(plain) == {"token": SECRET}
    assert get_secret(plain | {"options": {"json": False, "env_var_name": "API", "region": "us-west-1"}}) == {
        "API": SECRET
    }
    assert get_secret({"type": "aws-secrets-manager", "id": "binary", "options": {"json": False}}) == {"binary": "aGk="}
    assert [region for _, region, _ in cloud] == ["us-east-2", "us-west-1", "eu-west-1"]


def test_a_role_is_taken_from_the_source_then_the_decorator_then_the_settings(
    cloud: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_DEFAULT_SECRETS_ROLE", "arn:aws:iam::1:role/settings")
    monkeypatch.setenv("MFHERA_SECRETS_BACKEND", "aws-secrets-manager")

    get_secret({"type": "aws-secrets-manager", "id": "prod/db", "role": "arn:aws:iam::1:role/source"}, "role/given")
    get_secret("aws-secrets-manager.prod/db", role="arn:aws:iam::1:role/given")
    assert get_secret({"id": "prod/db"})["USERNAME"] == "ann"

    roles = [re.search("role%2F(\\w+)", body) for key, _, body in cloud if "AssumeRole" in body]
    assert [role[1] for role in roles if role] == ["source", "given", "settings"]
    assert [key for key, _, body in cloud if "SecretId" in body] == ["ASSUMED"] * 3


def test_what_aws_refuses_is_told_without_the_value(cloud: Seen) -> None:
    with pytest.raises(SecretError, match=r"secret 'aws-secrets-manager.nothing' cannot be had: .*no such secret"):
        get_secret("aws-secrets-manager.nothing")
    with pytest.raises(SecretError) as caught:
        get_secret("aws-secrets-manager.token")
    assert str(caught.value) == (
        "secret 'aws-secrets-manager.token' cannot be had: it is no JSON object; store it as one, or say "
        "options={'json': False}"
    )
    with pytest.raises(SecretError, match="it has no option 'jason'; it has env_var_name, json, region"):
        get_secret({"type": "aws-secrets-manager", "id": "token", "options": {"jason": False}})


def test_a_vault_of_anybody_is_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "safe.py").write_text(
        "def fetch(id, options, role):\n"
        "    if id == 'bad':\n        raise OSError('the safe is shut')\n"
        "    return 5 if id == 'odd' else {'OF_' + id.upper(): role or 'nobody'}\n"
    )
    info = tmp_path / "safe-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: safe\nVersion: 1\n")
    points = "[metaflow_hera.vaults]\ngcp-secret-manager = safe:fetch\nbroken = safe:nothing\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert get_secret("gcp-secret-manager.door", role="me") == {"OF_DOOR": "me"}
    with pytest.raises(SecretError, match="cannot be had: OSError: the safe is shut"):
        get_secret("gcp-secret-manager.bad")
    with pytest.raises(SecretError, match="cannot be had: its vault gave int, not names and values"):
        get_secret("gcp-secret-manager.odd")
    with pytest.raises(SecretError, match="the plug for 'broken' cannot be loaded"):
        get_secret("broken.x")
    with pytest.raises(SecretError, match=r"get_secret\(\): a source is a text or a dictionary, not int"):
        get_secret(5)  # type: ignore[arg-type]


def test_a_flow_without_secrets_imports_nothing_of_them() -> None:
    code = "import metaflow_hera.runtime.__main__, sys; print('metaflow_hera.vaults' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
