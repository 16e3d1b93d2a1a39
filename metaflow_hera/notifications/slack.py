"""Slack, by an incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

from __future__ import annotations

from metaflow_hera.notifications.message import Channel, Message, RunEnd, shortened
from metaflow_hera.settings import Settings

TEXT_LIMIT = 1500
"""Characters of a failure: a section takes 3000, and each may become five by being escaped."""


def message(end: RunEnd, settings: Settings) -> Message:
    headline = f"{':white_check_mark:' if end.succeeded else ':rotating_light:'} {_escaped(end.headline)}"
    lines = [headline]
    if end.message:
        lines.append(f"```{_escaped(_code(shortened(end.message, TEXT_LIMIT)))[:2500]}```")
    lines.append(f"`{_escaped(_code(end.hint))}`")
    if end.link:
        lines.append(f"<{_escaped(end.link).replace('|', '%7C')}|open it>")
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}
    url = settings.slack_webhook_url
    return Message(url=url, body={"text": headline, "blocks": [section]}, secrets=(url,))


def _escaped(text: str) -> str:
    """What Slack shows as it is: ``<!channel>`` would call everybody.

    >>> _escaped("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """What does not end the code that it stands in."""
    return text.replace("`", "\N{MODIFIER LETTER GRAVE ACCENT}")


def _problem(end: RunEnd, settings: Settings) -> str:
    return "" if settings.slack_webhook_url.startswith(("https://", "http://")) else "its webhook is no http(s) URL"


CHANNEL = Channel(name="slack", title="Slack", setting="slack_webhook_url", message=message, problem=_problem)
