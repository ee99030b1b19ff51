# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts of several sites added up."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import DictRow

from webapi.sites.reading import SITE, Reading


def added(reading: Reading, rows: list[DictRow], names: Sequence[str]) -> list[DictRow]:
    """One row for all that have the same values in the columns ``names``, in the order of these.

    All other columns are numbers, or null where there is nothing to count. Without ``SITE`` among
    the names rows do not say any more whose they are. A call that two sites have seen counts twice:
    nothing in a count says of which call it is.
    """
    if not reading.several:
        return [{SITE: reading.order[0], **row} for row in rows] if SITE in names else rows
    sums: dict[tuple[object, ...], DictRow] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        sum_ = sums.setdefault(key, dict(zip(names, key, strict=True)))
        for name, value in row.items():
            if name not in names and name != SITE:
                known = sum_.get(name)
                sum_[name] = value if known is None else known + (value or 0)
    return sorted(sums.values(), key=lambda row: [row[name] for name in names])
