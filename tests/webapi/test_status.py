# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/status`` over a real database."""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.causes import CAUSES
from collector.output.fate import Fate
from tests.fix_api import JOURNAL, Get, store
from tests.sip_text import packet, request


async def publish(
    connection: AsyncConnection[TupleRow], age: str = "0 s", unaccounted: int = 0
) -> None:
    """A capture node's row as its keeper writes it."""
    await connection.execute(
        "INSERT INTO capture_node VALUES (%s, 'node1', '0.1.0', now() - %s::interval, 10, 3, 4096,"
        " now(), now(), NULL, %s)",
        (JOURNAL, age, unaccounted),
    )
    await connection.execute(
        "INSERT INTO balance VALUES (%(j)s, 'stored', 4), (%(j)s, 'kernel', 2),"
        " (%(j)s, 'hep_chunk', 1)",
        {"j": JOURNAL},
    )


async def test_the_balance_per_cause(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Every cause is there, also those that are zero; outcomes are their sums."""
    await publish(connection)
    answer = await get("/api/v1/status")
    assert answer.status == 200
    (node,) = answer.json["nodes"]
    assert node["name"] == "node1"
    assert node["alive"] is True
    assert (node["received"], node["waiting"], node["unaccounted"]) == (10, 3, 0)
    assert node["causes"] == {cause.label: 0 for cause in CAUSES} | {
        "stored": 4,
        "kernel": 2,
        "hep_chunk": 1,
    }
    assert node["outcomes"] == {
        "stored": 4,
        "filtered": 0,
        "duplicate": 0,
        "rejected": 1,
        "dropped": 2,
    }
    assert node["received"] == node["waiting"] + sum(node["outcomes"].values())
    assert node["last_commit_at"] is None
    assert set(answer.json["causes"]) == {cause.label for cause in CAUSES}


async def publish_output(connection: AsyncConnection[TupleRow]) -> None:
    """An output's rows as the keeper writes them; ``publish`` goes before."""
    await connection.execute(
        "INSERT INTO output_state VALUES (%s, 'loki', 'http://loki:3100', true, false, 12, 4096,"
        " now(), NULL, 'Connection refused')",
        (JOURNAL,),
    )
    await connection.execute(
        "INSERT INTO output_balance VALUES (%(j)s, 'loki', 'delivered', 30),"
        " (%(j)s, 'loki', 'backlog', 5)",
        {"j": JOURNAL},
    )


async def test_how_the_outputs_do(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Each with its balance; every fate is there and explained."""
    await publish(connection)
    await publish_output(connection)
    answer = await get("/api/v1/status")
    (node,) = answer.json["nodes"]
    (output,) = node["outputs"]
    assert output.pop("last_success_at").endswith("Z")
    assert output == {
        "output": "loki",
        "target": "http://loki:3100",
        "running": True,
        "connected": False,
        "waiting": 12,
        "waiting_octets": 4096,
        "last_failure_at": None,
        "last_error": "Connection refused",
        "fates": {fate.value: 0 for fate in Fate} | {"delivered": 30, "backlog": 5},
    }
    assert set(answer.json["fates"]) == {fate.value for fate in Fate}


async def test_a_silent_node_is_not_alive(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """A node publishes every second; this one has stopped."""
    await publish(connection, age="11 s")
    answer = await get("/api/v1/status")
    assert [node["alive"] for node in answer.json["nodes"]] == [False]


async def test_who_sends(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """Senders with version, rejects and clock."""
    await publish(connection)
    await store(connection, [packet(request()), b"\x02garbage", packet(request())[:-1]])
    answer = await get("/api/v1/status")
    senders = {sender["hep_version"]: sender for sender in answer.json["senders"]}
    assert set(senders) == {0, 3}
    assert (senders[3]["packets"], senders[3]["rejected"]) == (1, 0)
    assert (senders[0]["packets"], senders[0]["rejected"]) == (2, 2)
    assert senders[3]["peer"] == "203.0.113.5"
    assert senders[3]["node"] == "2001"
    assert abs(senders[3]["clock_offset_us"]) < 60_000_000


async def test_who_is_refused(get: Get, connection: AsyncConnection[TupleRow]) -> None:
    """By address and cause; the address :: stands for all that are counted together."""
    await publish(connection)
    await connection.execute(
        "INSERT INTO refused_peer VALUES (%(j)s, '203.0.113.9', 'sender_network', 5, now()),"
        " (%(j)s, '::', 'sender_rate', 7, now() - interval '1 hour')",
        {"j": JOURNAL},
    )
    answer = await get("/api/v1/status")
    shown = [(one["peer"], one["cause"], one["packets"]) for one in answer.json["refused"]]
    assert shown == [("203.0.113.9", "sender_network", 5), ("::", "sender_rate", 7)]
    assert {one["capture_node"] for one in answer.json["refused"]} == {"node1"}
    assert all(one["last_seen"] for one in answer.json["refused"])


async def test_nothing_yet(get: Get) -> None:
    """An empty database is an answer, not an error."""
    answer = await get("/api/v1/status")
    assert (answer.status, answer.json["nodes"], answer.json["senders"]) == (200, [], [])


async def test_parameters_are_refused(get: Get) -> None:
    """As everywhere, an unknown parameter is a mistake."""
    answer = await get("/api/v1/status", verbose="1")
    assert (answer.status, answer.json["error"]["field"]) == (400, "verbose")
