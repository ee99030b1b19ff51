# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop from journal bytes to COPY bytes, alone: µs per message, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from bench import mix
from collector import hep, hop, row, sip
from collector.hep import Hep
from collector.hop import Batch, Options
from collector.journal import record
from collector.journal.record import Transport

UNITS: Final = 400
ROUNDS: Final = 7
OPTIONS: Final = Options(
    accept_past=3 * 86_400_000_000, accept_future=300_000_000, max_field_bytes=512, max_refused=100
)


def journal_bytes(units: int = UNITS) -> bytes:
    """Journal records of ``units`` units of the mix, all with Call-IDs of their own."""
    peer = record.pack_address("10.1.2.3")
    packets = mix.packets()
    now = time.time_ns()
    records = []
    number = 0
    for unit in range(units):
        name = b"%016x" % (unit * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
        for packet in packets:
            data = packet.replace(mix.UNIT, name).replace(mix.NUMBER, b"%016d" % number)
            records.append(record.pack(now + 64 * number, peer, 9060, Transport.UDP, data))
            number += 1
    return b"".join(records)


def measure() -> dict[str, float]:
    """µs per message: the whole hop, and its parts measured one by one. Best of several rounds."""
    buffer = journal_bytes()
    records = []
    offset = 0
    while (found := record.unpack(buffer, offset)) is not None:
        records.append(found)
        offset = found.end
    packets = [packet for item in records if isinstance(packet := hep.decode(item.packet), Hep)]
    messages = [sip.extract(packet.payload) for packet in packets]
    count = len(records)

    def whole() -> None:
        hop.encode(buffer, Batch(), OPTIONS, count)

    def unpack() -> None:
        at = 0
        while (item := record.unpack(buffer, at)) is not None:
            at = item.end

    def rows() -> None:
        for packet, message in zip(packets, messages, strict=True):
            row.encode(
                packet,
                message,
                ts=1,
                record_id=1,
                sender_ts=None,
                node=b"2001",
                max_field_bytes=OPTIONS.max_field_bytes,
            )

    return {
        "hop_us": _best(whole, count),
        "record_us": _best(unpack, count),
        "hep_us": _best(lambda: [hep.decode(item.packet) for item in records], count),
        "sip_us": _best(lambda: [sip.extract(packet.payload) for packet in packets], count),
        "row_us": _best(rows, count),
        "message_octets": sum(len(packet.payload) for packet in packets) / count,
    }


def _best(work: Callable[[], object], count: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best / count * 1e6
