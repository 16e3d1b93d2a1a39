"""What pods of a cluster tell when our code in them never ran: why they wait, what their containers printed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

CONTAINERS: Final = ("init", "main", "wait")
"""Of each pod of Argo's, in the order in which they begin."""

_PREFIX_LIMIT: Final = 242
"""Characters that Argo leaves of what comes before the number in a pod's name."""

_HINTS: Final = (
    (
        re.compile(
            r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|RegistryUnavailable|ImageInspect"
        ),
        "the image cannot be pulled: check its name, and that the cluster may have it "
        "(@kubernetes(image=…, image_pull_secrets=…), MFHERA_IMAGE)",
    ),
    (re.compile("exceeded quota"), "a quota of the namespace is used up: free some of it, or ask for more"),
    (
        re.compile("Unschedulable"),
        "no node has room for it: ask for less with @resources, or for other nodes with @kubernetes",
    ),
    (
        re.compile("CreateContainerConfigError"),
        "something that its environment comes from is not there: see MFHERA_POD_SECRETS and @kubernetes(secrets=…)",
    ),
    (
        re.compile(r"(?i)service ?account.* not found"),
        "create the service account, or name another with MFHERA_SERVICE_ACCOUNT",
    ),
    (
        re.compile("workflowtaskresults.* (forbidden|cannot)"),
        "the service account of pods must be allowed to create and patch workflowtaskresults.argoproj.io: "
        "`mfhera rbac` makes one that is; name it in the setting service-account (MFHERA_SERVICE_ACCOUNT)",
    ),
)

_NO_ACCESS: Final = re.compile(
    r"metaflow_hera: cannot read \S+ in s3://.*(credentials|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch"
    r"|ExpiredToken|InvalidToken|\(403\))"
)
"""What the first program of a container prints of a bucket that does not let it in."""

_OF_ARGO: Final = re.compile(r"time=\S+ level=(?P<level>\w+) msg=(?:\"Alloc=|.* argo=true)")
_EXIT: Final = re.compile(r"Error: exit status \d+")
_BAD: Final = ("error", "fatal", "panic")


def hint(message: str) -> str:
    """What to do about a pod that waits, or that failed, with this message; empty if it says all itself."""
    return next((told for pattern, told in _HINTS if pattern.search(message)), "")


def hint_of_lines(lines: Iterable[str]) -> str:
    """What to do about a pod that printed these lines before our own code began; empty if they say all themselves."""
    if not any(map(_NO_ACCESS.match, lines)):
        return ""
    return (
        "pods have no credentials that the bucket takes: name a Kubernetes Secret with them in the setting pod-secrets "
        "(MFHERA_POD_SECRETS), or in service-account one that has a role for the bucket (MFHERA_SERVICE_ACCOUNT)"
    )


def pod_name(workflow: str, node: Mapping[str, Any]) -> str:
    """As Argo names the pod of a node."""
    if node["name"] == workflow:
        return workflow
    prefix, number = f"{workflow}-{node['templateName']}", str(node["id"]).rpartition("-")[2]
    return f"{prefix[:_PREFIX_LIMIT]}-{number}"


def own_lines(lines: Iterable[str]) -> Iterator[str]:
    """What the container itself printed, and what Argo's program around it complains of.

    >>> [*own_lines(['time=1 level=INFO msg="waiting for signals" argo=true', "hello", "Error: exit status 3"])]
    ['hello']
    """
    for line in lines:
        found = _OF_ARGO.match(line)
        if (found is None and not _EXIT.fullmatch(line)) or (found and found["level"].lower() in _BAD):
            yield line
