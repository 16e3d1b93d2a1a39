"""The files that a run includes, as artifacts: references to the objects that hold their contents already."""

from __future__ import annotations

from collections.abc import Mapping

from metaflow_hera.errors import ParameterError
from metaflow_hera.flow.include_file import IncludedFile
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.naming import data_key
from metaflow_hera.records.artifacts import is_there
from metaflow_hera.records.values import RAW, Ref
from metaflow_hera.store import Store


def refs_of_files(flow_class: type, values: Mapping[str, object], store: Store) -> dict[str, Ref]:
    """References to the files among the values of parameters, by attribute; `ParameterError` for contents not there."""
    files = {name: value for name, value in values.items() if isinstance(value, IncludedFile)}
    missing = [name for name, file in files.items() if not is_there(store, file.digest, file.size)]
    if missing:
        parameters = parameters_of(flow_class)
        raise ParameterError(
            "\n".join(
                f"parameter {parameters[name].name!r}: {store.uri} has no content {data_key(files[name].digest)} of "
                f"{files[name].size:,} bytes; give the file itself, by mfhera trigger --{parameters[name].name} PATH"
                for name in missing
            )
        )
    return {name: ref_of_file(file) for name, file in files.items()}


def ref_of_file(file: IncludedFile) -> Ref:
    """The artifact whose value is the content of *file*."""
    return Ref(
        size=file.size,
        type="str" if file.is_text else "bytes",
        digest=file.digest,
        encoding=file.encoding if file.is_text else RAW,
    )
