"""In which production namespace a deployment is, and which token that has.

All flows of a project in one branch share both, so the token is also what it takes to join them. A record in the store
says which namespace holds: the first writer decides, so of several first deployments at once all that go through have
the same token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from metaflow_hera.backends import Backend, Deployment
from metaflow_hera.deploy.rights import Lock, Rights
from metaflow_hera.deploy.telling import Tell
from metaflow_hera.deploy.tokens import (
    TokenChoices,
    TokenFile,
    checked_token,
    digest_of,
    is_token,
    namespace_of_chosen,
    new_token,
)
from metaflow_hera.errors import BackendError, ConflictError, ManifestError, SettingsError, StoreError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan
from metaflow_hera.production_names import PlaceKeys, number_of, prefix_of, production_namespace
from metaflow_hera.records import objects
from metaflow_hera.records.codec import encode
from metaflow_hera.records.deployments import Production
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, Version, open_store

MAKING: float = 600.0
"""Seconds for which a namespace without a deployment may be that of one which is being made."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where a deployment is about to be made."""

    name: str
    prefix: str
    """What its namespaces begin with."""
    backend: Backend
    store: Store
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a deployment finds there, and the namespace that it will be in."""

    ground: Ground
    place: str
    replaced: Deployment | None
    namespace: str
    held: Production | None
    """What holds now; None for the first deployment."""
    version: Version
    """Of the record, whether or not it holds."""
    number: int
    token: str | None
    """A new one, if the deployer wants one."""
    rights: Rights

    @property
    def key(self) -> str:
        return PlaceKeys(self.place).production(self.ground.prefix)

    @property
    def settings(self) -> Settings:
        return self.ground.settings


def look(ground: Ground, replaced: Deployment | None, choices: TokenChoices) -> Standing:
    """See how things are, and whether this user may deploy there; nothing is written."""
    rights = Rights(settings=ground.settings, given=choices.authorize)
    known: Mapping[str, str] = {}
    if replaced is not None:
        rights.require(Lock.of(replaced.plan), "deploying it anew")
        known = replaced.plan.annotations
    place = known.get(Annotations.PLACE) or ground.backend.place
    key = PlaceKeys(place).production(ground.prefix)
    version, record = ground.store.head(key), objects.read(ground.store, key, Production)
    held = record if record is not None and not record.released else _of_annotations(known)
    if held is not None and held.digest != known.get(Annotations.TOKEN_DIGEST):
        # A token that was given and is that of the deployment need not be that of the namespace as well.
        is_shown = Annotations.TOKEN_DIGEST in known
        held = _joined(ground, held, place, rights, is_shown=is_shown) or _of_annotations(known)
    number = max(record.number if record else 0, number_of(held.namespace) if held else 0)
    namespace, token = held.namespace if held else production_namespace(ground.prefix, number), None
    if choices.new is not None:
        token = checked_token(choices.new)
        namespace = namespace_of_chosen(ground.prefix, token)
    elif choices.generate:
        number += 1
        namespace = production_namespace(ground.prefix, number)
        token = new_token(namespace)
    return Standing(
        ground=ground,
        place=place,
        replaced=replaced,
        namespace=namespace,
        held=held,
        version=version,
        number=number,
        token=token,
        rights=rights,
    )


def _of_annotations(known: Mapping[str, str]) -> Production | None:
    """What a deployment itself says of its namespace, where no record does."""
    digest = known.get(Annotations.TOKEN_DIGEST)
    if not digest:
        return None
    owner, namespace = known.get(Annotations.DEPLOYER, ""), known.get(Annotations.PRODUCTION, "")
    return Production(namespace=namespace, digest=digest, owner=owner, made=0, number=number_of(namespace))


def _joined(ground: Ground, held: Production, place: str, rights: Rights, *, is_shown: bool) -> Production | None:
    """The namespace, if this user may be in it; None if nobody else is there any more."""
    lock = _lock(held, place)
    if rights.open(lock) or (is_shown and rights.own(lock)):
        return held
    is_being_made = time.time() - held.made < MAKING
    if is_being_made or any(_is_in(each.plan, held.namespace) for each in ground.backend.deployments()):
        rights.require(lock, "deploying into it")
    return None


def _lock(held: Production, place: str) -> Lock:
    return Lock(
        called=f"the namespace {held.namespace!r}",
        owner=held.owner,
        digest=held.digest,
        place=place,
        namespace=held.namespace,
    )


def _is_in(plan: Plan, namespace: str) -> bool:
    return plan.annotations.get(Annotations.PRODUCTION) == namespace


def claim(found: Standing, tell: Tell) -> Mapping[str, str]:
    """Make the namespace that was found the one of the deployment; return what its annotations say of that."""
    if found.rights.given is not None and found.held is None:
        tell(
            f"no token was needed, for {found.namespace} had none yet; the one that was given is not that of this "
            "deployment: leave it out"
        )
    if found.token is not None:
        digest = _change(found, found.token, tell)
    elif found.held is not None:
        digest = _keep(found, found.held, tell)
    else:
        digest = _begin(found, tell)
    return {
        Annotations.PRODUCTION: found.namespace,
        Annotations.TOKEN_DIGEST: digest,
        Annotations.PLACE: found.place,
    }


def _keep(found: Standing, held: Production, tell: Tell) -> str:
    """What holds, holds; a token that was given for it is kept, so that it need not be given again."""
    if not held.made:  # it is the deployment that says so, and the record is missing, as in another datastore
        _write(found, replace(held, made=time.time()))
    lock = _lock(held, found.place)
    if found.rights.given is not None and (token := found.rights.token_of(lock)):
        try:
            _file(found).claim(token)
        except SettingsError as error:
            tell(f"the production token is not kept, so it has to be given the next time, too: {error}")
    return held.digest


def _change(found: Standing, token: str, tell: Tell) -> str:
    """The token is kept before anybody else can know of it: a death in between loses nothing."""
    file, made = _file(found), _made(found, token)
    file.write(token)
    _write(found, made)
    tell(_told(found, file))
    return made.digest


def _begin(found: Standing, tell: Tell) -> str:
    token = new_token(found.namespace)
    file = None
    try:
        file = _file(found)
        token = file.claim(token)
    except SettingsError as error:
        tell(f"the production token of {found.namespace} is lost, so only {found.settings.user} can use it: {error}")
    made = _made(found, token)
    try:
        _put(found, made)
    except ConflictError as error:
        return _follow(found, token, file, error)
    if file is not None:
        tell(_told(found, file))
    return made.digest


def _follow(found: Standing, token: str, file: TokenFile | None, error: ConflictError) -> str:
    """Somebody else was faster: go by their record, if its owner or its token is that of this user."""
    held = objects.read(found.ground.store, found.key, Production)
    if file is not None and not (held and is_token(token, held.digest)):
        file.drop(token)
    if held is None or held.released or held.namespace != found.namespace:
        raise _changed(found) from error
    found.rights.require(_lock(held, found.place), "deploying into it")
    return held.digest


def _file(found: Standing) -> TokenFile:
    return TokenFile.of(found.settings, found.place, found.namespace)


def _made(found: Standing, token: str) -> Production:
    return Production(
        namespace=found.namespace,
        digest=digest_of(token),
        owner=found.settings.user,
        made=time.time(),
        number=found.number,
    )


def _write(found: Standing, record: Production) -> None:
    try:
        _put(found, record)
    except ConflictError as error:
        raise _changed(found) from error


def _put(found: Standing, record: Production) -> None:
    found.ground.store.put(found.key, encode(record), expect=found.version)


def _changed(found: Standing) -> BackendError:
    return BackendError(
        f"somebody else is changing the production token of {found.ground.prefix} at this moment, so nothing was "
        "deployed; deploy it again"
    )


def _told(found: Standing, file: TokenFile) -> str:
    return (
        f"the production namespace is {found.namespace}; its token is kept in {file.path}, and "
        f"`mfhera token {found.ground.name}` prints it"
    )


def release(deleted: Deployment, backend: Backend, settings: Settings) -> None:
    """After its last deployment was deleted, a namespace is nobody's: the next one who deploys gets a new token."""
    lock, annotations = Lock.of(deleted.plan), deleted.plan.annotations
    if not (lock.place and lock.namespace):
        return
    store = open_store(annotations.get(Annotations.DATASTORE, ""), settings)
    key = PlaceKeys(lock.place).production(prefix_of(lock.namespace))
    try:
        if any(_is_in(each.plan, lock.namespace) for each in backend.deployments()):
            return
        version, record = store.head(key), objects.read(store, key, Production)
        if record is not None and record.namespace == lock.namespace:
            store.put(key, encode(replace(record, released=True)), expect=version)
            if (token := Rights(settings=settings).token_of(lock)) is not None and settings.token_home:
                TokenFile.of(settings, lock.place, lock.namespace).drop(token)
    except (StoreError, ManifestError):
        return  # the next one who deploys sees that nobody is there, as after a death right here
