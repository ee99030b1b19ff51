# SPDX-License-Identifier: GPL-2.0-or-later
"""Links from a call to other systems, as ``links.call`` describes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from collector.moment import to_us
from collector.settings.links import Links, parse_link

_DOTS = frozenset({".", ".."})


def links_of(
    settings: Links, call_id: str, span: tuple[datetime, datetime], call: Mapping[str, Any] | None
) -> list[dict[str, str]]:
    """``name`` and ``url`` of each; one that needs what this call does not have is left out.

    ``call`` is its row with the names of its hosts, or None for what is no call.
    """
    values = {name: _encoded(text) for name, text in _values(settings, call_id, span, call).items()}
    found = []
    for text in settings.call:
        template = parse_link(text)
        if all(values.get(name) for name in template.placeholders):
            found.append({"name": template.name, "url": template.fill(values)})
    return found


def _values(
    settings: Links, call_id: str, span: tuple[datetime, datetime], call: Mapping[str, Any] | None
) -> dict[str, str]:
    margin = timedelta(seconds=settings.margin)
    begin, end = to_us(span[0] - margin), to_us(span[1] + margin)
    row = call or {}
    found = {
        "call_id": call_id,
        "from_ms": begin // 1000,
        "to_ms": -(-end // 1000),
        "from_s": begin // 1_000_000,
        "to_s": -(-end // 1_000_000),
        "caller": row.get("caller"),
        "callee": row.get("callee"),
        "source": row.get("src_ip"),
        "source_port": row.get("src_port"),
        "source_name": row.get("src_name"),
        "destination": row.get("dst_ip"),
        "destination_port": row.get("dst_port"),
        "destination_name": row.get("dst_name"),
        "node": row.get("node"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def _encoded(text: str) -> str:
    """Nothing in it is a delimiter; a browser would take dots alone for a way up in a path."""
    return "" if text in _DOTS else quote(text, safe="", errors="replace")
