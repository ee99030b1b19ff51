# SPDX-License-Identifier: GPL-2.0-or-later
"""Query parameters: parsed by name, everything unknown refused."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from multidict import MultiMapping

from collector.moment import EPOCH
from collector.settings.quantity import parse_quantity
from collector.settings.section import LONGEST
from webapi.errors import ApiError, bad_parameter

UTC_NAME: Final = "UTC"
MAX_LENGTH: Final = 1000
_US: Final = timedelta(microseconds=1)
_TICK: Final = timedelta(milliseconds=1)
"""Ends that are part of a range make it longer by less."""
_MAX_DIGITS: Final = 10
_DIGITS: Final = re.compile(r"[0-9]+\Z")
_SECONDS: Final = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?\Z")

EARLIEST: Final = EPOCH
LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Points in time that a search may name: arithmetic around them stays within what Python has."""


def single(query: MultiMapping[str], allowed: Collection[str]) -> Mapping[str, str]:
    """The parameters as a dict. Raises ApiError for an unknown, repeated, over-long or odd one."""
    values: dict[str, str] = {}
    for name, value in query.items():
        if name not in allowed:
            known = f"there are {', '.join(allowed)}" if allowed else "there are none"
            raise bad_parameter(name, f"there is no such parameter; {known}")
        if name in values:
            raise bad_parameter(name, "is given twice")
        if len(value) > MAX_LENGTH:
            raise bad_parameter(name, f"is longer than {MAX_LENGTH} characters")
        if "\0" in value or not value.isprintable():
            raise bad_parameter(name, "has control characters")
        values[name] = value
    return values


def integer(name: str, value: str, low: int, high: int) -> int:
    """A number from ``low`` to ``high``."""
    number = int(value) if len(value) <= _MAX_DIGITS and _DIGITS.match(value) else -1
    if not low <= number <= high:
        raise bad_parameter(name, f"must be a number from {low} to {high}")
    return number


def time_range(
    parameters: Mapping[str, str], now: datetime, default: timedelta | None
) -> tuple[datetime, datetime]:
    """``from`` and ``to``; without ``from`` all that is not longer ago than ``default`` before
    ``to``, everything when that is None. The end is not part of it, but this very moment is."""
    end = moment("to", parameters["to"], now) if "to" in parameters else now + _US
    if "from" in parameters:
        begin = moment("from", parameters["from"], now)
    else:
        begin = EARLIEST if default is None else max(EARLIEST, end - default)
    if begin >= end:
        raise bad_parameter("from", "must be before to")
    return begin, end


def check_range(begin: datetime, end: datetime, longest_s: float, field: str = "from") -> None:
    """Raise ApiError 400 if ``longest_s`` seconds are less than what they enclose; 0: no limit."""
    if longest_s and end - begin > timedelta(seconds=longest_s) + _TICK:
        message = (
            f"the time range has more than {timedelta(seconds=longest_s)}, which is web.max_range"
        )
        raise ApiError(400, "range_too_long", message, field)


def flag(name: str, value: str) -> bool:
    """``true`` or ``false``."""
    if value not in ("true", "false"):
        raise bad_parameter(name, "must be true or false")
    return value == "true"


def duration(name: str, value: str) -> float:
    """Seconds, or a number with a unit: ``1.5``, ``250ms``, ``2m``."""
    try:
        found = parse_quantity(value, "s")
    except ValueError:
        found = math.inf
    if found > LONGEST:
        raise bad_parameter(name, "must be seconds, or a number with a unit like 250ms or 2m")
    return found


def moment(name: str, value: str, now: datetime) -> datetime:
    """A point in time: ISO 8601 (UTC without a zone), seconds since 1970, ``now`` or ``-15m``."""
    try:
        found = _moment(value, now)
    except (ValueError, OverflowError):
        message = "must be like 2026-11-23T12:00:00Z, seconds since 1970, now, or -15m"
        raise bad_parameter(name, message) from None
    if not EARLIEST <= found <= LATEST:
        raise bad_parameter(name, f"must be in the years {EARLIEST.year} … {LATEST.year - 1}")
    return found


def time_zone(name: str, value: str) -> ZoneInfo:
    """A name of the IANA time zone database."""
    if value not in _time_zones():
        raise bad_parameter(name, "must be the name of a time zone like Europe/Berlin, or UTC")
    return ZoneInfo(value)


@cache
def _time_zones() -> frozenset[str]:
    """Their files are looked at once: that takes a while, and there are no others to be opened."""
    return frozenset({UTC_NAME, *available_timezones()})


def _moment(value: str, now: datetime) -> datetime:
    if value == "now":
        return now
    if value.startswith("-"):
        return now - timedelta(seconds=parse_quantity(value[1:], "s"))
    if _SECONDS.match(value):
        return EARLIEST + timedelta(seconds=float(value))
    if "T" in value:  # the "+" of a zone arrives as a blank when it was not encoded
        value = value.replace(" ", "+")
    parsed = datetime.fromisoformat(value)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
