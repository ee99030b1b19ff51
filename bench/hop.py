# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop from journal bytes to COPY bytes, alone: µs per message, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import mix
from bench.report import Section, Table
from collector import hep, hop, row, sip
from collector.hep import Hep
from collector.hop import Batch, Options
from collector.journal import record
from collector.journal.record import Record, Transport

MESSAGES: Final = 5200
ROUNDS: Final = 9
QUICK_ROUNDS: Final = 3
OPTIONS: Final = Options(
    accept_past=3 * 86_400_000_000, accept_future=300_000_000, max_field_bytes=512, max_refused=100
)


def run(_scratch: Path, *, quick: bool) -> Section:
    """Measure the pure function; the result of a machine that is busy otherwise is worth little."""
    figures = measure(QUICK_ROUNDS if quick else ROUNDS)
    parts = {
        "journal record, checksum": figures["record_us"],
        "HEP decode": figures["hep_us"],
        "SIP extraction": figures["sip_us"],
        "COPY row": figures["row_us"],
    }
    whole = figures["hop_us"]
    parts["counting and control"] = whole - sum(parts.values())
    rows = [["whole hop", f"{whole:.2f}", f"{1e6 / whole:,.0f}"]]
    rows += [[name, f"{value:.2f}", f"{1e6 / value:,.0f}"] for name, value in parts.items()]
    return Section(
        "hop",
        "journal bytes to COPY bytes, one pure function on one core",
        f"Best of several rounds over {MESSAGES} messages of {figures['message_octets']:.0f} bytes "
        "on average, parts measured one by one.",
        [Table(["part", "µs/message", "messages/s"], rows)],
        data=figures,
    )


def journal_bytes(messages: int = MESSAGES) -> bytes:
    """Journal records of the first ``messages`` packets of the mix."""
    peer = record.pack_address("10.1.2.3")
    packets = mix.packets()
    now = time.time_ns()
    return b"".join(
        record.pack(now + 64 * number, peer, 9060, Transport.UDP, mix.fill(packets, number))
        for number in range(messages)
    )


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """µs per message: the whole hop, and its parts measured one by one. Best of the rounds."""
    buffer = journal_bytes()
    records = _unpack(buffer)
    packets = [packet for item in records if isinstance(packet := hep.decode(item.packet), Hep)]
    messages = [sip.extract(packet.payload) for packet in packets]
    count = len(records)

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

    work: dict[str, Callable[[], object]] = {
        "hop_us": lambda: hop.encode(buffer, Batch(), OPTIONS, count),
        "record_us": lambda: _unpack(buffer),
        "hep_us": lambda: [hep.decode(item.packet) for item in records],
        "sip_us": lambda: [sip.extract(packet.payload) for packet in packets],
        "row_us": rows,
    }
    figures = {name: _best(part, rounds) / count * 1e6 for name, part in work.items()}
    figures["message_octets"] = sum(len(packet.payload) for packet in packets) / count
    return figures


def _unpack(buffer: bytes) -> list[Record]:
    records = []
    offset = 0
    while (found := record.unpack(buffer, offset)) is not None:
        records.append(found)
        offset = found.end
    return records


def _best(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best
