# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose fault it is that PostgreSQL refuses (appendix A of its manual)."""

from __future__ import annotations

from typing import Final

_ROW_REFUSED: Final = ("22", "23", "54")
"""Classes: data exception, constraint, limit exceeded."""


def blames_row(sqlstate: str | None) -> bool:
    """Whether the code blames a row, and not the connection, the schema or the statement."""
    return (sqlstate or "")[:2] in _ROW_REFUSED
