# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files to play: the SIP of ``bench.mix`` and RTP, as Ethernet frames of IPv4 and UDP."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench import mix

SIP_FRAMES: Final = 65_000
"""Then they begin again."""
CALLERS: Final = 64
"""Addresses that SIP comes from: as many flows, between which workers can share."""
RTP_STREAMS: Final = 4_000
"""20 ms of RTP at 200,000 packets/s."""
_STEP_US: Final = 50
_START_S: Final = 1_800_000_000
_PROXY: Final = bytes((10, 4, 5, 6))
_SIP_PORT: Final = 5060
_RTP_PORTS: Final = range(16_384, 32_768, 2)
_RTP_PAYLOAD: Final = 160
"""20 ms of G.711."""
_ETHERNET: Final = bytes.fromhex("020000000002 020000000001 0800")
"""Between hosts that are not here, as on a mirror port: no IP stack looks at them."""
_SNAP_LENGTH: Final = 65_535
_LINKTYPE_ETHERNET: Final = 1


def write_sip(path: Path, count: int = SIP_FRAMES) -> Path:
    """The messages of many calls, registrations and pings, mixed as on a real network."""
    messages = mix.messages()
    texts = [text for text, _ in messages]
    return _write(
        path,
        (
            _frame(
                mix.fill(texts, number),
                bytes((10, 1, 2, mix.unit_of(number, len(texts)) % CALLERS)),
                is_back=messages[number % len(texts)][1],
            )
            for number in range(count)
        ),
    )


def write_rtp(path: Path) -> Path:
    """One packet of each stream."""
    return _write(path, map(_rtp, range(RTP_STREAMS)))


def _rtp(stream: int) -> bytes:
    header = struct.pack(">BBHII", 0x80, 8, stream & 0xFFFF, 160 * stream, 0x10000 + stream)
    return _frame(
        header + b"\xd5" * _RTP_PAYLOAD,
        bytes((10, 2, stream >> 8, stream & 0xFF)),
        port=_RTP_PORTS[stream % len(_RTP_PORTS)],
    )


def _frame(payload: bytes, caller: bytes, *, is_back: bool = False, port: int = _SIP_PORT) -> bytes:
    source, destination = (_PROXY, caller) if is_back else (caller, _PROXY)
    length = 28 + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0x4000, 64, 17, 0, source, destination)
    return _ETHERNET + ip + struct.pack(">HHHH", port, port, length - 20, 0) + payload


def _write(path: Path, frames: Iterable[bytes]) -> Path:
    """A pcap file, its frames as far apart as 20,000 packets/s are."""
    with path.open("wb") as file:
        file.write(
            struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _SNAP_LENGTH, _LINKTYPE_ETHERNET)
        )
        for number, frame in enumerate(frames):
            seconds, microseconds = divmod(number * _STEP_US, 1_000_000)
            length = len(frame)
            header = struct.pack("=IIII", _START_S + seconds, microseconds, length, length)
            file.write(header + frame)
    return path
