# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP packets byte by byte, in the orders in which real senders put them together.

Nothing here uses ``collector.hep``: these are the facts that the decoder is tested against.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

SIP = b"OPTIONS sip:a@example.com SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
RTCP = b'{"ssrc":1,"type":200,"report_count":0}'
SRC4, DST4 = bytes((192, 0, 2, 1)), bytes((198, 51, 100, 2))
SRC6, DST6 = bytes.fromhex("20010db8" + 11 * "00" + "01"), bytes.fromhex("fd" + 14 * "00" + "02")
SECONDS, MICROSECONDS = 1_763_856_000, 123_456


def chunk(number: int, data: bytes, vendor: int = 0) -> bytes:
    """One HEP3 chunk."""
    return struct.pack(">HHH", vendor, number, len(data) + 6) + data


def hep3(*chunks: bytes, magic: bytes = b"HEP3") -> bytes:
    """A HEP3 packet of these chunks, with the right length."""
    body = b"".join(chunks)
    return magic + struct.pack(">H", len(body) + 6) + body


def u8(number: int, value: int) -> bytes:
    """A chunk of one byte."""
    return chunk(number, bytes([value]))


def u16(number: int, value: int) -> bytes:
    """A chunk of two bytes in network order."""
    return chunk(number, struct.pack(">H", value))


def u32(number: int, value: int) -> bytes:
    """A chunk of four bytes in network order."""
    return chunk(number, struct.pack(">I", value))


class Expected(NamedTuple):
    """A packet as some sender builds it, and what it says."""

    sender: str
    data: bytes
    version: int
    protocol: int
    src_ip: bytes
    dst_ip: bytes
    type: int
    capture_id: int
    payload: bytes
    correlation_id: bytes = b""
    node_name: bytes = b""
    auth_key: bytes = b""
    vlan: int = 0
    timed: bool = True
    extra: dict[int, bytes] = {}  # noqa: RUF012 (never changed in place)


def hep1(
    payload: bytes = SIP,
    *,
    ipv6: bool = False,
    family: int | None = None,
    protocol: int = 17,
    pair: bytes = b"",
) -> bytes:
    """Kamailio, ``hep_version=1``; ``pair`` is both addresses where they are others."""
    addresses = pair or (SRC6 + DST6 if ipv6 else SRC4 + DST4)
    family = (10 if ipv6 else 2) if family is None else family
    head = struct.pack(">BBBBHH", 1, 8 + len(addresses), family, protocol, 5060, 5061)
    return head + addresses + payload


def hep2(
    payload: bytes = SIP,
    *,
    ipv6: bool = False,
    family: int | None = None,
    protocol: int = 17,
    counts_time: bool = False,
    pair: bytes = b"",
) -> bytes:
    """Kamailio, ``hep_version=2``; sofia-sip counts the time block into the header length."""
    addresses = pair or (SRC6 + DST6 if ipv6 else SRC4 + DST4)
    family = (10 if ipv6 else 2) if family is None else family
    length = 8 + len(addresses) + 12 * counts_time
    head = struct.pack(">BBBBHH", 2, length, family, protocol, 5060, 5061)
    time = struct.pack("<IIH", SECONDS, MICROSECONDS, 0x1234) + b"\0\0"
    return head + addresses + time + payload


def ports_and_time(kind: int, capture_id: int) -> bytes:
    """Chunks 7 to 12, as all senders but hlog put them."""
    return b"".join(
        (u16(7, 5060), u16(8, 5061), u32(9, SECONDS), u32(10, MICROSECONDS), u8(11, kind))
    ) + u32(12, capture_id)


def kamailio3(
    payload: bytes = SIP,
    *,
    correlation: bytes = b"",
    ipv6: bool = False,
    protocol: int = 17,
    password: bytes = b"",
) -> bytes:
    """Kamailio, ``hep_version=3``."""
    addresses = chunk(5, SRC6) + chunk(6, DST6) if ipv6 else chunk(3, SRC4) + chunk(4, DST4)
    return hep3(
        *(u8(1, 10 if ipv6 else 2), u8(2, protocol), addresses, ports_and_time(1, 7)),
        *([chunk(0x11, correlation)] if correlation else []),
        *([chunk(0x0E, password)] if password else []),
        chunk(0x0F, payload),
    )


def ports_first(protocol: int, kind: int, capture_id: int, ipv6: bool, *rest: bytes) -> bytes:
    """The order of Asterisk, sofia-sip, rtpengine, OpenSIPS and captagent: addresses late."""
    addresses = chunk(5, SRC6) + chunk(6, DST6) if ipv6 else chunk(3, SRC4) + chunk(4, DST4)
    family = 10 if ipv6 else 2
    head = (u8(1, family), u8(2, protocol), ports_and_time(kind, capture_id), addresses)
    return hep3(*head, *rest)


def _kamailio_hlog() -> bytes:
    """Always HEP3, destination port before source port, type 100."""
    return hep3(
        *(u8(1, 2), u8(2, 17), chunk(3, SRC4), chunk(4, DST4), u16(8, 5061), u16(7, 5060)),
        *(u32(9, SECONDS), u32(10, MICROSECONDS), u8(11, 100), u32(12, 7)),
        *(chunk(0x11, b"call-1"), chunk(0x0F, b"a line of the log")),
    )


def _heplify(*, ping: bool = False) -> bytes:
    """Payload before the correlation id, VLAN always; a ping has neither family nor addresses."""
    addresses = [] if ping else [chunk(3, SRC4), chunk(4, DST4)]
    return hep3(
        *(u8(1, 0 if ping else 2), u8(2, 0 if ping else 17), *addresses),
        ports_and_time(0 if ping else 1, 2001),
        *(chunk(0x0E, b"secret"), chunk(0x0F, b"ping" if ping else SIP)),
        *(u16(0x12, 0 if ping else 742), chunk(0x13, b"edge-1")),
    )


# cJSON_Print: a member a line, with tabs.
OPENSIPS_JSON = b'{\n\t"payload":\t"%s"\n}' % SIP.replace(b"\r\n", b"\\r\\n")
OPENSIPS_CORRELATION = b'{\n\t"net":\t"7012",\n\t"sip":\t"call-1"\n}'

SENDERS = (
    Expected("Kamailio v1", hep1(), 1, 17, SRC4, DST4, 1, 0, SIP, timed=False),
    Expected("Kamailio v1 IPv6", hep1(ipv6=True), 1, 17, SRC6, DST6, 1, 0, SIP, timed=False),
    Expected("Kamailio v2", hep2(), 2, 17, SRC4, DST4, 1, 0x1234, SIP),
    Expected("Kamailio v2 IPv6", hep2(ipv6=True), 2, 17, SRC6, DST6, 1, 0x1234, SIP),
    Expected("sofia-sip v2", hep2(counts_time=True), 2, 17, SRC4, DST4, 1, 0x1234, SIP),
    Expected(
        "sofia-sip v2 IPv6",
        hep2(ipv6=True, counts_time=True),
        *(2, 17, SRC6, DST6, 1, 0x1234, SIP),
    ),
    Expected("Kamailio v3", kamailio3(), 3, 17, SRC4, DST4, 1, 7, SIP),
    Expected("Kamailio v3 IPv6", kamailio3(ipv6=True), 3, 17, SRC6, DST6, 1, 7, SIP),
    Expected("Kamailio v3 TLS", kamailio3(protocol=22), 3, 22, SRC4, DST4, 1, 7, SIP),
    Expected(
        "Kamailio v3 with id and password",
        kamailio3(correlation=b"call-1", password=b"secret"),
        *(3, 17, SRC4, DST4, 1, 7, SIP),
        correlation_id=b"call-1",
        auth_key=b"secret",
    ),
    Expected(
        *("Kamailio hlog", _kamailio_hlog(), 3, 17, SRC4, DST4, 100, 7, b"a line of the log"),
        correlation_id=b"call-1",
    ),
    Expected(
        "Asterisk",
        ports_first(
            *(6, 1, 1, False, chunk(0x0E, b"secret"), chunk(0x11, b"PJSIP/alice-1")),
            *(chunk(0x13, b"pbx"), chunk(0x0F, SIP)),
        ),
        *(3, 6, SRC4, DST4, 1, 1, SIP),
        auth_key=b"secret",
        correlation_id=b"PJSIP/alice-1",
        node_name=b"pbx",
    ),
    Expected(
        "Asterisk RTCP",
        ports_first(17, 5, 1, True, chunk(0x11, b"c"), chunk(0x0F, RTCP)),
        *(3, 17, SRC6, DST6, 5, 1, RTCP),
        correlation_id=b"c",
    ),
    Expected(
        "FreeSWITCH v3",
        ports_first(22, 1, 200, False, chunk(0x0F, SIP)),
        *(3, 22, SRC4, DST4, 1, 200, SIP),
    ),
    Expected(
        "rtpengine",
        ports_first(17, 5, 2001, False, chunk(0x11, b"call-1"), chunk(0x0F, RTCP)),
        *(3, 17, SRC4, DST4, 5, 2001, RTCP),
        correlation_id=b"call-1",
    ),
    Expected(
        "rtpengine NG",
        ports_first(17, 0x3D, 2001, True, chunk(0x11, b"call-1"), chunk(0x0F, b"d7:command")),
        *(3, 17, SRC6, DST6, 0x3D, 2001, b"d7:command"),
        correlation_id=b"call-1",
    ),
    Expected(
        "OpenSIPS homer5",
        ports_first(17, 1, 1, False, chunk(0x0F, SIP), chunk(0x11, b"call-1")),
        *(3, 17, SRC4, DST4, 1, 1, SIP),
        correlation_id=b"call-1",
    ),
    Expected(
        "OpenSIPS with its own correlation chunk",
        ports_first(
            *(17, 1, 1, False, chunk(0x0F, OPENSIPS_JSON)),
            chunk(0x65, OPENSIPS_CORRELATION),
        ),
        *(3, 17, SRC4, DST4, 1, 1, OPENSIPS_JSON),
        correlation_id=b"call-1",
        extra={0x65: OPENSIPS_CORRELATION},
    ),
    Expected(
        "OpenSIPS with its own correlation chunk and vendor",
        ports_first(
            *(17, 1, 1, False, chunk(0x0F, SIP)),
            chunk(0x65, OPENSIPS_CORRELATION, vendor=3),
        ),
        *(3, 17, SRC4, DST4, 1, 1, SIP),
        correlation_id=b"call-1",
        extra={3 << 16 | 0x65: OPENSIPS_CORRELATION},
    ),
    Expected(
        "OpenSIPS compressed",
        ports_first(17, 1, 1, False, chunk(0x10, zlib.compress(SIP)), chunk(0x11, b"call-1")),
        *(3, 17, SRC4, DST4, 1, 1, SIP),
        correlation_id=b"call-1",
    ),
    Expected(
        "captagent compressed",
        ports_first(
            *(17, 1, 2002, True, chunk(0x0E, b"myhep"), chunk(0x11, b"call-1")),
            *(u16(0x20, 440), u16(0x21, 93), chunk(0x26, b"tag"), chunk(0x10, zlib.compress(SIP))),
        ),
        *(3, 17, SRC6, DST6, 1, 2002, SIP),
        auth_key=b"myhep",
        correlation_id=b"call-1",
        extra={0x20: b"\x01\xb8", 0x21: b"\0\x5d", 0x26: b"tag"},
    ),
    Expected(
        *("heplify", _heplify(), 3, 17, SRC4, DST4, 1, 2001, SIP),
        auth_key=b"secret",
        node_name=b"edge-1",
        vlan=742,
    ),
    Expected(
        *("heplify ping", _heplify(ping=True), 3, 0, b"", b"", 0, 2001, b"ping"),
        auth_key=b"secret",
        node_name=b"edge-1",
    ),
)
