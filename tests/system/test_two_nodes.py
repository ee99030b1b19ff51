# SPDX-License-Identifier: GPL-2.0-or-later
"""Two capture nodes on two hosts, one database: each message of a call through the other node."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bench import mix
from collector import hep
from collector.hep import Hep
from collector.partitions import default_of
from collector.pool import make_pool
from collector.tables import PARTITIONED
from stack.postgres import READER
from stack.trial import Trial
from tests.fix_network import Host, MakeNetwork, Network
from tests.sip_text import DESTINATION, SOURCE
from tests.system.numbered_sip import MESSAGES
from tests.system.paced_load import PacedLoad

RATE: Final = 1500
"""HEP packets/s, half of them to each node."""
SECONDS: Final = 30
PARTITION_S: Final = 300
SPEED: Final = 150.0
"""The senders' clock runs so fast: a partition of five minutes in two seconds."""
BEGIN: Final = datetime.now(UTC).timestamp() // PARTITION_S * PARTITION_S - 20 * 3600
CALL_KINDS: Final = 7
"""Of the mix, the first messages of a unit: INVITE to the 200 of BYE."""
MAX_BYTES: Final = 24 << 20
"""Half of what comes in."""
LOCK: Final = 4711
CUT_S: Final = 4.0
PATIENCE_S: Final = 90.0


class Load(PacedLoad):
    """Packets with even numbers to the one node and those with odd ones to the other."""

    def __init__(self, targets: Sequence[socket.socket]) -> None:
        """``targets`` are connected; the node in the packets is their place in it."""
        super().__init__(RATE)
        self._targets = targets

    def send(self, number: int) -> None:
        """Send one; neighbours of a call have numbers of which one is even."""
        which = number % len(self._targets)
        us = int((BEGIN + number / RATE * SPEED) * 1e6)
        seconds, microseconds = divmod(us, 1_000_000)
        fields = Hep(
            *(3, hep.PROTOCOL_UDP, SOURCE, DESTINATION, 5060, 5060),
            *(seconds, microseconds, hep.TYPE_SIP, which, mix.fill(MESSAGES, number)),
        )
        self._targets[which].send(hep.encode(fields))


class Nodes(NamedTuple):
    """Node and database on the left host, the other node on the right one."""

    left: Trial
    right: Trial
    network: Network
    load: Load


@pytest.fixture
def nodes(
    request: pytest.FixtureRequest, tmp_path: Path, make_network: MakeNetwork
) -> Iterator[Nodes]:
    """Running, and under load; this thread is on the left host. The parameter is ``retention``."""
    made = make_network()
    settings: dict[str, dict[str, Any]] = {
        "partition": {"interval": PARTITION_S, "ahead": 1},
        "retention": getattr(request, "param", {}),
    }
    with ExitStack() as stack:
        stack.enter_context(made.left.inside())
        left = Trial(
            tmp_path / "left",
            settings | {"node": {"name": "left"}},
            postgres="listen_addresses = '*'\nlog_statement = ddl\n",
        )
        stack.callback(left.stop)
        access = tmp_path / "left" / "postgres" / "data" / "pg_hba.conf"
        with access.open("a") as file:
            file.write(f"host all all {made.right.ipv4}/32 scram-sha-256\n")
        left.start_database()
        left.start_capture()
        dsn = make_conninfo(left.cluster.dsn(), host=made.left.ipv4)
        reader = make_conninfo(left.cluster.dsn(READER), host=made.left.ipv4)
        with made.right.inside():
            right = Trial(
                tmp_path / "right",
                settings
                | {"node": {"name": "right"}, "database": {"dsn": dsn, "reader_dsn": reader}},
            )
            stack.callback(right.stop)
            right.start_capture()
        load = Load([_target(stack, made.left, left), _target(stack, made.right, right)])
        load.start()
        stack.callback(load.stop)
        yield Nodes(left, right, made, load)


def _target(stack: ExitStack, host: Host, trial: Trial) -> socket.socket:
    with host.inside():
        sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.connect(("127.0.0.1", trial.hep_port))
    return sender


def test_partitions_are_made_once_and_a_call_is_one_row(nodes: Nodes) -> None:
    """Both nodes need the same partitions at the same moment, and each knows half of each call."""
    time.sleep(SECONDS)
    sent = nodes.load.stop()
    _wait_until_stored(nodes, sent)
    _check_messages(nodes, sent)
    _check_partitions(nodes, sent)
    _check_calls(nodes, sent)


@pytest.mark.parametrize("nodes", [{"max_bytes": MAX_BYTES, "max_disk_percent": 0}], indirect=True)
def test_what_goes_is_dropped_and_written_down_once(nodes: Nodes) -> None:
    """Both nodes keep the limit, and see at the same moment that it is reached.

    A node that lags makes a dropped partition anew, and that one is dropped in its turn.
    """
    time.sleep(SECONDS)
    sent = nodes.load.stop()
    _wait_until_stored(nodes, sent)
    with nodes.left.connect() as connection:
        dropped = connection.execute("SELECT partition, octets FROM retention_log").fetchall()
        made = _made(nodes)
        kept = connection.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY (%s)", (list(made),)
        ).fetchall()
        balance = connection.execute("SELECT unaccounted FROM capture_node").fetchall()
    gone = Counter(partition for partition, _ in dropped)
    assert gone + Counter(name for (name,) in kept) == made
    assert sum(octets for _, octets in dropped) > MAX_BYTES / 2
    assert balance == [(0,), (0,)]


def test_a_node_that_is_cut_off_holds_up_nobody(nodes: Nodes) -> None:
    """In the middle of its transactions; when it is back, its half of the calls meets the rest."""
    for _ in range(3):
        time.sleep(3)
        nodes.network.cut()
        time.sleep(CUT_S)
        wanted = _stored(nodes, 0) + RATE
        nodes.left.wait(partial(_has_stored, nodes, wanted), "the other node to go on")
        nodes.network.lay()
    sent = nodes.load.stop()
    _wait_until_stored(nodes, sent)
    _check_messages(nodes, sent)
    _check_calls(nodes, sent)


def test_a_node_that_vanishes_in_a_transaction_lets_go(nodes: Nodes) -> None:
    """PostgreSQL finds out by itself: what the node has locked is free again."""
    nodes.load.stop()
    with nodes.network.right.inside():
        asyncio.run(_lock_and_vanish(nodes))

    def is_free() -> bool:
        with nodes.left.connect() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
        return row == (True,)

    assert not is_free()
    nodes.left.wait(is_free, "the lock", timeout_s=PATIENCE_S)


async def _lock_and_vanish(nodes: Nodes) -> None:
    pool = make_pool(nodes.right.settings)
    async with pool, pool.connection() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        nodes.network.cut()
        # As a power cut would: nothing is said to the server.
        await connection.close()


def _stored(nodes: Nodes, which: int) -> int:
    """Messages that came through one of the two."""
    with nodes.left.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM sip_message WHERE node = %s", (str(which),)
        ).fetchone()
    return int(row[0]) if row else 0


def _has_stored(nodes: Nodes, wanted: int) -> bool:
    return _stored(nodes, 0) >= wanted


def _wait_until_stored(nodes: Nodes, sent: int) -> None:
    def done() -> bool:
        with nodes.left.connect() as connection:
            found = connection.execute(
                "SELECT sum(received), sum(waiting), (SELECT bool_and(correlated = octets)"
                " FROM journal_progress) FROM capture_node"
            ).fetchone()
        return found == (sent, 0, True)

    nodes.left.wait(done, f"{sent} packets to be stored", timeout_s=PATIENCE_S)


def _check_messages(nodes: Nodes, sent: int) -> None:
    """The balance of each node is closed, and each message is one row."""
    with nodes.left.connect() as connection:
        found = connection.execute(
            "SELECT name, received, unaccounted FROM capture_node ORDER BY name"
        ).fetchall()
        assert found == [("left", (sent + 1) // 2, 0), ("right", sent // 2, 0)]
        assert connection.execute(
            "SELECT cause, sum(messages) FROM balance GROUP BY 1"
        ).fetchall() == [("stored", sent)]
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT via_branch) FROM sip_message"
        ).fetchone()
        assert rows == (sent, sent)


def _made(nodes: Nodes) -> Counter[str]:
    """How often PostgreSQL was told to make each partition."""
    log = (nodes.left.log / "postgres.log").read_text()
    return Counter(re.findall(r'CREATE TABLE "(\w+_\d{8}_\d{4})"', log))


def _check_partitions(nodes: Nodes, sent: int) -> None:
    """PostgreSQL was told to make each once, there is none too many, and none is missing."""
    log = (nodes.left.log / "postgres.log").read_text()
    made = _made(nodes)
    with nodes.left.connect() as connection:
        for table in ("sip_message_call", "sip_message_registration", "sip_message_other", "call"):
            first = int(BEGIN) // PARTITION_S
            last = int(BEGIN + (sent - 1) / RATE * SPEED) // PARTITION_S
            starts = [datetime.fromtimestamp(n * PARTITION_S, UTC) for n in range(first, last + 1)]
            names = {f"{table}_{start:%Y%m%d_%H%M}" for start in starts}
            assert {name: made[name] for name in names} == dict.fromkeys(names, 1)
        for name in (default_of(table.name) for table in PARTITIONED):
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
            assert connection.execute(query).fetchone() == (0,), name
    assert "already exists" not in log
    assert "deadlock" not in log


def _check_calls(nodes: Nodes, sent: int) -> None:
    """One row for each, whatever came first and through whom, with all that the messages say."""
    per_unit = len(MESSAGES)
    numbers = Counter(
        mix.unit_of(number, per_unit) for number in range(sent) if number % per_unit < CALL_KINDS
    )
    whole = sum(count == CALL_KINDS for count in numbers.values())
    assert whole > len(numbers) // 4, "too few whole calls: nothing was shown"
    with nodes.left.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT call_id), sum(messages),"
            " count(*) FILTER (WHERE messages = %s AND state = 'completed' AND status = 200)"
            " FROM call",
            (CALL_KINDS,),
        ).fetchone()
        assert found == (len(numbers), len(numbers), numbers.total(), whole)
        found = connection.execute(
            "SELECT count(*) FROM call_key JOIN call USING (call_id, ts)"
        ).fetchone()
        assert found == (len(numbers),)
        found = connection.execute(
            "SELECT count(*) FROM (SELECT FROM sip_message_call GROUP BY call_id"
            " HAVING count(DISTINCT node) = 2 AND count(*) = %s) AS shared",
            (CALL_KINDS,),
        ).fetchone()
        assert found == (whole,)
