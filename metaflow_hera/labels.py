"""Labels and annotations of Argo's objects, by which we know our own."""

from __future__ import annotations

import re

from metaflow_hera.naming import ascii_of

LABEL_PREFIX = "metaflow-hera/"

INSTANCE_LABEL = "workflows.argoproj.io/controller-instanceid"
"""On every object, which controller it is for, where a cluster has several."""


class Annotations:
    """By these a deployed template is listed, triggered and checked without its source."""

    FLOW = f"{LABEL_PREFIX}flow"
    MAX_WORKERS = f"{LABEL_PREFIX}max-workers"
    PARAMETERS = f"{LABEL_PREFIX}parameters"
    CODE = f"{LABEL_PREFIX}code"
    DATASTORE = f"{LABEL_PREFIX}datastore"
    DEPLOYER = f"{LABEL_PREFIX}deployer"
    DEPLOYED_AT = f"{LABEL_PREFIX}deployed-at"
    VERSION = f"{LABEL_PREFIX}version"
    SCHEDULE = f"{LABEL_PREFIX}schedule"
    TRIGGERS = f"{LABEL_PREFIX}triggers"
    DEPLOYMENT = f"{LABEL_PREFIX}deployment"
    STEP = f"{LABEL_PREFIX}step"
    PROJECT = f"{LABEL_PREFIX}project"
    BRANCH = f"{LABEL_PREFIX}branch"
    TRIGGERED_AT = f"{LABEL_PREFIX}triggered-at"
    PRODUCTION = f"{LABEL_PREFIX}production-namespace"
    TOKEN_DIGEST = f"{LABEL_PREFIX}production-token-digest"
    PLACE = f"{LABEL_PREFIX}place"
    TITLE = "workflows.argoproj.io/title"
    DESCRIPTION = "workflows.argoproj.io/description"
    ENTRYPOINT = f"{LABEL_PREFIX}entrypoint"
    """Of a run that resumes another: the entrypoint of the whole flow, of which its own leaves out what is done."""


def label_value(text: str) -> str:
    """*text* as far as a Kubernetes label can hold it: at most 63 letters, digits, ``-``, ``_`` and ``.``."""
    return re.sub(r"[^-A-Za-z0-9_.]", "-", ascii_of(text))[:63].strip("-_.")
