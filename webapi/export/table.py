# SPDX-License-Identifier: GPL-2.0-or-later
"""CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import orjson
from psycopg.rows import DictRow

from webapi.export.form import Ending
from webapi.names.resolver import NO_NAMES, Resolver, name_columns
from webapi.rows import INTERNAL
from webapi.sites.reading import SITE
from webapi.subject import CALLS, MESSAGES, Subject

COLUMNS: Final = {
    MESSAGES.name: (
        *("id", "ts", "received_at"),
        *(name for name in MESSAGES.columns if name not in ("id", "ts", MESSAGES.payload)),
        *name_columns(MESSAGES.columns),
        SITE,
    ),
    CALLS.name: (
        *(name for name in CALLS.columns if name not in INTERNAL),
        *("retransmissions", "duplicates"),
        *name_columns(CALLS.columns),
        SITE,
    ),
}
"""What a table of each subject has, as the API names it."""
PAYLOAD: Final = (MESSAGES.payload, f"{MESSAGES.payload}_base64")
"""More columns when the payload is asked for; one of them is filled."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would calculate; the full width forms among them."""


class Table:
    """A line of names, then one for each row."""

    def __init__(
        self,
        subject: Subject,
        *,
        payload: bool,
        resolver: Resolver = NO_NAMES,
        zone: tzinfo = UTC,
    ) -> None:
        """Times are those of ``zone``: with a Z, or with how far it is ahead of UTC then."""
        self._subject = subject
        self._zone = zone
        self._resolver = resolver
        self._columns = COLUMNS[subject.name] + (PAYLOAD if payload else ())

    def begin(self) -> bytes:
        """The names of the columns."""
        return csv_lines([self._columns])

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """What a row does not have is empty."""
        shown = (self._subject.show(row) | self._resolver.names(row) for row in found)
        if self._zone.utcoffset(None) != timedelta(0):
            shown = (self._local(made, row) for made, row in zip(shown, found, strict=True))
        return csv_lines([cell(row.get(name)) for name in self._columns] for row in shown)

    def _local(self, shown: dict[str, Any], row: DictRow) -> dict[str, Any]:
        moments = {name for name in shown if isinstance(row.get(name), datetime)}
        moments.update(shown.keys() & {"received_at"})
        return shown | {
            name: datetime.fromisoformat(shown[name])
            .astimezone(self._zone)
            .isoformat(timespec="microseconds")
            for name in moments
        }

    def end(self, ending: Ending | None) -> bytes:
        """A line of one cell."""
        return csv_lines([[cell(ending.text)]]) if ending else b""


def cell(value: Any) -> str:
    """Text that a spreadsheet shows and does not calculate: an apostrophe goes in front of it."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        value = orjson.dumps(value).decode()
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return str(value).lower() if isinstance(value, bool) else str(value)


def csv_lines(lines: Iterable[Iterable[str]]) -> bytes:
    """Lines of cells as they stand in the file."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows(lines)
    return file.getvalue().encode()
