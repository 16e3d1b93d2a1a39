"""Slack, by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

from __future__ import annotations

from metaflow_hera.notifications.message import Channel, Message, RunEnd, shortened
from metaflow_hera.settings import Settings


def message(end: RunEnd, settings: Settings) -> Message:
    """One section, which takes 3000 characters."""
    sign = ":white_check_mark:" if end.succeeded else ":rotating_light:"
    headline = f"{sign} {_shown(end.headline, 600)}"
    lines = [headline]
    if end.message:
        lines.append(f"```{_shown(end.message, 1500)}```")
    lines.append(f"`{_shown(end.hint, 400)}`")
    if end.link:
        lines.append(f"<{_shown(end.link, 400).replace('|', '%7C')}|open it>")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}
    url = settings.slack_webhook_url
    return Message(url=url, body={"text": headline, "blocks": [section]}, secrets=(url,))


_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\N{MODIFIER LETTER GRAVE ACCENT}"}


def _shown(text: str, limit: int) -> str:
    """What Slack shows as *text*, as far as it fits: ``<!channel>`` would call everybody, a backtick end a code.

    >>> _shown("<!channel> & co", 99), _shown("<<<", 9)
    ('&lt;!channel&gt; &amp; co', '&lt;&lt;…')
    """
    shown = ""
    for character in shortened(text, limit):
        escaped = _MARKUP.get(character, character)
        if len(shown) + len(escaped) > limit:
            return f"{shown}…"
        shown += escaped
    return shown


def _problem(end: RunEnd, settings: Settings) -> str:
    return "" if settings.slack_webhook_url.startswith(("https://", "http://")) else "its webhook is no http(s) URL"


CHANNEL = Channel(name="slack", title="Slack", setting="slack_webhook_url", message=message, problem=_problem)
