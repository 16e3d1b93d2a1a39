"""A flow as data: steps and the transitions between them. Knows nothing of Argo, and runs nothing."""
