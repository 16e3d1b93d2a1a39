"""People are told how a run ended: by Slack, PagerDuty and incident.io, as far as their URLs and keys are set.

These are secrets. They come from settings, in a cluster from a Kubernetes Secret in the environment, and are in no
message of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from metaflow_hera.notifications import incident_io, pager_duty, slack
from metaflow_hera.notifications.message import Channel, RunEnd
from metaflow_hera.settings import Settings

CHANNELS: Final[tuple[Channel, ...]] = (slack.CHANNEL, pager_duty.CHANNEL, incident_io.CHANNEL)


def channels_of(settings: Settings) -> tuple[Channel, ...]:
    """Those whose secret is set."""
    return tuple(channel for channel in CHANNELS if getattr(settings, channel.setting))


def notify(end: RunEnd, settings: Settings, is_done: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Tell every channel that *is_done* does not know yet; gives its name, empty if that failed, and a sentence."""
    from metaflow_hera.notifications.wire import send  # HTTP, which those who only ask for names do without

    channels = channels_of(settings)
    if not channels:
        where = f"; the Secret {end.secret!r} is missing in the run's namespace, or has none of these keys"
        none_set = f"none of {', '.join(VARIABLES)} is set"
        yield "", f"nobody was told how the run ended: {none_set}{where if end.secret else ''}"
    for channel in channels:
        if is_done(channel.name):
            continue
        failure = channel.problem(end, settings) or send(channel.message(end, settings))
        if failure:
            yield "", f"{channel.title} was not told how the run ended: {failure}"
        else:
            yield channel.name, f"{channel.title} was told how the run ended"


VARIABLES: Final = tuple(channel.variable for channel in CHANNELS)
"""The environment variables with the secrets: the keys of the Kubernetes Secret."""
