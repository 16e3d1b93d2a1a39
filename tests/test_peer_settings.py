"""The peer's variables and its configuration file: what is read of them, what is told of the rest."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from metaflow_hera.errors import SettingsError
from metaflow_hera.naming import POD_DIR_VARIABLE
from metaflow_hera.settings import Settings, from_environment, peer_datastore, unread_of_peer

ROOT = "METAFLOW_DATASTORE_SYSROOT_S3"
BUCKET = {"METAFLOW_DEFAULT_DATASTORE": "s3", ROOT: "s3://bucket/of-the-file"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the peer's configuration, empty yet."""
    folder = tmp_path / "metaflowconfig"
    folder.mkdir()
    monkeypatch.setenv("METAFLOW_HOME", str(folder))
    return folder


def write(folder: Path, values: object, name: str = "config.json") -> Path:
    file = folder / name
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return file


def test_the_file_of_the_peer_is_read_where_nothing_that_counts_more_says_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(home, {**BUCKET, "METAFLOW_KUBERNETES_NAMESPACE": "of-the-file"})
    settings = Settings.load()
    assert (settings.datastore, settings.namespace) == ("s3://bucket/of-the-file", "of-the-file")
    assert settings.origins["datastore"] == f"{ROOT} in {file}"
    assert settings.origins["namespace"] == f"METAFLOW_KUBERNETES_NAMESPACE in {file}"
    Path(os.environ["MFHERA_CONFIG_FILE"]).write_text('namespace = "of-the-user"')
    seen = [Settings.load().namespace]
    Path("pyproject.toml").write_text('[tool.mfhera]\nnamespace = "of-the-project"')
    seen.append(Settings.load().namespace)
    monkeypatch.setenv("METAFLOW_KUBERNETES_NAMESPACE", "of-the-environment")
    seen.append(Settings.load().namespace)
    monkeypatch.setenv("MFHERA_NAMESPACE", "of-ours")
    seen.append(Settings.load().namespace)
    assert seen == ["of-the-user", "of-the-project", "of-the-environment", "of-ours"]


def test_the_file_lies_in_the_home_directory_unless_another_folder_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METAFLOW_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load().namespace == ""
    (tmp_path / ".metaflowconfig").mkdir()
    write(tmp_path / ".metaflowconfig", {"METAFLOW_KUBERNETES_NAMESPACE": "flows"})
    assert Settings.load().namespace == "flows"


def test_a_profile_has_a_file_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {"METAFLOW_KUBERNETES_NAMESPACE": "of-no-profile"})
    write(home, {"METAFLOW_KUBERNETES_NAMESPACE": "of-team"}, "config_team.json")
    monkeypatch.setenv("METAFLOW_PROFILE", "team")
    assert Settings.load().namespace == "of-team"
    monkeypatch.setenv("METAFLOW_PROFILE", "absent")
    with pytest.raises(SettingsError, match=r"config_absent\.json: there is no such file, but METAFLOW_PROFILE is"):
        Settings.load()


def test_a_container_reads_no_file_and_does_not_end_for_a_datastore_that_it_is_not_asked_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "not even JSON")
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "azure")
    monkeypatch.setenv(POD_DIR_VARIABLE, "/tmp/pod")
    assert Settings.load().origins["datastore"] == "default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read as JSON"),
        (b"\xff\xfe\xfd".decode("latin-1"), "cannot be read as JSON"),
        ('["METAFLOW_USER"]', "must be a JSON object of METAFLOW_ names and their values, and is a list"),
    ],
)
def test_a_broken_file_is_refused_with_its_path(home: Path, text: str, message: str) -> None:
    file = home / "config.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError) as raised:
        Settings.load()
    assert str(raised.value).startswith(f"{file}: {message}")


def test_values_that_are_no_texts_count_as_what_would_stand_in_the_environment(home: Path) -> None:
    tolerations = [{"key": "gpu"}]
    write(
        home,
        {
            "METAFLOW_KUBERNETES_CPU": 2,
            "METAFLOW_KUBERNETES_TOLERATIONS": tolerations,
            "METAFLOW_KUBERNETES_NAMESPACE": None,
            "METAFLOW_USER": "",
        },
    )
    settings = Settings.load()
    assert settings.pod_cpu == "2"
    assert json.loads(settings.pod_tolerations) == tolerations
    assert settings.origins.keys().isdisjoint({"namespace"})
    assert settings.user == "tester"


def test_a_path_in_the_file_is_relative_to_it(home: Path) -> None:
    write(home, {"METAFLOW_DEFAULT_DATASTORE": "local", "METAFLOW_DATASTORE_SYSROOT_LOCAL": "data"})
    assert Settings.load().datastore == str(home / "data")


def test_environment_and_file_complete_each_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(home, {ROOT: "s3://bucket/of-the-file", "METAFLOW_KUBERNETES_SECRETS": "one,two"})
    assert Settings.load().origins["datastore"] == "default"
    assert peer_datastore("s3") == "s3://bucket/of-the-file"
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "s3")
    monkeypatch.setenv("METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS", "two, three")
    settings = Settings.load()
    assert settings.datastore == "s3://bucket/of-the-file"
    assert settings.secrets_of_pods == ("one", "two", "three")
    origin = f"METAFLOW_KUBERNETES_SECRETS in {file} and METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS"
    assert settings.origins["pod_secrets"] == origin


def test_a_local_datastore_of_the_environment_is_not_the_bucket_of_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, BUCKET)
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "local")
    assert Settings.load().origins["datastore"] == "default"


def test_a_secret_that_is_named_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("METAFLOW_KUBERNETES_SECRETS", "METAFLOW_ARGO_WORKFLOWS_KUBERNETES_SECRETS"):
        monkeypatch.setenv(name, "s3-cred")
    assert Settings.load().pod_secrets == "s3-cred"
    assert Settings.load({"pod_secrets": "b,a, b"}).secrets_of_pods == ("b", "a")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("azure", "METAFLOW_DEFAULT_DATASTORE is 'azure', and a datastore is a directory or in S3 here: set MFHERA_DA"),
        ("gs", "METAFLOW_DEFAULT_DATASTORE is 'gs', and a datastore is a directory or in S3 here"),
        ("s3", f"METAFLOW_DEFAULT_DATASTORE is 's3', but nothing says where in S3: set {ROOT} or MFHERA_DATASTORE"),
    ],
)
def test_a_datastore_that_cannot_be_used_is_refused_unless_another_one_is_named(
    kind: str, message: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(home, {"METAFLOW_DEFAULT_DATASTORE": kind})
    with pytest.raises(SettingsError, match=re.escape(f"METAFLOW_DEFAULT_DATASTORE in {file} is {kind!r}")):
        Settings.load()
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", kind)
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.load()
    assert Settings.load({"datastore": "s3://bucket/chosen"}).datastore == "s3://bucket/chosen"
    monkeypatch.setenv("MFHERA_DATASTORE", "s3://bucket/ours")
    assert Settings.load().datastore == "s3://bucket/ours"


def test_what_is_set_but_means_nothing_here_is_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(home, {**BUCKET, "METAFLOW_CARD_S3ROOT": "s3://cards", "SOMETHING": "else", "METAFLOW_PROFILE": "x"})
    monkeypatch.setenv("METAFLOW_DEFAULT_METADATA", "service")
    monkeypatch.setenv("METAFLOW_KUBERNETES_NAMESPACE", "flows")
    monkeypatch.setenv("METAFLOW_DEFAULT_CONTAINER_IMAGE", "")
    assert unread_of_peer() == [
        f"METAFLOW_CARD_S3ROOT in {file}",
        "METAFLOW_DEFAULT_METADATA",
        f"METAFLOW_PROFILE in {file}",
        f"SOMETHING in {file}",
    ]


def test_what_stands_for_an_option_of_a_flow_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RUN_ALPHA", "BRANCH", "PRODUCTION", "TRIGGER", "FLOW_CONFIG", "FLOW_CONFIG_VALUE", "SPIN_PERSIST")
    for name in names:
        monkeypatch.setenv(f"METAFLOW_{name}", "set")
        assert from_environment(name) == (f"METAFLOW_{name}", "set")
    assert unread_of_peer() == []
