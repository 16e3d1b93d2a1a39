"""What an API in front of a cluster says no with, in a sentence that tells what to do."""

from __future__ import annotations

import re
from typing import Final

from metaflow_hera.backends.api import ConflictingWriteError
from metaflow_hera.errors import BackendError

_VERB: Final = re.compile(r"cannot (?P<verb>\w+) resource \"(?P<resource>[^\"]+)\"")
_NAMESPACE: Final = re.compile(r"namespaces \"(?P<name>[^\"]+)\" not found")


def unreachable(what: str, place: str, reason: object) -> BackendError:
    """Nobody answers; *what* was tried, as ``create WorkflowTemplate 'x'``, in which *place*."""
    return BackendError(
        f"cannot {what}: nobody answers for {place} ({reason}); is the cluster there, and is it the right one? "
        "`mfhera config` shows which is used"
    )


def refused(what: str, place: str, code: int, message: str) -> BackendError:
    """The answer is *code* of HTTP, with a *message*."""
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


def _forbidden(message: str) -> str:
    if "exceeded quota" in message:
        return f"{message}; free some of it, or ask for more"
    found = _VERB.search(message)
    if found is None:
        return f"it is forbidden ({message})"
    return (
        f"the Role of this user lacks the verb {found['verb']!r} on {found['resource']!r}; ask an administrator to add "
        f"it ({message})"
    )


def _absent(message: str, place: str) -> str:
    if (found := _NAMESPACE.search(message)) is not None:
        return f"there is no namespace {found['name']!r}; create it, or choose another with MFHERA_NAMESPACE"
    return f"{place} does not know this kind of object: Argo Workflows is not installed there, or too old ({message})"
