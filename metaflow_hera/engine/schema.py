"""The tables of the engine's database, as each version of this package left them."""

from __future__ import annotations

from metaflow_hera.engine.triggering_schema import TRIGGERING

_FIRST = """
create table manifests (digest text primary key, text text not null) without rowid;
create table deployments (
    name text primary key, version integer not null, digest text not null references manifests, created real not null
) without rowid;
create table firings (deployment text primary key, scheduled real not null) without rowid;
create table runs (
    number integer primary key, workflow text not null unique, deployment text not null, flow text not null,
    digest text not null references manifests, parameters text not null, created real not null, started real,
    finished real, phase text not null, message text not null default '', is_terminated integer not null default 0
);
create index runs_by_phase on runs (phase);
create index runs_by_deployment on runs (deployment);
create table pods (
    number integer primary key, run integer not null references runs, name text not null, node text not null,
    attempt integer not null, may_retry integer not null, step text not null, path text not null, phase text not null,
    message text not null default '', started real not null, finished real, unique (run, name)
);
create table events (
    number integer primary key, run integer not null references runs, pod text, phase text, outputs text,
    message text not null, at real not null
);
create index events_by_run on events (run);
create view stored_deployments as
    select name, version, text as manifest, created from deployments join manifests using (digest);
create view stored_runs as
    select number, workflow, deployment, flow, text as manifest, parameters, created, started, finished, phase, message,
    is_terminated from runs join manifests using (digest);
create view run_headers as
    select number, workflow, deployment, flow, '' as manifest, parameters, created, started, finished, phase, message,
    is_terminated from runs;
create view unfinished_runs as select * from stored_runs where phase in ('Pending', 'Running');
"""

_CONTROLS = """
alter table runs add column is_stopped integer not null default 0;
alter table runs add column is_suspended integer not null default 0;
alter table events add column is_known integer not null default 0;
drop view unfinished_runs;
drop view run_headers;
drop view stored_runs;
create view stored_runs as
    select number, workflow, deployment, flow, text as manifest, parameters, created, started, finished, phase, message,
    is_terminated, is_stopped, is_suspended from runs join manifests using (digest);
create view run_headers as
    select number, workflow, deployment, flow, '' as manifest, parameters, created, started, finished, phase, message,
    is_terminated, is_stopped, is_suspended from runs;
create view unfinished_runs as select * from stored_runs where phase in ('Pending', 'Running');
"""
"""Runs can be stopped, suspended, and tried again: events that are known are of what is not run anew."""

SCHEMA = (_FIRST, _CONTROLS, TRIGGERING)
"""What each version adds to the one before it: a database of an earlier version is brought up to date when opened."""
VERSION = len(SCHEMA)
