# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be searched: messages, quality reports and events, each with its names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from collector.columns import HEP_EVENT, RTCP_REPORT, SIP_MESSAGE, Column
from webapi import filters
from webapi.filters import Filter

_NUMBERS: Final = frozenset({"ts", "status", "type"})
"""Sorts whose keys are numbers; the others are text."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A table or view that has ts, id and call_id, and what may be asked of it."""

    name: str
    """What an answer calls the rows."""
    relation: sql.Identifier
    columns: tuple[str, ...]
    payload: str
    """The column that holds what was captured; shown only when it is asked for."""
    filters: Mapping[str, Filter]
    sorts: Mapping[str, sql.Composable]
    """Sort keys → expressions that are never null."""
    order: tuple[str, ...]
    """Columns that tell rows of one µs apart."""

    @property
    def parameters(self) -> frozenset[str]:
        """Every parameter of a search."""
        return frozenset({*self.filters, "from", "to", "sort", "limit", "cursor", self.payload})

    def select(self, *, payload: bool) -> sql.Composed:
        """The columns to read, with or without the payload."""
        return sql.SQL(", ").join(
            sql.Identifier(name) for name in self.columns if payload or name != self.payload
        )


def is_number(sort: str) -> bool:
    """Whether the keys of a sort are numbers."""
    return sort in _NUMBERS


def _sorts(*names: str) -> dict[str, sql.Composable]:
    return {"ts": sql.SQL("ts")} | {
        name: sql.SQL("coalesce({}, {})").format(
            sql.Identifier(name), sql.Literal(0 if is_number(name) else "")
        )
        for name in names
    }


def _names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


MESSAGES: Final = Subject(
    "messages",
    sql.Identifier("sip_message"),
    ("kind", *_names(SIP_MESSAGE)),
    "raw",
    filters.MESSAGE,
    _sorts("call_id", "method", "from_user", "to_user", "ruri_user", "node", "status"),
    ("id",),
)
REPORTS: Final = Subject(
    "reports",
    sql.Identifier("rtcp_report"),
    _names(RTCP_REPORT),
    "payload",
    filters.REPORT,
    _sorts("call_id", "node", "type"),
    ("id", "block"),
)
EVENTS: Final = Subject(
    "events",
    sql.Identifier("hep_event"),
    _names(HEP_EVENT),
    "payload",
    filters.EVENT,
    _sorts("call_id", "node", "type"),
    ("id",),
)
SUBJECTS: Final = (MESSAGES, REPORTS, EVENTS)
