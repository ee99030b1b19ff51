# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files, classic and pcapng, with µs times and link type Ethernet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from dpkt import pcap, pcapng
from psycopg.rows import DictRow

from collector import __version__
from collector.log import one_line
from collector.moment import to_us
from webapi.export.form import Ending
from webapi.export.frame import Frames, note

SNAPLEN: Final = 262_144
_ETHERNET: Final = 1
_SECOND: Final = 1_000_000
_IN_THE_CLEAR: Final = ("TLS", "WS", "WSS")
ABOUT: Final = (
    "SIP messages as they were reported: payload, addresses, ports and µs times are true, the"
    " headers around them are made. RTP and RTCP are not part of it."
)


class Pcap:
    """A classic capture file. It has no comments: why it ends early is in a last frame that is no
    IP packet."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._last_us = 0

    def begin(self) -> bytes:
        """The file header; its magic says little endian and µs."""
        return bytes(pcap.LEFileHdr(snaplen=SNAPLEN, linktype=_ETHERNET))

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """One record for each frame."""
        parts: list[bytes] = []
        for message in found:
            self._last_us = to_us(message["ts"])
            for frame in self._frames.of(message):
                parts += _record(self._last_us, frame)
        return b"".join(parts)

    def end(self, ending: Ending | None) -> bytes:
        """A note with the time of the last message."""
        return b"".join(_record(self._last_us, note(ending.text))) if ending else b""


class PcapNg:
    """A pcapng file. Each message has a comment with node, id and Call-ID; why the file ends early
    is the comment of a last section without packets."""

    def __init__(self) -> None:
        self._frames = Frames()

    def begin(self) -> bytes:
        """A section and its one interface; without ``if_tsresol`` times are µs."""
        return _section(ABOUT) + bytes(
            pcapng.InterfaceDescriptionBlockLE(
                linktype=_ETHERNET,
                snaplen=SNAPLEN,
                opts=[
                    _option(pcapng.PCAPNG_OPT_IF_NAME, "sip_message"),
                    _option(pcapng.PCAPNG_OPT_IF_DESCRIPTION, "SIP messages of all capture nodes"),
                    _option(pcapng.PCAPNG_OPT_ENDOFOPT),
                ],
            )
        )

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """One block for each frame; the comment is at the first of a message."""
        parts: list[bytes] = []
        for message in found:
            us = to_us(message["ts"])
            comment = _comment(message)
            for frame in self._frames.of(message):
                parts.append(_block(us, frame, comment))
                comment = ""
        return b"".join(parts)

    def end(self, ending: Ending | None) -> bytes:
        """A section that only says why."""
        return _section(ending.text) if ending else b""


def _record(us: int, frame: bytes) -> tuple[bytes, bytes]:
    seconds, rest = divmod(us, _SECOND)
    header = pcap.LEPktHdr(tv_sec=seconds, tv_usec=rest, caplen=len(frame), len=len(frame))
    return bytes(header), frame


def _section(comment: str) -> bytes:
    options = [
        _option(pcapng.PCAPNG_OPT_COMMENT, comment),
        _option(pcapng.PCAPNG_OPT_SHB_USERAPPL, f"kemiscope {__version__}"),
        _option(pcapng.PCAPNG_OPT_ENDOFOPT),
    ]
    return bytes(pcapng.SectionHeaderBlockLE(opts=options))


def _block(us: int, frame: bytes, comment: str) -> bytes:
    options = [
        *([_option(pcapng.PCAPNG_OPT_COMMENT, comment)] if comment else []),
        _option(pcapng.PCAPNG_OPT_ENDOFOPT),
    ]
    block = pcapng.EnhancedPacketBlockLE(
        ts_high=us >> 32, ts_low=us & 0xFFFFFFFF, pkt_data=frame, opts=options
    )
    return bytes(block)


def _comment(message: DictRow) -> str:
    """Text of anybody, so on one line; and short: its length has 16 bits."""
    parts = [f"node {message['node']}", f"id {message['id']}", f"Call-ID {message['call_id']}"]
    if message["transport"] in _IN_THE_CLEAR:
        parts.append(f"{message['transport']} in the clear")
    return one_line(", ".join(parts))


def _option(code: int, text: str = "") -> Any:
    return pcapng.PcapngOptionLE(code=code, data=text.encode(errors="replace"))
