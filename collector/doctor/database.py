# SPDX-License-Identifier: GPL-2.0-or-later
"""What the database says: schema, balance, senders, rejects, clocks, partitions, quarantine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow, class_row

from collector import balance, migrate, partitions
from collector.balance import Balance
from collector.causes import CAUSES, Cause, Outcome
from collector.doctor import calls, disk, stored
from collector.doctor.finding import Finding, Level, ago, span
from collector.doctor.node import recent_packets
from collector.errors import SchemaError
from collector.hep import VERSION_PROTOBUF
from collector.hop import Batch
from collector.journal.counters import Counters, Field
from collector.journal.record import format_address
from collector.pool import connect
from collector.settings import Settings
from collector.tables import PARTITIONED

_FORMS: Final = {0: "not HEP", VERSION_PROTOBUF: "HEP in Protobuf"}
CLOCK_WARNING: Final = timedelta(seconds=2)
_SENDERS_SHOWN: Final = 20
_DAMAGED: Final = (
    "something cuts or changes packets on the way, or the sender has a fault: compare with "
    "`tcpdump -X udp port 9060`; over TCP nothing is cut"
)
_REJECT_ADVICE: Final = {
    Cause.NOT_HEP: "the sender must speak HEP: hep_mode_on in siptrace; check its port",
    Cause.HEP_LENGTH: _DAMAGED,
    Cause.HEP_CHUNK: _DAMAGED,
    Cause.HEP_FIELD: _DAMAGED,
    Cause.HEP_FAMILY: _DAMAGED,
    Cause.HEP_INFLATE: _DAMAGED,
    Cause.PASSWORD: "compare the capture password of the sender with senders.passwords",
    Cause.STORE_REFUSED: "the quarantine says why; mend it, then "
    "`python -m collector replay quarantine`",
}

_SENDERS: Final = """
    SELECT host(peer) AS peer, node, hep_version AS version, max(last_seen) AS last_seen,
           sum(packets)::bigint AS packets, sum(rejected)::bigint AS rejected,
           (array_agg(clock_offset_us ORDER BY last_seen DESC))[1] AS clock_offset_us
      FROM sender
     WHERE journal_id = %s
     GROUP BY peer, node, hep_version
     ORDER BY max(last_seen) DESC
     LIMIT %s"""

_QUARANTINE: Final = """
    SELECT cause, count(*), max(received_at), (array_agg(host(peer) ORDER BY id DESC))[1],
           (array_agg(detail ORDER BY id DESC))[1]
      FROM quarantine
     WHERE journal_id = %s AND received_at > now() - interval '1 day'
     GROUP BY cause"""


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender as the database, or the journal's newest part, knows it."""

    peer: str
    node: str
    version: int
    last_seen: datetime
    packets: int
    rejected: int
    clock_offset_us: int


async def check(settings: Settings, counters: Counters) -> list[Finding]:
    """All findings that need the database; without it, the senders from the journal."""
    if not settings.database.dsn:
        return [
            Finding(
                "database",
                Level.FAIL,
                "database.dsn is empty",
                "set it in kemiscope.toml or KEMISCOPE_DATABASE_DSN",
            ),
            *check_senders(_senders_of(recent_packets(settings))),
        ]
    try:
        async with await connect(settings) as connection:
            await migrate.check(connection)
            return await _check_connected(settings, counters, connection)
    except (Error, SchemaError) as error:
        return [
            Finding("database", Level.FAIL, str(error), "until then the journal keeps everything"),
            *check_senders(_senders_of(recent_packets(settings))),
        ]


async def _check_connected(
    settings: Settings, counters: Counters, connection: AsyncConnection[TupleRow]
) -> list[Finding]:
    version = connection.info.server_version
    findings = [
        Finding(
            "database",
            Level.OK,
            f"PostgreSQL {version // 10000}.{version % 10000}, "
            f"schema {migrate.migrations()[-1].number}",
        )
    ]
    slots = [counters.slot(number) for number in counters.used_slots()]
    last_commit = max((slot[Field.LAST_COMMIT] for slot in slots), default=0)
    if last_commit:
        text = f"last commit {ago(time.time() - last_commit / 1e9)}"
        findings.append(Finding("database", Level.OK, text))
    else:
        findings.append(Finding("database", Level.NOTE, "nothing has been committed yet"))
    findings += check_balance(
        await balance.compute(connection, counters, Path(settings.journal.directory))
    )
    async with connection.cursor(row_factory=class_row(Sender)) as cursor:
        await cursor.execute(_SENDERS, (counters.journal_id, _SENDERS_SHOWN))
        findings += check_senders(await cursor.fetchall())
    findings += await stored.check(connection)
    findings += await calls.check(settings, connection, counters.journal_id)
    findings += await _check_partitions(settings, connection)
    findings += await disk.check(settings, connection, counters.journal_id)
    findings += await _check_quarantine(connection, counters.journal_id)
    return findings


def check_balance(sheet: Balance) -> Iterator[Finding]:
    """Does every packet that was received have a fate?"""
    parts = [f"{sheet.outcome(outcome):,} {outcome}" for outcome in Outcome]
    text = f"{sheet.received:,} received = {sheet.waiting:,} waiting + {' + '.join(parts)}"
    if sheet.unaccounted:
        yield Finding(
            "balance",
            Level.FAIL,
            f"{text} + {sheet.unaccounted:,} unaccounted for",
            "this is a bug: please report it with the output of this command",
        )
    else:
        yield Finding("balance", Level.OK, text)
    for cause in CAUSES:
        if count := sheet.causes.get(cause):
            text = f"{count:,} {cause.label}: {cause.help}"
            if cause.outcome is Outcome.REJECTED:
                yield Finding("balance", Level.WARN, text, _REJECT_ADVICE.get(cause, ""))
            elif cause.outcome is Outcome.FILTERED and cause is not Cause.KEEPALIVE:
                yield Finding("balance", Level.NOTE, text, "docs/filters.md; as it was wished?")


def check_senders(senders: list[Sender]) -> Iterator[Finding]:
    """Who sends what, since when not, and with which clock?"""
    now = datetime.now(UTC)
    if not senders:
        yield Finding("senders", Level.NOTE, "none is known")
    for sender in senders:
        what = _FORMS.get(sender.version, f"HEPv{sender.version}")
        text = (
            f"{sender.peer} node {sender.node or '?'} {what}: {sender.packets:,} packets, "
            f"{sender.rejected:,} rejected, last {ago((now - sender.last_seen).total_seconds())}"
        )
        offset = timedelta(microseconds=sender.clock_offset_us)
        if not sender.version:
            advice = "something else sends to this port, or a HEP agent to the wrong one"
            yield Finding("senders", Level.WARN, text, advice)
        elif abs(offset) > CLOCK_WARNING:
            direction = "ahead" if offset > timedelta() else "behind"
            off = f"its clock is {span(abs(offset).total_seconds())} {direction}"
            yield Finding("senders", Level.WARN, f"{text}; {off}", "set its clock by NTP")
        else:
            yield Finding("senders", Level.OK, f"{text}; clock {offset.total_seconds():+.3f} s")


async def _check_partitions(
    settings: Settings, connection: AsyncConnection[TupleRow]
) -> list[Finding]:
    findings = []
    now = datetime.now(UTC)
    interval = timedelta(seconds=settings.partition.interval)
    for table in (partitioned.name for partitioned in PARTITIONED):
        async with connection.transaction():
            present = await partitions.read(connection, table)
        if partitions.gaps(present, now, now + interval):
            findings.append(
                Finding(
                    "partitions",
                    Level.WARN,
                    f"{table} has none for the next {span(interval.total_seconds())}",
                    "ingest makes them when it runs; rows go to the default partition meanwhile",
                )
            )
        else:
            until = (present[-1].end - now).total_seconds()
            text = f"{table}: {len(present)}, ready for the next {span(until)}"
            findings.append(Finding("partitions", Level.OK, text))
        rows = await partitions.default_rows(connection, table)
        if rows:
            text = f"{table}_default holds {rows:,} rows or more"
            advice = "they move when their partition is made: see the log of ingest for why not"
            findings.append(Finding("partitions", Level.WARN, text, advice))
    return findings


async def _check_quarantine(
    connection: AsyncConnection[TupleRow], journal_id: UUID
) -> list[Finding]:
    found = await connection.execute(_QUARANTINE, (journal_id,))
    now = datetime.now(UTC)
    return [
        Finding(
            "quarantine",
            Level.WARN,
            f"{count:,} {cause} in the last day, the last {ago((now - last).total_seconds())} "
            f"from {peer} {detail}".rstrip(),
            "SELECT * FROM quarantine ORDER BY id DESC",
        )
        for cause, count, last, peer, detail in await found.fetchall()
    ]


def _senders_of(batch: Batch) -> list[Sender]:
    newest_first = sorted(batch.senders.items(), key=lambda item: item[1].last_id, reverse=True)
    return [
        Sender(
            format_address(peer),
            node.decode("utf-8", "replace"),
            version,
            datetime.fromtimestamp(tally.last_id / 1e9, UTC),
            tally.packets,
            tally.rejected,
            tally.clock_offset,
        )
        for (peer, node, version), tally in newest_first[:_SENDERS_SHOWN]
    ]
