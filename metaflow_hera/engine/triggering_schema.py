"""What the database has for schedules and events, besides when a schedule fired last."""

from __future__ import annotations

from typing import Final

TRIGGERING: Final = """
create table published (
    number integer primary key, key text not null unique, name text not null, payload text not null, at real not null,
    is_handled integer not null default 0
);
create index published_unhandled on published (number) where is_handled = 0;
create table sensors (deployment text primary key, triggers text not null) without rowid;
create table received (
    deployment text not null, position integer not null, event integer not null references published,
    primary key (deployment, position)
) without rowid;
create table started (
    event integer not null references published, run integer not null references runs, primary key (event, run)
) without rowid;
create table scheduled (workflow text primary key, deployment text not null) without rowid;
create view unhandled_events as select number, name, payload, at from published where is_handled = 0;
create view known_events as select number, name, payload, at from published;
create view received_events as
    select deployment, position, number, name, payload, at from received join published on number = event
"""
"""``published`` events are handled in their order, each once. ``sensors`` says which triggers a deployment had when its
``received`` events came, and ``started`` which runs came of which events. ``scheduled`` are runs of schedules."""
