"""What S3 and boto3 mean by their errors, and what to do about each."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as ServerUnreachable,
)

MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
OUT_OF_RANGE = frozenset({"InvalidRange", "416"})

_FORBIDDEN = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"})
_BAD_KEYS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301", "TemporaryRedirect"})
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "503", "500", "InternalError", "RequestTimeout"})

_NO_CREDENTIALS = (
    "no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile with AWS_PROFILE, "
    "or run where a role is given"
)


def code_of(error: Exception) -> str:
    """S3's own word for an error; empty if the error is not S3's."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def explain(error: Exception, bucket: str) -> str:
    """What went wrong and what to do, without the subject of the sentence."""
    return _of_server(error, bucket) if isinstance(error, ClientError) else _of_client(error, bucket)


def _of_server(error: ClientError, bucket: str) -> str:
    code = code_of(error)
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket!r}; make it, or name another with --datastore"
    if code in _FORBIDDEN:
        return (
            f"access to bucket {bucket!r} was denied ({code}); ask its owner for s3:GetObject, PutObject and ListBucket"
        )
    if code in _BAD_KEYS:
        return f"the credentials were refused ({code}); renew them, or choose others with AWS_PROFILE"
    if code in _ELSEWHERE:
        return f"bucket {bucket!r} is in another region ({code}); name it with MFHERA_S3_REGION"
    if code == "NotImplemented":
        return f"the server has no conditional writes, which keep records apart: {_one_line(error)}"
    if code in _BUSY:
        return f"the server is overloaded or broken ({code}), also after several tries; try again later"
    return _one_line(error)


def _of_client(error: Exception, bucket: str) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError | SSOError | TokenRetrievalError):
        return _NO_CREDENTIALS if isinstance(error, NoCredentialsError) else f"{_one_line(error)}; {_NO_CREDENTIALS}"
    if isinstance(error, ProfileNotFound):
        return f"{_one_line(error)}; choose another with AWS_PROFILE"
    if isinstance(error, NoRegionError | InvalidRegionError):
        return f"{_one_line(error)}; name the region with MFHERA_S3_REGION"
    if isinstance(error, SSLError):
        return f"the certificate was not accepted: {_one_line(error)}; name its authority with AWS_CA_BUNDLE"
    if isinstance(error, ServerUnreachable | HTTPClientError):
        return f"the server cannot be reached: {_one_line(error)}; check MFHERA_S3_ENDPOINT_URL and the network"
    if isinstance(error, ParamValidationError) and "bucket" in str(error):
        return f"{bucket!r} cannot be the name of a bucket; correct --datastore"
    if isinstance(error, ValueError):
        return f"{_one_line(error)}; check MFHERA_S3_ENDPOINT_URL"
    return _one_line(error)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
