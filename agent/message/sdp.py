# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the RTCP of a session goes: the addresses that SDP in a SIP message names.

Audio only, as with heplify: reports on video have another clock, and whoever receives these takes
them for audio. ICE candidates are not read: who uses ICE encrypts RTCP.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from collector import sdp
from collector.sdp import MAX_STREAMS, address

MAX_PARTS: Final = 4
"""Session descriptions of one message that are read."""
_MAX_PORT: Final = 0xFFFF
_NOWHERE: Final = (bytes(4), bytes(16))
"""A stream on hold in the old way (RFC 3264 §8.4)."""


Target: TypeAlias = tuple[bytes, tuple[int, ...]]
"""Where the RTCP of a stream may go: 4 or 16 bytes, none for a host name or 0.0.0.0; and ports."""


def rtcp_targets(message: bytes) -> list[Target]:
    """Those of all audio streams that are not refused.

    ``message`` is a SIP message, or its body. Each part of it that begins with ``v=0`` is read, so
    a multipart body (RFC 5621) may be nested, and its parts in any order, whatever headers they
    have. Never raises; the time is linear in the length.
    """
    found: list[Target] = []
    if message.startswith(b"v=0"):
        begin = 0
    elif (begin := message.find(b"\nv=0") + 1) == 0:
        return found
    for _ in range(MAX_PARTS):
        following = message.find(b"\nv=0", begin) + 1
        part = message[begin : following or len(message)]
        end = part.find(b"\n--")
        _read(part if end < 0 else part[:end], found)
        if not following:
            break
        begin = following
    return found


def _read(description: bytes, found: list[Target]) -> None:
    """Add the streams of one session description."""
    begin = description.find(b"\nm=")
    session = description[: max(begin, 0)]
    for _ in range(MAX_STREAMS):
        begin = description.find(b"\nm=audio ", begin) if begin >= 0 else -1
        if begin < 0:
            return
        begin += 9
        end = description.find(b"\nm=", begin)
        target = _target(session, description[begin:] if end < 0 else description[begin:end])
        if target:
            found.append(target)


def _target(session: bytes, media: bytes) -> Target | None:
    """A stream's, from the lines before all media and its own from ``m=audio`` on."""
    port = sdp.port(media[: media.find(b" ")])
    if not port:
        return None
    ip = address(media) or address(session)
    rtcp_port = port + 1
    ports: tuple[int, ...] = (rtcp_port,)
    if b"\na=rtcp" in media:
        begin = media.find(b"\na=rtcp:")
        if begin >= 0:  # RFC 3605
            end = media.find(b"\n", begin + 8)
            line = media[begin + 8 :] if end < 0 else media[begin + 8 : end]
            number, _, place = line.strip().partition(b" ")
            rtcp_port = sdp.port(number) or rtcp_port
            ip = address(b"\nc=" + place.strip()) or ip
        ports = (rtcp_port, port) if b"\na=rtcp-mux" in media else (rtcp_port,)
    if rtcp_port > _MAX_PORT:
        ports = ports[1:]
    return (b"" if ip in _NOWHERE else ip, ports)
