"""The end of a run in its container: first it is written down, then people are told, then exit hooks are called.

Nothing of that changes how the run ended, and nothing of it happens twice for one end, however often the pod is tried.
That is kept in the store. Where the store does not take it, everything is done all the same, and this is told: a hook
that is called twice does less harm than one that never is.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.command import ExitCommand
from metaflow_hera.errors import ConflictError, MetaflowHeraError, StoreError
from metaflow_hera.naming import ExitKeys, RunKeys, own_tag, pathspec
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.runtime.ending import attempts_begun, end_run
from metaflow_hera.settings import Settings, set_environment, variable
from metaflow_hera.store import ABSENT, Store, open_store


def run_exit(command: ExitCommand, folder: Path, settings: Settings) -> None:
    """Everything that is to be done at the end of a run, in a pod with that *folder*."""
    store = open_store(command.store, settings)
    end = end_run(command, store)
    succeeded = end.status == runs.SUCCEEDED
    tells = (ExitCommand.ON_SUCCESS if succeeded else ExitCommand.ON_ERROR) in command.notify
    if command.file or tells:
        from metaflow_hera.runtime.logged import run_logged  # most runs end without

        run = RunKeys(command.flow, command.run)
        keys = run.exit(attempts_begun(store, run))
        rest = _Rest(command=command, folder=folder, store=store, end=end, keys=keys, tells=tells)
        run_logged(rest.do, store, keys.output(time.time_ns()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """What is left to do when the end is written."""

    command: ExitCommand
    folder: Path
    store: Store
    end: EndRecord
    keys: ExitKeys
    tells: bool

    def do(self) -> None:
        if self.tells:
            self._tell_people()
        if self.command.file:
            self._call_hooks()

    def _tell_people(self) -> None:
        from metaflow_hera.notifications import notify  # with urllib, for who wants to be told
        from metaflow_hera.notifications.message import RunEnd

        end = RunEnd(
            flow=self.command.flow,
            run=self.command.run,
            succeeded=self.end.status == runs.SUCCEEDED,
            message=self.end.message,
            finished=self.end.finished,
            link=self.command.link,
            alert_source=self.command.alert_source,
            alert_metadata=self.command.alert_metadata,
            secret=self.command.secret,
        )
        for channel, sentence in notify(end, Settings.load(), lambda name: self._is_done(_told(name))):
            print_now(sentence)
            if channel:
                self._begin(_told(channel), sentence)

    def _call_hooks(self) -> None:
        from metaflow_hera.client import Run, namespace  # with its rooms, for hooks only
        from metaflow_hera.flow.exit_hooks import hooks_of
        from metaflow_hera.runtime.container import load_shipped
        from metaflow_hera.runtime.exit_hooks import call_hook

        command = self.command
        set_environment({variable("datastore"): self.store.uri})
        try:
            flow_class = load_shipped(self.folder, command.file, command.flow)
        except MetaflowHeraError as error:
            print_now(f"the exit hooks cannot be called: {error}")
            return
        path = pathspec(command.flow, command.run)
        namespace(command.namespace or own_tag(command.production, command.user))
        for hook in hooks_of(flow_class, succeeded=self.end.status == runs.SUCCEEDED, image=command.image):
            if not self._begin(hook.name, f"the exit hook {hook.name} was called"):
                print_now(f"the exit hook {hook.name} was called before, by a pod that did not come to its end")
            elif problem := call_hook(hook, lambda: Run(path, store=self.store, namespace_check=False)):
                print_now(problem)

    def _is_done(self, what: str) -> bool:
        try:
            return self.store.head(self.keys.done(what)) != ABSENT
        except StoreError as error:
            print_now(f"whether an exit step before this one did that is not known: {error}")
            return False

    def _begin(self, what: str, fact: str) -> bool:
        """Write down that it is done from now on; False if it was before. *fact* says the same to people."""
        try:
            self.store.put(self.keys.done(what), b"", expect=ABSENT)
        except ConflictError:
            return False
        except StoreError as error:
            print_now(f"that {fact} cannot be written down, so a pod that takes over does it anew: {error}")
        return True


def _told(channel: str) -> str:
    """No function has such a name."""
    return f"told-{channel}"


def print_now(sentence: str) -> None:
    sys.stdout.write(f"metaflow_hera: {sentence}\n")
    sys.stdout.flush()
