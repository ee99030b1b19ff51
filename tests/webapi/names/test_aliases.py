# SPDX-License-Identifier: GPL-2.0-or-later
"""The aliases in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_api import load_settings
from tests.fix_database import Database
from webapi.context import Context
from webapi.errors import ApiError
from webapi.names import alias
from webapi.names.alias import Wanted
from webapi.names.aliases import LOOK_S, Aliases

HOST = ip_address("192.0.2.1")


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def context(database: Database) -> AsyncIterator[Context]:
    """Room for three aliases, and one connection."""
    settings = load_settings(database, WEB_MAX_ALIASES="3", WEB_CONNECTIONS="1")
    made = Context(settings)
    async with made.pool:
        yield made


async def test_a_change_is_seen_at_once_here_and_a_second_later_elsewhere(
    context: Context, connection: AsyncConnection[TupleRow]
) -> None:
    """Whoever makes it, also without this program."""
    clock = Clock()
    here, elsewhere = Aliases(context, clock), Aliases(context, clock)
    for aliases in (here, elsewhere):
        assert (await aliases.resolver()).name_of(HOST) is None
    async with context.change() as changing:
        await alias.add(changing, Wanted("pbx", ip_network("192.0.2.1/32")), 3)
    here.changed()
    assert (await here.resolver()).name_of(HOST) == "pbx"
    assert (await elsewhere.resolver()).name_of(HOST) is None
    clock.now += LOOK_S
    assert (await elsewhere.resolver()).name_of(HOST) == "pbx"
    await connection.execute("UPDATE alias SET enabled = false")
    clock.now += LOOK_S
    assert (await elsewhere.resolver()).name_of(HOST) is None


async def test_what_has_not_changed_is_not_read_again(context: Context) -> None:
    """The same object."""
    clock = Clock()
    aliases = Aliases(context, clock)
    found = await aliases.resolver()
    clock.now += LOOK_S
    assert await aliases.resolver() is found


async def test_a_busy_table_costs_names_and_nothing_else(
    database: Database, connection: AsyncConnection[TupleRow]
) -> None:
    """Those from before go on to hold, and it is tried again."""
    context = Context(load_settings(database, WEB_QUERY_TIMEOUT="1"))
    clock = Clock()
    async with context.pool:
        aliases = Aliases(context, clock)
        await connection.execute("INSERT INTO alias (name, network) VALUES ('pbx', '192.0.2.1')")
        assert (await aliases.resolver()).name_of(HOST) == "pbx"
        await connection.execute("UPDATE alias SET name = 'other'")
        clock.now += LOOK_S
        async with connection.transaction():
            await connection.execute("LOCK TABLE alias_version IN ACCESS EXCLUSIVE MODE")
            assert (await aliases.resolver()).name_of(HOST) == "pbx"
        clock.now += LOOK_S
        assert (await aliases.resolver()).name_of(HOST) == "other"


async def test_the_most_specific_of_the_table_wins(context: Context) -> None:
    """RANK is the order of the resolver."""
    async with context.change() as changing:
        for name, network, port, node in (
            ("net", "192.0.2.0/24", 0, ""),
            ("host", "192.0.2.1/32", 0, ""),
            ("node", "0.0.0.0/0", 0, "west"),
        ):
            await alias.add(changing, Wanted(name, ip_network(network), port, node), 3)
    found = await Aliases(context).resolver()
    assert found.name_of(HOST, 5060, "west") == "node"
    assert found.name_of(HOST, 5060, "east") == "host"
    assert found.name_of(ip_address("192.0.2.9"), 5060, "east") == "net"


async def test_there_is_a_limit(context: Context) -> None:
    """For one more as for many at once; then nothing of it is done."""
    wanted = [Wanted("x", ip_network(f"192.0.2.{number}/32")) for number in range(4)]
    with pytest.raises(ApiError, match=r"web\.max_aliases"):
        async with context.change() as changing:
            await alias.put(changing, wanted, 3, replace=False)
    assert await alias.some(context, 0, 10) == []
    async with context.change() as changing:
        await alias.put(changing, [*wanted[:3], wanted[0]._replace(name="y")], 3, replace=False)
        await alias.put(changing, wanted[1:], 3, replace=True)
        with pytest.raises(ApiError, match="there may be 3"):
            await alias.add(changing, wanted[0], 3)
    assert [str(one.network) for one in await alias.some(context, 0, 10)] == [
        f"192.0.2.{number}/32" for number in (1, 2, 3)
    ]
