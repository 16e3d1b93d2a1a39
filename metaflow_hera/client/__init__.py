"""The read side: flows, runs, steps, tasks and artifacts, straight from the datastore."""

from __future__ import annotations

from metaflow_hera.client.artifact import DataArtifact, MetaflowArtifacts, MetaflowData
from metaflow_hera.client.code import MetaflowCode
from metaflow_hera.client.datastores import default_metadata, get_metadata, inspect_spin, metadata
from metaflow_hera.client.flow import Flow, Metaflow
from metaflow_hera.client.namespaces import default_namespace, get_namespace, namespace
from metaflow_hera.client.run import Run
from metaflow_hera.client.step import Step
from metaflow_hera.client.task import Task

__all__ = [
    "DataArtifact",
    "Flow",
    "Metaflow",
    "MetaflowArtifacts",
    "MetaflowCode",
    "MetaflowData",
    "Run",
    "Step",
    "Task",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "inspect_spin",
    "metadata",
    "namespace",
]
