"""What can be configured, and the only reader of the environment and of configuration files.

A value comes from the first of: an option, ``MFHERA_*``, the peer's ``METAFLOW_*`` name that means the same,
``[tool.mfhera]`` in the nearest pyproject.toml, the user's config file, the peer's config file, the default. So what
was written for us, or nearer to the flow, counts more than what the peer was once configured with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self

from metaflow_hera.config_files import project_table, user_table
from metaflow_hera.default_settings import default_values
from metaflow_hera.errors import SettingsError
from metaflow_hera.naming import EVENT_QUEUE_VARIABLE, POD_DIR_VARIABLE
from metaflow_hera.peer_settings import PREFIX, Given, peer_root, peer_values, peer_variables, unread
from metaflow_hera.setting_fields import (
    ArgoServerSettings,
    EventSettings,
    NotificationSettings,
    PodSettings,
    WorkflowSettings,
    absolute,
    listed,
    setting,
)

BACKENDS = ("embedded", "kubernetes", "argo")
DEFAULT = "default"
"""The origin of a value that nobody set."""

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
"""In a URL."""


class Source(NamedTuple):
    """Values of settings from one place; *name* says which, with ``{}`` for the setting's own spelling there."""

    name: str
    values: Mapping[str, str]
    problem: str = ""
    """Why these cannot be used, where no earlier source gives them."""


@dataclass(frozen=True, kw_only=True)
class Settings(NotificationSettings, EventSettings, WorkflowSettings, PodSettings, ArgoServerSettings):
    """All settings of one command; texts, empty for what is not set and has no default."""

    datastore: str = setting("where everything is kept: a directory or s3://bucket/prefix")
    data_dir: str = setting("the embedded engine's state, the local store and caches")
    backend: str = setting("where deployed flows run: embedded, kubernetes or argo")
    s3_endpoint_url: str = setting("the S3 server, where it is not AWS's own", peer="METAFLOW_S3_ENDPOINT_URL")
    s3_region: str = setting("the region of the bucket")
    pod_s3_endpoint_url: str = setting("the S3 server as pods see it, where that differs")
    kube_context: str = setting("the context of the kubeconfig")
    namespace: str = setting("the Kubernetes namespace", peer="METAFLOW_KUBERNETES_NAMESPACE")
    service_account: str = setting("the service account of pods", peer="METAFLOW_KUBERNETES_SERVICE_ACCOUNT")
    image: str = setting("the container image of steps without one", peer="METAFLOW_KUBERNETES_CONTAINER_IMAGE")
    datatools_s3root: str = setting(
        "where S3(run=…) keeps data, s3://bucket/prefix; else below the datastore", peer="METAFLOW_DATATOOLS_S3ROOT"
    )
    package_suffixes: str = setting(
        "what the code package holds besides .py, comma-separated", peer="METAFLOW_DEFAULT_PACKAGE_SUFFIXES"
    )
    secrets_backend: str = setting(
        "where a secret of @secrets is kept that does not say it", peer="METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE"
    )
    secrets_role: str = setting("whom to be to read secrets", peer="METAFLOW_DEFAULT_SECRETS_ROLE")
    default_decospecs: str = setting(
        "what every run and deployment takes as --with, separated by spaces", peer="METAFLOW_DEFAULT_DECOSPECS"
    )
    production_token: str = setting("of a deployment of somebody else's: lets you change it", is_secret=True)
    token_home: str = setting("the folder that keeps your production tokens", peer="METAFLOW_TOKEN_HOME")
    user: str = setting("who you are", peer="METAFLOW_USER")
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """For each setting, where its value came from."""

    @classmethod
    def load(cls, options: Mapping[str, str | None] | None = None) -> Self:
        """The settings of this process; *options* are those of the command line, None where one was not given."""
        try:
            cwd = Path.cwd()
        except FileNotFoundError as error:
            raise SettingsError("the working directory does not exist any more; change to one that does") from error
        return cls.resolve(_sources(options or {}, os.environ, cwd))

    @classmethod
    def of_environment(cls) -> Self:
        """The settings of a container: what its environment says, and nothing else."""
        names = (each.name for each in _all())
        values: dict[str, Any] = {name: os.environ.get(variable(name), "") for name in names}
        return cls(**values)

    @classmethod
    def resolve(cls, sources: Iterable[Source]) -> Self:
        """The first value that the sources give for each setting, and where it came from."""
        values: dict[str, str] = {}
        origins: dict[str, str] = {}
        for source in sources:
            for name, value in source.values.items():
                if name not in values:
                    if source.problem:
                        raise SettingsError(source.problem)
                    values[name], origins[name] = value, source.name.replace("{}", _spelling(source.name, name))
        values.setdefault("datastore", str(Path(values["data_dir"]) / "store"))
        origins.setdefault("datastore", DEFAULT)
        if (backend := values["backend"]) not in BACKENDS:
            raise SettingsError(f"backend {backend!r} (from {origins['backend']}) is none of {', '.join(BACKENDS)}")
        return cls(**values, origins=origins)

    def describe(self) -> Iterator[tuple[str, str, str, str]]:
        """Name, value, origin and meaning of each setting; of a secret, and of a URL with a password, what may be seen.

        >>> dict(each[:2] for each in Settings(argo_token="x", argo_server="https://ann:x@host/").describe())["argo_server"]
        'https://(set)@host/'
        """
        for each in _all():
            value = getattr(self, each.name)
            shown = "(set)" if value and each.metadata["is_secret"] else _CREDENTIALS.sub("(set)@", value)
            yield each.name, shown, self.origins.get(each.name, "not set"), each.metadata["help"]

    @property
    def secrets_of_pods(self) -> tuple[str, ...]:
        return listed(self.pod_secrets)

    @property
    def decospecs(self) -> tuple[str, ...]:
        """The decorators that every step gets that has none of their name; values hold no spaces."""
        return tuple(self.default_decospecs.split())

    def suffixes_of_packages(self, folder: Path) -> tuple[str, ...]:
        """What the code package of a flow in *folder* holds; where nothing is set, the folder's own project says."""
        suffixes = self.package_suffixes
        for source in () if suffixes else _project_sources(folder):
            suffixes = source.values.get("package_suffixes", "")
        return (".py", *listed(suffixes))


def variable(name: str) -> str:
    """The environment variable of a setting.

    >>> variable("data_dir")
    'MFHERA_DATA_DIR'
    """
    return f"MFHERA_{name.upper()}"


def from_environment(name: str) -> tuple[str, str] | None:
    """What ``MFHERA_<name>``, or else the peer's ``METAFLOW_<name>``, is set to, after that variable; empty is not set.

    For what is no setting but stands for an option of one flow: a parameter, a config.
    """
    return next(
        ((full, os.environ[full]) for full in (f"MFHERA_{name}", f"{PREFIX}{name}") if os.environ.get(full)), None
    )


def unread_of_peer() -> list[str]:
    """The peer's variables that are set but mean nothing here, each with the file that it is in, if it is in one."""
    return unread(peer_variables(os.environ), _all())


def peer_names(name: str) -> tuple[str, ...]:
    """The peer's variables that mean the same as a setting."""
    return tuple(next(each for each in _all() if each.name == name).metadata["peer"].split())


def pod_directory(default: str) -> Path:
    """Where this container finds its input files and leaves its outputs."""
    return Path(os.environ.get(POD_DIR_VARIABLE, default))


def event_queue_of_pod() -> Path | None:
    """Where a pod of the embedded engine leaves events; None for every other process."""
    folder = os.environ.get(EVENT_QUEUE_VARIABLE)
    return Path(folder) if folder else None


def is_in_pod() -> bool:
    """Whether this process is one of a container, on a cluster or on the embedded engine."""
    return POD_DIR_VARIABLE in os.environ


def set_environment(values: Mapping[str, str]) -> None:
    """Give the user's code in this process these variables."""
    os.environ.update(values)


def environment(*, secrets: Collection[str] | None = None) -> dict[str, str]:
    """A copy of this process's environment, for a child's; of settings that are secret all, or these alone."""
    kept = secret_settings() if secrets is None else secrets
    dropped = {variable(name) for name in secret_settings() if name not in kept}
    return {name: value for name, value in os.environ.items() if name not in dropped}


def secret_settings() -> frozenset[str]:
    """The settings whose values nobody else may see."""
    return frozenset(setting.name for setting in _all() if setting.metadata["is_secret"])


def channel_secrets() -> frozenset[str]:
    """Those of them by which people are told how runs end."""
    return frozenset(each.name for each in fields(NotificationSettings) if each.metadata["is_secret"])


def kubeconfig_files() -> list[Path]:
    """Where kubectl would look; they need not be there."""
    named = os.environ.get("KUBECONFIG", "")
    return [Path(file).expanduser() for file in named.split(os.pathsep) if file] or [
        Path("~/.kube/config").expanduser()
    ]


def _all() -> Iterator[Any]:
    settings = [each for each in fields(Settings) if "help" in each.metadata]
    return iter(sorted(settings, key=lambda each: each.name not in Settings.__annotations__))  # the general ones first


def _spelling(source: str, name: str) -> str:
    return f"--{_dashed(name)}" if source.startswith("option") else variable(name)


def _sources(options: Mapping[str, str | None], environ: Mapping[str, str], cwd: Path) -> Iterator[Source]:
    given = {name: value for name, value in options.items() if value is not None}
    yield Source("option {}", absolute(given, cwd))
    names = [each.name for each in _all()]
    named = {name: environ[variable(name)] for name in names if environ.get(variable(name))}
    yield Source("{}", absolute(named, cwd))
    peer = peer_variables(environ)
    yield from _peer_sources(peer, cwd, of_files=False)
    yield from _file_sources(cwd, environ)
    yield from _peer_sources(peer, cwd, of_files=True)
    yield Source(DEFAULT, default_values(environ, cwd))


def _peer_sources(peer: Mapping[str, Given], cwd: Path, *, of_files: bool) -> Iterator[Source]:
    for each in peer_values(peer, _all()):
        # A container is told its datastore: a variable that came along with others must not end it.
        if bool(each.file) is of_files and not (each.problem and is_in_pod()):
            folder = each.file.parent if each.file else cwd
            yield Source(each.origin, absolute({each.setting: each.value}, folder), each.problem)


def _project_sources(start: Path) -> Iterator[Source]:
    """The table in the nearest pyproject.toml at or above a folder, if there is one."""
    return (Source(str(file), _texts(table, file)) for file, table in project_table(start))


def _file_sources(cwd: Path, environ: Mapping[str, str]) -> Iterator[Source]:
    for file, table in (*project_table(cwd), *user_table(environ)):
        yield Source(str(file), _texts(table, file))


def peer_datastore(kind: str) -> str | None:
    """Where the peer's ``--datastore s3`` or ``local`` points to here."""
    if root := peer_root(peer_variables(os.environ), kind):
        return root
    settings = Settings.load()
    if (kind == "s3") == settings.datastore.startswith("s3://"):
        return settings.datastore
    return None if kind == "s3" else str(Path(settings.data_dir) / "store")


def _texts(table: Mapping[str, Any], file: Path) -> dict[str, str]:
    values = {name.replace("-", "_"): value for name, value in table.items()}
    known = {each.name for each in _all()}
    problems = [_unknown(name, known) for name in sorted(table) if name.replace("-", "_") not in known]
    wrong = [name for name in known & values.keys() if not isinstance(values[name], str)]
    problems += [f"{_dashed(name)!r} must be a text in quotes" for name in sorted(wrong)]
    if problems:
        raise SettingsError(f"{file}: {'; '.join(problems)}; settings are {', '.join(map(_dashed, sorted(known)))}")
    return absolute(values, file.parent)


def _unknown(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # for this mistake only

    near = get_close_matches(name.replace("-", "_"), known, n=1, cutoff=0.7)
    return f"{name!r} is no setting" + (f", did you mean {_dashed(near[0])!r}?" if near else "")


def _dashed(name: str) -> str:
    return name.replace("_", "-")
