# SPDX-License-Identifier: GPL-2.0-or-later
"""SQL that merges new facts into the row that is there, made of the rules of its columns."""

from __future__ import annotations

from typing import Final

from psycopg import sql

from collector.correlation.columns import Group, Rule
from collector.correlation.encode import MAX_SEEN_BYTES


def merge_assignments(groups: tuple[Group, ...]) -> sql.Composed:
    """``column = …, …`` for ON CONFLICT DO UPDATE; the row that is there goes by ``have``."""
    return sql.SQL(", ").join(assignment for group in groups for assignment in _assignments(group))


def _assignments(group: Group) -> list[sql.Composed]:
    if group.rule in (Rule.FIRST, Rule.LAST):
        takes_over = _takes_over(group)
        template = sql.SQL(
            "{column} = CASE WHEN {takes_over} THEN excluded.{column} ELSE have.{column} END"
        )
        return [
            template.format(column=sql.Identifier(column.name), takes_over=takes_over)
            for column in group.columns
        ]
    template = sql.SQL(_SINGLE[group.rule])
    return [
        template.format(
            column=sql.Identifier(column.name),
            limit=sql.Literal(MAX_SEEN_BYTES),
            # Text is compared as bytes, as in Python.
            collate=sql.SQL('COLLATE "C"' if column.type == "text" else ""),
        )
        for column in group.columns
    ]


_SINGLE: Final = {
    Rule.MIN: "{column} = least(have.{column} {collate}, excluded.{column})",
    Rule.MAX: "{column} = greatest(have.{column} {collate}, excluded.{column})",
    Rule.SUM: "{column} = have.{column} + excluded.{column}",
    Rule.JOIN: "{column} = substring(have.{column} || excluded.{column} FROM 1 FOR {limit})",
}
"""least and greatest ignore nulls."""


def _takes_over(group: Group) -> sql.Composed:
    """Whether the new values win: there were none, or their key is smaller, or larger.

    With no new values the key is null, the comparison is null, and the old ones stay.
    """
    names = [sql.Identifier(column.name) for column in group.columns[: group.keys]]
    return sql.SQL("have.{first} IS NULL OR ({new}) {operator} ({have})").format(
        first=names[0],
        new=sql.SQL(", ").join(sql.SQL("excluded.{}").format(name) for name in names),
        have=sql.SQL(", ").join(sql.SQL("have.{}").format(name) for name in names),
        operator=sql.SQL("<" if group.rule is Rule.FIRST else ">"),
    )
