# SPDX-License-Identifier: GPL-2.0-or-later
"""Points in time: µs since 1970 in the hop, ``datetime`` in UTC in the database, text in JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TO_SECONDS_AND_US: Final = len("1970-01-01T00:00:00.000000")
_US: Final = timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """From µs since 1970, exactly."""
    return EPOCH + timedelta(microseconds=us)


def from_id(record_id: int) -> datetime:
    """Time of arrival of a journal record, whose id is that in ns; the last three digits go."""
    return from_us(record_id // 1000)


def to_us(moment: datetime) -> int:
    """µs since 1970, exactly."""
    return (moment - EPOCH) // _US


def to_text(moment: datetime) -> str:
    """ISO 8601 in UTC, always with six digits of µs."""
    in_utc = moment.astimezone(UTC) if moment.utcoffset() else moment
    return f"{in_utc.isoformat(timespec='microseconds')[:_TO_SECONDS_AND_US]}Z"
