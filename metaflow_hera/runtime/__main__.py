"""What a container runs once its code is there: a task, or the end of a run."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.naming import POD_DIR
from metaflow_hera.runtime.container import run_task
from metaflow_hera.settings import Settings, pod_directory


def main(argv: Sequence[str]) -> int:
    """Do what *argv*, a `TaskCommand` or an `ExitCommand`, says; the exit code is 0 or 1.

    The garbage collector may be off until here, which makes imports quicker; what is imported is none of its business.
    """
    gc.freeze()
    gc.enable()
    settings = Settings.of_environment()
    try:
        if argv[:1] == [ExitCommand.verb]:
            from metaflow_hera.runtime.exiting import run_exit  # no task needs it

            run_exit(ExitCommand.parse(argv), pod_directory(POD_DIR), settings)
            return 0
        return run_task(TaskCommand.parse(argv), pod_directory(POD_DIR), settings)
    except MetaflowHeraError as error:
        sys.stderr.write(f"metaflow_hera: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
