# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop from journal bytes to COPY bytes, alone: µs per message, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench import mix
from bench.report import Section, Table
from collector import hep, row, sip
from collector.copy_binary import NULL
from collector.correlation.columns import (
    CALL,
    CALL_FILING,
    REGISTRATION,
    REGISTRATION_FILING,
)
from collector.correlation.encode import required_text
from collector.correlation.pending import Pending
from collector.hep import Hep
from collector.hop import FORM, Batch, Options
from collector.hop.form import COMPILED, PLAIN_FORM, Encode, Form
from collector.journal import record
from collector.journal.record import Transport
from collector.journal.run import unpack_plain

MESSAGES: Final = 5200
ROUNDS: Final = 9
QUICK_ROUNDS: Final = 3
OPTIONS: Final = Options(
    accept_past=3 * 86_400_000_000, accept_future=300_000_000, max_field_bytes=512, max_refused=100
)
_CORRELATED: Final = OPTIONS._replace(correlate=True)
_WORK: Final = {
    "hop_us": "journal bytes to rows",
    "merging_us": "correlation: messages merged into legs and registrations",
    "leg_rows_us": "correlation: rows of these for PostgreSQL",
    "correlation_us": "correlation, both",
}


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
        f"CPU time, best of several rounds over {MESSAGES} messages of "
        f"{figures['message_octets']:.0f} bytes on average. Correlation: as if calls were written "
        f"once for {MESSAGES} messages, {figures['merged_per_row']:.1f} messages a row.",
        [
            _forms(figures),
            Table(["part of the plain form, measured alone", "µs/message", "messages/s"], rows),
        ],
        data=figures,
    )


def _forms(figures: dict[str, float]) -> Table:
    rows = []
    for name, what in _WORK.items():
        plain_us = figures[name]
        compiled_us = figures.get(f"compiled_{name}")
        row = [what, f"{plain_us:.2f}"]
        if compiled_us:
            row += [f"{compiled_us:.2f}", f"{plain_us / compiled_us:.1f}"]
        else:
            row += [f"not there: {FORM.reason}", "-"]
        rows.append(row)
    return Table(["µs/message", "plain", "compiled", "ratio"], rows)


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
    records = unpack_plain(buffer)
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

    merged = _merged(PLAIN_FORM.encode, buffer, count)
    work: dict[str, Callable[[], object]] = {
        **_forms_work(PLAIN_FORM, buffer, count, merged),
        "record_us": lambda: unpack_plain(buffer),
        "hep_us": lambda: [hep.decode(item.packet) for item in records],
        "sip_us": lambda: [sip.extract(packet.payload) for packet in packets],
        "row_us": rows,
    }
    if FORM.name == COMPILED:
        compiled = _forms_work(FORM, buffer, count, merged)
        work |= {f"compiled_{name}": part for name, part in compiled.items()}
    figures = {name: _best(part, rounds) / count * 1e6 for name, part in work.items()}
    for form in ("", "compiled_"):
        if f"{form}hop_us" in figures:
            # What merging adds to the hop.
            figures[f"{form}merging_us"] = figures[f"{form}merged_us"] - figures[f"{form}hop_us"]
            figures[f"{form}correlation_us"] = (
                figures[f"{form}merging_us"] + figures[f"{form}leg_rows_us"]
            )
    figures["merged_per_row"] = count / len(merged)
    figures["message_octets"] = sum(len(packet.payload) for packet in packets) / count
    return figures


def _merged(encode: Encode, buffer: bytes, count: int) -> Pending:
    pending = Pending()
    encode(buffer, Batch(pending=pending), _CORRELATED, count)
    return pending


def _forms_work(
    form: Form, buffer: bytes, count: int, merged: Pending
) -> dict[str, Callable[[], object]]:
    """What both forms do."""
    calls = form.row_encoder(len(CALL_FILING), CALL)
    registrations = form.row_encoder(len(REGISTRATION_FILING), REGISTRATION)

    def rows() -> None:
        for call_id, leg in merged.legs.items():
            calls.row((NULL, required_text(call_id)), leg)
        for (call_id, aor), registration in merged.registrations.items():
            registrations.row((required_text(call_id), required_text(aor)), registration)

    return {
        "hop_us": lambda: form.encode(buffer, Batch(), OPTIONS, count),
        "merged_us": lambda: _merged(form.encode, buffer, count),
        "leg_rows_us": rows,
    }


def _best(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        work()
        best = min(best, time.thread_time() - started)
    return best
