"""Deployments for tests of backends: containers that run a line of Python, so that no flow is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from metaflow_hera.labels import Annotations
from metaflow_hera.naming import POD_DIR, POD_DIR_VARIABLE
from metaflow_hera.plan.records import Container, Dag, EmptyDir, Parameter, Plan, Retry, Steps, Task
from metaflow_hera.plan.text import (
    Input,
    Item,
    Retries,
    StatusIsNot,
    Succeeded,
    Text,
    WorkflowName,
    WorkflowStatus,
    text,
)

FLOW = os.environ.get("MFHERA_TEST_FLOW", "TestFlow")
"""What marks all that tests make in a cluster, and clear away: of each who uses the cluster another."""
OUT = "import os, pathlib, sys; out = pathlib.Path(os.environ['MFHERA_POD_DIR'])\n"


def container(name: str, code: str, *args: Text, **fields: object) -> Container:
    return Container(
        name=name,
        image="python:3.11",
        command=("python", "-c", OUT + code),
        args=args,
        env={POD_DIR_VARIABLE: POD_DIR},
        volumes=(EmptyDir(name="pod", path=POD_DIR),),
        **fields,  # type: ignore[arg-type]
    )


def deployed(name: str, dag: Dag, *templates: Container | Dag | Steps, **fields: object) -> Plan:
    return Plan(
        name=name,
        entrypoint=dag.name,
        templates=(dag, *templates),
        labels={Annotations.FLOW: FLOW},
        run_labels={Annotations.FLOW: FLOW},
        annotations={Annotations.FLOW: FLOW},
        **fields,  # type: ignore[arg-type]
    )


def one_step(code: str, name: str = "onestep", *args: Text, **fields: object) -> Plan:
    """A deployment of one container; fields of the container, or parameters of the plan."""
    parameters = fields.pop("parameters", ())
    main = Dag(name="main", tasks=(Task(name="start", template="start"),))
    return deployed(name, main, container("start", code, *args, **fields), parameters=parameters)


def wide(code: str, count: int, *, parallelism: int = 100, retry: Retry | None = None, name: str = "wide") -> Plan:
    """A step that fans out, and its join; the items get their index, the attempt and the workflow's name."""
    main = Dag(
        name="main",
        tasks=(
            Task(name="start", template="start"),
            Task(name="join", template="join", depends=Succeeded("foreach")),
            Task(
                name="foreach",
                template="foreach",
                depends=Succeeded("start"),
                arguments=(("splits", (str(count),)),),
            ),
        ),
    )
    items = Task(name="x", template="x", arguments=(("path", text(Item())),), count=text(Input("splits")))
    foreach = Dag(name="foreach", tasks=(items,), inputs=("splits",), parallelism=parallelism)
    attempt = text(Retries()) if retry else ("0",)
    body = container("x", code, text(Input("path")), attempt, text(WorkflowName()), inputs=("path",), retry=retry)
    return deployed(name, main, container("start", ""), foreach, body, container("join", ""))


def with_exit(code: str, client: str, name: str = "exiting") -> Plan:
    """One step, and a handler that posts how the workflow ended; *client* is a `Board`'s."""
    finish = Task(name="finish", template="finish", when=StatusIsNot("Succeeded"))
    return deployed(
        name,
        Dag(name="main", tasks=(Task(name="start", template="start"),)),
        container("start", code),
        Steps(name="exit", tasks=(finish,)),
        container("finish", f"{client}post('end', sys.argv[1])", text(WorkflowStatus())),
        on_exit="exit",
    )


ALPHA = Parameter(name="alpha", value="0.5")


def wait_for(true: Callable[[], object]) -> None:
    """Until it holds; the test's own timeout ends a wait in vain."""
    while not true():
        time.sleep(0.01)
