# SPDX-License-Identifier: GPL-2.0-or-later
"""One SIP message as a row in PostgreSQL's binary COPY format, columns as in ``columns``."""

from __future__ import annotations

from itertools import chain
from typing import Final

from collector import chunks, hep
from collector.columns import SIP_MESSAGE
from collector.copy_binary import (
    EMPTY,
    NULL,
    POSTGRES_EPOCH_US,
    clean,
    inet,
    jsonb,
    pack_int2,
    pack_int4,
    pack_length,
    pack_ports,
    pack_timestamp,
    row_start,
    text,
)
from collector.hep import Hep
from collector.sip import Sip

MAX_FIELD_BYTES: Final = 2048
"""Upper limit of sip.max_field_bytes: call_id must fit into a B-tree entry of 2,704 bytes."""

_COLUMNS: Final = len(SIP_MESSAGE)

# The 4 bytes before a text value, by its length. Length 0 gives NULL: an absent header.
_text_length = (NULL, *(pack_length(n) for n in range(1, MAX_FIELD_BYTES + 1)))
_get_text_length = _text_length.__getitem__

_TRANSPORTS: Final = {
    hep.PROTOCOL_UDP: b"UDP",
    hep.PROTOCOL_TCP: b"TCP",
    hep.PROTOCOL_TLS: b"TLS",
    hep.PROTOCOL_SCTP: b"SCTP",
}
_VIA_KNOWS_BETTER: Final = frozenset({b"TLS", b"WS", b"WSS"})
"""HEP has no number for these: senders write 22 for all three, or 6."""


def transport(protocol: int, via_transport: bytes) -> bytes:
    """Transport of the message, from the HEP protocol number and the top Via."""
    if protocol != hep.PROTOCOL_UDP and via_transport in _VIA_KNOWS_BETTER:
        return via_transport
    return _TRANSPORTS.get(protocol) or b"%d" % protocol


def encode(
    packet: Hep,
    message: Sip,
    *,
    ts: int,
    record_id: int,
    sender_ts: int | None,
    node: bytes,
    max_field_bytes: int,
    aleg_id: bytes = b"",
    headers: bytes = b"",
) -> bytes:
    """One COPY row, without header and trailer.

    ``ts`` and ``sender_ts`` are µs since 1970, ``record_id`` is the journal record's id;
    ``aleg_id`` is clean text, ``headers`` a JSON object. Other text is cut at ``max_field_bytes``
    and made valid UTF-8; the row's ``fault`` says so, and ``raw`` has every byte as it came.
    """
    payload = packet.payload
    correlation_id = packet.correlation_id
    if correlation_id == message.call_id:
        correlation_id = b""
    fault = message.fault
    texts: tuple[bytes, ...] = (
        message.call_id,
        message.method,
        message.reason,
        transport(packet.protocol, message.via_transport),
        node,
        correlation_id,
        message.ruri_user,
        message.ruri_domain,
        message.from_user,
        message.from_domain,
        message.from_tag,
        message.to_user,
        message.to_domain,
        message.to_tag,
        message.contact_user,
        message.contact_domain,
        message.pai_user,
        message.pai_domain,
        message.auth_user,
        message.auth_realm,
        message.user_agent,
        message.via_branch,
    )
    if (
        max(map(len, texts)) > max_field_bytes
        or not (payload.isascii() and node.isascii() and correlation_id.isascii())
        or b"\0" in payload
        or b"\0" in node
        or b"\0" in correlation_id
    ):
        texts, text_fault = clean(texts, max_field_bytes)
        fault = fault or text_fault
    text_lengths = map(_get_text_length, map(len, texts))
    fields = list(chain.from_iterable(zip(text_lengths, texts, strict=True)))
    if not texts[0]:
        fields[0] = EMPTY  # the distribution key of a cluster must not be null
    status = message.status
    return b"".join(
        (
            row_start(_COLUMNS, 8, ts - POSTGRES_EPOCH_US, 8, record_id),
            NULL if sender_ts is None else pack_timestamp(8, sender_ts - POSTGRES_EPOCH_US),
            pack_ports(4, packet.src_port, 4, packet.dst_port),
            pack_int4(4, message.cseq) if message.cseq >= 0 else NULL,
            pack_int2(2, status) if status else NULL,
            pack_int2(2, packet.vlan & 0xFFF) if packet.vlan else NULL,
            inet(packet.src_ip),
            inet(packet.dst_ip),
            *fields,
            NULL if fault is None else pack_length(len(fault)) + fault.encode(),
            pack_length(len(payload)),
            payload,
            text(aleg_id),
            jsonb(headers) if headers else NULL,
            jsonb(chunks.to_json(packet.extra, max_field_bytes)) if packet.extra else NULL,
        )
    )
