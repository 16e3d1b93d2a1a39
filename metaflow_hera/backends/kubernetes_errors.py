"""What a Kubernetes API says no with, in a sentence that tells what to do."""

from __future__ import annotations

import re
from typing import Final

import httpx2
from lightkube.core.exceptions import ApiError

from metaflow_hera.errors import BackendError

_GROUP: Final = re.compile(r"cannot (?P<verb>\w+) resource \"(?P<resource>[^\"]+)\"")


class ConflictingWriteError(BackendError):
    """Somebody else changed the object since it was read, or made one of its name."""


def is_missing(error: Exception) -> bool:
    """Whether it says that there is no such object, where its kind and its namespace are known."""
    if not isinstance(error, ApiError) or error.status.code != 404:
        return False
    details = error.status.details
    return details is not None and bool(details.name) and details.kind != "namespaces"


def told(error: ApiError | httpx2.HTTPError, what: str, place: str) -> BackendError:
    """*what* was tried, as ``create WorkflowTemplate 'x'``, in which *place*."""
    if not isinstance(error, ApiError):
        return BackendError(
            f"cannot {what}: the API server of {place} does not answer ({error or type(error).__name__}); is the "
            "cluster there, and is it the right context? `mfhera config` shows which is used"
        )
    status = error.status
    message = status.message or str(error)
    match status.code:
        case 401:
            return BackendError(
                f"cannot {what}: {place} does not take the credentials of the kubeconfig; they may have "
                "expired: log in again"
            )
        case 403 if "exceeded quota" in message:
            return BackendError(f"cannot {what}: {message}; free some of it, or ask for more")
        case 403:
            return BackendError(f"cannot {what} in {place}: {_forbidden(message)}")
        case 404:
            return BackendError(f"cannot {what}: {_absent(error, place)}")
        case 409:
            return ConflictingWriteError(f"cannot {what}: {message}")
        case 422 | 400:
            return BackendError(f"cannot {what}: {place} refuses it: {_causes(error)}")
        case _:
            return BackendError(f"cannot {what}: {place} answered {status.code} {status.reason or ''}: {message}")


def _forbidden(message: str) -> str:
    found = _GROUP.search(message)
    if found is None:
        return f"it is forbidden ({message})"
    return (
        f"the Role of this user lacks the verb {found['verb']!r} on {found['resource']!r}; ask an administrator to add "
        f"it ({message})"
    )


def _absent(error: ApiError, place: str) -> str:
    details = error.status.details
    if details is not None and details.kind == "namespaces":
        return f"there is no namespace {details.name!r}; create it, or choose another with MFHERA_NAMESPACE"
    return f"{place} does not know this kind of object: Argo Workflows is not installed there, or too old"


def _causes(error: ApiError) -> str:
    details = error.status.details
    causes = [f"{cause.field}: {cause.message}" for cause in (details.causes or ()) if cause.message] if details else []
    return "; ".join(causes) or str(error.status.message)
