"""Cron lines, checked against the rules of AWS on one side and of Argo's parser on the other, both written out here."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from metaflow_hera.argo.cron import five_fields
from metaflow_hera.errors import FlowError

DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


def values(field: str, low: int, high: int, names: list[str]) -> set[int]:
    """What a field says: `*`, numbers, names, ranges, lists and steps, as both sides agree on."""
    found: set[int] = set()
    for term in field.split(","):
        limits, _, step = term.partition("/")
        first, _, last = limits.partition("-")
        start, end = (low, high) if first in "*?" else (_number(first, low, names),) * 2
        if last:
            end = _number(last, low, names)
        elif step:
            end = high
        found |= set(range(start, end + 1, int(step or 1)))
    return found


def _number(text: str, low: int, names: list[str]) -> int:
    return names.index(text) + low if text in names else int(text)


def fires_on_aws(line: str, moment: datetime) -> bool:
    minute, hour, day, month, weekday, _ = line.split()
    return (
        moment.minute in values(minute, 0, 59, [])
        and moment.hour in values(hour, 0, 23, [])
        and moment.day in values(day, 1, 31, [])
        and moment.month in values(month, 1, 12, MONTHS)
        and moment.isoweekday() % 7 + 1 in values(weekday, 1, 7, DAYS)
    )


def fires_on_argo(line: str, moment: datetime) -> bool:
    """As robfig/cron's ParseStandard: days of the month and of the week are alternatives where both are limited."""
    minute, hour, day, month, weekday = line.split()
    assert re.fullmatch(r"[-0-9A-Z*/, ]+", line)
    assert values(weekday, 0, 6, DAYS) <= set(range(7)), "7 is refused"
    by_day = moment.day in values(day, 1, 31, [])
    by_weekday = moment.isoweekday() % 7 in values(weekday, 0, 6, DAYS)
    starred = any(re.match(r"\*(/1)?\Z", term) for field in (day, weekday) for term in field.split(","))
    return (
        moment.minute in values(minute, 0, 59, [])
        and moment.hour in values(hour, 0, 23, [])
        and moment.month in values(month, 1, 12, MONTHS)
        and ((by_day and by_weekday) if starred else (by_day or by_weekday))
    )


def fields(low: int, high: int, names: list[str]) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    single = st.one_of(number.map(str), st.sampled_from(names)) if names else number.map(str)
    ranges = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.builds(lambda base, step: f"{base}/{step}", st.one_of(st.just("*"), single, ranges), st.integers(1, 15))
    terms = st.one_of(single, ranges, steps)
    return st.one_of(st.just("*"), terms, st.lists(terms, min_size=2, max_size=3).map(",".join))


MINUTES, HOURS, DAYS_OF_MONTH, OF_YEAR = fields(0, 59, []), fields(0, 23, []), fields(1, 28, []), fields(1, 12, MONTHS)
AWS_LINES = st.one_of(
    st.builds("{} {} {} {} ? *".format, MINUTES, HOURS, DAYS_OF_MONTH, OF_YEAR),
    st.builds("{} {} ? {} {} *".format, MINUTES, HOURS, OF_YEAR, fields(1, 7, DAYS)),
)
UNIX_LINES = st.builds("{} {} {} {} {}".format, MINUTES, HOURS, DAYS_OF_MONTH, OF_YEAR, fields(0, 7, DAYS))
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@settings(max_examples=500)
@given(AWS_LINES, MOMENTS)
def test_argo_fires_when_aws_would(line: str, moment: datetime) -> None:
    assert fires_on_argo(five_fields(line), moment) == fires_on_aws(line, moment)


@settings(max_examples=200, deadline=None)
@given(st.one_of(AWS_LINES, UNIX_LINES), MOMENTS)
def test_the_embedded_engine_and_argo_read_a_line_alike(line: str, moment: datetime) -> None:
    """The engine asks cronsim; Argo, robfig/cron."""
    translated = five_fields(line)
    following = next(CronSim(translated, moment))
    assert fires_on_argo(translated, following)
    minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(200):
        assert fires_on_argo(translated, minute) == (minute == following)
        if minute == following:
            return
        minute += timedelta(minutes=1)


@given(st.one_of(AWS_LINES, UNIX_LINES))
def test_translating_twice_changes_nothing_more(line: str) -> None:
    assert five_fields(five_fields(line)) == five_fields(line)


@pytest.mark.parametrize(
    ("line", "translated"),
    [
        ("0 10 * * ? *", "0 10 * * *"),
        ("0 0 ? * SUN *", "0 0 * * 0"),
        ("0 0 ? * 1 *", "0 0 * * 0"),
        ("0 0 ? * 7 *", "0 0 * * 6"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 12 ? * mon-fri *", "0 12 * * 1-5"),
        ("0/15 * ? JAN,JUL * *", "0/15 * * JAN,JUL *"),
        ("0 0 */2 * MON", "0 0 1-31/2 * 1"),
    ],
)
def test_lines_are_translated(line: str, translated: str) -> None:
    assert five_fields(line) == translated


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0 L * ? *", "has 'L'"),
        ("0 0 15W * ? *", "has '15W'"),
        ("0 0 ? * MON#2 *", "has 'MON#2'"),
        ("0 0 ? * 6L *", "has '6L'"),
        ("0 0 1 1 ? 2030", "names the year '2030'"),
        ("0 0 30 2 ? *", "bad day-of-month"),
        ("0 0 ? * 8 *", "write 1 to 7 or SUN to SAT"),
        ("0 0 ? * 0 *", "write 1 to 7 or SUN to SAT"),
        ("0 0 * * 8", "write 0 to 6 or SUN to SAT"),
        ("61 * * * *", "bad minute"),
        ("*/0 * * * *", "has '*/0'"),
        ("0 0 ? * FRI-MON *", "FRI-MON"),
        ("@daily", "has 1 fields"),
        ("", "has 0 fields"),
        ("TZ=UTC 0 0 * * *", "TZ=UTC"),
    ],
)
def test_what_five_fields_cannot_say_is_refused(line: str, reason: str) -> None:
    with pytest.raises(FlowError) as error:
        five_fields(line)
    assert reason in str(error.value)
