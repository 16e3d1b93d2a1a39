"""Between a Plan and what Argo is given: Hera objects, manifests as data and as YAML, cron lines."""
