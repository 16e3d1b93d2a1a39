"""Settings by what they are about: how steps run in pods, how long Workflows stay, and who is told of ends.

And what is a path among them, and what is a list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaflow_hera.errors import SettingsError

PATHS = (
    *("datastore", "data_dir", "token_home"),
    *("argo_token_file", "argo_ca_file", "argo_client_cert", "argo_client_key"),
)
"""Settings that are paths; those in a file are relative to it, others to the working directory."""


def setting(help: str, *, peer: str = "", is_secret: bool = False) -> Any:
    """A setting's field; *peer* are the variables of the peer that mean the same, separated by spaces."""
    return field(default="", repr=not is_secret, metadata={"help": help, "peer": peer, "is_secret": is_secret})


def absolute(values: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The values with paths made absolute: a daemon, a worker and another folder's command must mean the same place."""
    return {name: _absolute_path(value, folder) if name in PATHS else value for name, value in values.items()}


def _absolute_path(value: str, folder: Path) -> str:
    if not value or "://" in value:
        return value
    try:
        return os.path.normpath(folder / Path(value).expanduser())
    except RuntimeError as error:
        raise SettingsError(
            f"{value!r}: there is no home directory for '~' to stand for; write the whole path"
        ) from error


def listed(value: str) -> tuple[str, ...]:
    """The parts of a setting that is a list, each once.

    >>> listed("a, b,,a")
    ('a', 'b')
    """
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class PodSettings:
    """What the pods of steps get that no decorator gives them."""

    pod_secrets: str = setting(
        "Kubernetes Secrets, comma-separated, that pods get as environment",
        peer="METAFLOW_KUBERNETES_SECRETS METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS",
    )
    pod_node_selector: str = setting(
        "labels of the nodes that pods run on, LABEL=VALUE,…", peer="METAFLOW_KUBERNETES_NODE_SELECTOR"
    )
    pod_tolerations: str = setting("taints that pods tolerate, as JSON", peer="METAFLOW_KUBERNETES_TOLERATIONS")
    pod_labels: str = setting("labels of pods, LABEL=VALUE,…", peer="METAFLOW_KUBERNETES_LABELS")
    pod_annotations: str = setting("annotations of pods, NAME=VALUE,…", peer="METAFLOW_KUBERNETES_ANNOTATIONS")
    pod_cpu: str = setting("CPUs of steps that ask for none", peer="METAFLOW_KUBERNETES_CPU")
    pod_memory: str = setting("megabytes of memory of steps that ask for none", peer="METAFLOW_KUBERNETES_MEMORY")
    pod_disk: str = setting("megabytes of disk of steps that ask for none", peer="METAFLOW_KUBERNETES_DISK")
    pod_shared_memory: str = setting(
        "megabytes of shared memory of steps that ask for none", peer="METAFLOW_KUBERNETES_SHARED_MEMORY"
    )
    pod_qos: str = setting("the quality of service of pods, Burstable or Guaranteed", peer="METAFLOW_KUBERNETES_QOS")
    pod_env_to_skip: str = setting(
        "environment variables, comma-separated, that pods do not get", peer="METAFLOW_ARGO_WORKFLOWS_ENV_VARS_TO_SKIP"
    )
    image_registry: str = setting(
        "the registry of images that name none", peer="METAFLOW_KUBERNETES_CONTAINER_REGISTRY"
    )
    image_pull_policy: str = setting(
        "when images are pulled: Always, IfNotPresent, Never", peer="METAFLOW_KUBERNETES_IMAGE_PULL_POLICY"
    )
    image_pull_secrets: str = setting(
        "Kubernetes Secrets for pulling images, comma-separated or as JSON",
        peer="METAFLOW_KUBERNETES_IMAGE_PULL_SECRETS",
    )


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class WorkflowSettings:
    """How long Workflows run and stay, for deployments whose options do not say it."""

    workflow_timeout: str = setting("seconds that a whole run of a deployment may take")
    workflow_priority: str = setting("which runs go first where the controller limits them: the higher number")
    ttl: str = setting("seconds after its end for which a Workflow is kept in the cluster")
    ttl_after_success: str = setting("the same after success")
    ttl_after_failure: str = setting("the same after anything else")
    pod_gc: str = setting(
        "when ended pods are deleted: OnPodCompletion, OnPodSuccess, OnWorkflowCompletion, OnWorkflowSuccess"
    )
    argo_ui_url: str = setting("Argo's web pages, for links to runs", peer="METAFLOW_ARGO_WORKFLOWS_UI_URL")


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class NotificationSettings:
    """Who is told how runs of deployments end."""

    notify_secret: str = setting("the Kubernetes Secret with the URLs and keys of those who are told how runs end")
    slack_webhook_url: str = setting("the incoming webhook of Slack, a secret", is_secret=True)
    pager_duty_integration_key: str = setting("the integration key of PagerDuty, a secret", is_secret=True)
    pager_duty_url: str = setting("PagerDuty's events service, such as https://events.eu.pagerduty.com")
    incident_io_api_key: str = setting("the token of an alert source of incident.io, a secret", is_secret=True)
    incident_io_alert_source_config_id: str = setting("the id of the alert source of incident.io")
    incident_io_url: str = setting("incident.io's API, where it is reached in another way")


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class EventSettings:
    """Where events come from and go to."""

    namespaced_events_prefix: str = setting(
        "what names of namespaced_event_name() begin with, by default mfns", peer="METAFLOW_NAMESPACED_EVENTS_PREFIX"
    )
    events_url: str = setting("where events are published: a webhook", peer="METAFLOW_ARGO_EVENTS_WEBHOOK_URL")
    pod_events_url: str = setting("the same as pods see it", peer="METAFLOW_ARGO_EVENTS_INTERNAL_WEBHOOK_URL")
    event_source: str = setting("the EventSource that triggers wait for", peer="METAFLOW_ARGO_EVENTS_EVENT_SOURCE")
    event_name: str = setting("the name of that source's event", peer="METAFLOW_ARGO_EVENTS_EVENT")
    event_bus: str = setting("the EventBus, by default default", peer="METAFLOW_ARGO_EVENTS_EVENT_BUS")
    sensor_service_account: str = setting("that of Sensors", peer="METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT")


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ArgoServerSettings:
    """How the Argo Server is reached, and which controller is meant."""

    argo_server: str = setting("the URL of the Argo Server")
    argo_token: str = setting("the token for the Argo Server", is_secret=True)
    argo_token_file: str = setting("a file with that token, read again when it has expired")
    argo_ca_file: str = setting("certificates of the authority behind the Argo Server's own, in a file")
    argo_client_cert: str = setting("a client certificate for the Argo Server, in a file")
    argo_client_key: str = setting("the key of that certificate, in a file")
    argo_insecure: str = setting("true to trust whatever certificate the Argo Server has")
    argo_instance_id: str = setting("the instance id of the Argo controller, where there are several")
