"""An Argo Server's wire: its REST endpoints over objects in memory, with the answers that a real one (v4.1.2) gives.

In place of a controller, the embedded engine runs what is created, and its rows are told as Argo's nodes.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, groupby
from typing import Any, Final
from urllib.parse import parse_qs, urlparse

from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.backends.engine_control import home_of, launch
from metaflow_hera.backends.one_off import plan_of_workflow
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.shim import LOG
from metaflow_hera.engine.state import State
from metaflow_hera.engine.stored import StoredPod, StoredRun
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings

NAMESPACE: Final = "wire"
KINDS: Final = {
    "workflow-templates": ("workflowtemplates", "template"),
    "cron-workflows": ("cronworkflows", "cronWorkflow"),
    "sensors": ("sensors", "sensor"),
    "workflows": ("workflows", "workflow"),
}
STATUSES: Final = {3: 400, 5: 404, 6: 409, 7: 403, 12: 501, 13: 500, 16: 401}
DROPPED: Final = "bogus"
"""A field that this server's Argo does not know."""

Document = dict[str, Any]


class Refusal(Exception):
    """An answer that is none: gRPC's code, and a message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Objects:
    """What the server keeps, by kind and name, and what became of the runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = home_of(settings)
        self.kept: dict[tuple[str, str], Document] = {}
        self.plans: dict[str, Plan] = {}
        self._versions = count(1000)
        self._lock = threading.RLock()
        self.engine = EmbeddedBackend(settings)

    def get(self, kind: str, name: str) -> Document:
        with self._lock:
            found = self.kept.get((kind, name))
            if found is None:
                raise Refusal(5, f'{KINDS[kind][0]}.argoproj.io "{name}" not found')
            if kind == "workflows":
                self._observe(found)
            return deepcopy(found)

    def list(self, kind: str, selector: str) -> list[Document]:
        with self._lock:
            names = [name for of_kind, name in self.kept if of_kind == kind]
            return [each for each in (self.get(kind, name) for name in names) if _is_selected(each, selector)]

    def create(self, kind: str, document: Document) -> Document:
        with self._lock:
            if not (name := document["metadata"].get("name")):
                name = document["metadata"]["generateName"] + "".join(random.choices("bcdfghjklm", k=5))
            if (kind, name) in self.kept:
                raise Refusal(6, f'{KINDS[kind][0]}.argoproj.io "{name}" already exists')
            made = self.validated(kind, document)
            made["metadata"] |= {"name": name, "creationTimestamp": _stamp(time.time())}
            made["metadata"].setdefault("labels", {})["workflows.argoproj.io/creator"] = "wire"
            if kind == "workflows":
                self._start(made)
            return self._keep(kind, made)

    def replace(self, kind: str, name: str, document: Document) -> Document:
        with self._lock:
            before = self.get(kind, name)
            if document["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
                what = f'{KINDS[kind][0]}.argoproj.io "{name}"'
                raise Refusal(6, f"Operation cannot be fulfilled on {what}: the object has been modified; please apply")
            made = self.validated(kind, document)
            made["metadata"]["creationTimestamp"] = before["metadata"]["creationTimestamp"]
            return self._keep(kind, made)

    def delete(self, kind: str, name: str) -> None:
        with self._lock:
            self.get(kind, name)
            del self.kept[kind, name]

    def validated(self, kind: str, document: Document) -> Document:
        """Without what the server does not know; refused if Argo would."""
        made = deepcopy(document)
        made["spec"].pop(DROPPED, None)
        if kind == "cron-workflows":
            for line in made["spec"]["schedules"]:
                if len(line.split()) != 5:
                    raise Refusal(3, f"cron schedule {line} is malformed: expected exactly 5 fields, found: {line}")
            self.get("workflow-templates", made["spec"]["workflowSpec"]["workflowTemplateRef"]["name"])
        if kind == "workflow-templates":
            names = [each["name"] for each in made["spec"]["templates"]]
            if (entry := made["spec"]["entrypoint"]) not in names:
                raise Refusal(3, f"template name '{entry}' undefined")
        return made

    def act(self, verb: str, name: str) -> Document:
        """Like Argo's server: at a loss with what is past the verb, and says no more than Internal."""
        with self._lock:
            found = self.get("workflows", name)
            phase = found["status"].get("phase", "")
            if (verb == "retry") != (phase in ("Failed", "Error")) and (verb == "retry" or phase == "Succeeded"):
                raise Refusal(13, f"Cannot {verb} a workflow in phase {phase}")
            if verb not in ("retry", "resume") and phase in ("Failed", "Error"):
                raise Refusal(13, f'cannot {verb} a completed workflow: workflow: "{name}"')
            getattr(self.engine, "unsuspend" if verb == "resume" else verb)(f"argo-{name}")
            kept = self.kept["workflows", name]["spec"]
            match verb:
                case "stop" | "terminate":
                    kept["shutdown"] = verb.capitalize()
                case "suspend":
                    kept["suspend"] = True
                case "resume":
                    kept.pop("suspend", None)
                case "retry":
                    kept.pop("shutdown", None)
            return self.get("workflows", name)

    def log(self, workflow: str, pod: str) -> Iterator[str]:
        with closing(State.open(self.home.database)) as state:
            run = state.run(workflow)
            for each in state.pods(run.number) if run else ():
                file = self.home.pods / str(each.number) / LOG
                if pod.endswith(f"-{each.number}") and file.exists():
                    yield from file.read_text().splitlines()

    def _keep(self, kind: str, document: Document) -> Document:
        document["metadata"]["resourceVersion"] = str(next(self._versions))
        self.kept[kind, document["metadata"]["name"]] = document
        return self.get(kind, document["metadata"]["name"])

    def _start(self, workflow: Document) -> None:
        if any("suspend" in each for each in workflow["spec"].get("templates", ())):
            # Of somebody else: our engine knows no such template, and this one waits for ever.
            workflow["status"] = {"phase": "Running", "startedAt": workflow["metadata"]["creationTimestamp"]}
            return
        reference = workflow["spec"].get("workflowTemplateRef")
        template = self.get("workflow-templates", reference["name"]) if reference else None
        plan = from_manifests([template]) if template else plan_of_workflow(workflow, "")
        given = {one["name"]: one["value"] for one in workflow["spec"].get("arguments", {}).get("parameters", ())}
        values = {one.name: given.get(one.name, one.value) for one in plan.parameters}
        for name, value in values.items():
            if value is None:
                raise Refusal(3, f"spec.arguments.{name}.value or spec.arguments.{name}.valueFrom is required")
        name = workflow["metadata"]["name"]
        self.plans[name] = plan
        run = StoredRun(
            workflow=name,
            deployment=plan.name if template else "",
            flow="",
            manifest=json.dumps(manifests(plan)),
            parameters={key: str(value) for key, value in values.items()},
            created=time.time(),
        )
        self.home.make()
        with closing(State.open(self.home.database)) as state:
            assert state.add_run(run)
        launch(self.home)
        workflow["status"] = {"storedWorkflowTemplateSpec": template["spec"]} if template else {}

    def _observe(self, workflow: Document) -> None:
        """Write the engine's rows into the Workflow's status; another version if anything is new."""
        name = workflow["metadata"]["name"]
        if name not in self.plans:
            return
        with closing(State.open(self.home.database)) as state:
            run = state.run(name)
            assert run is not None
            pods = state.pods(run.number)
        status = {**workflow["status"], **_status(run, pods, self.plans[name])}
        if status != workflow["status"]:
            workflow["status"] = status
            workflow["metadata"]["resourceVersion"] = str(next(self._versions))


def _status(run: StoredRun, pods: list[StoredPod], plan: Plan) -> Document:
    nodes: dict[str, Document] = {}
    for name, attempts in groupby(sorted(pods, key=lambda pod: (pod.node, pod.number)), lambda pod: pod.node):
        nodes |= _nodes(run, name, [*attempts], plan)
    return {
        "phase": "" if run.phase is Phase.PENDING else run.phase.value,
        "message": run.message,
        "startedAt": _stamp(run.started),
        "finishedAt": _stamp(run.finished),
        "nodes": nodes,
    }


def _nodes(run: StoredRun, name: str, attempts: list[StoredPod], plan: Plan) -> dict[str, Document]:
    """A Pod, or a Retry with its Pods."""
    found = {f"{run.workflow}-{pod.number}": _node(f"{run.workflow}-{pod.number}", pod) for pod in attempts}
    if attempts[-1].name == name:
        return found
    last = attempts[-1]
    waits = last.phase.is_bad and last.may_retry and not run.phase.is_final
    over = {
        **_node(name, last),
        "id": name,
        "name": name,
        "type": "Retry",
        "children": [*found],
        "phase": Phase.RUNNING.value if waits else last.phase.value,
        "startedAt": _stamp(attempts[0].started),
    }
    return {name: over, **found}


def _node(key: str, pod: StoredPod) -> Document:
    return {
        "id": key,
        "name": pod.name,
        "displayName": pod.name.rpartition(".")[2],
        "type": "Pod",
        "templateName": pod.step,
        "phase": pod.phase.value,
        "message": pod.message,
        "startedAt": _stamp(pod.started),
        "finishedAt": _stamp(pod.finished),
        "inputs": {"parameters": [{"name": "path", "value": pod.path}]},
    }


def _stamp(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_selected(document: Document, selector: str) -> bool:
    labels = document["metadata"].get("labels", {})
    wanted = [each.partition("=") for each in selector.split(",") if each]
    return all(name in labels and (not sign or labels[name] == value) for name, sign, value in wanted)


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    protocol_version = "HTTP/1.1"
    objects: Objects
    token: str
    stop: threading.Event

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PUT = do_DELETE = do_GET

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or "null")
        url = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refusal(16, "token not valid. see https://argo-workflows.readthedocs.io/en/latest/faq/")
            self._route([*filter(None, url.path.split("/"))], query, body)
        except Refusal as refusal:
            self._answer({"code": refusal.code, "message": str(refusal)}, STATUSES[refusal.code])
        except MetaflowHeraError as error:
            self._answer({"code": 13, "message": str(error)}, 500)

    def _route(self, path: list[str], query: dict[str, str], body: Document) -> None:  # noqa: C901  (a line for each)
        objects = self.objects
        match self.command, path[path.index("api") + 2 :]:
            case "GET", ["workflow-events", _]:
                self._events(query["listOptions.fieldSelector"].removeprefix("metadata.name="))
            case "GET", ["workflows", _, name, "log"]:
                pod = query["podName"]
                main = query["logOptions.container"] == "main"
                lines = ['time=1 level=INFO msg="waiting" argo=true', *objects.log(name, pod)] if main else []
                self._stream({"result": {"content": line, "podName": pod}} for line in lines)
            case "PUT", ["workflows", _, name, verb]:
                self._answer(objects.act(verb, name))
            case "POST", [kind, _, "lint"]:
                self._answer(objects.validated(kind, body[KINDS[kind][1]]))
            case "POST", [kind, str(namespace)]:
                if namespace != NAMESPACE:
                    raise Refusal(5, f'namespaces "{namespace}" not found')
                self._answer(objects.create(kind, body[KINDS[kind][1]]))
            case "PUT", [kind, _, name]:
                self._answer(objects.replace(kind, name, body[KINDS[kind][1]]))
            case "GET", [kind, _]:
                found = objects.list(kind, query.get("listOptions.labelSelector", ""))
                self._answer({"metadata": {"resourceVersion": "1"}, "items": found or None})
            case "GET", [kind, _, name]:
                self._answer(objects.get(kind, name))
            case "DELETE", [kind, _, name]:
                objects.delete(kind, name)
                self._answer({})
            case _:
                raise Refusal(12, "Not Implemented")

    def _events(self, name: str) -> None:
        def events() -> Iterator[Document]:
            version = ""
            while not self.stop.wait(0.05):
                found = self.objects.get("workflows", name)
                if found["metadata"]["resourceVersion"] != version:
                    yield {"result": {"type": "MODIFIED" if version else "ADDED", "object": found}}
                    version = found["metadata"]["resourceVersion"]

        self._stream(events())

    def _stream(self, documents: Iterator[Document]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for data in (json.dumps(document).encode() + b"\n" for document in documents):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError, Refusal):
            pass  # whoever listened has gone, or what it listened to has

    def _answer(self, document: Document, status: int = 200) -> None:
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def opened_wire(settings: Settings, token: str = "") -> Iterator[str]:
    """The URL of a server whose engine has these settings."""
    stop = threading.Event()
    state = {"objects": Objects(settings), "token": token, "stop": stop}
    server = Server(("127.0.0.1", 0), type("WiredHandler", (Handler,), state))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
