"""Production tokens and namespaces: who may change a deployment, and what its runs are found by."""

from __future__ import annotations

import contextlib
import json
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_flows import DownFlow, OneFlow, TokenFlow, UpFlow

from metaflow_hera import Run, deploy, namespace
from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends.embedded import stop_engine
from metaflow_hera.deploy import DeployedFlow, deployed
from metaflow_hera.deploy import production as production_module
from metaflow_hera.deploy.manifests import compile_manifests
from metaflow_hera.deploy.tokens import (
    TokenFile,
    checked_token,
    digest_of,
    is_token,
    namespace_of_chosen,
    new_token,
)
from metaflow_hera.errors import BackendError, NamingError, NotDeployedError, ProductionTokenError, UsageError
from metaflow_hera.labels import Annotations
from metaflow_hera.production_names import number_of, prefix_of, production_namespace
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

slow = settings(max_examples=20, deadline=None)
"""A digest takes a twentieth of a second, on purpose."""

TEXTS = st.text(min_size=1, max_size=40)


pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture
def person(tmp_path: Path) -> Callable[..., Settings]:
    """The settings of somebody with a home of their own, who shares data directory and datastore with all others."""

    def load(name: str, **others: str) -> Settings:
        return Settings.load({"user": name, "token_home": str(tmp_path / "homes" / name), **others})

    return load


def written() -> dict[str, bytes]:
    """All that lies in the datastore and in the homes."""
    settings = Settings.load()
    folders = (Path(settings.datastore), Path(settings.token_home).parent / "homes")
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


def annotations(found: DeployedFlow) -> dict[str, str]:
    return dict(deployed(found.name).plan.annotations)


def test_the_first_deployment_makes_a_token_that_only_its_owner_has(person: Any) -> None:
    told: list[str] = []
    made = deploy(TokenFlow, settings=person("ann"), tell=told.append)
    assert made.production_namespace == production_namespace("tokenflow")
    token = made.production_token
    assert token and token.startswith(made.production_namespace + "-")
    assert deployed(made.name, person("bob")).production_token is None
    (file,) = Path(person("ann").token_home).rglob(made.production_namespace)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.read_text().strip() == token
    assert any(str(file) in line for line in told)
    assert not any(token in line for line in told)
    assert token not in json.dumps(manifests(made.plan))
    assert is_token(token, annotations(made)[Annotations.TOKEN_DIGEST])
    others = {name: data for name, data in written().items() if name != str(file)}
    assert not any(token.encode() in data for data in others.values())


def test_a_token_that_is_given_where_none_is_needed_yet_is_told_to_be_of_nothing(person: Any) -> None:
    told: list[str] = []
    made = deploy(TokenFlow, settings=person("ann"), authorize="one-of-metaflow", tell=told.append)
    (line,) = [line for line in told if "no token was needed" in line]
    assert "leave it out" in line
    assert "one-of-metaflow" not in "".join(told)
    assert made.production_token != "one-of-metaflow"
    again: list[str] = []
    deploy(TokenFlow, settings=person("ann"), authorize=made.production_token, tell=again.append)
    assert not any("no token was needed" in line for line in again)


def test_others_need_the_token_and_without_it_nothing_is_written(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    before, plan = written(), deployed(made.name).plan
    for wrong in (None, "tokenflow-0-gtqo", "not-the-token-at-all", made.production_namespace):
        with pytest.raises(ProductionTokenError, match="belongs to ann, and you are bob") as raised:
            deploy(TokenFlow, settings=person("bob"), authorize=wrong)
        assert wrong is None or wrong not in str(raised.value) or wrong in made.name
        with pytest.raises(ProductionTokenError):
            deployed(made.name, person("bob")).delete(wrong)
    with pytest.raises(ProductionTokenError):
        deploy(TokenFlow, settings=person("bob"), generate_new_token=True)
    assert written() == before
    assert deployed(made.name).plan == plan
    assert deploy(TokenFlow, settings=person("ann")).version == made.version


def test_whoever_has_the_token_may_deploy_and_has_it_from_then_on(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    token = made.production_token
    assert token is not None
    by_bob = deploy(TokenFlow, settings=person("bob"), authorize=f"production:{token}")
    assert (by_bob.deployer, by_bob.production_token) == ("bob", token)
    assert by_bob.production_namespace == made.production_namespace
    assert deploy(TokenFlow, settings=person("ann")).deployer == "ann"
    assert deploy(TokenFlow, settings=person("bob")).deployer == "bob"
    assert deploy(TokenFlow, settings=person("eve", production_token=token)).deployer == "eve"


def test_a_wrong_token_that_is_given_is_refused_even_where_none_is_needed(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    token = made.production_token
    deploy(TokenFlow, settings=person("bob"), authorize=token)  # who is the owner now, and has it
    before = written()
    run = made.trigger().wait(timeout=60).id
    for name in ("ann", "bob"):
        theirs = deployed(made.name, person(name))
        triggered = theirs.get_triggered_run(made.name, run)
        for act in (
            lambda name=name: deploy(TokenFlow, settings=person(name), authorize="nonsense"),
            lambda theirs=theirs: theirs.delete("nonsense"),
            lambda theirs=theirs: theirs.rollback(authorize="nonsense"),
        ):
            with pytest.raises(ProductionTokenError, match="token that was given is not") as raised:
                act()
            assert "nonsense" not in str(raised.value)
        assert triggered.run_id == run
    assert {name: data for name, data in written().items() if name in before} == before
    assert deploy(TokenFlow, settings=person("bob"), authorize=token).deployer == "bob"
    assert deploy(TokenFlow, settings=person("bob", production_token="of something else")).deployer == "bob"


def test_a_token_of_a_deployment_need_not_be_that_of_the_namespace_it_joins(person: Any) -> None:
    old = deploy(UpFlow, branch="trial", settings=person("ann"))
    token = old.production_token
    deploy(DownFlow, branch="trial", settings=person("bob"), authorize=token, generate_new_token=True)
    joined = deploy(UpFlow, branch="trial", settings=person("bob"), authorize=token)
    assert joined.deployer == "bob"
    assert joined.production_namespace != old.production_namespace


def test_runs_are_ended_by_the_owner_and_by_whoever_has_the_token(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    stranger = deployed(made.name, person("bob")).trigger()
    for act in (stranger.terminate, stranger.suspend, stranger.unsuspend):
        with pytest.raises(ProductionTokenError):
            act()
    assert stranger.wait(timeout=60).successful
    assert not stranger.terminate(authorize=made.production_token)


def test_a_token_is_worth_nothing_in_another_deployment(person: Any) -> None:
    token = deploy(TokenFlow, settings=person("ann")).production_token
    other = deploy(OneFlow, settings=person("ann"))
    with pytest.raises(ProductionTokenError, match="the token that was given is not its token"):
        deploy(OneFlow, settings=person("bob"), authorize=token)
    assert deployed(other.name).deployer == "ann"


def test_the_same_flow_under_another_name_or_as_another_class_is_a_staging_of_its_own(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    staged = deploy(TokenFlow, name="staging", settings=person("bob"), tags=["trial"])
    assert staged.production_namespace == production_namespace("staging")
    renamed = deploy(OneFlow, settings=person("eve"))
    assert len({made.production_namespace, staged.production_namespace, renamed.production_namespace}) == 3
    run = staged.trigger().wait(timeout=60)
    assert "trial" in run.user_tags
    assert f"production:{staged.production_namespace}" in run.system_tags
    assert made.trigger().wait(timeout=60).user_tags == frozenset()


def test_runs_are_in_the_production_namespace_and_so_is_their_code(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    tag = f"production:{made.production_namespace}"
    namespace(tag)
    run = made.trigger().wait(timeout=60)
    assert Run(run.pathspec).data.seen == (tag, tag, "ann")
    assert {tag, "user:ann"} <= run.system_tags
    namespace(None)
    chosen = deploy(TokenFlow, settings=person("ann"), namespace="user:carl")
    later = chosen.trigger().wait(timeout=60)
    assert later.data.seen == ("user:carl", "user:carl", "ann")
    assert tag in later.system_tags


def test_a_new_token_is_a_new_namespace_and_ends_the_old_one(person: Any) -> None:
    first = deploy(TokenFlow, settings=person("ann"))
    old = first.production_token
    second = deploy(TokenFlow, settings=person("ann"), generate_new_token=True)
    assert second.production_namespace == production_namespace("tokenflow", 1)
    with pytest.raises(ProductionTokenError):
        deploy(TokenFlow, settings=person("bob"), authorize=old)
    chosen = "correct-horse-battery"
    third = deploy(TokenFlow, settings=person("ann"), new_token=chosen)
    assert third.production_token == chosen
    assert third.production_namespace == namespace_of_chosen("tokenflow", chosen)
    assert deploy(TokenFlow, settings=person("bob"), authorize=chosen).deployer == "bob"
    fourth = deploy(TokenFlow, settings=person("bob"), generate_new_token=True)
    assert fourth.production_namespace == production_namespace("tokenflow", 2)


@pytest.mark.parametrize("bad", ["short", "with a space in it", "unbekannt-ÄÖÜ-token", "line\nbreak-in-it", "x" * 501])
def test_a_chosen_token_that_is_weak_or_gets_lost_is_refused_unseen(person: Any, bad: str) -> None:
    with pytest.raises(UsageError) as raised:
        deploy(TokenFlow, settings=person("ann"), new_token=bad)
    assert bad not in str(raised.value)
    with pytest.raises(NotDeployedError):
        deployed("tokenflow")
    assert written() == {}


def test_flows_of_a_branch_share_namespace_and_token(person: Any) -> None:
    up = deploy(UpFlow, production=True, settings=person("ann"))
    assert up.production_namespace.startswith("mfprj-")
    with pytest.raises(ProductionTokenError, match=f"the namespace '{up.production_namespace}' belongs to ann"):
        deploy(DownFlow, production=True, settings=person("bob"))
    down = deploy(DownFlow, production=True, settings=person("bob", production_token=up.production_token))
    assert down.production_namespace == up.production_namespace
    assert annotations(down)[Annotations.TOKEN_DIGEST] == annotations(up)[Annotations.TOKEN_DIGEST]
    elsewhere = deploy(DownFlow, branch="try", settings=person("bob"))
    assert elsewhere.production_namespace != up.production_namespace
    with pytest.raises(ProductionTokenError):
        deploy(UpFlow, branch="try", settings=person("ann"))


def test_of_first_deployments_at_once_all_that_go_through_have_one_token(person: Any, tmp_path: Path) -> None:
    """By one user on four machines: each has a home of its own, and none knows of the others."""

    def on_machine(number: int) -> DeployedFlow:
        home = str(tmp_path / "homes" / str(number))
        flow = UpFlow if number % 2 else DownFlow
        return deploy(flow, production=True, settings=person("ann", token_home=home))

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(on_machine, range(4)))
    digests = {annotations(each)[Annotations.TOKEN_DIGEST] for each in made}
    assert len(digests) == len({each.production_namespace for each in made}) == 1
    kept = {file.read_text().strip() for file in (tmp_path / "homes").rglob(made[0].production_namespace)}
    (token,) = kept
    assert is_token(token, digests.pop())


def test_of_first_deployments_at_once_by_several_people_one_goes_through(person: Any) -> None:
    def deploy_as(name: str) -> DeployedFlow | None:
        try:
            return deploy(TokenFlow, settings=person(name))
        except ProductionTokenError:
            return None

    with ThreadPoolExecutor(3) as pool:
        (made,) = filter(None, pool.map(deploy_as, ("ann", "bob", "eve")))
    assert deployed("tokenflow").deployer == made.deployer
    assert made.production_token is not None
    homes = [file for file in written() if file.endswith(made.production_namespace)]
    assert len(homes) == 1


def test_after_its_deletion_a_name_is_free_and_the_next_one_gets_another_token(person: Any) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    old = made.production_token
    deployed(made.name, person("eve")).delete(authorize=old)
    again = deploy(TokenFlow, settings=person("bob"))
    assert again.production_namespace == made.production_namespace
    assert again.production_token not in (None, old)
    with pytest.raises(ProductionTokenError):
        deploy(TokenFlow, settings=person("ann"))


def test_a_deletion_that_died_halfway_hinders_nobody_for_long(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    made.backend.delete(made.name)
    with pytest.raises(ProductionTokenError):
        deploy(TokenFlow, settings=person("bob"))
    later = time.time() + 2 * production_module.MAKING
    monkeypatch.setattr(time, "time", lambda: later)
    assert deploy(TokenFlow, settings=person("bob")).deployer == "bob"


def test_a_deployment_that_died_after_its_token_was_made_goes_on_with_it(person: Any) -> None:
    ann = person("ann")
    made = deploy(TokenFlow, settings=ann)
    token = made.production_token
    made.backend.delete(made.name)  # as if it had never come to be
    assert deploy(TokenFlow, settings=ann).production_token == token


def test_without_its_record_a_deployment_says_itself_which_token_it_has(person: Any, tmp_path: Path) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    moved = person("bob", datastore=str(tmp_path / "elsewhere"))
    with pytest.raises(ProductionTokenError):
        deploy(TokenFlow, settings=moved)
    again = deploy(TokenFlow, settings=moved, authorize=made.production_token)
    assert again.production_token == made.production_token
    assert len(list(open_store(moved.datastore, moved).keys("deployments/"))) >= 1


def test_a_deployment_without_a_token_is_its_owners_and_gets_one(person: Any) -> None:
    """Such as one that was compiled, and applied with kubectl."""
    made = deploy(TokenFlow, settings=person("ann"))
    bare = {
        name: value
        for name, value in made.plan.annotations.items()
        if name not in (Annotations.TOKEN_DIGEST, Annotations.PLACE)
    }
    made.backend.delete(made.name)
    for key in Path(Settings.load().datastore).rglob("production/*.json"):
        key.unlink()
    made.backend.deploy(replace(made.plan, annotations=bare))
    with pytest.raises(ProductionTokenError, match="it has no token, and gets one when ann deploys it"):
        deploy(TokenFlow, settings=person("bob"))
    assert deploy(TokenFlow, settings=person("ann")).production_token is not None


def test_where_a_token_cannot_be_kept_the_owner_is_told_and_goes_on(person: Any, tmp_path: Path) -> None:
    in_the_way = tmp_path / "in-the-way"
    in_the_way.write_text("a file")
    told: list[str] = []
    made = deploy(TokenFlow, settings=person("ann", token_home=str(in_the_way)), tell=told.append)
    assert any("only ann can" in line and "MFHERA_TOKEN_HOME" in line for line in told)
    assert made.production_token is None
    assert deploy(TokenFlow, settings=person("ann")).version == made.version
    regained = deploy(TokenFlow, settings=person("ann"), generate_new_token=True)
    assert regained.production_token is not None


def test_compiled_manifests_are_in_the_first_namespace_and_have_no_token(person: Any) -> None:
    (template,) = compile_manifests(TokenFlow, settings=person("ann"))
    known = template["metadata"]["annotations"]
    assert known[Annotations.PRODUCTION] == production_namespace("tokenflow")
    assert Annotations.TOKEN_DIGEST not in known
    assert known[Annotations.VERSION] == deploy(TokenFlow, settings=person("ann")).version


def test_places_do_not_mix(person: Any, tmp_path: Path) -> None:
    """Two engines with one datastore: each has its own deployments, owners and tokens."""
    made = deploy(TokenFlow, settings=person("ann"))
    elsewhere = person("bob", data_dir=str(tmp_path / "other"), datastore=Settings.load().datastore)
    try:
        other = deploy(TokenFlow, settings=elsewhere)
        assert other.production_namespace == made.production_namespace
        with pytest.raises(ProductionTokenError):
            deployed(made.name, person("bob")).delete(other.production_token)
    finally:
        stop_engine(elsewhere)


@pytest.mark.parametrize("name", [Annotations.PLACE, Annotations.PRODUCTION])
@pytest.mark.parametrize("text", ["../../.ssh", "/etc", "a/b", ".hidden", "a\nb", "x" * 300])
def test_annotations_of_somebody_else_name_no_file_outside_of_the_home(person: Any, name: str, text: str) -> None:
    made = deploy(TokenFlow, settings=person("ann"))
    token = str(made.production_token)
    made.backend.deploy(replace(made.plan, annotations={**made.plan.annotations, name: text}))
    before = written()
    for call in (
        lambda: deploy(TokenFlow, settings=person("bob"), authorize=token),
        lambda: deploy(TokenFlow, settings=person("bob")),
        lambda: deployed(made.name, person("bob")).rollback(authorize=token),
    ):
        with contextlib.suppress(NamingError, BackendError):
            call()
    assert [file for file in written() if file not in before and "/homes/bob/" in file and text in file] == []
    outside = {file for file in made_files(Path.cwd().parent) if "/homes/" not in file and "/data/" not in file}
    assert not any(token in Path(file).read_text(errors="replace") for file in outside)


def made_files(folder: Path) -> set[str]:
    return {str(file) for file in folder.rglob("*") if file.is_file()}


def test_two_changes_of_the_token_at_once_end_with_one_that_is_kept(person: Any) -> None:
    deploy(TokenFlow, settings=person("ann"))

    def change(number: int) -> bool:
        try:
            deploy(TokenFlow, settings=person("ann"), new_token=f"a-token-of-my-own-{number}")
        except BackendError as error:
            assert "deploy it again" in str(error)
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        assert any(pool.map(change, range(3)))
    assert deployed("tokenflow", person("ann")).production_token is not None


@slow
@given(TEXTS, TEXTS)
def test_a_digest_tells_its_token_from_every_other(token: str, other: str) -> None:
    digest = digest_of(token)
    assert is_token(token, digest)
    assert is_token(other, digest) == (token == other)
    assert token not in digest.split(":")


@slow
@given(st.text(max_size=80))
def test_what_is_no_digest_is_that_of_no_token(text: str) -> None:
    assert not is_token("token", text)
    assert not is_token("token", f"scrypt:14:{text}:{text}")
    assert not is_token("token", f"scrypt:{text}:AAAA:AAAA")


@slow
@given(st.from_regex(r"[a-z][-a-z0-9.]{0,30}", fullmatch=True), st.integers(0, 10_000))
def test_a_namespace_tells_its_number_and_how_it_begins(prefix: str, number: int) -> None:
    made = production_namespace(prefix, number)
    assert (number_of(made), prefix_of(made)) == (number, prefix)
    assert prefix_of(namespace_of_chosen(prefix, "a-token-of-my-own")) == prefix
    assert checked_token(new_token(made)).startswith(f"{made}-")


def test_a_file_holds_one_token_whoever_is_faster(tmp_path: Path) -> None:
    file = TokenFile(tmp_path / "place" / "namespace")
    with ThreadPoolExecutor(8) as pool:
        kept = set(pool.map(lambda number: file.claim(f"token-{number}"), range(16)))
    assert kept == {file.read()}
    assert list(file.path.parent.iterdir()) == [file.path]
    file.drop("another")
    assert file.read() in kept
    file.drop(str(file.read()))
    assert file.read() is None
