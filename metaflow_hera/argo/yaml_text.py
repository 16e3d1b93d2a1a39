"""Manifests as YAML that reads the same by the rules of YAML 1.1, which Kubernetes has, and of 1.2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from metaflow_hera.errors import ManifestError

# `y` and `n` are booleans to YAML 1.1, though not to PyYAML; `1:30` is a number in base 60, `1_000` one with a gap.
_WORDS = re.compile(r"(?:y|yes|n|no|on|off|true|false|null|nan|inf|~)\Z", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_/][-A-Za-z0-9_./]*\Z", re.ASCII)
_BLOCK = re.compile(r"[^\s][^\r\x85\u2028\u2029\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]*\Z")

_FIRST = (
    *("apiVersion", "kind", "name", "namespace", "metadata", "spec"),
    *("entrypoint", "arguments", "workflowMetadata", "template", "image", "command"),
)
"""Keys that a reader looks for come first."""


class _Dumper(yaml.SafeDumper):
    """Has representers of its own: importing Hera changes those of PyYAML's."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


def _represent_mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.MappingNode:
    ranks = {key: rank for rank, key in enumerate(_FIRST)}
    items = sorted(value.items(), key=lambda item: (ranks.get(item[0], len(ranks)), item[0]))
    return dumper.represent_mapping("tag:yaml.org,2002:map", items)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_mapping)


def _style(value: str) -> str | None:
    """A block for several lines that a person is to read, nothing for what is plain to everyone, quotes else."""
    if "\n" in value and _BLOCK.match(value) and not re.search(r"[ \t]$", value, re.MULTILINE):
        return "|"
    return None if _PLAIN.match(value) and not _WORDS.match(value) else '"'


class _Loader(yaml.SafeLoader):
    """Reads what `dump` writes; refuses a key that is there twice, where PyYAML takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if not isinstance(key, str) or keys.count(key) > 1:
                found = f"{key!r} is there twice" if isinstance(key, str) else f"the key {key!r} is not a text"
                raise yaml.constructor.ConstructorError(None, None, found, node.start_mark)
        return super().construct_mapping(node, deep)


def dump(documents: Iterable[Mapping[str, Any]]) -> str:
    """The documents as YAML, with ``---`` between them."""
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31, explicit_start=False
    )


def load(text: str) -> list[dict[str, Any]]:
    """The documents of *text*; `ManifestError`, with line and column, for what is no YAML or no mapping."""
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.YAMLError as error:
        raise ManifestError(f"the manifest is not YAML that we read: {' '.join(str(error).split())}") from error
    for document in documents:
        if not isinstance(document, dict):
            raise ManifestError(f"a manifest is a mapping, not {document!r}")
    return documents
