# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP (RFC 3550 §6, RFC 3611) as the JSON object that heplify writes (HEP type 5).

A compound packet becomes one object. ``type`` and ``report_count`` are those of the last packet in
it that was read; ``ntp_timestamp_usec`` is the raw fraction of the NTP time, 1/2**32 s, whatever
its name says. ``report_blocks`` has the blocks of all sender and receiver reports, null for none;
``report_blocks_xr`` the first VoIP metrics of an extended report, all 0 for none.

Every length is checked, and the packets must fill the datagram to its last byte. So SRTCP is never
taken for figures: it has 14 bytes or more behind the last packet (RFC 3711 §3.4), and what is
encrypted has no headers.
"""

from __future__ import annotations

import struct
from typing import Final

import orjson

_VERSION: Final = 2
_FIRST: Final = 192
_LAST: Final = 223
"""RFC 5761 §4: the packet types that are RTCP."""
_PADDED: Final = 0x20
_COUNT: Final = 0x1F

SENDER: Final = 200
RECEIVER: Final = 201
DESCRIPTION: Final = 202
EXTENDED: Final = 207

_VOIP_METRICS: Final = 7
"""Block type in an extended report (RFC 3611 §4.7)."""
_MAX_LOST: Final = 0x7FFFFF
"""Cumulative loss has a sign in 24 bits; above this there were more duplicates than losses."""

_BLOCK_BYTES: Final = 24
_REPORTS: Final = {SENDER: 24, RECEIVER: 4}
"""Bytes before their report blocks."""
_METRICS_BYTES: Final = 36

_header = struct.Struct(">BBH").unpack_from
_u32 = struct.Struct(">I").unpack_from
_sender = struct.Struct(">IIIII").unpack_from
_block = struct.Struct(">IIIIII").unpack_from
_metrics = struct.Struct(">IBBBBHHHH").unpack_from
_dumps = orjson.dumps

_NO_SENDER: Final = {
    "ntp_timestamp_sec": 0,
    "ntp_timestamp_usec": 0,
    "rtp_timestamp": 0,
    "packets": 0,
    "octets": 0,
}
_NO_METRICS: Final = {
    "type": 0,
    "id": 0,
    "fraction_lost": 0,
    "fraction_discard": 0,
    "burst_density": 0,
    "gap_density": 0,
    "burst_duration": 0,
    "gap_duration": 0,
    "round_trip_delay": 0,
    "end_system_delay": 0,
}


def is_rtcp(payload: bytes) -> bool:
    """Whether a payload of at least two bytes with RTP's version is RTCP (RFC 5761 §4).

    From SR to XR; of the further types none comes first in a packet.
    """
    return SENDER <= payload[1] <= EXTENDED


def to_json(payload: bytes) -> bytes | None:
    """The object for a datagram; None when there is no report in it, or a length is wrong.

    Goodbyes, application packets, feedback, and blocks of extended reports beside VoIP metrics are
    passed over.
    """
    ssrc = kind = count = description = 0
    reported = False
    sender, metrics = _NO_SENDER, _NO_METRICS
    blocks: list[dict[str, int]] = []
    for packet_type, number, body, end in _packets(payload):
        if packet_type in _REPORTS:
            begin = body + _REPORTS[packet_type]
            last = begin + _BLOCK_BYTES * number
            if last > end:
                return None
            if packet_type == SENDER:
                sender = _sender_information(payload, body + 4)
            blocks += [_report_block(payload, at) for at in range(begin, last, _BLOCK_BYTES)]
        elif packet_type == EXTENDED:
            found = _voip_metrics(payload, body + 4, end)
            if found is None:
                return None
            if not found:
                continue
            metrics = found if metrics is _NO_METRICS else metrics
        elif packet_type == DESCRIPTION and end - body >= 4:
            (description,) = _u32(payload, body)
            kind, count = packet_type, number
            continue
        else:
            continue
        (ssrc,) = _u32(payload, body)
        kind, count = packet_type, number
        reported = True
    if not reported:
        return None
    return _dumps(
        {
            "sender_information": sender,
            "ssrc": ssrc,
            "type": kind,
            "report_count": count,
            "report_blocks": blocks or None,
            "report_blocks_xr": metrics,
            "sdes_ssrc": description,
        }
    )


def _packets(payload: bytes) -> list[tuple[int, int, int, int]]:
    """Type, count, begin and end without padding of each packet; none when a length is wrong."""
    found = []
    size = len(payload)
    position = 0
    while position < size:
        if position + 4 > size:
            return []
        first, packet_type, words = _header(payload, position)
        body = position + 4
        position = end = body + 4 * words
        if first >> 6 != _VERSION or not _FIRST <= packet_type <= _LAST or end > size:
            return []
        if first & _PADDED:
            end -= payload[end - 1] or size
            if end < body:
                return []
        found.append((packet_type, first & _COUNT, body, end))
    return found


def _sender_information(payload: bytes, offset: int) -> dict[str, int]:
    """RFC 3550 §6.4.1."""
    seconds, fraction, timestamp, packets, octets = _sender(payload, offset)
    return {
        "ntp_timestamp_sec": seconds,
        "ntp_timestamp_usec": fraction,
        "rtp_timestamp": timestamp,
        "packets": packets,
        "octets": octets,
    }


def _report_block(payload: bytes, offset: int) -> dict[str, int]:
    """RFC 3550 §6.4.1. A negative loss is written as 0: heplify's 16,777,215 is no loss."""
    source, loss, highest, jitter, lsr, dlsr = _block(payload, offset)
    lost = loss & 0xFFFFFF
    return {
        "source_ssrc": source,
        "fraction_lost": loss >> 24,
        "packets_lost": lost if lost <= _MAX_LOST else 0,
        "highest_seq_no": highest,
        "ia_jitter": jitter,
        "lsr": lsr,
        "dlsr": dlsr,
    }


def _voip_metrics(payload: bytes, position: int, end: int) -> dict[str, int] | None:
    """The first such block of an extended report; empty when it has none, None for bad lengths."""
    found: dict[str, int] = {}
    if position > end:
        return None
    while position < end:
        if position + 4 > end:
            return None
        block_type, _, words = _header(payload, position)
        size = 4 + 4 * words
        if position + size > end or (block_type == _VOIP_METRICS and size < _METRICS_BYTES):
            return None
        if block_type == _VOIP_METRICS and not found:
            values = _metrics(payload, position + 4)
            found = dict(zip(_NO_METRICS, (_VOIP_METRICS, *values), strict=True))
        position += size
    return found
