"""The name `metaflow`: every module and name that flows import from it, and what artifacts say of their classes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import metaflow_hera
from metaflow_hera import compat, run
from metaflow_hera.errors import MetaflowHeraError, NotFoundError

compat.install()

ROOT = Path(metaflow_hera.__file__).parents[1]

IMPORTED_BY_FLOWS = {
    "metaflow.cards": "Artifact Error Image Markdown ProgressBar Table VegaChart get_cards MetaflowCard",
    "metaflow.client": "Flow Run Task",
    "metaflow.client.core": "Run",
    "metaflow.events": "Trigger",
    "metaflow.exception": (
        "CommandException ExternalCommandFailed InvalidDecoratorAttribute MetaflowDataMissing MetaflowException "
        "MetaflowInternalError MetaflowInvalidPathspec MetaflowNamespaceMismatch MetaflowNotFound "
        "MetaflowTaggingError MetaflowUnknownUser MissingInMergeArtifactsException ParameterFieldFailed "
        "ParameterFieldTypeMismatch UnhandledInMergeArtifactsException"
    ),
    "metaflow.includefile": "IncludedFile",
    "metaflow.integrations": "ArgoEvent",
    "metaflow.metaflow_config": "DATASTORE_SYSROOT_S3",
    "metaflow.metaflow_current": "current",
    "metaflow.multicore_utils": "parallel_map",
    "metaflow.plugins.cards.exception": "CardNotPresentException",
    "metaflow.plugins.catch_decorator": "FailureHandledByCatch",
    "metaflow.plugins.timeout_decorator": "TimeoutException",
    "metaflow.runner.deployer": "DeployedFlow Deployer TriggeredRun",
    "metaflow.runner.metaflow_runner": "ExecutingRun Runner",
    "metaflow.user_configs.config_parameters": "Config ConfigValue config_expr",
    "metaflow.user_decorators.mutable_flow": "MutableFlow",
    "metaflow.user_decorators.mutable_step": "MutableStep",
    "metaflow.user_decorators.user_flow_decorator": "FlowMutator",
    "metaflow.user_decorators.user_step_decorator": "StepMutator UserStepDecorator user_step_decorator",
    "metaflow.util": "is_stringish",
    "metaflow": (
        "Config DataArtifact DeployedFlow Deployer Flow FlowMutator FlowSpec IncludeFile JSONType Metaflow NBDeployer "
        "NBRunner Parameter Run Runner S3 Step StepMutator Task USER_SKIP_STEP UserStepDecorator batch card catch "
        "conda conda_base conda_environment_yml_parser config_expr current default_metadata default_namespace "
        "environment exit_hook get_metadata get_namespace get_secret inspect_spin kubernetes metadata namespace "
        "namespaced_event_name package_suffixes parallel parallel_imap_unordered parallel_map profile project pypi "
        "pypi_base pyproject_toml_parser requirements_txt_parser resources retry schedule secrets step timeout trigger "
        "trigger_on_finish user_step_decorator yaml_parser"
    ),
}


@pytest.mark.parametrize("module", IMPORTED_BY_FLOWS)
def test_what_flows_import_is_there(module: str) -> None:
    found = import_module(module)
    missing = [name for name in IMPORTED_BY_FLOWS[module].split() if not hasattr(found, name)]
    assert not missing


@pytest.mark.parametrize("module", compat.MODULES)
def test_whatever_the_table_promises_exists(module: str) -> None:
    found = import_module(module)
    promised = [*compat.MODULES[module], *(metaflow_hera.__all__ if module == compat.ROOT else ())]
    assert all(hasattr(found, name) for name in promised)
    assert set(promised) <= set(dir(found)) and set(found.__all__) == set(promised)
    parent = module.rpartition(".")[0]
    assert not parent or parent in compat.MODULES


def test_a_star_imports_all_public_names() -> None:
    names: dict[str, object] = {}
    exec("from metaflow import *\nfrom metaflow.exception import *", names)
    assert set(metaflow_hera.__all__) | set(compat.MODULES["metaflow.exception"]) <= names.keys()


def test_exceptions_have_a_headline_and_a_message() -> None:
    exceptions = import_module("metaflow.exception")
    for name in compat.MODULES["metaflow.exception"]:
        kind = getattr(exceptions, name)
        assert issubclass(kind, exceptions.MetaflowException) and kind.headline, name
    error = exceptions.MetaflowException("a text", 3)
    assert (str(error), error.message, error.line_no) == ("a text", "a text", 3)
    assert pickle.loads(pickle.dumps(error)).line_no == 3


RAISING = """
from importlib import import_module

from metaflow import FlowSpec, JSONType, Parameter, Run, catch, current, step
from metaflow.exception import MetaflowException, MetaflowNotFound


class OwnError(MetaflowException):
    headline = "Own"


class RaisingFlow(FlowSpec):
    kinds = Parameter("kinds", type=JSONType)

    @step
    def start(self):
        self.error = MetaflowNotFound("kept")
        self.run = Run(f"RaisingFlow/{current.run_id}")
        self.next(self.work, foreach="kinds")

    @catch(var="failure", print_exception=False)
    @step
    def work(self):
        module, _, name = self.input.rpartition(".")
        raise getattr(import_module(module), name)("told")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.types = [each.failure.type for each in inputs]
        self.texts = [each.failure.exception for each in inputs]
        self.merge_artifacts(inputs, include=["error", "run"])
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def test_artifacts_name_classes_as_flows_import_them(tmp_path: Path) -> None:
    kinds = [
        "metaflow.exception.ExternalCommandFailed",
        "metaflow.exception.MetaflowException",
        "metaflow.plugins.timeout_decorator.TimeoutException",
        "raising.OwnError",
    ]
    file = tmp_path / "raising.py"
    file.write_text(RAISING)
    ended = run(file, kinds=kinds)
    assert ended.data.types == kinds
    assert all("told" in text for text in ended.data.texts)
    assert isinstance(ended.data.error, NotFoundError) and str(ended.data.error) == "kept"
    metaflow_hera.namespace("user:nobody")
    assert ended.data.run == ended
    assert next(iter(ended.data.run)).id == "end"


def in_a_process(code: str, *arguments: str) -> str:
    command = [sys.executable, *arguments, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def test_installing_is_cheap_and_can_be_repeated() -> None:
    code = "import sys; from metaflow_hera import compat; compat.install(); compat.install(); print(*sys.modules)"
    ours = {name for name in in_a_process(code).split() if name.startswith("metaflow")}
    assert ours == {"metaflow_hera", "metaflow_hera.compat"}


def test_a_module_of_the_peer_that_we_have_not_is_no_module() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        import_module("metaflow.nothing")
    with pytest.raises(ImportError, match="Nothing"):
        exec("from metaflow.exception import Nothing")
    assert not hasattr(import_module("metaflow"), "nothing")


def test_settings_have_the_names_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    config = import_module("metaflow.metaflow_config")
    assert config.DEFAULT_DATASTORE == "local" and config.DATASTORE_SYSROOT_S3 is None
    monkeypatch.setenv("MFHERA_DATASTORE", "s3://bucket/flows")
    assert (config.DEFAULT_DATASTORE, config.DATASTORE_SYSROOT_S3) == ("s3", "s3://bucket/flows")
    assert issubclass(import_module("metaflow.exception").MetaflowException, MetaflowHeraError)
    assert import_module("metaflow.util").is_stringish(b"x")
