"""When schedules fire, by Argo's rules: in their own time zone; of what was missed only the last, if it is recent."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from metaflow_hera.errors import BackendError
from metaflow_hera.plan.records import Schedule


def next_firing(schedule: Schedule, after: float) -> float:
    """The first time later than *after*, both in seconds since the epoch.

    >>> next_firing(Schedule(cron="0 10 * * *"), 0.0)
    36000.0
    """
    return next(_firings(schedule, after)).timestamp()


def missed_firing(schedule: Schedule, last: float, now: float, starting_deadline: int) -> float | None:
    """The latest time to fire that is later than *last* and not more than *starting_deadline* seconds ago.

    >>> hourly = Schedule(cron="0 * * * *")
    >>> missed_firing(hourly, 0.0, 3 * 3600 + 5, 600), missed_firing(hourly, 0.0, 3 * 3600 + 700, 600)
    (10800.0, None)
    """
    latest = None
    for firing in _firings(schedule, max(last, now - starting_deadline - 1)):
        if firing.timestamp() > now:
            return latest
        latest = firing.timestamp()
    return latest


def _firings(schedule: Schedule, after: float) -> CronSim:
    try:
        zone = ZoneInfo(schedule.timezone)
        return CronSim(schedule.cron, datetime.fromtimestamp(after, UTC).astimezone(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BackendError(
            f"there is no time zone {schedule.timezone!r}; use a name such as 'Europe/Berlin'"
        ) from error
    except CronSimError as error:
        raise BackendError(f"{schedule.cron!r} is no schedule: {error}") from error
