"""Settings: which source wins, what is refused, and what is told about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metaflow_hera.config_files import user_config_file
from metaflow_hera.errors import SettingsError
from metaflow_hera.settings import Settings, Source, environment, variable

PEER = {
    "METAFLOW_S3_ENDPOINT_URL": "s3_endpoint_url",
    "METAFLOW_KUBERNETES_SECRETS": "pod_secrets",
    "METAFLOW_KUBERNETES_NAMESPACE": "namespace",
    "METAFLOW_KUBERNETES_SERVICE_ACCOUNT": "service_account",
    "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "image",
    "METAFLOW_DEFAULT_PACKAGE_SUFFIXES": "package_suffixes",
    "METAFLOW_USER": "user",
}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings but those of the test, in a folder of its own."""
    for name in environment():
        if name.startswith(("MFHERA_", "METAFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "metaflowconfig"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_without_any_configuration_everything_lies_in_a_folder_here(clean: Path) -> None:
    settings = Settings.load()
    assert settings.backend == "embedded"
    assert settings.data_dir == str(clean / ".mfhera")
    assert settings.datastore == str(clean / ".mfhera" / "store")
    assert settings.image == f"python:{sys.version_info.major}.{sys.version_info.minor}"
    assert not list(clean.iterdir())


def test_the_nearest_data_directory_above_is_taken(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (clean / ".mfhera").mkdir()
    inner = clean / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert Settings.load().data_dir == str(clean / ".mfhera")


def test_sources_win_in_the_order_of_the_documentation(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [Settings.load().namespace]
    user = write(clean.parent / "config" / "mfhera" / "config.toml", 'namespace = "of-the-user"')
    seen.append(Settings.load().namespace)
    project = write(clean / "pyproject.toml", '[tool.mfhera]\nnamespace = "of-the-project"')
    seen.append(Settings.load().namespace)
    origins = [Settings.load().origins["namespace"]]
    monkeypatch.setenv("METAFLOW_KUBERNETES_NAMESPACE", "of-the-peer")
    seen.append(Settings.load().namespace)
    monkeypatch.setenv("MFHERA_NAMESPACE", "of-the-variable")
    seen.append(Settings.load().namespace)
    origins.append(Settings.load().origins["namespace"])
    chosen = Settings.load({"namespace": "of-the-option", "image": None})
    assert [*seen, chosen.namespace] == [
        "",
        "of-the-user",
        "of-the-project",
        "of-the-peer",
        "of-the-variable",
        "of-the-option",
    ]
    assert [*origins, chosen.origins["namespace"]] == [str(project), "MFHERA_NAMESPACE", "option --namespace"]
    assert user_config_file(environment()) == user


@pytest.mark.parametrize(("peer", "setting"), PEER.items())
def test_a_name_of_the_peer_means_the_same_here(peer: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(peer, "given")
    settings = Settings.load()
    assert getattr(settings, setting) == "given"
    assert settings.origins[setting] == peer


@pytest.mark.parametrize(("kind", "root"), [("s3", "s3://bucket/prefix"), ("local", "/data")])
def test_the_datastore_of_the_peer_is_two_variables(kind: str, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"METAFLOW_DATASTORE_SYSROOT_{kind.upper()}", root)
    assert Settings.load().origins["datastore"] == "default"
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", kind)
    assert Settings.load().datastore == root


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_BACKEND", "")
    assert Settings.load().origins["backend"] == "default"


def test_a_relative_path_means_the_folder_that_it_was_written_for(
    clean: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(clean / "pyproject.toml", '[tool.mfhera]\ndata-dir = "state"')
    inner = clean / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert Settings.load().data_dir == str(clean / "state")
    assert Settings.load({"data_dir": "there"}).data_dir == str(inner / "there")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load({"datastore": "~/store"}).datastore == str(tmp_path / "store")
    assert Settings.load({"datastore": "s3://b/p"}).datastore == "s3://b/p"


def test_braces_in_the_name_of_a_folder_do_no_harm(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = clean / "{name}"
    file = write(odd / "pyproject.toml", '[tool.mfhera]\nuser = "ann"')
    monkeypatch.chdir(odd)
    assert Settings.load().origins["user"] == str(file)


def test_a_project_file_without_our_table_says_nothing(clean: Path) -> None:
    write(clean / "pyproject.toml", "this is not even TOML")
    assert Settings.load().backend == "embedded"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[tool.mfhera]\nbucket = "x"', "'bucket' is no setting"),
        ('[tool.mfhera]\ndata_folder = "x"', "'data_folder' is no setting, did you mean 'data-dir'?; settings are"),
        ("[tool.mfhera]\npackage_sufixes = []", "'package_sufixes' is no setting, did you mean 'package-suffixes'?;"),
        ("[tool.mfhera]\nnamespace = 3", "'namespace' must be a text"),
        ("[tool.mfhera]\npackage-suffixes = [1]", "'package-suffixes' must be a text"),
        ("[tool.mfhera", "cannot be read as TOML"),
        ('[tool.mfhera]\nbackend = "swarm"', "'swarm' (from {file}) is none of embedded, kubernetes, argo"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_what_is_wrong(clean: Path, text: str, message: str) -> None:
    file = write(clean / "pyproject.toml", text)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert str(file) in str(error.value)
    assert message.format(file=file) in str(error.value)


def test_all_problems_of_a_file_are_told_at_once(clean: Path) -> None:
    write(clean / "pyproject.toml", "[tool.mfhera]\nbucket = 1\nimage = 2")
    with pytest.raises(SettingsError, match=r"'bucket' is no setting; .*'image' must be a text.*settings are"):
        Settings.load()


def test_a_wrong_variable_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_BACKEND", "swarm")
    with pytest.raises(SettingsError, match="from MFHERA_BACKEND"):
        Settings.load()


def test_the_configuration_file_can_be_chosen(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_CONFIG_FILE", str(write(clean / "own.toml", 'user = "bob"')))
    assert Settings.load().user == "bob"


def test_a_process_without_a_home_has_no_configuration_file_of_its_own() -> None:
    assert user_config_file({}) is None


def test_a_user_without_a_name_in_the_environment_is_who_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert Settings.load().user
    monkeypatch.setenv("USER", "ann")
    assert Settings.load().user == "ann"


def test_a_description_has_every_setting_once_and_never_shows_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_ARGO_TOKEN", "do-not-show")
    rows = list(Settings.load().describe())
    names = [name for name, *_ in rows]
    assert len(names) == len(set(names)) > 10
    assert ("argo_token", "(set)", "MFHERA_ARGO_TOKEN") in [row[:3] for row in rows]
    assert ("namespace", "", "not set") in [row[:3] for row in rows]
    assert "do-not-show" not in repr(rows)
    assert all(meaning for *_, meaning in rows)


def test_lists_are_separated_by_commas() -> None:
    settings = Settings.load({"pod_secrets": "a, b,,c", "package_suffixes": ".csv,.json"})
    assert settings.secrets_of_pods == ("a", "b", "c")
    assert settings.suffixes_of_packages(Path.cwd()) == (".py", ".csv", ".json")


def test_what_a_package_holds_is_said_where_the_flow_lies_unless_it_is_said_here(tmp_path: Path) -> None:
    write(tmp_path / "project" / "pyproject.toml", '[tool.mfhera]\npackage-suffixes = ".csv"')
    folder = tmp_path / "project" / "flows"
    assert Settings.load().suffixes_of_packages(folder) == (".py", ".csv")
    assert Settings.load({"package_suffixes": ".txt"}).suffixes_of_packages(folder) == (".py", ".txt")
    assert Settings.load().suffixes_of_packages(tmp_path) == (".py",)


def test_the_first_source_that_has_a_value_gives_it() -> None:
    settings = Settings.resolve(
        [
            Source("{}", {"user": "first"}),
            Source("file", {"user": "second", "backend": "argo", "data_dir": "/d", "datastore": "/s"}),
        ]
    )
    assert (settings.user, settings.backend) == ("first", "argo")
    assert settings.origins == {
        "user": "MFHERA_USER",
        "backend": "file",
        "data_dir": "file",
        "datastore": "file",
    }


def test_variables_are_named_after_their_settings() -> None:
    assert variable("s3_endpoint_url") == "MFHERA_S3_ENDPOINT_URL"


def test_a_working_directory_that_is_gone_is_told_in_a_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    code = (
        "import os, sys; from metaflow_hera.settings import Settings; from metaflow_hera.errors import SettingsError\n"
        f"os.mkdir({str(gone)!r}); os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n"
        "try: Settings.load()\n"
        "except SettingsError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ}, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "does not exist any more" in done.stdout
