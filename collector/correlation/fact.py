# SPDX-License-Identifier: GPL-2.0-or-later
"""One stored message or packet of quality reports as correlation gets it."""

from __future__ import annotations

from typing import Any, NamedTuple

from collector.hep import Hep
from collector.quality.report import Report
from collector.sip import Sip


class Fact(NamedTuple):
    """A message of a call or a registration that has a row."""

    ts: int
    """When its row is filed, µs since 1970."""
    record_id: int
    """The id of its row."""
    call_id: bytes
    """As in its row."""
    packet: Hep
    message: Sip
    node: bytes
    aleg_id: bytes
    """The leg before this one; ``b""`` when no header of correlation.headers says."""
    headers: bytes
    """The custom headers as a JSON object; ``b""`` when there are none."""
    aleg_header: str = ""
    """The header that gave ``aleg_id``."""


class ReportFact(NamedTuple):
    """A packet of quality reports that has rows."""

    ts: int
    """When its rows are filed, µs since 1970."""
    record_id: int
    """The id of its rows."""
    call_id: bytes
    """The HEP correlation id as in its rows."""
    packet: Hep
    reports: list[Report]


def is_earlier(have: tuple[Any, ...] | None, fact: Fact) -> bool:
    """Whether the fact comes before what is there, which begins with time and id."""
    return have is None or (fact.ts, fact.record_id) < have[:2]


def is_later(have: tuple[Any, ...] | None, fact: Fact) -> bool:
    """Whether it comes after it."""
    return have is None or (fact.ts, fact.record_id) > have[:2]
