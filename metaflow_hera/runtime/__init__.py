"""One task: in a container, where it is everything that runs, or in a forked worker of a local run."""
