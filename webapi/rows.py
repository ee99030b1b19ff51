# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of ``sip_message`` as JSON objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import sql

from collector.columns import SIP_MESSAGE

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: Final = ("kind", *(column.name for column in SIP_MESSAGE))
_PLAIN: Final = tuple(name for name in _NAMES if name not in ("ts", "sender_ts", "id", "raw"))

COLUMNS: Final = sql.SQL(", ").join(sql.Identifier(name) for name in _NAMES)
COLUMNS_WITHOUT_RAW: Final = sql.SQL(", ").join(
    sql.Identifier(name) for name in _NAMES if name != "raw"
)


def to_json(row: dict[str, Any]) -> dict[str, Any]:
    """One message. Absent headers are left out.

    ``ts`` has µs; ``id`` is a string because a browser's numbers cannot hold it, and
    ``received_at`` is the same as time. ``raw`` is text where the message is UTF-8, else there is
    ``raw_base64``.
    """
    message: dict[str, Any] = {
        "id": str(row["id"]),
        "ts": format_moment(row["ts"]),
        "received_at": format_moment(_EPOCH + timedelta(microseconds=row["id"] // 1000)),
    }
    if row["sender_ts"]:
        message["sender_ts"] = format_moment(row["sender_ts"])
    for name in _PLAIN:
        value = row[name]
        if value is not None:
            message[name] = str(value) if name.endswith("_ip") else value
    if "raw" in row:
        try:
            message["raw"] = row["raw"].decode()
        except UnicodeDecodeError:
            message["raw_base64"] = base64.b64encode(row["raw"]).decode()
    return message


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Any row with its moments as text."""
    return {
        name: format_moment(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def format_moment(value: datetime) -> str:
    """ISO 8601 in UTC, always with six digits of µs."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
