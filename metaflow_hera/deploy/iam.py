"""Policies of AWS's IAM for a datastore in S3: the least that each role needs, and nothing of another prefix.

Artifacts and code packages are run where they are read, so whoever may write a datastore may run code there. A
production datastore is therefore a bucket or a prefix of its own, which only its pods and its deployers may write.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from metaflow_hera.errors import UsageError
from metaflow_hera.naming import DATA_PREFIX
from metaflow_hera.production_names import DEPLOYMENTS_PREFIX

_VERSION: Final = "2012-10-17"
"""Of the language of policies; there is no newer one."""

_SCHEME: Final = "s3://"


class Role(StrEnum):
    """Who uses a datastore, and how."""

    PODS = "pods"
    """Run flows: they write what runs leave, and nothing of what says which code is deployed."""
    DEPLOYERS = "deployers"
    """Deploy, resume, end and tag: they put code there, so they may write everything."""
    READERS = "readers"
    """Look at runs with the Client, `mfhera logs`, `mfhera status`."""


_PODS_WRITE: Final = (f"{DATA_PREFIX}*", "*/runs/*", "*/index/*", "*/exits/*")


def policy(role: Role, datastore: str, data_root: str = "", partition: str = "aws") -> dict[str, Any]:
    """The policy of a role for *datastore*, and for the users' own data at *data_root*, if that is set."""
    places = [_place(datastore, "datastore"), *([_place(data_root, "datatools root")] if data_root else [])]
    statements = [
        statement
        for number, (bucket, prefix) in enumerate(places)
        for statement in _statements(role, f"arn:{partition}:s3:::{bucket}", prefix, is_data=number > 0)
    ]
    return {"Version": _VERSION, "Statement": statements}


def _place(uri: str, what: str) -> tuple[str, str]:
    """Bucket and prefix, that with a ``/`` at its end."""
    bucket, _, prefix = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise UsageError(f"the {what} {uri!r} is in no bucket of S3; give --datastore s3://BUCKET/PREFIX")
    if any(sign in uri for sign in "*?$"):
        raise UsageError(f"the {what} {uri!r} has '*', '?' or '$', which mean something else in policies")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


def _statements(role: Role, bucket: str, prefix: str, *, is_data: bool) -> Iterator[dict[str, Any]]:
    # `IfExists`: without the right to list, S3 says of an object that is not there that it is forbidden; and what asks
    # for an object names no prefix.
    yield {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": bucket,
        **({"Condition": {"StringLikeIfExists": {"s3:prefix": [f"{prefix}*"]}}} if prefix else {}),
    }
    yield {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{prefix}*"}
    if role is Role.READERS:
        return
    is_limited = role is Role.PODS and not is_data
    written = (*_PODS_WRITE, "datatools/*") if is_limited else ("*",)
    yield {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": [f"{bucket}/{prefix}{each}" for each in written],
    }
    if is_limited:  # names of deployments are their deployers', and could look like those of runs
        yield {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"{bucket}/{prefix}{DEPLOYMENTS_PREFIX}*"}
