"""What a container starts with: a program short enough to lie in the manifest, which fetches the rest.

Every container of every flow has this text as its command, so operators read it: it is plain Python. It must run on any
image with a Python, hold nothing that Argo or Kubernetes would evaluate (``{{``, ``}}``, ``$``), and stay below 2 kB.
"""

from __future__ import annotations

from typing import Final

SOURCE: Final = """\
import gc, os, sys, time
if sys.version_info < (3, 11):
    sys.exit("metaflow_hera: this image has Python %d.%d, steps need 3.11" % sys.version_info[:2])
gc.disable()
sys.path[:] = filter(None, sys.path)
from zipimport import zipimporter
args = dict(zip(sys.argv[2::2], sys.argv[3::2]))
store, key = args["--store"], args["--code"]
pod = os.path.abspath(os.environ.get("MFHERA_POD_DIR", "/tmp/mfhera"))
os.makedirs(pod + "/code", exist_ok=True)

def fetch():
    if not store.startswith("s3://"):
        return store + "/" + key
    try:
        import boto3
    except ImportError:
        pip = "-m pip install -q --disable-pip-version-check --root-user-action=ignore boto3 -t".split()
        os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *pip, pod + "/site"])
        sys.path.append(pod + "/site")
        import boto3
    bucket, _, prefix = store[5:].partition("/")
    url, region = map(os.environ.get, ("MFHERA_S3_ENDPOINT_URL", "MFHERA_S3_REGION"))
    s3 = boto3.client("s3", endpoint_url=url or None, region_name=region or None)
    with open(pod + "/code.zip", "wb") as file:
        file.write(s3.get_object(Bucket=bucket, Key=(prefix + "/" + key).strip("/"))["Body"].read())
    return file.name

for wait in 1, 2, 4, 8, 0:
    try:
        bundle = fetch()
        read = zipimporter(bundle).get_data
        break
    except Exception as error:
        print("metaflow_hera: cannot read", key, "in", store + ":", error, file=sys.stderr)
        if not wait or isinstance(error, ImportError) or "NoSuch" in str(error):
            sys.exit(1)
        time.sleep(wait)
for line in read(".mfhera/files").decode().splitlines():
    mode, name = line.split(" ", 1)
    path = pod + "/code/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(read(name))
    os.chmod(path, int(mode, 8))
sys.path.insert(0, bundle + "/.mfhera")
from metaflow_hera.runtime.__main__ import main
os.chdir(pod + "/code")
sys.path.insert(0, os.getcwd())
os._exit(main(sys.argv[1:]))
"""

COMMAND: Final = ("python", "-c", SOURCE)
"""The command of every container; a `command.TaskCommand` or `ExitCommand` follows as its arguments."""
