# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP (Homer Encapsulation Protocol) v1, v2 and v3: bytes in, values out, and back.

Every length is checked against the bytes received, never against another length field, and a
malformed packet gives a ``Cause``, never an exception. HEP3 numbers are in network byte order;
the time block of HEPv2 is little-endian and 12 bytes long because its C struct is padded.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, Literal, NamedTuple

from collector.causes import Cause

MAGICS: Final = (b"HEP3", b"EEP3", b"EEP1")
"""EEP3 is the newer name in the specification, EEP1 the one in the draft of 2013."""

MAX_PACKET: Final = 65_535
"""Largest HEP3 packet in bytes: the header's length field has 16 bits."""

MAX_INFLATED: Final = 4 * MAX_PACKET
"""Largest payload in bytes that chunk 0x0010 may inflate to."""

MAX_OTHER_CHUNKS: Final = 32
"""Chunks outside the specification that are kept of one packet; further ones are skipped."""
VERSION_PROTOBUF: Final = 4
"""In ``Hep.version``: there is no fourth version of HEP, but a form in Protobuf."""

TYPE_PING: Final = 0
TYPE_SIP: Final = 1
TYPE_RTCP: Final = 5
TYPE_DNS: Final = 53
TYPE_LOG: Final = 100
TYPES_QUALITY: Final = frozenset({TYPE_RTCP, 32, 34, 35, 38, 99})
"""RTCP as JSON; Kamailio's reports (32, 99), rtpagent, VQ text, horaclifix."""

IMPORT_NODE: Final = b"import/"
"""How the node name begins under which an imported capture file comes: its times are old, true, and
of interest."""

FAMILY_IPV4: Final = 2
FAMILY_IPV6: Final = 10
FAMILIES_IPV6: Final = frozenset({FAMILY_IPV6, 24, 28, 30})
"""AF_INET6 of Linux, NetBSD/OpenBSD, FreeBSD and macOS: the number is the sender's own."""

PROTOCOL_TCP: Final = 6
PROTOCOL_UDP: Final = 17
PROTOCOL_TLS: Final = 22
"""IPPROTO_IDP: what senders write for TLS, WS and WSS, which have no IP protocol number."""
PROTOCOL_SCTP: Final = 132


class Chunk(NamedTuple):
    """One line of the HEP3 chunk table (vendor 0)."""

    number: int
    name: str
    size: int | None
    """Bytes of data, or None where the length is free."""
    meaning: str


CHUNKS: Final[dict[int, Chunk]] = {
    chunk.number: chunk
    for chunk in (
        Chunk(0x01, "family", 1, "IP family, 2 or 10"),
        Chunk(0x02, "protocol", 1, "IP protocol number; 22 stands for TLS, WS and WSS"),
        Chunk(0x03, "src_ip4", 4, "IPv4 source address"),
        Chunk(0x04, "dst_ip4", 4, "IPv4 destination address"),
        Chunk(0x05, "src_ip6", 16, "IPv6 source address"),
        Chunk(0x06, "dst_ip6", 16, "IPv6 destination address"),
        Chunk(0x07, "src_port", 2, "source port"),
        Chunk(0x08, "dst_port", 2, "destination port"),
        Chunk(0x09, "seconds", 4, "capture time, seconds since 1970"),
        Chunk(0x0A, "microseconds", 4, "capture time, microseconds to add"),
        Chunk(0x0B, "type", 1, "what the payload is: 1 SIP, 5 RTCP as JSON, 100 log …"),
        Chunk(0x0C, "capture_id", 4, "number of the capture agent"),
        Chunk(0x0D, "keep_alive", 2, "keep-alive timer in seconds"),
        Chunk(0x0E, "auth_key", None, "capture password"),
        Chunk(0x0F, "payload", None, "the captured message"),
        Chunk(0x10, "payload_compressed", None, "the same, deflated (zlib, gzip or raw)"),
        Chunk(0x11, "correlation_id", None, "what the sender correlates by"),
        Chunk(0x12, "vlan", 2, "VLAN id"),
        Chunk(0x13, "node_name", None, "name of the capture agent"),
        Chunk(0x14, "src_mac", None, "source MAC address, 6 or 8 bytes"),
        Chunk(0x15, "dst_mac", None, "destination MAC address, 6 or 8 bytes"),
        Chunk(0x16, "ethernet_type", 2, "Ethernet type"),
        Chunk(0x17, "tcp_flags", 1, "TCP flags"),
        Chunk(0x18, "ip_tos", 1, "IP type of service"),
        Chunk(0x20, "mos", 2, "mean opinion score"),
        Chunk(0x21, "r_factor", 2, "R-factor"),
        Chunk(0x22, "geo_location", None, "location"),
        Chunk(0x23, "jitter", 4, "jitter"),
        Chunk(0x24, "transaction_type", None, "transaction type, e.g. call"),
        Chunk(0x25, "payload_json_keys", None, "keys of a JSON payload"),
        Chunk(0x26, "tags", None, "tag values"),
        Chunk(0x27, "tag_type", 2, "type of the tags"),
        Chunk(0x28, "event_type", 2, "1 recording, 2 lawful interception"),
        Chunk(0x29, "group_id", None, "group id"),
    )
}

COMPRESSED: Final = 0x10
"""In ``Hep.extra`` of a packet to be encoded without ``payload``: the payload, deflated."""

_EXTRA: Final = frozenset({0x00, 0x0D, *range(0x14, max(CHUNKS) + 1)})
"""Chunks that few senders emit: kept by number in ``Hep.extra``."""

_MAC_SIZES: Final = (6, 8)
"""The specification says uint64 for a MAC address, which has 6 bytes: both are accepted."""


class Hep(NamedTuple):
    """One HEP packet.

    ``version`` is 1, 2, 3, or ``VERSION_PROTOBUF`` for the form that ``collector.protobuf`` reads.
    ``src_ip`` and ``dst_ip`` have 4 or 16 bytes, or none when the packet names no address.
    ``seconds`` and ``microseconds`` are the sender's clock; both 0 when it sent no time (HEPv1).
    ``extra`` holds the rarer chunks, raw, by number; those of a vendor by number + vendor << 16.
    """

    version: int
    protocol: int
    src_ip: bytes
    dst_ip: bytes
    src_port: int
    dst_port: int
    seconds: int
    microseconds: int
    type: int
    capture_id: int
    payload: bytes
    correlation_id: bytes = b""
    node_name: bytes = b""
    auth_key: bytes = b""
    vlan: int = 0
    extra: dict[int, bytes] = {}  # noqa: RUF012 (never changed in place)

    @property
    def node(self) -> bytes:
        """Name of the capture agent, else its number."""
        return self.node_name or b"%d" % self.capture_id


_unpack_chunk = struct.Struct(">HHH").unpack_from
_unpack_u16 = struct.Struct(">H").unpack
_unpack_u32 = struct.Struct(">I").unpack
_pack_u16 = struct.Struct(">H").pack
_pack_chunk = struct.Struct(">IH").pack
_pack_begin = struct.Struct(">IHBIHB").pack
_pack_ipv4 = struct.Struct(">IH4sIH4s").pack
_pack_ports_to_id = struct.Struct(">IHHIHHIHIIHIIHBIHI").pack
_FIXED_SIZE: Final = tuple(CHUNKS[n].size if n in CHUNKS else None for n in range(max(CHUNKS) + 1))
_KINDS: Final = len(_FIXED_SIZE)
_NO_EXTRA: Final[dict[int, bytes]] = {}


def decode(data: bytes) -> Hep | Cause:
    """Decode one datagram or one framed stream packet.

    Returns a ``Hep``, or the ``Cause`` for which the packet is rejected. HEP3 is checked first
    because its magic is certain; versions 1 and 2 are known by their first byte only.
    """
    if data[:4] in MAGICS:
        return _decode_v3(data)
    if data[:1] in (b"\x01", b"\x02"):
        return _decode_v1_v2(data)
    return Cause.NOT_HEP


def _decode_v3(data: bytes) -> Hep | Cause:
    size = len(data)
    if size < 6 or (data[4] << 8 | data[5]) != size:
        return Cause.HEP_LENGTH
    chunks: dict[int, bytes] = {}
    extra = _NO_EXTRA
    position = 6
    while position < size:
        body = position + 6
        if body > size:
            return Cause.HEP_CHUNK
        vendor, number, length = _unpack_chunk(data, position)
        position += length
        if length < 6 or position > size:
            return Cause.HEP_CHUNK
        if vendor == 0 and number < _KINDS:
            fixed = _FIXED_SIZE[number]
            if fixed is not None and length != fixed + 6:
                return Cause.HEP_FIELD
            chunks[number] = data[body:position]
        elif len(extra) < MAX_OTHER_CHUNKS:
            extra = extra | {vendor << 16 | number: data[body:position]}

    get = chunks.get
    payload = get(0x0F, b"")
    if not payload and 0x10 in chunks:
        inflated = inflate(chunks[0x10])
        if inflated is None:
            return Cause.HEP_INFLATE
        payload = inflated
    correlation_id = get(0x11, b"")
    if extra and not correlation_id:
        # Here, so that a proxy, which has the distribution's Python only, can import the encoder.
        from collector import opensips  # noqa: PLC0415

        foreign = extra.get(opensips.CORRELATION) or extra.get(opensips.VENDOR_CORRELATION)
        correlation_id = opensips.correlation_id(foreign or b"")
    if not _EXTRA.isdisjoint(chunks):
        extra = extra | {n: chunks[n] for n in chunks.keys() & _EXTRA}
        if any(n in extra and len(extra[n]) not in _MAC_SIZES for n in (0x14, 0x15)):
            return Cause.HEP_FIELD
    return Hep(
        3,
        get(0x02, b"\0")[0],
        get(0x03) or get(0x05, b""),
        get(0x04) or get(0x06, b""),
        _unpack_u16(get(0x07, b"\0\0"))[0],
        _unpack_u16(get(0x08, b"\0\0"))[0],
        _unpack_u32(get(0x09, b"\0\0\0\0"))[0],
        _unpack_u32(get(0x0A, b"\0\0\0\0"))[0],
        get(0x0B, b"\0")[0],
        _unpack_u32(get(0x0C, b"\0\0\0\0"))[0],
        payload,
        correlation_id,
        get(0x13, b""),
        get(0x0E, b""),
        _unpack_u16(get(0x12, b"\0\0"))[0],
        extra,
    )


def _decode_v1_v2(data: bytes) -> Hep | Cause:
    size = len(data)
    if size < 8:
        return Cause.HEP_LENGTH
    # Byte 1, the header length, is not used: Kamailio leaves the time block out of it,
    # sofia-sip counts it in. Version and family tell where the payload begins.
    version, _, family, protocol, src_port, dst_port = struct.unpack_from(">BBBBHH", data)
    if family == FAMILY_IPV4:
        width = 4
    elif family in FAMILIES_IPV6:
        width = 16
    else:
        return Cause.HEP_FAMILY
    begin = 8 + 2 * width
    seconds = microseconds = capture_id = 0
    if version == 2:
        if size < begin + 12:
            return Cause.HEP_LENGTH
        seconds, microseconds, capture_id = struct.unpack_from("<IIH", data, begin)
        begin += 12
    if size < begin:
        return Cause.HEP_LENGTH
    return Hep(
        version,
        protocol,
        data[8 : 8 + width],
        data[8 + width : 8 + 2 * width],
        src_port,
        dst_port,
        seconds,
        microseconds,
        TYPE_SIP,
        capture_id,
        data[begin:],
    )


def inflate(data: bytes) -> bytes | None:
    """Undo the compression of chunk 0x0010: zlib (captagent, OpenSIPS), gzip or raw deflate.

    Returns None when it is none of these, is cut off, or grows beyond ``MAX_INFLATED`` bytes.
    """
    for window_bits in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16, -zlib.MAX_WBITS):
        inflater = zlib.decompressobj(window_bits)
        try:
            payload = inflater.decompress(data, MAX_INFLATED)
        except zlib.error:
            continue
        if inflater.eof:
            return payload
    return None


def hide_auth_key(data: bytes) -> bytes:
    """The packet with its capture password (chunk 0x0e) covered by ``*``, as far as it is HEP3."""
    if data[:4] not in MAGICS:
        return data
    hidden = bytearray(data)
    position = 6
    while (body := position + 6) <= len(data):
        vendor, number, length = _unpack_chunk(data, position)
        position = min(position + max(length, 6), len(data))
        if vendor == 0 and number == 0x0E:
            hidden[body:position] = b"*" * (position - body)
    return bytes(hidden)


def encode(packet: Hep) -> bytes:
    """Encode in the form that ``packet.version`` (1, 2 or 3) names.

    Chunks stand in the order that Kamailio's siptrace uses. Raises ValueError when the packet
    does not fit: longer than ``MAX_PACKET``, or addresses of different families.
    """
    if packet.version == 3:
        return _encode_v3(packet)
    return _encode_v1_v2(packet, 1 if packet.version == 1 else 2)


def _encode_v3(packet: Hep) -> bytes:
    # By position and with few calls: every message of the agent comes this way.
    _, protocol, src_ip, dst_ip, src_port, dst_port, seconds, microseconds = packet[:8]
    kind, capture_id, payload, correlation_id, node_name, auth_key, vlan, extra = packet[8:]
    if len(src_ip) == len(dst_ip) == 4:
        family, addresses = FAMILY_IPV4, _pack_ipv4(0x03, 10, src_ip, 0x04, 10, dst_ip)
    else:
        family, addresses = _addresses(src_ip, dst_ip)
    body = (
        _pack_begin(0x01, 7, family, 0x02, 7, protocol)
        + addresses
        + _pack_ports_to_id(
            *(0x07, 8, src_port, 0x08, 8, dst_port, 0x09, 10, seconds, 0x0A, 10, microseconds),
            *(0x0B, 7, kind, 0x0C, 10, capture_id),
        )
    )
    if correlation_id:
        body += _chunk(0x11, correlation_id)
    if auth_key:
        body += _chunk(0x0E, auth_key)
    if vlan:
        body += _chunk(0x12, vlan.to_bytes(2))
    if node_name:
        body += _chunk(0x13, node_name)
    for number, data in sorted(extra.items()) if extra else ():
        body += _chunk(number, data)
    if payload or COMPRESSED not in extra:
        body += _chunk(0x0F, payload)
    size = len(body) + 6
    if size > MAX_PACKET:
        message = f"a HEP3 packet of {size} bytes exceeds {MAX_PACKET}"
        raise ValueError(message)
    return b"HEP3" + _pack_u16(size) + body


def _addresses(src_ip: bytes, dst_ip: bytes) -> tuple[int, bytes]:
    """The family and the chunks of the addresses, of which one or both may be empty."""
    widths = {len(src_ip), len(dst_ip)} - {0}
    if widths not in (set(), {4}, {16}):
        message = "HEP3 addresses have 4 or 16 bytes, both the same"
        raise ValueError(message)
    family, numbers = (FAMILY_IPV6, (0x05, 0x06)) if 16 in widths else (FAMILY_IPV4, (0x03, 0x04))
    chunks = zip(numbers, (src_ip, dst_ip), strict=True)
    return family, b"".join(_chunk(number, address) for number, address in chunks if address)


def _chunk(number: int, data: bytes) -> bytes:
    """Vendor and number in one, as in ``Hep.extra``, then the length."""
    # Of what is too long the packet is refused as a whole.
    return _pack_chunk(number, len(data) + 6 & 0xFFFF) + data


def _encode_v1_v2(packet: Hep, version: Literal[1, 2]) -> bytes:
    width = len(packet.src_ip)
    if width not in (4, 16) or len(packet.dst_ip) != width:
        message = "HEPv1 and HEPv2 need two addresses of one family"
        raise ValueError(message)
    header = struct.pack(
        ">BBBBHH",
        version,
        8 + 2 * width,
        FAMILY_IPV4 if width == 4 else FAMILY_IPV6,
        packet.protocol,
        packet.src_port,
        packet.dst_port,
    )
    time_block = b""
    if version == 2:
        time_block = struct.pack(
            "<IIHxx", packet.seconds, packet.microseconds, packet.capture_id & 0xFFFF
        )
    return header + packet.src_ip + packet.dst_ip + time_block + packet.payload
