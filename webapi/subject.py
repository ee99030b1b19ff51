# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be searched: messages, quality reports, events, calls and registrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.rows import DictRow

from collector.columns import HEP_EVENT, RTCP_REPORT, SIP_MESSAGE, Column
from collector.correlation.writer import MOVED_LATER
from collector.tables import CALL_TABLE
from webapi import filters, registration, rows, schema
from webapi.filters import Filter
from webapi.schema import Parameters
from webapi.sites.reading import SITE
from webapi.sites.sites import PARAMETER

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
FILED_WITHIN: Final = MOVED_LATER
"""A row of ``call`` is filed at started_at, or at most this much later."""


class Key(NamedTuple):
    """What a search can be sorted by."""

    expression: sql.Composable
    """Never null."""
    types: tuple[type, ...]
    """What Python makes of its values."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A table or view, and what may be asked of it."""

    name: str
    """What an answer calls the rows."""
    relation: sql.Composable
    columns: tuple[str, ...]
    filters: Mapping[str, Filter]
    sorts: Mapping[str, Key]
    """The first one is by ``time``."""
    order: Mapping[str, type]
    """Columns that tell rows of one µs apart, and their types."""
    time: str = "ts"
    """The column that a time range is about."""
    filed_within: timedelta | None = None
    """Set when rows are filed by another column, ts: how much later than ``time`` it can be."""
    period: str = ""
    """A column with an index in place of ``time``: that in ``PERIOD_US`` since 1970."""
    payload: str = ""
    """The column that holds what was captured; shown only when it is asked for."""
    everywhere: frozenset[str] = frozenset({"call_id"})
    """Parameters whose index finds rows in all times."""
    indexed: frozenset[str] = frozenset()
    """Parameters that have an index within a time range."""
    default_range: timedelta = HOUR
    show: Callable[[DictRow], dict[str, Any]] = rows.to_json
    """A row as JSON."""

    @property
    def parameters(self) -> Parameters:
        """Every parameter of a search."""
        ways = [f"{sign}{name}" for name in self.sorts for sign in ("", "-")]
        return {
            "from": schema.MOMENT,
            "to": schema.MOMENT,
            "sort": schema.one_of(ways),
            "limit": schema.up_to("max_rows"),
            "cursor": {**schema.TEXT, "description": "`next` of the page before."},
            SITE: PARAMETER,
            **self.live_parameters,
        }

    @property
    def live_parameters(self) -> Parameters:
        """Every parameter of a live stream."""
        shown = {self.payload: schema.FLAG} if self.payload else {}
        return shown | {name: one.schema for name, one in self.filters.items()}

    def select(self, *, payload: bool) -> sql.Composed:
        """The columns to read, with or without the payload."""
        return sql.SQL(", ").join(
            sql.Identifier(name) for name in self.columns if payload or name != self.payload
        )


_NUMBER: Final = (int,)
_FRACTION: Final = (int, float)
_TEXT: Final = (str,)


def in_bytes(expression: sql.Composable, kind: type) -> sql.Composable:
    """What is sorted by, text by its bytes: so every database, and Python, has the same order."""
    return sql.SQL('{} COLLATE "C"').format(expression) if kind is str else expression


def _sorts(time: str, **types: tuple[type, ...]) -> dict[str, Key]:
    return {time: Key(sql.Identifier(time), _NUMBER)} | {
        name: Key(
            # Null comes first, before zero.
            in_bytes(
                sql.SQL("coalesce({}, {})").format(
                    sql.Identifier(name), sql.Literal("" if kind is _TEXT else -1)
                ),
                kind[0],
            ),
            kind,
        )
        for name, kind in types.items()
    }


def _names(listed: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in listed)


MESSAGES: Final = Subject(
    "messages",
    sql.Identifier("sip_message"),
    ("kind", *_names(SIP_MESSAGE)),
    filters.MESSAGE,
    _sorts(
        "ts",
        **dict.fromkeys(("call_id", "method", "from_user", "to_user", "ruri_user", "node"), _TEXT),
        status=_NUMBER,
    ),
    {"id": int},
    payload="raw",
)
REPORTS: Final = Subject(
    "reports",
    sql.Identifier("rtcp_report"),
    _names(RTCP_REPORT),
    filters.REPORT,
    _sorts("ts", call_id=_TEXT, node=_TEXT, type=_NUMBER),
    {"id": int, "block": int},
    payload="payload",
)
EVENTS: Final = Subject(
    "events",
    sql.Identifier("hep_event"),
    _names(HEP_EVENT),
    filters.EVENT,
    _sorts("ts", call_id=_TEXT, node=_TEXT, type=_NUMBER),
    {"id": int},
    payload="payload",
)
CALLS: Final = Subject(
    "calls",
    sql.Identifier("call"),
    _names(CALL_TABLE.columns),
    filters.CALL,
    _sorts(
        "started_at",
        **dict.fromkeys(("duration_ms", "pdd_ms", "setup_ms"), _FRACTION),
        **dict.fromkeys(("caller", "callee", "state"), _TEXT),
        **dict.fromkeys(("status", "messages"), _NUMBER),
    ),
    {"call_id": str},
    time="started_at",
    filed_within=FILED_WITHIN,
    indexed=frozenset({"caller", "callee", "number"}),
    show=rows.call,
)
REGISTRATIONS: Final = Subject(
    "registrations",
    registration.RELATION,
    registration.COLUMNS,
    filters.REGISTRATION,
    _sorts(
        "last_at",
        **dict.fromkeys(("aor", "contact", "state"), _TEXT),
        status=_NUMBER,
        latency_ms=_FRACTION,
    ),
    {"call_id": str, "aor": str},
    time="last_at",
    period=registration.PERIOD,
    everywhere=frozenset({"call_id", "aor", "contact_user"}),
    default_range=DAY,
    show=rows.shown,
)
SUBJECTS: Final = (MESSAGES, REPORTS, EVENTS, CALLS, REGISTRATIONS)
OF_CALL_ID: Final = (MESSAGES, REPORTS, EVENTS)
"""What was captured with a Call-ID."""
