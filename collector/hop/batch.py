# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes into the hop beside bytes, and what comes out of it, in either form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from collector.causes import CAUSES, Cause
from collector.columns import TABLES
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.pending import Pending
from collector.selection import Selection

US_PER_MINUTE: Final = 60_000_000
CHALLENGED: Final = 7
"""Status class of responses that ask for credentials."""

RUN: Final = 128
"""Records that go through each stage together: stage by stage the interpreter stays in the
processor's caches. Measured: 29 µs per message one by one, 21 µs in runs of 64 to 512."""


class Options(NamedTuple):
    """What the hop depends on beside the bytes; times in µs."""

    accept_past: int = 0
    """A sender's time may be this far before the time of arrival …"""
    accept_future: int = 0
    """… or this far after it; otherwise the message is filed by time of arrival."""
    max_field_bytes: int = 512
    max_refused: int = 0
    """How many rejected packets of a batch are kept for the quarantine; all are counted."""
    selection: Selection | None = None
    """What is kept; None keeps everything as it comes."""
    correlate: bool = False
    """Whether to collect the facts of calls, registrations and streams."""
    accept_imported: tuple[int, ...] = (0,) * len(TABLES)
    """As ``accept_past``, in the order of ``TABLES``, for what nodes of imported files send."""


class Refused(NamedTuple):
    """A packet for the quarantine."""

    record_id: int
    peer: bytes
    port: int
    cause: Cause
    packet: bytes


StatKey: TypeAlias = tuple[int, bytes, bytes, int]
"""What messages are counted by, for charts that never scan messages: minutes since 1970, node,
method, and status class 1 … 6, ``CHALLENGED``, or 0 for a request."""

SenderKey: TypeAlias = tuple[bytes, bytes, int]
"""What tells senders apart: peer address, node, HEP version (0 when it is not HEP)."""


@dataclass(slots=True)
class SenderTally:
    """What one sender did within a batch."""

    packets: int = 0
    rejected: int = 0
    last_id: int = 0
    clock_offset: int = 0
    """Sender's clock minus time of arrival at the last message, µs."""


@dataclass(slots=True)
class StatTally:
    """Messages and their bytes."""

    messages: int = 0
    octets: int = 0


@dataclass(slots=True)
class Rows:
    """COPY rows for one table, without header and trailer."""

    data: bytearray = field(default_factory=bytearray)
    first_ts: int = 1 << 62
    """Earliest and latest row, µs since 1970: which partitions are needed."""
    last_ts: int = -1


@dataclass(slots=True)
class Batch:
    """What becomes of a run of journal records: rows to COPY, and what to count."""

    records: int = 0
    rows: tuple[Rows, ...] = field(default_factory=lambda: tuple(Rows() for _ in TABLES))
    """In the order of ``TABLES``."""
    causes: list[int] = field(default_factory=lambda: [0] * len(CAUSES))
    """Records by ``Cause``."""
    stats: dict[StatKey, StatTally] = field(default_factory=dict)
    senders: dict[SenderKey, SenderTally] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    facts: list[Fact | ReportFact] = field(default_factory=list)
    """Of the messages of calls and registrations, and of the quality reports, among the rows."""
    pending: Pending | None = None
    """What facts are merged into, run after run while they are in the processor's caches; None
    leaves them in ``facts``."""
