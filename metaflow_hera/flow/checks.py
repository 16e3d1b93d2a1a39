"""What the attributes of decorators may hold: each check gives the ends of sentences about what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TOLERATION_KEYS = ("key", "operator", "value", "effect", "toleration_seconds", "tolerationSeconds")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")


def as_number(value: object) -> float | None:
    """*value* if it is a finite number, or a text with one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number - number == 0 else None


def number(name: str, value: object, *, at_least: float | None = None, above: float | None = None) -> Iterator[str]:
    found = as_number(value)
    if found is None or (at_least is not None and found < at_least) or (above is not None and found <= above):
        bound = (
            f" of at least {at_least:g}" if at_least is not None else f" above {above:g}" if above is not None else ""
        )
        yield f"{name} must be a number{bound}, not {value!r}"


def whole(name: str, value: object, *, at_least: int) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        yield f"{name} must be a whole number of at least {at_least}, not {value!r}"


def truth(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{name} must be True or False, not {value!r}"


def words(name: str, value: object) -> Iterator[str]:
    if value is not None and not (isinstance(value, str) and value.strip()):
        yield f"{name} must be a text, not {value!r}"


def one_of(name: str, value: object, choices: tuple[str, ...]) -> Iterator[str]:
    if value is not None and value not in choices:
        yield f"{name} must be one of {', '.join(choices)}, not {value!r}"


def artifact(name: str, value: object) -> Iterator[str]:
    if value is not None and not (isinstance(value, str) and value.isidentifier()):
        yield f"{name} must be the name of an artifact, not {value!r}"


def mapping(name: str, value: object, entry: Callable[[str, str], str | None]) -> Iterator[str]:
    """A mapping of texts to texts whose every entry has nothing wrong."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        yield f"{name} must be a dictionary, not {value!r}"
        return
    for key, item in value.items():
        if not isinstance(key, str):
            yield f"the keys of {name} must be texts, not {key!r}"
        elif wrong := entry(key, str(item)):
            yield f"{name}: {wrong}"


def variables(name: str, value: object) -> Iterator[str]:
    def entry(key: str, item: str) -> str | None:
        if not key or "=" in key or "\0" in key:
            return f"{key!r} cannot be the name of an environment variable"
        return f"the value of {key} holds a null character" if "\0" in item else None

    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list | tuple | set) or item is None:
                yield f"{name}: the value of {key} must be a text or a number, not {item!r}"
    yield from mapping(name, value, entry)


def labels(name: str, value: object) -> Iterator[str]:
    def entry(key: str, item: str) -> str | None:
        if not _LABEL_KEY.match(key):
            return f"{key!r} is no key that Kubernetes takes"
        return None if _LABEL_VALUE.match(item) else f"{item!r} is no value that Kubernetes takes for a label"

    yield from mapping(name, value, entry)


def annotation_keys(name: str, value: object) -> Iterator[str]:
    yield from mapping(
        name, value, lambda key, _: None if _LABEL_KEY.match(key) else f"{key!r} is no key that Kubernetes takes"
    )


def tolerations(value: object) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
        yield f"tolerations must be a list of dictionaries, not {value!r}"
        return
    for one in value:
        if unknown := [key for key in one if key not in _TOLERATION_KEYS]:
            yield f"a toleration has no {unknown[0]!r}; its keys are {', '.join(_TOLERATION_KEYS[:5])}"
        yield from one_of("the effect of a toleration", one.get("effect") or None, _EFFECTS)
        yield from one_of("the operator of a toleration", one.get("operator"), ("Exists", "Equal"))


def timezone(name: str, value: object) -> Iterator[str]:
    yield from words(name, value)
    if isinstance(value, str) and value.strip():
        import zoneinfo  # only for flows that name a time zone

        known = zoneinfo.available_timezones()
        if known and value not in known:
            yield f"{name} {value!r} is not in the IANA database; write for example 'Europe/Berlin'"


def amounts(decorator: Any) -> Iterator[str]:
    """The sizes that `resources` and `kubernetes` have in common."""
    for name in ("cpu", "memory", "disk"):
        if getattr(decorator, name) is not None:
            yield from number(name, getattr(decorator, name), above=0)
    for name, at_least in (("gpu", 0), ("shared_memory", 1)):
        yield from count(name, getattr(decorator, name), at_least)


def count(name: str, value: object, at_least: int) -> Iterator[str]:
    found = as_number(value)
    if value is not None and (found is None or found != int(found) or found < at_least):
        yield f"{name} must be a whole number of at least {at_least}, not {value!r}"


def pod(decorator: Any) -> Iterator[str]:
    """What `kubernetes` alone has."""
    for name in ("image", "service_account", "namespace", "compute_pool", "executable", "tmpfs_path"):
        yield from words(name, getattr(decorator, name))
    yield from one_of("image_pull_policy", decorator.image_pull_policy, ("Always", "IfNotPresent", "Never"))
    yield from one_of("gpu_vendor", decorator.gpu_vendor, ("nvidia", "amd"))
    yield from one_of("qos", str(decorator.qos).lower(), ("burstable", "guaranteed"))
    for name in ("secrets", "image_pull_secrets"):
        yield from _names(name, getattr(decorator, name))
    yield from _selector(decorator.node_selector)
    yield from tolerations(decorator.tolerations)
    yield from labels("labels", decorator.labels)
    yield from annotation_keys("annotations", decorator.annotations)
    for name in ("use_tmpfs", "tmpfs_tempdir"):
        if getattr(decorator, name) is not None:
            yield from truth(name, getattr(decorator, name))
    for name in ("tmpfs_size", "hostname_resolution_timeout", "port"):
        yield from count(name, getattr(decorator, name), 1)
    yield from _structures(decorator)


def _structures(decorator: Any) -> Iterator[str]:
    yield from mapping(
        "persistent_volume_claims",
        decorator.persistent_volume_claims,
        lambda claim, path: (
            None if path.startswith("/") else f"the path of {claim!r} must begin with '/', not {path!r}"
        ),
    )
    yield from mapping(
        "extended_resources",
        decorator.extended_resources,
        lambda key, amount: (
            None if _is_natural(amount) else f"the amount of {key} must be a whole number, not {amount!r}"
        ),
    )
    yield from mapping("security_context", decorator.security_context, lambda key, value: None)


def _is_natural(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _names(name: str, value: object) -> Iterator[str]:
    given = value if isinstance(value, list | tuple) else () if value is None else (value,)
    for one in given:
        if not isinstance(one, str) or not one.strip():
            yield f"{name} must be names of Kubernetes Secrets, not {one!r}"


def _selector(value: object) -> Iterator[str]:
    if isinstance(value, str):
        for part in value.split(","):
            if "=" not in part:
                yield f"node_selector must be 'key=value,…' or a dictionary, not {value!r}"
                return
        value = pairs(value)
    yield from labels("node_selector", value)


def listed(value: tuple[str, ...] | list[str] | str | None) -> tuple[str, ...]:
    """Names that were written as a list or as one text with commas."""
    if isinstance(value, str):
        value = value.split(",")
    return tuple(part.strip() for part in value or () if part.strip())


def pairs(value: Mapping[str, str] | str | None) -> dict[str, str]:
    """Keys and values that were written as a dictionary or as ``k=v,k2=v2``."""
    if isinstance(value, str):
        split = (part.split("=", 1) for part in value.split(",") if "=" in part)
        return {key.strip(): item.strip() for key, item in split}
    return {key: str(item) for key, item in (value or {}).items()}
