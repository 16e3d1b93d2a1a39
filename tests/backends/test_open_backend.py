"""Which backend the settings choose."""

from __future__ import annotations

import pytest

from metaflow_hera.backends.embedded import EmbeddedBackend
from metaflow_hera.backends.open import open_backend
from metaflow_hera.errors import BackendError
from metaflow_hera.settings import Settings


def test_without_any_configuration_flows_run_on_this_machine() -> None:
    assert isinstance(open_backend(Settings.load()), EmbeddedBackend)


@pytest.mark.parametrize("name", ["kubernetes", "argo"])
def test_a_backend_that_this_version_does_not_have_is_told_with_the_way_round(name: str) -> None:
    with pytest.raises(BackendError, match=rf"'{name}'.*mfhera compile"):
        open_backend(Settings.load({"backend": name}))
