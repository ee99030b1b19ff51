# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/transaction``."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.fix_api import Answer
from tests.fix_database import Database
from tests.webapi.homer.search.conftest import (
    LOG_LINE,
    REGISTRATION,
    REGISTRATION_ID,
    START,
    A,
    B,
    Homer,
)
from webapi.names.aliases import ALIASES

MESSAGE = {
    **dict.fromkeys(("id", "create_date", "create_ts", "srcPort", "dstPort", "protocol"), int),
    **dict.fromkeys(("protocolFamily", "payloadType", "timeSeconds", "timeUseconds"), int),
    **dict.fromkeys(("sid", "profile", "dbnode", "raw", "srcIp", "dstIp", "captureId"), str),
    "correlation_id": str,
    "micro_ts": float,
}
ARROW = {
    **dict.fromkeys(("id", "srcPort", "dstPort", "create_date", "protocol", "destination"), int),
    **dict.fromkeys(("sid", "srcHost", "dstHost", "srcId", "dstId", "srcIp", "dstIp"), str),
    **dict.fromkeys(("aliasSrc", "aliasDst", "method", "method_text", "msg_color"), str),
    **dict.fromkeys(("table", "ruri_user"), str),
    "micro_ts": float,
}
BEGINNING = {"from": (START - 1) * 1000, "to": (START + 1) * 1000}
"""A time range that the calls go beyond."""


async def _open(homer: Homer, *call_ids: str, **param: Any) -> Answer:
    search = {"1_call": {"id": 1, "callid": list(call_ids)}}
    return await homer.ask("call/transaction", search, **param)


async def test_contract_of_the_answer(homer: Homer) -> None:
    """Status 201; messages, calldata, hosts and alias fit together as the pages expect it."""
    answer = await _open(homer, A)
    assert answer.status == 201
    data = answer.json["data"]
    assert set(data) == {"messages", "calldata", "hosts", "alias"}
    messages, arrows, hosts = data["messages"], data["calldata"], data["hosts"]
    assert answer.json["total"] == len(messages) == len(arrows)
    assert set(answer.json["keys"]) == {key for message in messages for key in message}
    for message, arrow in zip(messages, arrows, strict=True):
        assert MESSAGE.items() <= {name: type(value) for name, value in message.items()}.items()
        assert {name: type(value) for name, value in arrow.items()} == ARROW
        assert (message["id"], message["create_date"]) == (arrow["id"], arrow["create_date"])
        assert arrow["destination"] == hosts[arrow["dstId"]]["position"]
        assert len(arrow["ruri_user"]) <= 50
        assert message["create_date"] == int(message["micro_ts"]) == message["create_ts"]
    positions = [host["position"] for host in hosts.values()]
    assert positions == list(range(len(hosts)))
    assert all(host["host"] == [id_] for id_, host in hosts.items())
    assert set(data["alias"]) == set(hosts)
    times = [message["micro_ts"] for message in messages]
    assert times == sorted(times)


@pytest.mark.parametrize("call_id", [A, B])
async def test_all_legs_of_a_call_come_with_what_belongs_to_them(
    homer: Homer, call_id: str
) -> None:
    """Whichever leg is asked for; logs and RTCP too, reports of RTP for themselves."""
    answer = await _open(homer, call_id)
    found = [(message["profile"], message["sid"]) for message in answer.json["data"]["messages"]]
    assert found.count(("1_call", A)) == 7
    assert found.count(("1_call", B)) == 6
    assert sorted(set(found)) == [
        *(("100_default", A), ("1_call", A), ("1_call", B), ("5_default", A)),
    ]
    (log,) = (one for one in answer.json["data"]["messages"] if one["profile"] == "100_default")
    assert log["raw"] == LOG_LINE.decode(errors="replace")
    methods = [arrow["method"] for arrow in answer.json["data"]["calldata"]]
    assert methods[:4] == ["INVITE", "100", "INVITE", "180"]
    assert {"LOG", "RTCP"} < set(methods)


async def test_a_call_is_whole_though_the_time_range_is_not(homer: Homer) -> None:
    """Of one that goes on beyond the range its BYE is shown too."""
    inside = await _open(homer, A, span=BEGINNING)
    said = [message.get("method") for message in inside.json["data"]["messages"]]
    assert said[-4:] == ["BYE", "200", "BYE", "200"]


async def test_a_registration_is_shown_within_the_time_range(homer: Homer) -> None:
    """A phone keeps its Call-ID for weeks."""
    search = {"1_registration": {"callid": [REGISTRATION_ID]}}
    whole = await homer.ask("call/transaction", search)
    assert whole.json["total"] == len(REGISTRATION.messages)
    at = REGISTRATION.messages[0].us / 1000
    answer = await homer.ask("call/transaction", search, span={"from": at - 5, "to": at + 5})
    (message,) = answer.json["data"]["messages"]
    assert (message["profile"], message["method"]) == ("1_registration", "REGISTER")


async def test_whitelist_leaves_addresses_out(homer: Homer) -> None:
    """Packets from and to them, as the name does not say."""
    answer = await _open(homer, A, whitelist=["192.0.2.101"])
    hosts = answer.json["data"]["hosts"]
    assert hosts
    assert not [host for host in hosts if host.startswith("192.0.2.101")]
    network = await _open(homer, A, whitelist=["192.0.2.0/24", "198.51.100.0/24"])
    assert network.json["total"] == 0


async def test_nothing_is_an_answer_of_the_same_shape(homer: Homer) -> None:
    """Unknown Call-IDs, another time, another node."""
    nothing: dict[str, Any] = {"messages": [], "hosts": {}, "calldata": [], "alias": {}}
    for answer in (
        await _open(homer, "nobody@x"),
        await _open(homer, A, span={"from": 0, "to": 1}),
        await _open(homer, A, location={"node": ["elsewhere"]}),
    ):
        assert answer.status == 201
        assert (answer.json["total"], answer.json["data"], answer.json["keys"]) == (0, nothing, [])


@pytest.mark.parametrize(
    "search",
    [{"1_nothing": {"callid": ["x"]}}, {"1_call": {}}, {"1_call": []}, {"1_call": {"callid": []}}],
)
async def test_what_is_wrong_is_refused(homer: Homer, search: Any) -> None:
    """With 400."""
    assert (await homer.ask("call/transaction", search)).status == 400
    many = {"1_call": {"callid": [str(number) for number in range(101)]}}
    assert (await homer.ask("call/transaction", many)).status == 400


async def test_hosts_have_the_names_of_aliases(homer: Homer, captured: Database) -> None:
    """And the rows of a search, too."""
    async with await AsyncConnection.connect(captured.dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO alias (name, network, port) VALUES ('pbx', '192.0.2.50/32', 5060)"
        )
        known = homer.client.app[ALIASES]
        known.changed()
        try:
            data = (await _open(homer, A)).json["data"]
            rows = (await homer.find("1_call", ("sid", A))).json["data"]
        finally:
            await connection.execute("DELETE FROM alias")
            known.changed()
    assert data["alias"]["192.0.2.50:5060"] == "pbx"
    assert data["alias"]["192.0.2.50:5070"] == "192.0.2.50:5070"
    assert data["calldata"][0]["aliasDst"] == rows[0]["aliasDst"] == "pbx"
