"""What users write: flow classes, steps, parameters, decorators, `current`. Runs and stores nothing."""
