# SPDX-License-Identifier: GPL-2.0-or-later
"""Registrations as people think of them: one for each address of record and contact.

A phone that was restarted begins with a new Call-ID, which is a row of its own in the table
``registration``. Here the row with the last message stands for all of the same address of record
and contact, with the counts of all of them.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from collector.correlation import columns

PERIOD: Final = "last_period"
EXPIRED: Final = "expired"
STATES: Final = ("registered", "unregistered", "challenged", "failed", "trying", EXPIRED)
_SUMS: Final = ("requests", "challenges", "failures")

COLUMNS: Final = tuple(
    column.name
    for column in (
        *columns.REGISTRATION_FILING,
        *columns.flat(columns.REGISTRATION),
        *columns.REGISTRATION_GENERATED,
    )
    if not column.name.endswith("_cseq") and column.name != PERIOD
)

# Without the header's parameters: a phone that unregisters is still the same contact.
_CONTACT: Final = (
    "coalesce(substring({0}.contact FROM '<([^>]*)>'), rtrim(split_part({0}.contact, ';', 1)))"
)
_SAME: Final = sql.SQL(
    f"other.aor = row.aor AND {_CONTACT.format('other')} IS NOT DISTINCT FROM "
    f"{_CONTACT.format('row')}"
)


def _column(name: str) -> sql.Composable:
    if name in _SUMS:
        return sql.SQL(
            "(SELECT sum(other.{name})::bigint FROM registration AS other WHERE {same}) AS {name}"
        ).format(name=sql.Identifier(name), same=_SAME)
    if name == "first_at":
        return sql.SQL(
            "(SELECT min(other.first_at) FROM registration AS other WHERE {}) AS first_at"
        ).format(_SAME)
    if name == "contact":
        return sql.SQL(f"{_CONTACT.format('row')} AS contact")
    if name == "state":
        return sql.SQL(
            "CASE WHEN state = 'registered' AND expires_at < now() THEN {} ELSE state END AS state"
        ).format(sql.Literal(EXPIRED))
    return sql.Identifier("row", name)


RELATION: Final = sql.SQL(
    "(SELECT {}, row.last_period FROM registration AS row"
    " WHERE NOT EXISTS (SELECT FROM registration AS other"
    " WHERE {} AND (other.last_at, other.call_id) > (row.last_at, row.call_id))) AS registration"
).format(sql.SQL(", ").join(map(_column, COLUMNS)), _SAME)
"""A subquery in place of a table; its counts are read for the shown rows only."""
