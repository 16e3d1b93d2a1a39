"""Cron lines: the six fields of AWS, as the peer takes them, become the five that Argo reads."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from metaflow_hera.errors import FlowError

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_NUMBER = rf"\d+|{'|'.join((*_DAYS, *_MONTHS))}"
_TERM = re.compile(rf"(?P<first>[*?]|{_NUMBER})(?:-(?P<last>{_NUMBER}))?(?:/(?P<step>\d+))?\Z", re.ASCII)
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_ALL_DAYS = {_DAY_OF_MONTH: "1-31", _DAY_OF_WEEK: "0-6"}


def five_fields(expression: str) -> str:
    """The line by which Argo starts runs when *expression* says; `FlowError` for what no five fields can say.

    Six fields are AWS's: days of the week count from Sunday = 1, and the year comes last. Five are Unix's: days count
    from Sunday = 0, which is also 7.

    >>> five_fields("0 10 * * ? *"), five_fields("0 0 ? * 2-6 *"), five_fields("0 0 ? * SUN *")
    ('0 10 * * *', '0 0 * * 1-5', '0 0 * * 0')
    >>> five_fields("*/15 8-18 * * 5-7")
    '*/15 8-18 * * 0,5,6'
    """
    fields = expression.upper().split()
    if len(fields) not in (5, 6):
        raise _refusal(expression, f"has {len(fields)} fields; write the five of Unix or the six of AWS")
    if len(fields) == 6 and fields[5] != "*":
        raise _refusal(expression, f"names the year {fields[5]!r}, and Argo has no field for it: write '*'")
    terms = [[_read(term, expression) for term in field.split(",")] for field in fields[:5]]
    days = [_days_of_week(term, 1 if len(fields) == 6 else 0, expression) for term in terms[_DAY_OF_WEEK]]
    line = [*(",".join(map(_written, field)) for field in terms[:_DAY_OF_WEEK]), ",".join(days)]
    return _checked(_unambiguous(line), expression)


def _read(term: str, expression: str) -> re.Match[str]:
    match = _TERM.match(term)
    if match is None or (match["first"] in "*?" and match["last"]) or (match["step"] and int(match["step"]) == 0):
        raise _refusal(expression, f"has {term!r}, which Argo does not know (nor anything with L, W or #)")
    return match


def _written(term: re.Match[str]) -> str:
    """A term of any field but the last: nothing changes, but for ``?`` and a step within a single number."""
    first = term["first"].replace("?", "*")
    if term["last"] is None:
        is_whole = term["step"] is None or (first == "*" and int(term["step"]) == 1)
        return first if is_whole else f"{first}/{term['step']}"
    if term["last"] == first:
        return first
    return f"{first}-{term['last']}" + (f"/{term['step']}" if term["step"] else "")


def _days_of_week(term: re.Match[str], sunday: int, expression: str) -> str:
    """A term of the last field, with Sunday as 0; one that would hold a 7 is written out day by day."""
    if term["first"] in "*?":
        return _written(term)
    first = _day(term["first"], sunday, expression)
    last = _day(term["last"], sunday, expression) if term["last"] else first
    step = int(term["step"] or 1)
    if term["step"] and not term["last"]:
        last = max(first, 6)
    if last <= 6 and not (first == last and term["step"]):
        number = f"{first}-{last}" if last != first else str(first)
        return f"{number}/{step}" if step > 1 and last != first else number
    return ",".join(str(day) for day in sorted({day % 7 for day in range(first, last + 1, step)}))


def _day(text: str, sunday: int, expression: str) -> int:
    """The number of a day of the week, from 0; 7 is a Sunday at the end of a range of Unix's."""
    number = _DAYS.index(text) if text in _DAYS else int(text) - sunday if text.isdigit() else -1
    if not 0 <= number <= (6 if sunday else 7):
        raise _refusal(expression, f"has the day of the week {text!r}; write {sunday} to {sunday + 6} or SUN to SAT")
    return number


def _unambiguous(line: list[str]) -> list[str]:
    """Where days of the month and of the week are both given, ``*/2`` is a limit to some readers and none to others."""
    line = ["*" if "*" in field.split(",") else field for field in line]
    if all(line[field] != "*" for field in _ALL_DAYS):
        for field, whole in _ALL_DAYS.items():
            line[field] = line[field].replace("*", whole)
    return line


def _checked(line: list[str], expression: str) -> str:
    written = " ".join(line)
    try:
        next(CronSim(written, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise _refusal(expression, f"cannot be read: {str(error).lower()}") from error
    except StopIteration:
        raise _refusal(expression, "never comes true") from None
    return written


def _refusal(expression: str, reason: str) -> FlowError:
    return FlowError(f"the schedule {expression!r} {reason}")
