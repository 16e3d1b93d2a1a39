"""How S3 is reached, by the datastore and by users' own data: AWS's own server or any that speaks its protocol."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
import boto3.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PARALLELISM = 32
"""Requests at once."""


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server, empty for AWS's own, and the region of what is asked for, empty for boto3's own choice."""

    endpoint_url: str = ""
    region: str = ""
    _clients: dict[int, S3Client] = field(default_factory=dict, repr=False, compare=False)
    """By process: connections do not survive a fork."""

    @property
    def name(self) -> str:
        return self.endpoint_url or "AWS"

    @property
    def client(self) -> S3Client:
        process = os.getpid()
        if process not in self._clients:
            self._clients[process] = self._connected()
        return self._clients[process]

    def _connected(self) -> S3Client:
        config = Config(
            max_pool_connections=PARALLELISM,
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            # Servers other than AWS's own refuse the checksums that newer boto3 sends unasked.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # In a container there is a default one, which has read all that a client is made of: that is half of the time.
        # Else one of its own: the default one is not made for threads.
        session = boto3.DEFAULT_SESSION or boto3.session.Session()
        return session.client(
            "s3", endpoint_url=self.endpoint_url or None, region_name=self.region or None, config=config
        )
