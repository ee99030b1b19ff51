# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop in plain Python: the reference of what it does, and what runs where nothing is compiled.

Nothing here reads a clock, a file or a socket: the same journal bytes and options always give the
same batch. Only the filter for duplicates and the user's hook, where they are set, remember more.
"""

from __future__ import annotations

from typing import Final

from collector import event, forms, hep, row, sip
from collector.causes import Cause
from collector.columns import EVENT, REPORT
from collector.copy_binary import clean_text
from collector.correlation.fact import Fact, ReportFact
from collector.hep import Hep
from collector.hop.batch import (
    CHALLENGED,
    RUN,
    US_PER_MINUTE,
    Batch,
    Options,
    Refused,
    Rows,
    SenderKey,
    SenderTally,
    StatTally,
)
from collector.journal import record
from collector.journal.record import Record
from collector.quality import rows as quality_rows
from collector.quality.report import ReportFault
from collector.selection import Selected
from collector.selection.candidate import Candidate
from collector.sip import Kind, Sip

_STORED: Final = Cause.STORED
_OTHER: Final = Kind.OTHER
_CHALLENGES: Final = sip.CHALLENGES


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
        encode_run(batch, records, options)
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


def encode_run(batch: Batch, records: list[Record], options: Options) -> None:
    """One stage after the other over a run of records."""
    _encode_rows(batch, records, options)
    if batch.pending is not None and batch.facts:
        batch.pending.add(batch.facts)
        batch.facts = []


def _encode_rows(batch: Batch, records: list[Record], options: Options) -> None:
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
