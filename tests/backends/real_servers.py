"""Which real servers the environment names for tests."""

from __future__ import annotations

import os

CLUSTER = os.environ.get("MFHERA_TEST_KUBECONFIG", "")
CONTEXT = os.environ.get("MFHERA_TEST_CONTEXT") or None
"""One that may delete pods, which a retry needs; the current one, where this is not set."""
ARGO_SERVER = os.environ.get("MFHERA_TEST_ARGO_SERVER", "")
