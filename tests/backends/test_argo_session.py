"""The Argo Server behind proxies, certificates and tokens that change."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from argo_wire import NAMESPACE, opened_wire
from backend_plans import one_step

from metaflow_hera.backends import Phase
from metaflow_hera.backends.open import open_backend
from metaflow_hera.errors import BackendError, UnknownRunError
from metaflow_hera.settings import Settings


@contextmanager
def answering(*answers: tuple[int, str], context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last again and again; its URL and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answers[min(len(asked), len(answers) - 1)]
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://localhost:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def argo(url: str, **settings: str) -> Settings:
    return Settings.load({"backend": "argo", "argo_server": url, "namespace": NAMESPACE, **settings})


def ask(settings: Settings) -> None:
    """Until the server's answer, that there is no such run."""
    with pytest.raises(UnknownRunError):
        open_backend(settings).run("argo-x")


ABSENT = (404, json.dumps({"code": 5, "message": 'workflows.argoproj.io "x" not found'}))


def test_a_base_path_is_kept_and_a_server_that_restarts_is_asked_again() -> None:
    with answering((503, ""), (429, ""), ABSENT) as (url, asked):
        ask(argo(f"{url}/argo"))
    assert asked == [f"/argo/api/v1/workflows/{NAMESPACE}/x None"] * 3


def test_a_token_is_read_again_where_it_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with answering(ABSENT) as (url, asked):
        backend = open_backend(argo(url, argo_token_file=str(file)))
        with pytest.raises(BackendError, match=r"token for the Argo Server cannot be read: .*No such file"):
            backend.run("argo-x")
        for token in ("first\n", "second"):
            file.write_text(token)
            with pytest.raises(UnknownRunError):
                backend.run("argo-x")
        ask(argo(url, argo_token="Bearer given"))
    assert [each.partition(" ")[2] for each in asked] == ["Bearer first", "Bearer second", "Bearer given"]


@pytest.mark.parametrize("text", ["<html>log in</html>", "[]", '{"items": 1}', "null"])
def test_whatever_answers_and_is_no_argo_server_is_told(text: str) -> None:
    with answering((200, text)) as (url, _), pytest.raises(BackendError, match="cannot list Workflows: nobody answers"):
        list(open_backend(argo(url)).runs())


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With its key in the same file; it signed itself."""
    folder = tmp_path_factory.mktemp("certificate")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", folder / "key", "-out", folder / "cert")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    both = folder / "both"
    both.write_text((folder / "key").read_text() + (folder / "cert").read_text())
    return both


def test_a_server_with_a_certificate_of_its_own_is_trusted_only_if_that_is_set(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering(ABSENT, context=context) as (url, _):
        with pytest.raises(BackendError, match=r"is none that is trusted here.*MFHERA_ARGO_CA_FILE"):
            open_backend(argo(url)).run("argo-x")
        ask(argo(url, argo_ca_file=str(certificate)))
        ask(argo(url, argo_insecure="true"))
    with pytest.raises(BackendError, match="there is no file /nowhere, which a setting for the Argo Server names"):
        open_backend(argo(url, argo_ca_file="/nowhere")).run("argo-x")


def test_a_server_may_ask_who_comes_by_a_certificate(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    with answering(ABSENT, context=context) as (url, _):
        with pytest.raises(BackendError, match="nobody answers"):
            open_backend(argo(url, argo_ca_file=str(certificate))).run("argo-x")
        ask(argo(url, argo_ca_file=str(certificate), argo_client_cert=str(certificate)))


def test_an_instance_id_is_on_what_is_made_and_hides_what_is_of_others(embedded_settings: Settings) -> None:
    with opened_wire(embedded_settings) as url:
        ours = open_backend(argo(url, argo_instance_id="ours"))
        label = {"workflows.argoproj.io/controller-instanceid": "ours"}
        plan = one_step("", "instanced")
        ours.deploy(replace(plan, labels={**plan.labels, **label}, run_labels={**plan.run_labels, **label}))
        open_backend(argo(url)).deploy(one_step("", "other"))
        assert [each.name for each in ours.deployments()] == ["instanced"]
        runs = [open_backend(argo(url)).trigger(name, {}) for name in ("instanced", "other")]
        assert [each.run for each in ours.runs()] == runs[:1]
        assert ours.deployment("instanced").plan.labels.items() >= label.items()
        for run in runs:
            *_, last = ours.watch(run)
            assert last.phase is Phase.SUCCEEDED
