"""What is to run, as data: the subset of Argo that we emit, and `compile`, which makes it from a flow."""
