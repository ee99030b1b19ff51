# SPDX-License-Identifier: GPL-2.0-or-later
"""The partitions that requests read, as PostgreSQL itself counts the scans of each."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg

from stack.errors import StackError

_SCANS: Final = """
    SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables"""
_END: Final = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE application_name = 'kemiscope webapi'"""
_NAME: Final = re.compile(r"(.+)_(\d{8}_\d{4})\Z")
_WAIT_S: Final = 10


class Touched(NamedTuple):
    """Partitions of one request."""

    read: int
    outside: tuple[str, ...]
    """Of these, those that lie wholly outside of the range that was asked for."""
    all: int
    """As many as there are, of the tables that were read."""


def scans(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """By table. The API's connections are ended: only then have they told of all their scans."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        row = connection.execute(_END).fetchone()
        if not row or not row[0]:
            break
        if time.monotonic() > deadline:
            message = "the connections of the web API do not end"
            raise StackError(message)
        time.sleep(0.05)
    connection.execute("SELECT pg_stat_clear_snapshot()")
    return dict(connection.execute(_SCANS.encode()).fetchall())


def touched(
    before: dict[str, int],
    after: dict[str, int],
    interval: timedelta,
    span: tuple[datetime, datetime] | None,
) -> Touched:
    """What was read between the two, of tables whose partitions are ``interval`` long."""
    read = [name for name in after if after[name] > before.get(name, 0) and _NAME.match(name)]
    tables = {table for table, _ in _split(read)}
    return Touched(
        len(read),
        tuple(sorted(name for name in read if span and not _overlaps(name, interval, span))),
        sum(table in tables for table, _ in _split(after)),
    )


def _overlaps(name: str, interval: timedelta, span: tuple[datetime, datetime]) -> bool:
    ((_, text),) = _split([name])
    begin = datetime.strptime(text, "%Y%m%d_%H%M").replace(tzinfo=UTC)
    return begin < span[1] and begin + interval > span[0]


def _split(names: Iterable[str]) -> list[tuple[str, str]]:
    """Table and time of those that are partitions."""
    return [(found[1], found[2]) for found in map(_NAME.match, names) if found]
