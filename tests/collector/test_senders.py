# SPDX-License-Identifier: GPL-2.0-or-later
"""The exact bytes of each sender give the rows of the table in ``tests/senders.py``."""

from __future__ import annotations

from typing import Any

import pytest

from collector import hep, hop
from collector.causes import CAUSES, Cause
from collector.columns import TABLES
from collector.hep import Hep
from collector.hop import Batch, Options
from collector.journal import record
from tests.copy_reader import Row, read_rows
from tests.sender import Sender, recorded
from tests.senders import SENDERS

ARRIVAL_US = 1_795_500_000_000_000
"""After the last recording."""
OPTIONS = Options(accept_past=ARRIVAL_US, max_field_bytes=512, max_refused=10)


def _stored(packet: bytes) -> tuple[Batch, dict[str, list[Row]]]:
    batch = Batch()
    journal = record.pack(ARRIVAL_US * 1000, record.pack_address("203.0.113.5"), 9060, 0, packet)
    assert hop.encode(journal, batch, OPTIONS, 1) == len(journal)
    rows = {
        table.name: found
        for table, rows in zip(TABLES, batch.rows, strict=True)
        if (found := read_rows(rows.data, table.columns))
    }
    return batch, rows


def approximate(row: dict[str, Any]) -> dict[str, Any]:
    """Real columns have single precision."""
    return {
        name: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        for name, value in row.items()
    }


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_what_a_sender_emits_is_stored_as_the_table_says(sender: Sender) -> None:
    """In its table, with the sender's time; a ping is counted and gives no row."""
    batch, rows = _stored(sender.packet)
    causes = {cause: count for cause in CAUSES if (count := batch.causes[cause])}
    if not sender.rows:
        assert (rows, causes) == ({}, {Cause.KEEPALIVE: 1})
        return
    assert causes == {Cause.STORED: 1}
    assert list(rows) == [sender.table]
    found = rows[sender.table]
    for row, expected in zip(found, sender.rows, strict=True):
        assert {name: row[name] for name in expected} == approximate(expected)
        sent_at = ARRIVAL_US if sender.sent_at is None else sender.sent_at
        assert (row["ts"], row["sender_ts"]) == (sent_at, None)
        assert row["id"] == ARRIVAL_US * 1000


def test_every_sender_is_in_the_table() -> None:
    """Names are unique, and so are the packets."""
    assert len({sender.name for sender in SENDERS}) == len(SENDERS)
    assert len({sender.packet for sender in SENDERS}) == len(SENDERS)
    kinds = ("Kamailio", "Asterisk", "FreeSWITCH", "rtpengine", "OpenSIPS", "captagent", "heplify")
    assert {sender.name.split()[0] for sender in SENDERS} >= set(kinds)


def test_our_own_encoder_writes_what_kamailio_writes() -> None:
    """The recordings, decoded and encoded again, byte by byte."""
    for name in ("v1-udp", "v1-ipv6", "v2-udp", "v2-ipv6", "v3-udp", "v3-ipv6", "v3-correlation"):
        packet = recorded(f"kamailio-{name}")
        found = hep.decode(packet)
        assert isinstance(found, Hep)
        assert hep.encode(found) == packet
