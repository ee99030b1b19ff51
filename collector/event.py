# SPDX-License-Identifier: GPL-2.0-or-later
"""A HEP packet that is neither SIP nor a readable quality report as a row of ``hep_event``."""

from __future__ import annotations

from typing import Final

from collector import chunks
from collector.columns import HEP_EVENT
from collector.copy_binary import (
    NULL,
    POSTGRES_EPOCH_US,
    clean,
    inet,
    jsonb,
    pack_int2,
    pack_length,
    pack_ports,
    row_start,
    smallint,
    text,
    text_or_empty,
    timestamp,
)
from collector.hep import Hep

_COLUMNS: Final = len(HEP_EVENT)


def encode(
    packet: Hep,
    *,
    ts: int,
    record_id: int,
    sender_ts: int | None,
    node: bytes,
    max_field_bytes: int,
    fault: str | None = None,
) -> bytes:
    """One COPY row, without header and trailer; arguments as in ``row.encode``.

    ``fault`` is what is wrong with the payload.
    """
    (call_id, name), text_fault = clean((packet.correlation_id, node), max_field_bytes)
    fault = fault or text_fault
    return b"".join(
        (
            row_start(_COLUMNS, 8, ts - POSTGRES_EPOCH_US, 8, record_id),
            timestamp(sender_ts),
            pack_ports(4, packet.src_port, 4, packet.dst_port),
            pack_int2(2, packet.type),
            smallint(packet.vlan & 0xFFF),
            inet(packet.src_ip),
            inet(packet.dst_ip),
            text_or_empty(call_id),
            text_or_empty(name),
            text(fault.encode() if fault else b""),
            pack_length(len(packet.payload)),
            packet.payload,
            jsonb(chunks.to_json(packet.extra, max_field_bytes)) if packet.extra else NULL,
        )
    )
