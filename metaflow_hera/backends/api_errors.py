"""What an API in front of a cluster says no with, in a sentence that tells what to do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from metaflow_hera.backends.api import ConflictingWriteError
from metaflow_hera.errors import BackendError

SHOWN: Final = 6
"""How many fields a message names."""

_FORBIDDEN: Final = re.compile(
    r"User \"(?P<user>[^\"]+)\" cannot (?P<verb>\w+) resource \"(?P<resource>[^\"]+)\" "
    r"in API group \"(?P<group>[^\"]*)\"(?: in the namespace \"(?P<namespace>[^\"]+)\")?"
)
_NAMESPACE: Final = re.compile(r"namespaces \"(?P<name>[^\"]+)\" not found")
_NO_KIND: Final = "could not find the requested resource"
_ACCOUNT: Final = "system:serviceaccount:"


def unreachable(what: str, place: str, reason: object) -> BackendError:
    """Nobody answers; *what* was tried, as ``create WorkflowTemplate 'x'``, in which *place*."""
    if "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return BackendError(
            f"cannot {what}: the certificate of {place} is none that is trusted here ({reason}); name the authority "
            "that signed it, in the kubeconfig or with MFHERA_ARGO_CA_FILE"
        )
    return BackendError(
        f"cannot {what}: nobody answers for {place} ({reason}); is the cluster there, and is it the right one? "
        "`mfhera config` shows which is used"
    )


def no_credentials(what: str, place: str, reason: object) -> BackendError:
    """Whatever was to give them did not."""
    return BackendError(f"cannot {what}: there are no credentials for {place}: {reason}; log in again")


def refused(what: str, place: str, code: int, message: str) -> BackendError:
    """The answer is *code* of HTTP, with a *message*; *what* names the kind of the object that it is about."""
    if _NO_KIND in message:
        return missing_kind(what, place)
    match code:
        case 401:
            return BackendError(
                f"cannot {what}: {place} does not take the credentials; they may have expired: log in again ({message})"
            )
        case 403:
            return BackendError(f"cannot {what} in {place}: {_forbidden(message)}")
        case 404:
            return BackendError(f"cannot {what}: {_absent(message, place)}")
        case 409:
            return ConflictingWriteError(f"cannot {what}: {message}")
        case 400 | 422:
            return BackendError(f"cannot {what}: {place} refuses it: {message}")
        case _:
            return BackendError(
                f"cannot {what}: {place} answered {code}: {message}; try it again, or ask its operators"
            )


def missing_kind(what: str, place: str) -> BackendError:
    """There is no such kind of objects: what defines it is not installed."""
    if "Sensor" in what:
        return BackendError(
            f"cannot {what}: {place} has no Sensors, for Argo Events is not installed there; have it installed, or "
            "deploy the flow without @trigger and @trigger_on_finish"
        )
    return BackendError(
        f"cannot {what}: {place} does not know this kind of object, for Argo Workflows is not installed there; have it "
        "installed, or choose another cluster with MFHERA_KUBE_CONTEXT"
    )


def no_namespace(name: str) -> str:
    return f"there is no namespace {name!r}; create it, or choose another with MFHERA_NAMESPACE"


def refuse_dropped(sent: Mapping[str, Any], got: Mapping[str, Any] | None, place: str) -> None:
    """`BackendError` if a server that was given *sent* would keep less: its Argo is older than what we emit."""
    dropped = list(islice(_dropped(sent, got), SHOWN)) if got is not None else []
    if dropped:
        raise BackendError(
            f"cannot deploy {sent['kind']} {sent['metadata']['name']!r}: {place} would drop {', '.join(dropped)}, for "
            "its Argo Workflows is too old for that; have it upgraded, or leave out of the flow what needs it"
        )


def _dropped(sent: Any, got: Any, place: str = "") -> Iterator[str]:
    """Where *got* lacks something of *sent*; what is empty or false may be left out."""
    if isinstance(sent, Mapping):
        found = got if isinstance(got, Mapping) else {}
        for name, value in sent.items():
            where = f"{place}.{name}" if place else str(name)
            if name in found:
                yield from _dropped(value, found[name], where)
            elif value not in (None, "", 0, False, {}, []):
                yield where
    elif isinstance(sent, list | tuple):
        found_items = got if isinstance(got, list) else []
        for number, value in enumerate(sent):
            yield from _dropped(value, found_items[number] if number < len(found_items) else None, f"{place}[{number}]")


def _forbidden(message: str) -> str:
    if "exceeded quota" in message:
        return f"{message}; free some of it, or ask for more"
    found = _FORBIDDEN.search(message)
    if found is None:
        return f"it is forbidden ({message})"
    return (
        f"the user {found['user']} lacks the verb {found['verb']!r} on {found['resource']!r}; `mfhera rbac` prints all "
        f"that is needed, and an administrator grants this alone with: {_grant(found)}"
    )


def _grant(found: re.Match[str]) -> str:
    """Two commands that allow what was forbidden, and no more."""
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    name = f"mfhera-{found['verb']}-{found['resource'].replace('/', '-')}"
    user = found["user"]
    if user.startswith(_ACCOUNT):
        whom = f"--serviceaccount={user.removeprefix(_ACCOUNT)}"
    else:
        whom = f"--user={shlex.quote(user)}"
    where, kind = (f"-n {found['namespace']} ", "role") if found["namespace"] else ("", "clusterrole")
    return (
        f"kubectl {where}create {kind} {name} --verb={found['verb']} --resource={resource} && "
        f"kubectl {where}create {kind}binding {name} --{kind}={name} {whom}"
    )


def _absent(message: str, place: str) -> str:
    if (found := _NAMESPACE.search(message)) is not None:
        return no_namespace(found["name"])
    return f"{place} does not have it ({message})"
