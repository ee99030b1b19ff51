# SPDX-License-Identifier: GPL-2.0-or-later
"""One SIP message as a row in PostgreSQL's binary COPY format, columns as in ``columns``."""

from __future__ import annotations

import struct
from itertools import chain
from typing import Final

from collector import hep
from collector.columns import SIP_MESSAGE
from collector.hep import Hep
from collector.sip import Fault, Sip

COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER: Final = b"\xff\xff"

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 in µs since 1970: PostgreSQL counts timestamps from there."""

MAX_FIELD_BYTES: Final = 2048
"""Upper limit of sip.max_field_bytes: call_id must fit into a B-tree entry of 2,704 bytes."""

_NULL: Final = b"\xff\xff\xff\xff"
_COLUMNS: Final = len(SIP_MESSAGE)
_start = struct.Struct(">hiqiq").pack
_timestamp = struct.Struct(">iq").pack
_ports = struct.Struct(">iiii").pack
_int4 = struct.Struct(">ii").pack
_int2 = struct.Struct(">ih").pack
_length = struct.Struct(">i").pack

# The 4 bytes before a text value, by its length. Length 0 gives NULL: an absent header.
_text_length = (_NULL, *(_length(n) for n in range(1, MAX_FIELD_BYTES + 1)))
_get_text_length = _text_length.__getitem__
_EMPTY_TEXT: Final = _length(0)

# Length, family, prefix length, no-CIDR flag and address length of an inet value.
_INET4: Final = b"\0\0\0\x08\x02\x20\0\x04"
_INET6: Final = b"\0\0\0\x14\x03\x80\0\x10"

UNKNOWN_ADDRESSES: Final = frozenset({b"", bytes(4), b"\xff" * 4, bytes(16)})
"""What senders write when they do not know an address: siptrace 255.255.255.255, others 0."""

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
) -> bytes:
    """One COPY row, without header and trailer.

    ``ts`` and ``sender_ts`` are µs since 1970, ``record_id`` is the journal record's id.
    Text is cut at ``max_field_bytes`` and made valid UTF-8; the row's ``fault`` says so, and
    ``raw`` has every byte as it came.
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
        fields[0] = _EMPTY_TEXT  # the distribution key of a cluster must not be null
    status = message.status
    return b"".join(
        (
            _start(_COLUMNS, 8, ts - POSTGRES_EPOCH_US, 8, record_id),
            _NULL if sender_ts is None else _timestamp(8, sender_ts - POSTGRES_EPOCH_US),
            _ports(4, packet.src_port, 4, packet.dst_port),
            _int4(4, message.cseq) if message.cseq >= 0 else _NULL,
            _int2(2, status) if status else _NULL,
            _int2(2, packet.vlan & 0xFFF) if packet.vlan else _NULL,
            _inet(packet.src_ip),
            _inet(packet.dst_ip),
            *fields,
            _NULL if fault is None else _length(len(fault)) + fault.encode(),
            _length(len(payload)),
            payload,
        )
    )


def clean(texts: tuple[bytes, ...], max_bytes: int) -> tuple[tuple[bytes, ...], Fault | None]:
    """Make values fit for text columns: valid UTF-8 without NUL, at most ``max_bytes`` each."""
    fault = None
    cleaned = []
    for text in texts:
        valid = text.decode("utf-8", "replace").replace("\0", "\ufffd").encode()
        if valid != text:
            fault = Fault.TEXT
        if len(valid) > max_bytes:
            valid = valid[:max_bytes].decode("utf-8", "ignore").encode()
            fault = fault or Fault.FIELD_LENGTH
        cleaned.append(valid)
    return tuple(cleaned), fault


def _inet(address: bytes) -> bytes:
    if address in UNKNOWN_ADDRESSES:
        return _NULL
    return (_INET4 if len(address) == 4 else _INET6) + address
