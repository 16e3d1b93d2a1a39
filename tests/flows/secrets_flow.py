"""Secrets as environment variables of steps, and of no others."""

from __future__ import annotations

import os

from metaflow_hera import FlowSpec, get_secret, secrets, step

INLINE = {
    "type": "inline",
    "id": "tests",
    "options": {"env_vars": {"PASSWORD": "correct horse", "USERNAME_OF_DB": "ann"}},
}


class SecretsFlow(FlowSpec):
    @secrets(sources=[INLINE])
    @step
    def start(self):
        self.length = len(os.environ["PASSWORD"])
        self.next(self.override)

    @secrets(sources=[{"type": "inline", "options": {"env_vars": {"HOME": "/nowhere"}}}], allow_override=True)
    @step
    def override(self):
        self.home = os.environ["HOME"]
        self.next(self.end)

    @step
    def end(self):
        self.gone = "PASSWORD" not in os.environ and os.environ.get("HOME") != "/nowhere"
        self.user_name = get_secret(INLINE)["USERNAME_OF_DB"]


if __name__ == "__main__":
    SecretsFlow()
