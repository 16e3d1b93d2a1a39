"""Secrets in AWS Secrets Manager; credentials are found where boto3 looks for them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import boto3.session
from botocore.exceptions import BotoCoreError, ClientError

from metaflow_hera.errors import SecretError

_ARN = re.compile(r"arn:[^:]*:secretsmanager:([^:]+):")
_OPTIONS: Final = frozenset({"env_var_name", "json", "region"})


def fetch(id: str, options: Mapping[str, Any], role: str | None) -> Mapping[str, str]:
    """A secret by its name or ARN: a JSON object of variables, or with ``json=False`` the value of a single one.

    That one has the name ``env_var_name``, by default the secret's own. A region is that of ``region``, of the ARN, or
    of the environment.
    """
    if unknown := options.keys() - _OPTIONS:
        raise SecretError(
            f"it has no option {', '.join(map(repr, sorted(unknown)))}; it has {', '.join(sorted(_OPTIONS))}"
        )
    arn = _ARN.match(id)
    text = _read(id, options.get("region") or (arn[1] if arn else None), role)
    if options.get("json", True):
        return _object(text)
    return {str(options.get("env_var_name") or _variable(id)): text}


def _read(id: str, region: str | None, role: str | None) -> str:
    """The text of a secret, of a binary one in base64."""
    try:
        client = _session(role, region).client("secretsmanager")
        try:
            response = client.get_secret_value(SecretId=id)
        finally:
            client.close()
    except (BotoCoreError, ClientError) as error:
        raise SecretError(str(error)) from error
    if "SecretString" in response:
        return str(response["SecretString"])
    return base64.b64encode(response["SecretBinary"]).decode()


def _session(role: str | None, region: str | None) -> boto3.session.Session:
    """A session of whoever runs this, or in a role that they take."""
    session = boto3.session.Session(region_name=region)
    if role is None:
        return session
    sts = session.client("sts")
    try:
        given = sts.assume_role(RoleArn=role, RoleSessionName="metaflow-hera")["Credentials"]
    finally:
        sts.close()
    return boto3.session.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=region,
    )


def _object(text: str) -> Mapping[str, str]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        # Not from the error of the parser, which holds the text.
        raise SecretError("it is no JSON object; store it as one, or say options={'json': False}") from None
    return values


def _variable(id: str) -> str:
    """The name of a variable for a secret of that name.

    >>> _variable("prod/db-password"), _variable("arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCdEf")
    ('prod_db_password', 'db_AbCdEf')
    """
    return re.sub(r"[^A-Za-z0-9_]", "_", id.rpartition(":")[2])
