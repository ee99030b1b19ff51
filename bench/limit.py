# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit of the machine: receiving a packet without looking at it, and a COPY of ready rows.

No capture node can take less processor time than these two together. They are measured in the same
run of the benchmark as what is compared with them, each once for all scenarios.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from psycopg import AsyncConnection, Connection, sql
from psycopg.rows import TupleRow

from bench import compiled, measure, mix, quiet, scratch
from bench.load import Load
from bench.report import Section, Table
from collector import hop
from collector.columns import TABLES
from collector.copy_binary import COPY_HEADER, COPY_TRAILER
from collector.hop import Batch, Options
from collector.journal import record
from collector.journal.record import Transport
from collector.moment import from_us
from collector.partitions import Partitions
from collector.settings import Settings
from stack.errors import StackError
from stack.ports import free_port
from stack.trial import Trial

RATES: Final = (0, 8_000, 20_000, 60_000, 100_000)
"""Packets per second; 0 for as many as the sender can."""
QUICK_RATES: Final = (20_000,)
ROWS: Final = 100_000
RECEIVE_S: Final = 3.0
BURST: Final = 100_000
"""Packets at once where there is no rate."""
_END_S: Final = 5.0
_DRAIN_S: Final = 0.3
_HEP_SECONDS: Final = struct.pack(">HHH", 0, 9, 10)
_HEP_MICROSECONDS: Final = struct.pack(">HHH", 0, 10, 10)
_COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")


class Received(NamedTuple):
    """What the bare receiver did."""

    us: float
    """Processor time for a packet received, µs."""
    share: float
    """Of the packets sent (0 … 1); the kernel dropped the others."""


class Copied(NamedTuple):
    """Processor time of a COPY for a row, µs."""

    server_us: float
    client_us: float
    """To hand the bytes to PostgreSQL."""
    batch: int
    """Rows of a transaction."""

    @property
    def us(self) -> float:
        """On both sides."""
        return self.server_us + self.client_us


def us(rate: float) -> float:
    """The limit at a rate: µs of processor time for a message received and stored."""
    return received(rate).us + copied().us


def run(_scratch: Path, *, quick: bool) -> Section:
    """The limit alone, at several rates."""
    rates = QUICK_RATES if quick else RATES
    copy = copied()
    rows = []
    for rate in rates:
        found = received(rate)
        shown = f"{rate:,}/s" if rate else f"{BURST:,} at once"
        lost = f"{1 - found.share:.2%}"
        rows.append([shown, lost, f"{found.us:.2f}", f"{copy.us:.2f}", f"{us(rate):.2f}"])
    return Section(
        "limit",
        "a bare receiver and a COPY of rows encoded beforehand",
        "Processor time per message that no capture node can be below: a program in C that takes "
        "the same packets with recv() and throws them away, and a COPY of the rows that kemiscope "
        f"makes of them, {copy.batch:,} in a transaction, into its tables with their indexes. The "
        "COPY counts PostgreSQL and the client that hands it the bytes.",
        [
            Table(["rate", "lost", "receiver, µs", "COPY, µs", "limit, µs"], rows),
            Table(
                ["COPY, µs per row", ""],
                [["PostgreSQL", f"{copy.server_us:.2f}"], ["client", f"{copy.client_us:.2f}"]],
            ),
        ],
        ["Fewer packets a second cost more each: the receiver is woken for every one of them."],
        {
            "copy": copy._asdict(),
            "receive": {str(rate): received(rate)._asdict() for rate in rates},
        },
    )


@cache
def received(rate: float) -> Received:
    """Send the mix of messages at a rate to a receiver that throws it away."""
    quiet.wait()
    port = free_port(socket.SOCK_DGRAM)
    program = compiled.program("receiver", ("receiver.c", "clock.h"))
    command = [str(program), str(port), str(Settings().hep.socket_buffer)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if not process.stdout or process.stdout.readline() != "ready\n":
            message = "the receiver does not start"
            raise StackError(message)
        sent = Load(port, int(rate * RECEIVE_S) or BURST, rate).wait()
        time.sleep(_DRAIN_S)
        process.terminate()
        output, _ = process.communicate(timeout=_END_S)
    finally:
        process.kill()
        process.wait()
    found = json.loads(output)
    count = found["received"]
    return Received(found["cpu_s"] / max(1, count) * 1e6, count / sent.sent)


@cache
def copied() -> Copied:
    """Store rows encoded beforehand in a fresh database with the settings of ``make run``."""
    with scratch.directory() as directory:
        trial = Trial(directory / "copy")
        try:
            trial.start_database()
            settings = trial.settings
            batches = _batches(settings.ingest.batch_messages)
            asyncio.run(_partition(settings.database.dsn, batches, settings.partition.interval))
            quiet.wait()
            with trial.connect() as connection:
                # Those that write WAL and buffers behind the connection's are part of it.
                processes = measure.tree(trial.cluster.pid)
                server = measure.cpu_s(processes)
                client = time.process_time()
                for batch in batches:
                    _copy(connection, batch)
                client = time.process_time() - client
                server = measure.cpu_s(processes) - server
        finally:
            trial.stop()
    per_row = 1e6 / sum(batch.records for batch in batches)
    return Copied(server * per_row, client * per_row, batches[0].records)


def _batches(size: int) -> list[Batch]:
    """Rows of the mix as a node stores them, in transactions of so many."""
    peer = record.pack_address("127.0.0.1")
    packets = mix.packets()
    batches = []
    for first in range(0, ROWS, size):
        batch = Batch()
        numbers = range(first, min(first + size, ROWS))
        buffer = b"".join(_record(packets, number, peer) for number in numbers)
        hop.encode(buffer, batch, Options(accept_past=60_000_000), len(numbers))
        batches.append(batch)
    return batches


def _record(packets: list[bytes], number: int, peer: bytes) -> bytes:
    """A journal record of a packet that was sent just now, as sender.c writes its time."""
    now = time.time_ns()
    packet = mix.fill(packets, number)
    for chunk, value in (
        (_HEP_SECONDS, now // 1_000_000_000),
        (_HEP_MICROSECONDS, now // 1000 % 1_000_000),
    ):
        head, found, tail = packet.partition(chunk)
        packet = head + found + struct.pack(">I", value) + tail[4:]
    return record.pack(record.make_id(now, 0, 0), peer, 5060, Transport.UDP, packet)


async def _partition(dsn: str, batches: list[Batch], interval: float) -> None:
    """Make the partitions that a node has long made when messages come."""
    partitions = Partitions(interval)
    async with await AsyncConnection.connect(dsn, autocommit=True) as connection:
        for batch in batches:
            for table, rows in zip(TABLES, batch.rows, strict=True):
                if rows.data:
                    moments = from_us(rows.first_ts), from_us(rows.last_ts)
                    await partitions.prepare(connection, table.name, *moments)


def _copy(connection: Connection[TupleRow], batch: Batch) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for table, rows in zip(TABLES, batch.rows, strict=True):
            if rows.data:
                names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
                with cursor.copy(_COPY.format(sql.Identifier(table.name), names)) as stream:
                    for part in (COPY_HEADER, rows.data, COPY_TRAILER):
                        stream.write(part)
