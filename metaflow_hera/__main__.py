"""``python -m metaflow_hera``: the commands of ``mfhera``, or a flow's file with the peer's grammar after it."""

from metaflow_hera.cli import module_main

if __name__ == "__main__":
    module_main()
