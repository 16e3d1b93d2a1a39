"""``import metaflow`` means this package: flows that were written for Metaflow run unchanged.

Two finders lead here. One is registered at the start of Python by ``metaflow_hera_alias.pth``, behind all others, so
that the real Metaflow wins where it is installed; `install` puts the other before all others, for when we run the flow.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

ROOT: Final = "metaflow"

_CLIENT = (
    "DataArtifact Flow Metaflow MetaflowArtifacts MetaflowCode MetaflowData Run Step Task default_metadata "
    "default_namespace get_metadata get_namespace inspect_spin metadata namespace"
)


def _same(home: str, names: str) -> dict[str, str]:
    return {name: f"{home}.{name}" for name in names.split()}


_COMPONENTS = (
    "Artifact Error EventsTimeline Image JSONViewer Markdown ProgressBar PythonCode Table ValueBox VegaChart YAMLViewer"
)
_CARDS = f"{_COMPONENTS} Card CardContainer MetaflowCard MetaflowCardComponent get_cards"
_CONFIG = (
    "ARGO_EVENTS_WEBHOOK_URL DATASTORE_LOCAL_DIR DATASTORE_SYSROOT_LOCAL DATASTORE_SYSROOT_S3 DATATOOLS_S3ROOT "
    "DEFAULT_DATASTORE DEFAULT_METADATA KUBERNETES_CONTAINER_IMAGE KUBERNETES_NAMESPACE KUBERNETES_SERVICE_ACCOUNT "
    "S3_ENDPOINT_URL"
)
_ERRORS = {
    "CommandException": "UsageError",
    "InvalidDecoratorAttribute": "FlowError",
    "MetaflowDataMissing": "ArtifactError",
    "MetaflowException": "MetaflowHeraError",
    "MetaflowInvalidPathspec": "InvalidPathError",
    "MetaflowNamespaceMismatch": "WrongNamespaceError",
    "MetaflowNotFound": "NotFoundError",
    "MetaflowTaggingError": "TaggingError",
    "MetaflowUnknownUser": "SettingsError",
    "MissingInMergeArtifactsException": "MergeArtifactsError",
    "ParameterFieldFailed": "DefaultFailedError",
    "ParameterFieldTypeMismatch": "DefaultTypeError",
    "UnhandledInMergeArtifactsException": "MergeArtifactsError",
}
_EXCEPTIONS = {name: f"metaflow_hera.errors.{ours}" for name, ours in _ERRORS.items()}
_EXCEPTIONS |= _same("metaflow_hera.flow.peer_exceptions", "ExternalCommandFailed MetaflowInternalError")
_S3 = _same("metaflow_hera.datatools.s3", "S3")
_S3 |= _same("metaflow_hera.datatools.objects", "S3GetObject S3Object S3PutObject")
_S3 |= _same(
    "metaflow_hera.datatools.errors",
    "MetaflowS3AccessDenied MetaflowS3Exception MetaflowS3InsufficientDiskSpace MetaflowS3InvalidObject "
    "MetaflowS3InvalidRange MetaflowS3NotFound MetaflowS3URLException",
)
_FLOW = "metaflow_hera.flow"
_PARAMETERS = _same(f"{_FLOW}.parameters", "JSONType Parameter")
_STEPS = _same(f"{_FLOW}.steps", "step")
_OWN = f"{_FLOW}.user_decorators"

MODULES: Mapping[str, Mapping[str, str]] = {
    ROOT: {},
    f"{ROOT}.cards": _same("metaflow_hera.cards", _CARDS),
    f"{ROOT}.client": _same("metaflow_hera.client", _CLIENT),
    f"{ROOT}.client.core": _same("metaflow_hera.client", _CLIENT),
    f"{ROOT}.decorators": _STEPS,
    f"{ROOT}.events": _same("metaflow_hera.client.trigger", "MetaflowEvent Trigger"),
    f"{ROOT}.exception": _EXCEPTIONS,
    f"{ROOT}.includefile": _same(f"{_FLOW}.include_file", "FilePath IncludeFile IncludedFile"),
    f"{ROOT}.flowspec": {
        **_same(f"{_FLOW}.spec", "FlowSpec"),
        "InvalidNextException": "metaflow_hera.errors.StepError",
    },
    f"{ROOT}.integrations": _same("metaflow_hera.integrations", "ArgoEvent"),
    f"{ROOT}.metaflow_config": _same(f"{_FLOW}.peer_config", _CONFIG),
    f"{ROOT}.metaflow_current": _same(f"{_FLOW}.current", "current"),
    f"{ROOT}.metaflow_profile": _same("metaflow_hera.datatools.profiling", "profile"),
    f"{ROOT}.multicore_utils": _same(
        "metaflow_hera.datatools.multicore", "MulticoreException parallel_imap_unordered parallel_map"
    ),
    f"{ROOT}.packaging_sys": _same(_OWN, "ContentType"),
    f"{ROOT}.parameters": _PARAMETERS,
    f"{ROOT}.plugins": {},
    f"{ROOT}.plugins.argo": {},
    f"{ROOT}.plugins.argo.argo_events": {
        **_same("metaflow_hera.integrations", "ArgoEvent"),
        "ArgoEventException": "metaflow_hera.errors.EventError",
    },
    f"{ROOT}.plugins.argo.argo_workflows_deployer_objects": {
        "ArgoWorkflowsDeployedFlow": "metaflow_hera.deploy.deployment.DeployedFlow",
        "ArgoWorkflowsTriggeredRun": "metaflow_hera.deploy.triggered.TriggeredRun",
    },
    f"{ROOT}.plugins.cards": {},
    f"{ROOT}.plugins.cards.card_modules": {},
    f"{ROOT}.plugins.cards.card_modules.card": _same("metaflow_hera.cards", "MetaflowCard MetaflowCardComponent"),
    f"{ROOT}.plugins.cards.card_modules.components": _same("metaflow_hera.cards", _COMPONENTS),
    f"{ROOT}.plugins.cards.exception": _same(
        "metaflow_hera.cards.errors", "CardNotPresentException UnresolvableDatastoreException"
    ),
    f"{ROOT}.plugins.catch_decorator": _same("metaflow_hera.runtime.failures", "FailureHandledByCatch"),
    f"{ROOT}.plugins.datatools": {},
    f"{ROOT}.plugins.datatools.s3": _S3,
    f"{ROOT}.plugins.datatools.s3.s3": _S3,
    f"{ROOT}.plugins.namespaced_events": _same(f"{_FLOW}.triggers", "namespaced_event_name"),
    f"{ROOT}.plugins.timeout_decorator": _same("metaflow_hera.runtime.failures", "TimeoutException"),
    f"{ROOT}.runner": {},
    f"{ROOT}.runner.deployer": {
        **_same("metaflow_hera.api.deployer", "Deployer"),
        **_same("metaflow_hera.deploy.deployment", "DeployedFlow"),
        **_same("metaflow_hera.deploy.triggered", "TriggeredRun"),
    },
    f"{ROOT}.runner.metaflow_runner": {
        **_same("metaflow_hera.api.runner", "Runner"),
        **_same("metaflow_hera.api.executing", "ExecutingRun ExecutingTask"),
    },
    f"{ROOT}.runner.nbdeploy": _same("metaflow_hera.api.notebook", "NBDeployer"),
    f"{ROOT}.runner.nbrun": _same("metaflow_hera.api.notebook", "NBRunner"),
    f"{ROOT}.user_configs": {},
    f"{ROOT}.user_configs.config_parameters": {
        **_same(f"{_FLOW}.configs", "Config"),
        **_same(f"{_FLOW}.config_value", "ConfigValue"),
        **_same(f"{_FLOW}.delayed", "config_expr"),
    },
    f"{ROOT}.user_decorators": {},
    f"{ROOT}.user_decorators.mutable_flow": _same(f"{_FLOW}.mutable", "MutableFlow"),
    f"{ROOT}.user_decorators.mutable_step": _same(f"{_FLOW}.mutable", "MutableStep"),
    f"{ROOT}.user_decorators.user_flow_decorator": _same(_OWN, "FlowMutator"),
    f"{ROOT}.user_decorators.user_step_decorator": _same(
        _OWN, "StepMutator USER_SKIP_STEP UserStepDecorator user_step_decorator"
    ),
    f"{ROOT}.util": _same("metaflow_hera.compat", "is_stringish"),
}
"""The modules of the peer that flows import by name, and where we have what they look for in them."""


def is_stringish(value: object) -> bool:
    """Whether a value is text, or bytes."""
    return isinstance(value, str | bytes)


class _Alias(ModuleType):
    """A module by the peer's name; it finds everything elsewhere, and only when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if (inner := f"{self.__name__}.{name}") in MODULES:
            return import_module(inner)
        if home := MODULES[self.__name__].get(name):
            module, _, attribute = home.rpartition(".")
            return getattr(import_module(module), attribute)
        if self.__name__ == ROOT:
            return getattr(import_module("metaflow_hera"), name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} in metaflow_hera")

    def __dir__(self) -> list[str]:
        return sorted({*MODULES[self.__name__], *(self.__all__ if self.__name__ == ROOT else ())})


class _Loader:
    """Makes an `_Alias`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Alias(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        names = import_module("metaflow_hera").__all__ if module.__name__ == ROOT else MODULES[module.__name__]
        module.__dict__["__all__"] = list(names)


class _Finder:
    """Finds the modules that we stand in for."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        return find_spec(name)


def find_spec(name: str) -> ModuleSpec | None:
    """Where the import system gets a module of the peer's name; None below a real Metaflow that is imported already.

    `ModuleNotFoundError` for one that we have not.
    """
    is_ours = name == ROOT or isinstance(sys.modules.get(ROOT), _Alias)
    if is_ours and name.startswith(f"{ROOT}.") and name not in MODULES:
        raise ModuleNotFoundError(f"metaflow_hera, which stands in for metaflow here, has no {name!r}", name=name)
    if not is_ours or name not in MODULES:
        return None
    is_package = any(other.startswith(f"{name}.") for other in MODULES)
    # The loader has the methods that count; importlib.abc, for a base class, would cost more than this whole module.
    spec = ModuleSpec(name, _Loader(), origin=__file__, is_package=is_package)  # type: ignore[arg-type]
    spec.has_location = True
    return spec


def install() -> None:
    """From now on ``import metaflow`` gives this package, unless the real one is imported already; safe to repeat."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
