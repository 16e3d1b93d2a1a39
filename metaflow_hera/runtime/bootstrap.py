"""What a container starts with: a program short enough to lie in the manifest, which fetches the rest.

Every container of every flow has this text as its command, so operators read it: it is plain Python. It must run on any
image with a Python, hold nothing that Argo or Kubernetes would evaluate (``{{``, ``}}``, ``$``), and stay below 2 kB.
"""

from __future__ import annotations

from typing import Final

SOURCE: Final = """\
import os, sys
if sys.version_info < (3, 11):
    sys.exit("metaflow_hera: a step needs Python 3.11 or newer; this image has %d.%d" % sys.version_info[:2])
sys.path[:] = filter(None, sys.path)
import io, tarfile, time
option = dict(zip(sys.argv[2::2], sys.argv[3::2]))
store, key = option["--store"], option["--code"]
pod = os.environ.get("MFHERA_POD_DIR", "/tmp/mfhera")
code, site = pod + "/code", pod + "/site"

def fetch():
    if not store.startswith("s3://"):
        with open(store + "/" + key, "rb") as file:
            return file.read()
    try:
        import boto3
    except ImportError:
        pip = "-m pip install --quiet --disable-pip-version-check --root-user-action=ignore boto3 --target"
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *pip.split(), site])
        sys.path.append(site)
        import boto3
    bucket, _, prefix = store[5:].strip("/").partition("/")
    url, region = (os.environ.get("MFHERA_S3_" + name) for name in ("ENDPOINT_URL", "REGION"))
    s3 = boto3.client("s3", endpoint_url=url or None, region_name=region or None)
    return s3.get_object(Bucket=bucket, Key=(prefix + "/" + key).strip("/"))["Body"].read()

for wait in 1, 2, 4, 8, 0:
    try:
        data = fetch()
        break
    except Exception as error:
        missing = isinstance(error, (FileNotFoundError, ImportError)) or "NoSuch" in str(error)
        print("metaflow_hera: no code package", key, "from", store, "-", type(error).__name__, error, file=sys.stderr)
        if missing or not wait:
            sys.exit(1)
        time.sleep(wait)
with tarfile.open(fileobj=io.BytesIO(data)) as archive:
    archive.extractall(code, **dict(filter="data") if hasattr(tarfile, "data_filter") else dict())
sys.path.insert(0, code + "/.mfhera")
from metaflow_hera.runtime.__main__ import main
sys.path.insert(0, code)
os.chdir(code)
sys.exit(main(sys.argv[1:]))
"""

COMMAND: Final = ("python", "-c", SOURCE)
"""The command of every container; a `command.TaskCommand` or `ExitCommand` follows as its arguments."""
