# SPDX-License-Identifier: GPL-2.0-or-later
"""SDP (RFC 8866, RFC 4566): where the audio of a session goes, and in which codecs.

Nothing here raises on bad input, and the time is linear in the length of the body. Lines may end
with CRLF or LF.
"""

from __future__ import annotations

from enum import StrEnum
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, NamedTuple

MAX_CODECS: Final = 16
"""Codecs of a stream that are kept, preferred ones first."""
MAX_CODEC_BYTES: Final = 24
"""Longer names are cut."""
MAX_STREAMS: Final = 8
"""Audio streams that are looked at for one that is not refused."""


class Direction(StrEnum):
    """Who sends (RFC 3264 §5.1), seen from the side that wrote the SDP."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


class Audio(NamedTuple):
    """An audio stream, as the side that wrote the SDP wants it."""

    ip: bytes
    """Where it wants to receive, 4 or 16 bytes; ``b""`` for a host name or none."""
    port: int
    """0 when the stream is refused (RFC 3264 §6), or when the port cannot be read."""
    codecs: bytes
    """Names with commas between, preferred first, without telephone-event and comfort noise."""
    direction: Direction

    @property
    def is_hold(self) -> bool:
        """Whether it asks the other side to be silent: RFC 3264 §8.4, or 0.0.0.0 as before it."""
        return self.direction in _SILENT or self.ip in _NOWHERE


_SENDRECV: Final = Direction.SENDRECV
_SILENT: Final = (Direction.SENDONLY, Direction.INACTIVE)
_NOWHERE: Final = (bytes(4), bytes(16))
_DIRECTIONS: Final = {direction.encode(): direction for direction in Direction}
_DIRECTION_STARTS: Final = (b"\na=sendrecv", b"\na=sendonly", b"\na=recvonly", b"\na=inactive")
_FAMILIES: Final = {b"4": AF_INET, b"6": AF_INET6}

_STATIC: Final = {
    b"0": b"PCMU",
    b"3": b"GSM",
    b"4": b"G723",
    b"5": b"DVI4",
    b"6": b"DVI4",
    b"7": b"LPC",
    b"8": b"PCMA",
    b"9": b"G722",
    b"10": b"L16",
    b"11": b"L16",
    b"12": b"QCELP",
    b"14": b"MPA",
    b"15": b"G728",
    b"16": b"DVI4",
    b"17": b"DVI4",
    b"18": b"G729",
}
"""RFC 3551 §6, table 4."""

_NO_CODECS: Final = frozenset((b"telephone-event", b"cn", b"red", b"ulpfec", b"rtx"))
"""Events (RFC 4733), comfort noise (RFC 3389), and repetition of what other formats carry."""
_SPELLINGS: Final = (
    *_STATIC.values(),
    *(b"opus", b"iLBC", b"iSAC", b"AMR", b"AMR-WB", b"EVS", b"SILK", b"speex", b"G7221", b"G719"),
    *(b"G726-16", b"G726-24", b"G726-32", b"G726-40", b"AAL2-G726-32", b"GSM-EFR", b"GSM-HR-08"),
    *(b"G7291", b"G729D", b"G729E", b"BV16", b"BV32", b"CLEARMODE", b"MP4A-LATM", b"EVRC"),
)
_KNOWN: Final = {name: name for name in _SPELLINGS} | dict.fromkeys(_NO_CODECS, b"")
"""By the usual spelling; names count without regard to case (RFC 8866 §6.6)."""
_KNOWN_LOWER: Final = {name.lower(): known for name, known in _KNOWN.items()}
_TOKEN: Final = bytes(
    octet if 0x21 <= octet <= 0x7E and octet not in b'",/;' else 0x5F for octet in range(256)
)
"""Makes "_" of what stands in no token: names end in text columns, with commas between."""


def parse(body: bytes) -> Audio | None:
    """The first audio stream that is not refused, else the first; None when there is none.

    ``body`` is SDP, or a multipart body with SDP in it (RFC 5621): the part that begins with
    ``v=0`` is read.
    """
    begin = 0
    if not body.startswith(b"v=0"):
        begin = body.find(b"\nv=0") + 1
        if not begin:
            return None
        end = body.find(b"\n--", begin)
        body = body[begin:] if end < 0 else body[begin:end]
    begin = body.find(b"\nm=")
    if begin < 0:
        return None
    session = body[:begin]
    first: Audio | None = None
    for _ in range(MAX_STREAMS):
        begin = body.find(b"\nm=audio ", begin)
        if begin < 0:
            break
        end = body.find(b"\nm=", begin + 9)
        audio = _audio(session, body[begin + 9 : end] if end > 0 else body[begin + 9 :])
        if audio.port:
            return audio
        first = first or audio
        begin += 9
    return first


def _audio(session: bytes, media: bytes) -> Audio:
    """A stream from the lines before all media, and its own from ``m=audio`` on."""
    lines = media.split(b"\na=rtpmap:", 4 * MAX_CODECS)
    line, _, _ = lines[0].partition(b"\n")
    number, _, line = line.partition(b" ")
    formats = line.split(None, 3 * MAX_CODECS)
    return Audio(
        address(media) or address(session),
        port(number),
        _codecs(formats[1 : 3 * MAX_CODECS], lines) if b"RTP/" in line else b"",
        _direction(media) or _direction(session) or _SENDRECV,
    )


def port(text: bytes) -> int:
    """A port of an ``m=`` line, without the number of ports behind it; 0 when it cannot be read."""
    text = text.partition(b"/")[0]
    return int(text) if text.isdigit() and len(text) < 6 and int(text) <= 0xFFFF else 0


def address(lines: bytes) -> bytes:
    """The address of the first ``c=`` line (RFC 8866 §5.7); ``b""`` for a host name or none."""
    begin = lines.find(b"\nc=IN IP")
    if begin < 0:
        return b""
    end = lines.find(b"\n", begin + 8)
    value = lines[begin + 8 : end] if end > 0 else lines[begin + 8 :]
    family = _FAMILIES.get(value[:1])
    if family is None:
        return b""
    try:
        return inet_pton(family, value[1:].partition(b"/")[0].strip().decode("latin-1"))
    except (OSError, ValueError):  # a host name, or NUL
        return b""


def _direction(lines: bytes) -> Direction | None:
    for start in _DIRECTION_STARTS:
        begin = lines.find(start)
        if begin >= 0 and lines[begin + 11 : begin + 12].strip() == b"":
            return _DIRECTIONS[start[3:]]
    return None


def _codecs(formats: list[bytes], lines: list[bytes]) -> bytes:
    """Names of the formats, from what stands behind each ``a=rtpmap:`` or else RFC 3551."""
    mapped: dict[bytes, bytes] = {}
    for line in lines[1:]:
        number, _, rest = line.partition(b" ")
        name = rest.partition(b"/")[0]
        known = _KNOWN.get(name)
        mapped[number] = _name(name) if known is None else known
    # A dict keeps the order, and names once what stands there for several rates.
    names = {mapped.get(number) or _STATIC.get(number, b""): None for number in formats}
    names.pop(b"", None)
    return b",".join([*names][:MAX_CODECS])


def _name(name: bytes) -> bytes:
    """A name in another spelling, or one that is not known; its line may have no ``/``."""
    name = name[: 2 * MAX_CODEC_BYTES].partition(b"\n")[0].strip()
    known = _KNOWN_LOWER.get(name.lower())
    return name[:MAX_CODEC_BYTES].translate(_TOKEN) if known is None else known
