"""What a test knows of the S3 server that its session started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running S3 server, and a place in it."""

    endpoint_url: str
    uri: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which this process and its children reach it."""
        return {
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "MFHERA_S3_ENDPOINT_URL": self.endpoint_url,
            "MFHERA_S3_REGION": "us-east-1",
        }

    def open(self) -> Store:
        return open_store(self.uri, Settings.load())
