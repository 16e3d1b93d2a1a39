"""Which cards of a run are meant, and the one that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from metaflow_hera.cards import Card, get_cards
from metaflow_hera.cards.errors import CardNotPresentException
from metaflow_hera.client import Task
from metaflow_hera.deploy.recorded import SHOWN, missing, open_records, step_ranks
from metaflow_hera.deploy.runs import locate
from metaflow_hera.errors import UnknownRunError
from metaflow_hera.naming import RunKeys, pathspec
from metaflow_hera.records import runs, tasks
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store


class FoundCard(NamedTuple):
    """A card and the task that it is of."""

    task: str
    """``Flow/run/step/task``"""
    attempt: int
    card: Card


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of cards; empty for any."""

    id: str | None = None
    type: str | None = None
    hash: str = ""
    """What the hash begins with."""
    follow_resumed: bool = True

    def __str__(self) -> str:
        given = (("id", self.id), ("type", self.type), ("hash", self.hash))
        return " and ".join(f"{name} {value!r}" for name, value in given if value)


def locate_in(flow: str, target: str, settings: Settings) -> str:
    """``Flow/run/step[/task]`` of what stands after ``python flow.py card view``: ``step`` is one of the latest run."""
    parts = target.strip("/").removeprefix(f"{flow}/").split("/")
    store = open_records(settings)
    if runs.read(store, flow, parts[0]) is None:
        latest = next(runs.run_ids(store, flow), None)
        if latest is None or parts[0] not in step_ranks(store, RunKeys(flow, latest)):
            there = f"the latest run is {latest}" if latest else f"{flow} has no run in {store.uri}"
            raise UnknownRunError(f"{parts[0]!r} is neither a run of {flow} nor a step of its latest one: {there}")
        parts = [latest, *parts]
    return pathspec(flow, *parts)


def find_cards(target: str, wanted: Wanted, settings: Settings) -> list[FoundCard]:
    """The cards of ``[Flow/]run[/step[/task]]``, step by step in the order of the flow; `UnknownRunError` without any
    such task."""
    flow, run, place = locate(target, settings)
    store = open_records(settings)
    keys = RunKeys(flow, run)
    named = list(_tasks(store, keys, *place))
    if not named:
        step, path, *_ = (*place, "", "")
        there = missing(store, keys, step, path) if step else "no step has begun"
        raise UnknownRunError(f"nothing of {pathspec(flow, run, *place)} has begun: {there}")
    return [found for step, path in named for found in _of_task(pathspec(flow, run, step, path), wanted, store)]


def the_card(target: str, wanted: Wanted, settings: Settings) -> FoundCard:
    """The only card that is meant; `CardNotPresentException` if there is none or more than one."""
    found = find_cards(target, wanted, settings)
    if len(found) == 1:
        return found[0]
    where = f"{target} has {len(found) or 'no'} cards" + (f" with {wanted}" if str(wanted) else "")
    if not found:
        raise CardNotPresentException(f"{where}; a step has one if @card stands on it, or with --with card")
    told = ", ".join(f"{task} ({_told(card)})" for task, _, card in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise CardNotPresentException(f"{where}: {told}{more}; name the task, and choose with --id or --type")


def _told(card: Card) -> str:
    return f"type {card.type}" + (f", id {card.id}" if card.id else "")


def _tasks(store: Store, keys: RunKeys, step: str = "", path: str = "") -> Iterator[tuple[str, str]]:
    ranks = step_ranks(store, keys)
    names = sorted(tasks.steps(store, keys), key=lambda name: ranks.get(name, len(ranks)))
    for name in names:
        if step in ("", name):
            yield from ((name, each) for each in tasks.paths(store, keys, name) if path in ("", each))


def _of_task(path: str, wanted: Wanted, store: Store) -> Iterator[FoundCard]:
    task = Task(path, store=store, namespace_check=False)
    for card in get_cards(task, wanted.id, wanted.type, wanted.follow_resumed):
        if not wanted.hash or card.hash.startswith(wanted.hash):
            yield FoundCard(path, task.current_attempt, card)
