"""Which Kubernetes is meant, and as whom: kubeconfigs as kubectl reads them, else the service account of this pod."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import yaml
from lightkube import KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SERVICE_ACCOUNT, SingleConfig
from lightkube.core.exceptions import ConfigError

from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings, kubeconfig_files

Document = dict[str, Any]

_ADVICE: Final = "set KUBECONFIG, choose a context with MFHERA_KUBE_CONTEXT, or use the backend 'embedded'"
_PARTS: Final = {"clusters": "cluster", "contexts": "context", "users": "user"}
_PATHS: Final = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_EXEC_API: Final = "client.authentication.k8s.io/v1"


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Access:
    """A cluster, and as whom it is asked."""

    config: SingleConfig
    impersonation: Headers = ()
    """By which the API server takes the user for another one, if that may be."""

    def transport(self) -> httpx2.BaseTransport | None:
        """What requests go through; None for lightkube's own, which knows nothing of impersonation."""
        if not self.impersonation or self.config.user is None:
            return None
        verified = verify_cluster(self.config.cluster, self.config.user, self.config.abs_file)
        return _Impersonating(self.impersonation, verified)


class _Impersonating(httpx2.HTTPTransport):
    def __init__(self, headers: Headers, verified: ssl.SSLContext) -> None:
        super().__init__(verify=verified)
        self._headers = [(name.encode(), value.encode()) for name, value in headers]

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers = httpx2.Headers([*request.headers.raw, *self._headers])
        return super().handle_request(request)


def cluster_access(settings: Settings, account: Path = Path(SERVICE_ACCOUNT)) -> Access:
    """The settings' context; `BackendError` if there is none, or it cannot be read."""
    files = [file for file in kubeconfig_files() if file.is_file()]
    try:
        if not files and not settings.kube_context and (account / "token").exists():
            return Access(config=_single(KubeConfig.from_service_account(account)))
        merged = _merged(files)
        config = _single(KubeConfig.from_dict(merged), settings.kube_context)
        users = {each["name"]: each["user"] for each in merged["users"]}
        return Access(config=config, impersonation=tuple(_impersonation(users.get(config.context.user, {}))))
    except (ConfigError, OSError) as error:
        raise BackendError(f"there is no Kubernetes to talk to: {error}; {_ADVICE}") from error
    except (KeyError, TypeError, ValueError) as error:  # what is in the files is not what should be
        places = ", ".join(map(str, files))
        raise BackendError(
            f"there is no Kubernetes to talk to: {places} lacks or has wrong: {error}; {_ADVICE}"
        ) from error


def _single(config: KubeConfig, context: str = "") -> SingleConfig:
    found = config.get(context or None)
    assert found is not None, "only a default can be None"
    return found


def _impersonation(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The headers of Kubernetes' API for what a kubeconfig says of it."""
    if name := user.get("as"):
        yield "Impersonate-User", name
    if uid := user.get("as-uid"):
        yield "Impersonate-Uid", uid
    for group in user.get("as-groups") or ():
        yield "Impersonate-Group", group
    for key, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(key.lower(), safe='')}", value


def _merged(files: Sequence[Path]) -> Document:
    """One configuration out of several, the first with a name deciding, as kubectl does."""
    if not files:
        raise ConfigError("there is no kubeconfig")
    merged: Document = {part: [] for part in _PARTS}
    for file in files:
        found = _read(file)
        if current := found.get("current-context"):
            merged.setdefault("current-context", current)
        for part, kind in _PARTS.items():
            names = {each["name"] for each in merged[part]}
            merged[part] += [_placed(each, kind, file) for each in found.get(part) or () if each["name"] not in names]
    return merged


def _read(file: Path) -> Document:
    try:
        found = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file} is no kubeconfig")
    return found


def _placed(entry: Mapping[str, Any], kind: str, file: Path) -> Document:
    """An entry with what lightkube misses: paths that are relative to their file, and newer plugins for credentials."""
    value = {name: part for name, part in (entry[kind] or {}).items() if part is not None}
    value |= {name: str(file.absolute().parent / value[name]) for name in _PATHS if value.get(name)}
    if plugin := value.get("exec"):
        value["exec"] = _plugin(plugin)
    return {"name": entry["name"], kind: value}


def _plugin(plugin: Mapping[str, Any]) -> Document:
    """Told which API is spoken, as kubectl tells it; what they print is the same in all."""
    api = plugin["apiVersion"]
    told = {"apiVersion": api, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = [*(plugin.get("env") or ()), {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(told)}]
    return {
        **plugin,
        "apiVersion": f"{_EXEC_API}beta1" if api == _EXEC_API else api,
        "env": env,
    }
