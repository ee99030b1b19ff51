# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop: journal bytes in, COPY bytes out. Pure, so that it can be measured and compiled alone.

Nothing here reads a clock, a file or a socket: the same journal bytes and options always give the
same batch. Only the filter for duplicates and the user's hook, where they are set, remember more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from collector import event, forms, hep, row, sip
from collector.causes import CAUSES, Cause
from collector.columns import EVENT, REPORT, TABLES
from collector.copy_binary import clean_text
from collector.correlation.fact import Fact, ReportFact
from collector.hep import Hep
from collector.journal import record
from collector.journal.record import Record
from collector.quality import rows as quality_rows
from collector.quality.report import ReportFault
from collector.selection import Selected, Selection
from collector.selection.candidate import Candidate
from collector.sip import Kind, Sip

US_PER_MINUTE: Final = 60_000_000
CHALLENGED: Final = 7
"""Status class of responses that ask for credentials."""

RUN: Final = 128
"""Records that go through each stage together: stage by stage the interpreter stays in the
processor's caches. Measured: 29 µs per message one by one, 21 µs in runs of 64 to 512."""
_STORED: Final = Cause.STORED
_OTHER: Final = Kind.OTHER
_CHALLENGES: Final = sip.CHALLENGES


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
    take: Callable[[list[Fact | ReportFact]], None] | None = None
    """Takes the facts of each run over while they are in the processor's caches; None leaves them
    in ``facts``."""


def encode(buffer: bytes, batch: Batch, options: Options, max_records: int) -> int:
    """Turn the records at the beginning of ``buffer`` into rows; returns the bytes consumed.

    Stops at the first record that is not complete and intact, or after ``max_records``.
    """
    offset = 0
    last = batch.records + max_records
    while batch.records < last:
        records = _unpack(buffer, offset, min(last - batch.records, RUN))
        if not records:
            break
        offset = records[-1].end
        batch.records += len(records)
        _encode_run(batch, records, options)
        if batch.take and batch.facts:
            batch.take(batch.facts)
            batch.facts = []
    return offset


def _unpack(buffer: bytes, offset: int, limit: int) -> list[Record]:
    records: list[Record] = []
    while len(records) < limit:
        found = record.unpack(buffer, offset)
        if found is None:
            break
        records.append(found)
        offset = found.end
    return records


def _encode_run(batch: Batch, records: list[Record], options: Options) -> None:
    """One stage after the other over a run of records."""
    selection = options.selection
    packets = [forms.decode(found.packet) for found in records]
    kept: list[tuple[Record, Hep, bytes, SenderKey]] = []
    for found, packet in zip(records, packets, strict=True):
        if isinstance(packet, Cause):
            _refuse(batch, found, packet, (found.peer, b"", 0), options)
            continue
        node = packet.node
        sender = (found.peer, node, packet.version)
        if selection is not None and not selection.accepts(packet):
            _refuse(batch, found, Cause.PASSWORD, sender, options)
        elif forms.is_keepalive(packet):
            _tally(batch, sender, found.id, Cause.KEEPALIVE)
        else:
            kept.append((found, packet, node, sender))
    read = [forms.extract(packet) for _, packet, _, _ in kept]
    if selection is None:
        for (found, _, node, sender), (packet, message) in zip(kept, read, strict=True):
            _store(batch, found.id, sender, Selected(packet, message, node), options)
        return
    candidates = [
        Candidate(found.id, packet, message, node)
        for (found, _, node, _), (packet, message) in zip(kept, read, strict=True)
    ]
    chosen = selection.select_run(candidates)
    for (found, _, _, sender), selected in zip(kept, chosen, strict=True):
        if isinstance(selected, Cause):
            _tally(batch, sender, found.id, selected)
        else:
            _store(batch, found.id, sender, selected, options)


def _store(
    batch: Batch, record_id: int, sender: SenderKey, selected: Selected, options: Options
) -> None:
    packet, message, node, aleg_id, headers, aleg_header = selected
    ts, sender_ts = _times(batch, record_id, packet, message, sender, options)
    if message is None:
        _store_other(batch, record_id, packet, ts, sender_ts, node, options)
        return
    encoded = row.encode(
        packet,
        message,
        ts=ts,
        record_id=record_id,
        sender_ts=sender_ts,
        node=node,
        max_field_bytes=options.max_field_bytes,
        aleg_id=aleg_id,
        headers=headers,
    )
    _add(batch.rows[message.kind], encoded, ts)
    if options.correlate and message.kind is not _OTHER:
        call_id = clean_text(message.call_id, options.max_field_bytes)
        batch.facts.append(
            Fact(ts, record_id, call_id, packet, message, node, aleg_id, headers, aleg_header)
        )
    status = message.status
    status_class = CHALLENGED if status in _CHALLENGES else status // 100
    key = (ts // US_PER_MINUTE, node, message.method, status_class)
    stat = batch.stats.get(key)
    if stat is None:
        stat = batch.stats[key] = StatTally()
    stat.messages += 1
    stat.octets += len(packet.payload)


def _store_other(
    batch: Batch,
    record_id: int,
    packet: Hep,
    ts: int,
    sender_ts: int | None,
    node: bytes,
    options: Options,
) -> None:
    """A packet that is not SIP: a quality report, or an event."""
    fault = None
    if packet.type in hep.TYPES_QUALITY:
        reports = quality_rows.read(packet)
        if reports:
            encoded = quality_rows.encode(
                packet,
                reports,
                ts=ts,
                record_id=record_id,
                sender_ts=sender_ts,
                node=node,
                max_field_bytes=options.max_field_bytes,
            )
            _add(batch.rows[REPORT], encoded, ts)
            if options.correlate:
                call_id = clean_text(packet.correlation_id, options.max_field_bytes)
                batch.facts.append(ReportFact(ts, record_id, call_id, packet, reports))
            return
        fault = ReportFault.PAYLOAD
    encoded = event.encode(
        packet,
        ts=ts,
        record_id=record_id,
        sender_ts=sender_ts,
        node=node,
        max_field_bytes=options.max_field_bytes,
        fault=fault,
    )
    _add(batch.rows[EVENT], encoded, ts)


def _times(
    batch: Batch,
    record_id: int,
    packet: Hep,
    message: Sip | None,
    sender: SenderKey,
    options: Options,
) -> tuple[int, int | None]:
    """When to file a stored packet, and the sender's time if that is another, µs since 1970."""
    tally = _tally(batch, sender, record_id, _STORED)
    arrival = record_id // 1000
    sent = packet.seconds * 1_000_000 + packet.microseconds
    if not sent:
        return arrival, None
    tally.clock_offset = offset = sent - arrival
    if -options.accept_past <= offset <= options.accept_future:
        return sent, None
    if offset < 0 and packet.node_name.startswith(hep.IMPORT_NODE):
        other = REPORT if packet.type in hep.TYPES_QUALITY else EVENT
        if -offset <= options.accept_imported[other if message is None else message.kind]:
            return sent, None
    return arrival, sent


def _add(rows: Rows, encoded: bytes, ts: int) -> None:
    rows.data += encoded
    if ts < rows.first_ts:
        rows.first_ts = ts
    if ts > rows.last_ts:
        rows.last_ts = ts


def _tally(batch: Batch, sender: SenderKey, record_id: int, cause: Cause) -> SenderTally:
    batch.causes[cause] += 1
    tally = batch.senders.get(sender)
    if tally is None:
        tally = batch.senders[sender] = SenderTally()
    tally.packets += 1
    if record_id > tally.last_id:  # the stages do not go in the order of the records
        tally.last_id = record_id
    return tally


def _refuse(batch: Batch, found: Record, cause: Cause, sender: SenderKey, options: Options) -> None:
    _tally(batch, sender, found.id, cause).rejected += 1
    if len(batch.refused) < options.max_refused:
        batch.refused.append(
            Refused(found.id, found.peer, found.port, cause, hep.hide_auth_key(found.packet))
        )
