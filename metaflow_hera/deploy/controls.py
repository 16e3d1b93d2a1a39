"""What is asked of a run of a deployment, by the command line and by Python alike."""

from __future__ import annotations

from metaflow_hera.backends import Action, Backend, Phase, RunStatus
from metaflow_hera.backends.open import open_backend
from metaflow_hera.deploy.recorded import open_records, recorded_status
from metaflow_hera.deploy.rights import Rights, require_for_run
from metaflow_hera.deploy.runs import locate
from metaflow_hera.errors import UnknownRunError, UsageError
from metaflow_hera.naming import workflow_of_run
from metaflow_hera.settings import Settings

_DOING = {
    Action.TERMINATE: "terminating its runs",
    Action.STOP: "stopping its runs",
    Action.SUSPEND: "suspending its runs",
    Action.UNSUSPEND: "unsuspending its runs",
    Action.RETRY: "retrying its runs",
}


def control(action: Action, target: str, rights: Rights) -> RunStatus:
    """Do that with the run behind ``[Flow/]run``; return its status before."""
    backend, before = found(action, target, rights.settings)
    act(action, backend, before, rights)
    return before


def found(action: Action, target: str, settings: Settings) -> tuple[Backend, RunStatus]:
    """The run, as its backend knows it; `UnknownRunError` with what can be done where it is in its records only."""
    flow, run, _ = locate(target, settings)
    if workflow_of_run(run) is None:
        told = "`mfhera resume` goes on with it" if action is Action.RETRY else "press Ctrl-C there"
        raise UsageError(f"run {flow}/{run} is one of a terminal, not of a deployment; {told}")
    backend = open_backend(settings)
    try:
        return backend, backend.run(run)
    except UnknownRunError as error:
        recorded = recorded_status(open_records(settings), flow, run)
        advice = f"; `mfhera resume {flow}/{run}` starts a run that takes over what succeeded"
        raise UnknownRunError(
            f"cannot {action} run {run}: the {backend.name} backend has it no more, only its records are there (it is "
            f"{recorded.phase}){'' if recorded.phase is Phase.SUCCEEDED else advice}"
        ) from error


def act(action: Action, backend: Backend, run: RunStatus, rights: Rights) -> None:
    """Do that; `ProductionTokenError` for a run of a deployment of somebody else's."""
    require_for_run(run.deployment, backend, rights, _DOING[action])
    acts = {
        Action.TERMINATE: backend.terminate,
        Action.STOP: backend.stop,
        Action.SUSPEND: backend.suspend,
        Action.UNSUSPEND: backend.unsuspend,
        Action.RETRY: backend.retry,
    }
    acts[action](run.run)


def changes(action: Action, before: RunStatus) -> bool:
    """Whether there was anything to do for a run that was like that."""
    match action:
        case Action.RETRY:
            return before.phase.is_bad
        case Action.SUSPEND:
            return not before.phase.is_final and not before.is_suspended
        case Action.UNSUSPEND:
            return before.is_suspended
        case Action.TERMINATE | Action.STOP:
            return not before.phase.is_final
