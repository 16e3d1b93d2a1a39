"""Cards while a step runs and when it has ended: what is on them, and that nothing of them fails the step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from metaflow_hera.cards import Card, get_cards
from metaflow_hera.client import Run, Task
from metaflow_hera.errors import FlowError

Ran = Callable[..., Run]


def start(run: Run) -> Task:
    return run["start"].task


def cards(run: Run) -> list[Card]:
    return list(get_cards(start(run)))


def test_the_default_card_tells_of_the_task_its_parameters_artifacts_and_flow(ran: Ran) -> None:
    run = ran(
        """
        "Fits <i>the</i> model."
        self.small, self.large, self._hidden = {"a": 1}, "x" * 5000, 1
        current.card.append(Markdown("# What *came* of it"))
        """,
        inside="alpha = Parameter('alpha', default=0.5)",
        tags=("daily",),
    )
    (card,) = cards(run)
    html = card.get()

    assert (card.type, card.id) == ("default", None)
    for shown in (f"Carded/{run.id}/start/0", "succeeded", "Fits &lt;i&gt;the&lt;/i&gt; model.", "daily"):
        assert shown in html
    assert "<h1>What <em>came</em> of it</h1>" in html
    assert "<td>small</td><td>dict</td>" in html and "{&#x27;a&#x27;: 1}" in html
    assert "<td>large</td><td>str</td>" in html and "xxxxx" not in html and "_hidden" not in html
    assert "<svg" in html and "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src &#x27;none&#x27;" in html


def test_a_step_that_failed_has_its_card_with_what_was_put_on_it(ran: Ran) -> None:
    run = ran("current.card.append(Markdown('until *here*'))\nself.x = 1\nraise ValueError('<broken>')")
    (card,) = cards(run)

    assert not run.successful
    assert "until <em>here</em>" in card.get()
    assert "ValueError: &lt;broken&gt;" in card.get()
    assert "<td>x</td>" in card.get()


def test_each_attempt_has_cards_of_its_own(ran: Ran) -> None:
    run = ran(
        "current.card.append(Markdown(f'attempt *{current.retry_count}*'))\nassert current.retry_count",
        "@retry(times=1, minutes_between_retries=0)\n@card",
    )
    task = start(run)

    assert "attempt <em>1</em>" in get_cards(task)[0].get()
    assert "attempt <em>0</em>" in get_cards(Task(task.pathspec, attempt=0))[0].get()


def test_several_cards_are_told_apart_by_their_ids(ran: Ran) -> None:
    body = """
    current.card.append(Markdown("mine"))
    current.card["b"].append(Markdown("of b"))
    current.card["c"] = [Markdown("of c")]
    self.known = "b" in current.card, "d" in current.card
    """
    run = ran(body, '@card\n@card(type="blank", id="b")\n@card(type="blank", id="c", options={"title": "C!"})')
    first, second, third = cards(run)

    assert start(run).data.known == (True, False)
    assert [(card.type, card.id) for card in (first, second, third)] == [
        ("default", None),
        ("blank", "b"),
        ("blank", "c"),
    ]
    assert "mine" in first.get() and "of b" in second.get() and "of c" in third.get()
    assert "<h1>C!</h1>" in third.get()
    assert (
        "of b" not in first.get() and "mine" not in second.get() and "start" not in second.get().partition("<body>")[2]
    )


@pytest.mark.parametrize(
    ("body", "decorators", "told"),
    [
        ("current.card.append(1)", '@card(id="a")\n@card(id="b")', "could mean 2 cards"),
        (
            "current.card.append(1)",
            "@card\n@card",
            "could mean 2 cards, so what is put on it is left out; give them ids",
        ),
        ("current.card.append(1)", '@card(type="plain")', "no card of the step takes components"),
        ("current.card['x'].append(1)", '@card(id="a")', "no card that takes components has the id 'x'"),
        ("current.card['a'].append(1)", '@card(id="a")\n@card(id="a")', "several cards have the id 'a'"),
        ("current.card.components['x'].update(1)", "@card", "the card has no component 'x': none has an id"),
        ("current.card.append(1, id='x'); current.card.append(2, id='x')", "@card", "has a component 'x' already"),
    ],
)
def test_what_cannot_be_meant_is_told_once_and_left_out(ran: Ran, body: str, decorators: str, told: str) -> None:
    plain = "class Plain(MetaflowCard):\n    type = 'plain'\n    def render(self, task): return 'plain'"
    run = ran(f"{body}\n{body}", decorators, plain)

    assert run.successful
    assert start(run).stderr.count(told) == 1


def test_a_single_card_is_meant_without_its_id_and_customize_chooses_one_of_several(ran: Ran) -> None:
    (only,) = cards(ran("current.card.append(Markdown('here'))", '@card(id="a")'))
    first, second = cards(ran("current.card.append(Markdown('here'))", '@card(id="a")\n@card(id="b", customize=True)'))

    assert "<p>here</p>" in only.get()
    assert "<p>here</p>" in second.get() and "<p>here</p>" not in first.get()


def test_components_can_be_changed_and_removed_until_the_step_ends(ran: Ran) -> None:
    body = """
    current.card.extend([Markdown("gone")])
    current.card.clear()
    current.card.append(ProgressBar(max=9), id="bar")
    current.card.components["bar"].update(7)
    self.names = list(current.card.components)
    """
    run = ran(body)

    assert start(run).data.names == ["bar"]
    assert 'value="7" max="9"' in cards(run)[0].get() and "gone" not in cards(run)[0].get()


def test_a_refresh_writes_the_card_while_the_step_runs(ran: Ran) -> None:
    body = """
    from metaflow_hera import Task
    from metaflow_hera.cards import get_cards
    current.card.append(Markdown("half way"))
    current.card.refresh({"rows": 5})
    seen = get_cards(Task(current.pathspec))[0]
    self.html, self.data = seen.get(), seen.get_data()
    current.card.append(Markdown("too soon"))
    current.card.refresh({"rows": 6})
    self.later = get_cards(Task(current.pathspec))[0].get()
    current.card.refresh({"rows": 7}, force=True)
    self.forced = get_cards(Task(current.pathspec))[0].get()
    """
    data: Any = start(ran(body, "@card(refresh_interval=3600)")).data

    assert "half way" in data.html and "running" in data.html and data.data == {"rows": 5}
    assert "too soon" not in data.later and "too soon" in data.forced


def test_a_card_of_the_users_own_sees_the_artifacts_and_its_options(ran: Ran) -> None:
    before = """
    class Own(MetaflowCard):
        type = "own"
        RUNTIME_UPDATABLE = True
        ALLOW_USER_COMPONENTS = True
        def __init__(self, options={}, components=[], graph=None, **others):
            self.title, self.components, self.graph = options["title"], components, graph
        def render(self, task):
            values = f"{task.data.x} {task['x'].data} {task.successful}"
            return f"{self.title} {values} {self.components[0]} {self.graph['flow']}"
        def render_runtime(self, task, data):
            return f"{self.title} {data} {task.finished}"
    """
    body = """
    self.x = 17
    current.card.append(Markdown("*mine*"))
    current.card.refresh(3)
    from metaflow_hera import Task
    self.running = get_cards(Task(current.pathspec))[0].get()
    """
    run = ran(body, '@card(type="own", options={"title": "T"})', before)

    assert start(run).data.running == "T 3 False"
    assert cards(run)[0].get() == 'T 17 17 True <div class="markdown"><p><em>mine</em></p></div> Carded'


BROKEN = """
class Broken(MetaflowCard):
    type = "broken"
    def render(self, task): raise ValueError("<no>")

class Wrong(MetaflowCard):
    type = "wrong"
    def render(self, task): return 17

class Slow(MetaflowCard):
    type = "slow"
    def render(self, task):
        while True:
            try:
                time.sleep(10)
            except Exception:
                raise

class Picky(MetaflowCard):
    type = "picky"
    def __init__(self, options):
        self.x = options["x"]
"""


@pytest.mark.parametrize(
    ("decorator", "told"),
    [
        ('@card(type="broken")', "ValueError: <no>"),
        ('@card(type="wrong")', "render() of Wrong returned int, not HTML"),
        ('@card(type="slow", timeout=0.2)', "it took more than 0.2 s"),
        ('@card(type="picky")', "KeyError: 'x'"),
        ('@card(type="nothing")', "there is no card of type 'nothing'; types are blank, broken, default"),
    ],
)
def test_a_card_that_cannot_be_made_is_told_on_itself_and_on_stderr(ran: Ran, decorator: str, told: str) -> None:
    began = time.monotonic()
    run = ran("self.x = 1", decorator, BROKEN)
    (card,) = cards(run)

    assert run.successful
    assert told in start(run).stderr
    assert "This card cannot be made" in card.get() and "<no>" not in card.get()
    assert time.monotonic() - began < 8


def test_without_save_errors_there_is_no_such_card(ran: Ran) -> None:
    run = ran("self.x = 1", '@card(type="broken", save_errors=False)', BROKEN)

    assert run.successful and not cards(run)


def test_the_time_limit_of_the_step_is_not_lost_in_a_refresh(ran: Ran) -> None:
    body = """
    class Sleepy(MetaflowCardComponent):
        def render(self):
            if not current.retry_count and current.is_running_flow: time.sleep(1.5)
            return "slept"
    current.card.append(Sleepy())
    current.card.refresh(force=True)
    time.sleep(20)
    """
    run = ran(body, "@timeout(seconds=1)\n@card(refresh_interval=0)")

    assert (failure := run.exception) and failure.type.endswith("TimeoutException")
    assert "slept" in cards(run)[0].get()


def test_a_step_without_cards_has_no_current_card_and_no_cards(ran: Ran) -> None:
    run = ran("self.has = hasattr(current, 'card')", "@retry")

    assert not start(run).data.has
    assert len(get_cards(start(run))) == 0


def test_cards_can_be_added_to_every_step_by_an_option(ran: Ran) -> None:
    run = ran("pass", "@retry", with_=("card:type=blank,id=added",))

    assert [card.id for card in get_cards(start(run))] == ["added"]
    assert [card.id for card in get_cards(run["end"].task)] == ["added"]


def test_a_fork_of_the_users_code_writes_no_cards(ran: Ran) -> None:
    body = """
    pid = os.fork()
    current.card.append(Markdown("child" if pid == 0 else "parent"))
    current.card.refresh(force=True)
    if pid == 0:
        sys.exit(0)
    os.waitpid(pid, 0)
    """
    html = cards(ran(body))[0].get()

    assert "parent" in html and "child" not in html


def test_what_is_wrong_with_the_decorator_is_told_before_anything_runs(ran: Ran) -> None:
    with pytest.raises(FlowError) as refused:
        ran("pass", '@card(id="a b", timeout=0)\n@card(options=3, save_errors="x", nonsense=1)')

    told = str(refused.value)
    assert "@card: id must be a word of at most 100 letters, digits, '_' and '-', not 'a b'" in told
    assert "@card: timeout must be a number above 0, not 0" in told
    assert "@card has no attribute 'nonsense'" in told


def test_extensions_of_the_peer_bring_cards(ran: Ran, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "metaflow_extensions" / "mine" / "plugins" / "cards" / "simple"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from metaflow.cards import MetaflowCard\n"
        "class Simple(MetaflowCard):\n    type = 'simple_card'\n"
        "    def render(self, task): return 'simple ' + task.id\n"
        "CARDS = [Simple]\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")

    assert cards(ran("pass", '@card(type="simple_card")'))[0].get() == "simple 0"
