"""Cards as the Client and the commands give them."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from metaflow_hera.cards import Card, get_cards
from metaflow_hera.cards.errors import CardNotPresentException, UnresolvableDatastoreException
from metaflow_hera.cli import mfhera
from metaflow_hera.client import Run, Task
from metaflow_hera.errors import NotFoundError, UsageError
from metaflow_hera.records.tasks import write

Ran = Callable[..., Run]
TWO = '@card\n@card(type="blank", id="b")'


def test_cards_of_a_task_are_chosen_by_id_and_type(ran: Ran) -> None:
    run = ran("current.card['b'].append(Markdown('of b'))", TWO)
    task = run["start"].task
    found = get_cards(task)

    assert len(found) == len(found[:]) == len(list(found)) == 2
    assert [card.type for card in get_cards(task.pathspec, type="blank")] == ["blank"]
    assert [card.id for card in get_cards(task, id="b")] == ["b"]
    assert len(get_cards(task, id="c")) == 0
    card = found[-1]
    assert card.hash == hashlib.sha256(card.get().encode()).hexdigest()
    assert Path(card.path).read_text() == card.get()
    assert card.get_data() is None
    assert "of b" in found._repr_html_() and "<iframe" in card._repr_html_() and "<html" not in card._repr_html_()
    assert "has no cards" in get_cards(task, id="c")._repr_html_()


def test_what_is_no_card_or_no_task_is_told(ran: Ran) -> None:
    run = ran("pass", "@retry")

    with pytest.raises(CardNotPresentException, match=r"start/0 has no cards; there is no card 0") as refused:
        get_cards(run["start"].task)[0]
    assert isinstance(refused.value, NotFoundError) and isinstance(refused.value, IndexError)
    with pytest.raises(UsageError, match="expects a Task or 'Flow/run/step/task', got 'Carded/1'"):
        get_cards("Carded/1")
    with pytest.raises(NotFoundError, match="there is no Run"):
        get_cards("Carded/1/start/0")


def test_a_card_is_opened_in_a_browser(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    card = get_cards(ran("pass")["start"].task)[0]

    assert card.view() == opened[0] == Path(card.path).as_uri()


def test_cards_are_read_from_s3_alike(ran: Ran, s3: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFHERA_DATASTORE", s3.uri)  # type: ignore[attr-defined]
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    card = get_cards(ran("current.card.append(Markdown('in S3'))")["start"].task)[0]

    assert card.path.startswith("s3://") and "in S3" in card.get()
    assert card.view() == opened[0]
    assert "in S3" in Path(opened[0].removeprefix("file://")).read_text()


def test_a_datastore_that_cannot_be_read_is_named(ran: Ran) -> None:
    task = ran("pass")["start"].task
    task.record  # noqa: B018  (it is known from now on)
    root = Path(task._store.uri)
    root.rename(root.with_name("moved"))
    root.write_text("a file")

    with pytest.raises(UnresolvableDatastoreException, match=r"the cards of Carded/.*/start/0 cannot be listed"):
        get_cards(task)


def test_the_cards_of_a_task_that_was_taken_over_are_those_of_the_task_that_ran(ran: Ran) -> None:
    from dataclasses import replace

    run = ran("current.card.append(Markdown('where it ran'))")
    task = run["start"].task
    again = ran("pass", "@retry")
    record = task.record
    assert record is not None
    clone = replace(record, path="7", origin=f"{run.id}/start/0/0")
    write(task._store, again["start"].task._keys, clone)
    taken_over = Task(f"Carded/{again.id}/start/7")

    assert "where it ran" in get_cards(taken_over)[0].get()
    assert len(get_cards(taken_over, follow_resumed=False)) == 0


def mfhera_card(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(mfhera, ["card", *words])
    return done.exit_code, done.stdout, done.stderr


def test_commands_list_print_and_find_cards(ran: Ran, tmp_path: Path) -> None:
    run = ran("current.card['b'].append(Markdown('of b'))", TWO)
    where = f"{run.id}/start"
    first, second = get_cards(run["start"].task)

    code, listed, _ = mfhera_card("list", run.id, "--json")
    assert code == 0
    assert [each["hash"] for each in json.loads(listed)] == [first.hash, second.hash]
    assert json.loads(listed)[1] == {
        "task": f"Carded/{run.id}/start/0",
        "attempt": 0,
        "type": "blank",
        "id": "b",
        "hash": second.hash,
        "path": second.path,
    }
    assert f"Carded/{run.id}/start/0  0        blank    b" in mfhera_card("list", where)[1]
    assert mfhera_card("get", where, "--id", "b")[1] == second.get()
    assert mfhera_card("get", where, str(tmp_path / "card.html"), "--type", "default")[0] == 0
    assert (tmp_path / "card.html").read_text() == first.get()
    assert mfhera_card("view", where, "--hash", second.hash[:12]) == (0, f"{second.path}\n", "")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/start", "/start has 2 cards: Carded/"),
        ("/start --id x", "has no cards with id 'x'; a step has one if @card stands on it"),
        ("/stat", "nothing of Carded/"),
        ("/start/7", "tasks of start are 0"),
    ],
)
def test_a_card_that_is_not_the_only_one_is_told(ran: Ran, place: str, told: str) -> None:
    run = ran("pass", TWO)

    code, _, error = mfhera_card("view", *f"{run.id}{place}".split())

    assert code == 1
    assert told in error and error.startswith("Error: ")


def test_the_peers_grammar_finds_the_cards_of_the_latest_run(ran: Ran, tmp_path: Path) -> None:
    ran("pass")
    run = ran("current.card.append(Markdown('the latest'))")
    file = tmp_path / "flow_1.py"

    def flow(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "metaflow_hera", str(file), "card", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert "the latest" in flow("get", "start").stdout
    assert flow("list", f"{run.id}/start", "--as-json", "--file", "cards.json").returncode == 0
    assert [each["type"] for each in json.loads(Path("cards.json").read_text())] == ["default"]
    assert (
        f"'stat' is neither a run of Carded nor a step of its latest one: the latest run is {run.id}"
        in flow("view", "stat").stderr
    )


def test_the_names_of_the_peer_lead_here() -> None:
    code = """
from metaflow import card
from metaflow.cards import Markdown, MetaflowCard, get_cards
from metaflow.plugins.cards.exception import CardNotPresentException
import metaflow.cards, metaflow_hera.cards
assert get_cards is metaflow_hera.cards.get_cards and metaflow.cards.Table is metaflow_hera.cards.Table
print(card.__module__, CardNotPresentException.__name__)
"""
    found = subprocess.run(
        [sys.executable, "-c", f"from metaflow_hera import compat; compat.install()\n{code}"],
        capture_output=True,
        text=True,
    )
    assert found.stdout == "metaflow_hera.flow.cards CardNotPresentException\n", found.stderr


def test_a_plain_component_costs_no_chart_and_a_step_without_cards_nothing_at_all() -> None:
    code = "import sys, metaflow_hera.runtime.__main__; print([name for name in sys.modules if 'card' in name]); "
    code += "from metaflow_hera.cards import Markdown; print('metaflow_hera.cards.chart' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\nFalse\n"


def test_a_card_can_be_stored(ran: Ran) -> None:
    card = get_cards(ran("pass")["start"].task)[0]

    assert isinstance(card, Card) and "Card 00.default" in repr(card)
    assert pickle.loads(pickle.dumps(card)).get() == card.get()
