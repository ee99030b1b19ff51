# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet's quality reports as rows of ``rtcp_report``."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from collector import chunks, quality
from collector.columns import RTCP_REPORT
from collector.copy_binary import (
    NULL,
    POSTGRES_EPOCH_US,
    clean,
    inet,
    jsonb,
    pack_int2,
    pack_int4,
    pack_int8,
    pack_length,
    pack_ports,
    row_start,
    smallint,
    text,
    text_or_empty,
    timestamp,
)
from collector.hep import CHUNKS, Hep
from collector.quality.report import MAX_JITTER, RTT_FROM_LSR, Report, Values

MAX_RTT_S: Final = 10
"""A longer time from LSR and DLSR comes from clocks that differ, not from a network."""

_COLUMNS: Final = len(RTCP_REPORT)
_MEASURED: Final = (0x20, 0x21, 0x23)
"""Chunks MOS, R-factor and jitter."""
_NTP_EPOCH: Final = 2_208_988_800
"""1900-01-01 in s before 1970 (RFC 5905)."""
_PER_SECOND: Final = 1 << 16
"""Units of LSR and DLSR in a second (RFC 3550 §6.4.1)."""

_pack_real = struct.Struct(">if").pack
_PACK: Final[dict[str, Callable[[Any], bytes]]] = {
    "bigint": lambda value: pack_int8(8, value),
    "integer": lambda value: pack_int4(4, value),
    "smallint": lambda value: pack_int2(2, value),
    "real": lambda value: _pack_real(4, value),
    "text": lambda value: text(value.encode()),
}
_FIGURES: Final = tuple(
    (index, _PACK[column.type])
    for column in RTCP_REPORT
    if column.name in Report._fields and column.name not in ("direction", "fault")
    for index in (Report._fields.index(column.name),)
)
"""Positions in ``Report`` of the columns between vlan and src_ip, in the order of the table."""


def read(packet: Hep) -> list[Report]:
    """A packet's reports, with what the packet around the payload says; none when it has none."""
    return [
        _with_chunks(_with_rtt(found, packet), packet) for found in quality.parse(packet.payload)
    ]


def encode(
    packet: Hep,
    reports: list[Report],
    *,
    ts: int,
    record_id: int,
    sender_ts: int | None,
    node: bytes,
    max_field_bytes: int,
) -> bytes:
    """COPY rows, without header and trailer, one for each of its ``reports``, which ``read`` gives.

    The other arguments as in ``row.encode``.
    """
    (call_id, name), text_fault = clean((packet.correlation_id, node), max_field_bytes)
    begin = row_start(_COLUMNS, 8, ts - POSTGRES_EPOCH_US, 8, record_id) + b"".join(
        (
            timestamp(sender_ts),
            pack_ports(4, packet.src_port, 4, packet.dst_port),
            pack_int2(2, packet.type),
        )
    )
    vlan = smallint(packet.vlan & 0xFFF)
    where = b"".join(
        (
            inet(packet.src_ip),
            inet(packet.dst_ip),
            text_or_empty(call_id),
            text_or_empty(name),
        )
    )
    payload = pack_length(len(packet.payload)) + packet.payload
    extra = jsonb(chunks.to_json(packet.extra, max_field_bytes)) if packet.extra else NULL
    rows: list[bytes] = []
    for block, report in enumerate(reports):
        figures = b"".join(
            NULL if (value := report[index]) is None else pack(value) for index, pack in _FIGURES
        )
        fault = report.fault or text_fault
        rows += (
            *(begin, pack_int2(2, block), vlan, figures, where),
            text((report.direction or "").encode()),
            text((fault or "").encode()),
            *((NULL, NULL) if block else (payload, extra)),
        )
    return b"".join(rows)


def _with_rtt(report: Report, packet: Hep) -> Report:
    """Round trip time by RFC 3550 §6.4.1, where nothing else says it: arrival - LSR - DLSR.

    Arrival is the sender's capture time, so it is right where the agent captures beside the one
    who sent that SR, or where both have the same time.
    """
    if report.rtt_ms is not None or not report.lsr or report.dlsr is None or not packet.seconds:
        return report
    arrival = (packet.seconds + _NTP_EPOCH) * _PER_SECOND + packet.microseconds * _PER_SECOND // (
        1_000_000
    )
    elapsed = (arrival - report.lsr - report.dlsr) & 0xFFFFFFFF
    if not 0 < elapsed <= MAX_RTT_S * _PER_SECOND:
        return report
    return report._replace(rtt_ms=elapsed * 1000 / _PER_SECOND, rtt_source=RTT_FROM_LSR)


def _with_chunks(report: Report, packet: Hep) -> Report:
    """Chunks MOS, R-factor and jitter fill what the payload leaves open; 0 is not measured."""
    if not packet.extra:
        return report
    values = Values(
        {CHUNKS[n].name: int.from_bytes(packet.extra.get(n, b"")) or None for n in _MEASURED}
    )
    if report.mos is None:
        report = report._replace(mos=values.mos("mos"))
    if report.r_factor is None:
        report = report._replace(r_factor=values.r_factor("r_factor"))
    if report.jitter is None and report.jitter_ms is None:
        report = report._replace(jitter=values.counter("jitter", MAX_JITTER))
    return report._replace(fault=report.fault or values.fault)
