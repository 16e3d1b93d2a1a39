"""What the namespaces of deployed flows are called, and what is kept of deployments in the store."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metaflow_hera.deployment_names import deployment_name
from metaflow_hera.errors import NamingError
from metaflow_hera.labels import label_value
from metaflow_hera.naming import short_digest

DEPLOYMENTS_PREFIX = "deployments/"
"""Begins the keys of all that is kept of deployments."""

_PART = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,199}\Z")
_NUMBER = re.compile(r"-(\d+)-[a-z]{4}\Z")


def production_prefix(flow: str, name: str | None = None) -> str:
    """What the production namespaces of a flow begin with, by the peer's rules; *name* is the user's own choice.

    >>> production_prefix("ParameterFlow"), production_prefix("ParameterFlow", "staging")
    ('parameterflow', 'staging')
    """
    prefix = (name or flow).lower()
    return prefix if prefix.isascii() else deployment_name(flow, name)


def project_prefix(project: str, branch: str) -> str:
    """The same of all flows of a project in one branch.

    >>> project_prefix("fraud", "prod")
    'mfprj-ojasucoykbksxcrm'
    """
    import base64
    import hashlib  # loads OpenSSL, which takes milliseconds that the start of a container need not pay

    digest = hashlib.sha1(f"{project}.{branch}".encode(), usedforsecurity=False).digest()
    return f"mfprj-{base64.b32encode(digest).decode()[:16].lower()}"


def production_namespace(prefix: str, number: int = 0) -> str:
    """The namespace of that number, by the peer's rules: what ran with the peer is found in the same one.

    >>> production_namespace("parameterflow"), production_namespace("parameterflow", 1)
    ('parameterflow-0-gtqo', 'parameterflow-1-oysj')
    """
    import random  # hashes its seeds with OpenSSL
    import zlib

    begin = f"{prefix}-{number}-"
    letters = random.Random(zlib.adler32(begin.encode()))  # noqa: S311  (a name that everybody may know)
    return begin + "".join(letters.sample("abcdefghijklmnopqrstuvwxyz", 4))


def number_of(namespace: str) -> int:
    """The number in a namespace; 0 for one whose token somebody chose.

    >>> number_of("parameterflow-1-oysj"), number_of("parameterflow-k7xqz2ab")
    (1, 0)
    """
    found = _NUMBER.search(namespace)
    return int(found[1]) if found else 0


def prefix_of(namespace: str) -> str:
    """What a namespace begins with.

    >>> prefix_of("my-flow-1-oysj"), prefix_of("my-flow-gr7teg3o")
    ('my-flow', 'my-flow')
    """
    return _NUMBER.sub("", namespace) if _NUMBER.search(namespace) else namespace.rpartition("-")[0]


def place_name(kind: str, where: str, whole: str) -> str:
    """What tells one place for deployments from all others: readable, and in a label, a key and a file's name.

    >>> place_name("kubernetes", "team-a", "https://10.0.0.1/team-a")
    'kubernetes-team-a-ak4db'
    """
    return f"{label_value(f'{kind}-{where}')[:50]}-{short_digest(whole)}"


def checked_part(text: str) -> str:
    """*text*, if it can be a part of a key or the name of a file: annotations of a cluster say what others wrote there.

    >>> checked_part("kubernetes-team-a-ak4db")
    'kubernetes-team-a-ak4db'
    """
    if not _PART.match(text):
        raise NamingError(
            f"{text!r} can name neither a place nor a production namespace; somebody else has written it into the "
            "annotations of the deployment: delete it there, or deploy under another name"
        )
    return text


@dataclass(frozen=True, slots=True)
class PlaceKeys:
    """The keys of what is kept in the store of the deployments of one place."""

    place: str

    @property
    def prefix(self) -> str:
        return f"{DEPLOYMENTS_PREFIX}{checked_part(self.place)}/"

    def production(self, prefix: str) -> str:
        """Which production namespace those have whose namespaces begin so."""
        return f"{self.prefix}production/{checked_part(prefix)}.json"

    def versions(self, name: str) -> str:
        """What the keys of all versions of a deployment begin with, the newest first."""
        return f"{self.prefix}versions/{name}/"

    def version(self, name: str, version: str, deployed: float) -> str:
        """One version; *deployed* in seconds since the epoch."""
        return f"{self.versions(name)}{10**14 - round(deployed * 1000):014d}-{version}.json"


def version_of(key: str) -> str:
    """The version that a key stands for.

    >>> version_of(PlaceKeys("somewhere").version("my-flow", "a2a0780451", 1.5))
    'a2a0780451'
    """
    return key.rpartition("/")[2].partition("-")[2].removesuffix(".json")
