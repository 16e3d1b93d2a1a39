"""`mfhera rbac` and `mfhera iam-policy`: what they print, and that a datastore is asked for nothing else."""

from __future__ import annotations

import fnmatch
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from command_line import LINEAR, mfhera, write_flow
from s3_server import S3Server
from webhook import opened_webhook

from metaflow_hera import Flow, deploy, namespace
from metaflow_hera.backends import Backend
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.backends.permissions import OPERATIONS, deployers
from metaflow_hera.deploy.iam import Role, policy
from metaflow_hera.errors import ConflictError
from metaflow_hera.naming import RunKeys, data_key
from metaflow_hera.settings import Settings
from metaflow_hera.store import ABSENT

HOOKS = """
def told(run):
    print("told of", run.pathspec)


@exit_hook(on_success=[told])
"""

FLOW = """
@card
@step
def start(self):
    import os
    self.large = os.urandom(1 << 20)
    self.items = [0, 1]
    self.next(self.work, foreach="items")

@step
def work(self):
    print("at it")
    self.next(self.join)

@step
def join(self, inputs):
    with S3(run=self) as s3:
        s3.put("mine", "text")
    self.next(self.spread)

@step
def spread(self):
    self.next(self.gang, num_parallel=2)

@parallel
@step
def gang(self):
    self.next(self.gathered)

@step
def gathered(self, inputs):
    self.count = 0
    self.next(self.again)

@step
def again(self):
    self.count += 1
    self.going = "on" if self.count < 2 else "out"
    self.next({"on": self.again, "out": self.end}, condition="going")

@step
def end(self):
    pass
"""


def test_every_operation_of_a_backend_says_what_it_needs() -> None:
    methods = {name for name, _ in getmembers(Backend, isfunction) if not name.startswith("_")}
    assert OPERATIONS.keys() == methods


def test_printed_roles_are_objects_of_kubernetes_that_belong_together() -> None:
    done = mfhera("rbac", "--namespace", "flows", "--user", "ann@example.org", "--group", "team: a", "--name", "ours")
    assert done.code == 0, done.stderr
    found = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout) if each}
    assert {each["metadata"]["namespace"] for each in found.values()} == {"flows"}
    assert list(found) == [
        ("Role", "ours-deployer"),
        ("RoleBinding", "ours-deployer"),
        ("ServiceAccount", "ours-pods"),
        ("Role", "ours-pods"),
        ("RoleBinding", "ours-pods"),
        ("ServiceAccount", "ours-sensor"),
        ("Role", "ours-sensor"),
        ("RoleBinding", "ours-sensor"),
    ]
    subjects = found["RoleBinding", "ours-deployer"]["subjects"]
    assert [(each["kind"], each["name"]) for each in subjects] == [("User", "ann@example.org"), ("Group", "team: a")]
    for (kind, name), each in found.items():
        if kind == "RoleBinding":
            assert each["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    verbs = {
        (rule["apiGroups"][0], rule["resources"][0], verb)
        for rule in found["Role", "ours-deployer"]["rules"]
        for verb in rule["verbs"]
    }
    assert verbs == {(each.group, each.resource, each.verb) for each in deployers()}
    assert not any("*" in part for each in verbs for part in each)


def test_without_people_a_service_account_deploys_and_pods_are_those_of_the_settings() -> None:
    env = {"MFHERA_NAMESPACE": "flows", "MFHERA_SERVICE_ACCOUNT": "default"}
    found = mfhera("rbac", "--json", env=env).json
    accounts = [each["metadata"]["name"] for each in found if each["kind"] == "ServiceAccount"]
    assert accounts == ["metaflow-hera-deployer", "metaflow-hera-sensor"]
    bindings = {each["metadata"]["name"]: each for each in found if each["kind"] == "RoleBinding"}
    pods = bindings["metaflow-hera-pods"]
    assert pods["subjects"] == [{"kind": "ServiceAccount", "name": "default", "namespace": "flows"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rbac"], "--namespace NAME, or MFHERA_NAMESPACE"),
        (["rbac", "--namespace", "Not A Name"], "the namespace 'Not A Name' cannot be one"),
        (["rbac", "--namespace", "a", "--name", "x" * 60], "cannot be one in Kubernetes"),
        (["rbac", "--namespace", "a", "--service-account", "x\nkind: Pod"], "the service account"),
        (["iam-policy", "pods", "--datastore", "somewhere"], "is in no bucket of S3"),
        (["iam-policy", "pods", "--datastore", "s3://bucket/a*"], "mean something else in policies"),
        (["iam-policy", "everybody"], "'everybody' is not one of"),
    ],
)
def test_what_cannot_be_granted_is_refused(words: list[str], message: str) -> None:
    done = mfhera(*words)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr


RARE = {"s3:AbortMultipartUpload", "s3:ListBucket"}
"""What not every run does; and without the right to list, S3 does not tell what is missing from what is forbidden."""


class Asked(NamedTuple):
    """One request to S3, as IAM sees it."""

    action: str
    key: str


@dataclass
class Listener:
    """Stands before an S3 server, and writes down what it is asked."""

    target: str
    asked: list[Asked] = field(default_factory=list)
    refuses: Callable[[Asked], bool] = lambda asked: False

    @property
    def handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """It is asked a lot."""

            def answer(self) -> None:
                asked = _asked(self.command, self.path)
                listener.asked.append(asked)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if listener.refuses(asked):
                    self.refuse()
                    return
                connection = http.client.HTTPConnection(urlsplit(listener.target).netloc)
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length)
                self.end_headers()
                self.wfile.write(content)
                connection.close()

            def refuse(self) -> None:
                content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                self.send_response_only(403)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

        return Handler


def _asked(method: str, path: str) -> Asked:
    split = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
    _, _, key = unquote(split.path).lstrip("/").partition("/")
    if method == "GET" and "list-type" in query:
        return Asked("s3:ListBucket", query.get("prefix", ""))
    if method == "DELETE" and "uploadId" in query:
        return Asked("s3:AbortMultipartUpload", key)
    return Asked({"PUT": "s3:PutObject", "POST": "s3:PutObject"}.get(method, "s3:GetObject"), key)


@pytest.fixture
def listener(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    listener = Listener(s3.endpoint_url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), listener.handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MFHERA_S3_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)
    yield listener
    stop_engine(Settings.load())
    server.shutdown()
    thread.join()
    server.server_close()


def allows(policy: dict[str, Any], bucket: str, asked: Asked) -> bool:
    """As IAM decides: what is denied is denied, what is not allowed is, too."""
    effects = {each["Effect"] for each in policy["Statement"] if _applies(each, bucket, asked)}
    return effects == {"Allow"}


def _applies(statement: dict[str, Any], bucket: str, asked: Asked) -> bool:
    actions, resources = (_listed(statement[name]) for name in ("Action", "Resource"))
    arn = f"arn:aws:s3:::{bucket}"
    if asked.action == "s3:ListBucket":
        prefixes = statement.get("Condition", {}).get("StringLikeIfExists", {}).get("s3:prefix", ["*"])
        matches = arn in resources and any(fnmatch.fnmatchcase(asked.key, each) for each in prefixes)
    else:
        matches = any(fnmatch.fnmatchcase(f"{arn}/{asked.key}", each) for each in resources)
    return asked.action in actions and matches


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_printed_policies_suffice_and_allow_nothing_that_is_not_asked_for(listener: Listener, s3: S3Server) -> None:
    bucket = s3.uri.removeprefix("s3://").partition("/")[0]
    policies = {role: mfhera("iam-policy", role, "--datastore", s3.uri, env=dict(s3.environment)).json for role in Role}
    deployed = deploy(write_flow("Asking", FLOW, header=HOOKS))
    deployed.rollback(deployed.version)
    by_deployers = [*listener.asked]
    listener.asked.clear()
    deployed.trigger().wait(timeout=120, check=False)
    by_pods = [*listener.asked]
    listener.asked.clear()
    namespace(None)
    run = Flow("Asking").latest_run
    assert run is not None
    assert run.successful, mfhera("logs", run.id).stdout
    assert len(run["start"].task.data.large) == 1 << 20
    by_readers = [*listener.asked]
    kinds = {each.key.partition("/Asking/")[2].partition("/")[0] for each in by_pods if each.action == "s3:PutObject"}
    assert kinds >= {"runs", "index", "exits"}
    for role, asked in ((Role.DEPLOYERS, by_deployers), (Role.PODS, by_pods), (Role.READERS, by_readers)):
        assert asked
        assert [each for each in asked if not allows(policies[role], bucket, each)] == []
        named = {action for each in policies[role]["Statement"] for action in _listed(each["Action"])}
        assert named - RARE == {each.action for each in asked} - RARE
    version_record = next(each for each in by_deployers if "/versions/" in each.key and each.action == "s3:PutObject")
    assert not allows(policies[Role.PODS], bucket, version_record)
    written = [each for each in (*by_pods, *by_deployers) if each.action == "s3:PutObject"]
    assert not any(allows(policies[Role.READERS], bucket, each) for each in written)
    elsewhere = policy(Role.PODS, f"s3://{bucket}/users")
    assert not any(allows(elsewhere, bucket, each) for each in (*by_pods, *by_readers))


KEYS_OF = {
    "exit": (5,),
    "index": (1.5,),
    "step_prefix": ("s",),
    "task_prefix": ("s", "3.7"),
    "iterations_prefix": ("s", "3.7"),
    "attempt": ("s", "3.7~1", 0),
    "log": ("stdout", 0),
    "log_prefix": ("stderr",),
    "done": ("hook",),
    "output": (7,),
}
"""What the keys are asked for that are made by methods: one that is new here is one that pods may have to write."""


@pytest.mark.parametrize("prefix", ["", "/teams/one"])
def test_pods_may_write_every_key_of_a_run_that_there_is(prefix: str) -> None:
    pods = policy(Role.PODS, f"s3://bucket{prefix}")
    run = RunKeys("F", "argo-f-x1")
    keys = [data_key("ab" * 32)]
    for each in (run, run.attempt("s", "0", 0), run.exit(5)):
        own = {field.name for field in fields(each)}
        names = [name for name, _ in getmembers(type(each)) if not name.startswith("_") and name not in own]
        made = (getattr(each, name)(*KEYS_OF[name]) if name in KEYS_OF else getattr(each, name) for name in names)
        keys += [key if isinstance(key, str) else key.prefix for key in made]
    whole = [f"{prefix}/{key}".lstrip("/") for key in keys]
    assert len(whole) > 20
    assert [key for key in whole if not allows(pods, "bucket", Asked("s3:PutObject", key))] == []


def test_a_datastore_that_takes_nothing_of_an_end_costs_neither_hooks_nor_the_telling_of_people(
    listener: Listener, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener.refuses = lambda asked: asked.action == "s3:PutObject" and "/exits/" in asked.key
    hooks = tmp_path / "hooks"
    header = f"def note(run):\n    open({str(hooks)!r}, 'a').write(run.pathspec)\n\n@exit_hook(on_success=[note])"
    with opened_webhook() as slack:
        monkeypatch.setenv("MFHERA_SLACK_WEBHOOK_URL", slack.url)
        deployed = deploy(write_flow("Ending", LINEAR, header=header), notify_on_success=True)
        run = deployed.trigger().wait(timeout=120, check=False)
    assert run.successful
    assert hooks.read_text() == f"Ending/{run.id}"
    assert [event["text"] for event in slack.events] == [f":white_check_mark: Ending/{run.id} succeeded"]
    done = mfhera("logs", run.id, "--exit")
    assert (done.code, done.stdout) == (1, "")
    assert (
        f"its exit step could not write below Ending/exits/{run.id}/ in {s3.uri}, or its pod never ran" in done.stderr
    )


def test_a_large_upload_that_is_given_up_is_allowed_to_be(listener: Listener, s3: S3Server) -> None:
    bucket = s3.uri.removeprefix("s3://").partition("/")[0]
    store = S3Server(endpoint_url=Settings.load().s3_endpoint_url, uri=s3.uri).open()
    store.put("data/aa/large", b"x")
    with pytest.raises(ConflictError):
        store.put("data/aa/large", bytes(40 << 20), expect=ABSENT)
    assert "s3:AbortMultipartUpload" in {each.action for each in listener.asked}
    pods = policy(Role.PODS, s3.uri)
    assert all(allows(pods, bucket, each) for each in listener.asked)


def test_a_policy_knows_the_users_own_data_and_other_partitions() -> None:
    printed = mfhera(
        *("iam-policy", "pods", "--datastore", "s3://one/production", "--partition", "aws-cn"),
        env={"MFHERA_DATATOOLS_S3ROOT": "s3://two/data"},
    )
    resources = [resource for each in printed.json["Statement"] for resource in _listed(each["Resource"])]
    assert "arn:aws-cn:s3:::two/data/*" in resources
    assert all(each.startswith("arn:aws-cn:s3:::") for each in resources)
    assert json.dumps(printed.json, indent=2) == printed.stdout.strip()
    whole = policy(Role.READERS, "s3://bucket")
    assert whole["Statement"][0] == {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"}
