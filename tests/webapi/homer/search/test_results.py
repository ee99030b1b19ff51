# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/search/call/data`` and ``GET /api/v3/smart/search/tag/…``."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.fix_api import Answer
from tests.webapi.homer.search.conftest import (
    CALL,
    HOST,
    LOG_LINE,
    RANGE,
    REGISTRATION,
    REGISTRATION_ID,
    START,
    A,
    B,
    Homer,
)

ROW = {
    **dict.fromkeys(("id", "uuid", "create_date", "srcPort", "dstPort", "protocol"), int),
    **dict.fromkeys(("timeSeconds", "timeUseconds", "payloadType", "protocolFamily"), int),
    **dict.fromkeys(("sid", "node", "dbnode", "table", "aliasSrc", "aliasDst", "srcIp"), str),
    **dict.fromkeys(("dstIp", "captureId", "correlation_id", "callid", "method"), str),
    **dict.fromkeys(("from_user", "from_tag", "to_user", "to_tag", "ruri_user"), str),
    **dict.fromkeys(("ruri_domain", "cseq", "user_agent"), str),
}
"""Keys of a SIP row, and their types."""


def _methods(answer: Answer) -> list[str]:
    assert answer.status == 201, answer
    return [row["method"] for row in answer.json["data"]]


async def test_contract_of_the_answer(homer: Homer) -> None:
    """Status 201; total, keys and data; a row has the keys and types of HOMER's."""
    answer = await homer.find("1_call")
    assert answer.status == 201
    data = answer.json["data"]
    assert answer.json["total"] == len(data) == len(CALL.messages)
    assert set(answer.json["keys"]) == {key for row in data for key in row}
    for row in data:
        assert ROW.items() <= {name: type(value) for name, value in row.items()}.items()
        assert "raw" not in row
        assert "profile" not in row
        assert row["create_date"] == row["timeSeconds"] * 1000 + row["timeUseconds"] // 1000
    first = data[0]
    assert (first["sid"], first["callid"], first["method"], first["cseq"]) == (
        *(A, A, "INVITE", "1 INVITE"),
    )
    assert (first["table"], first["node"], first["dbnode"]) == (
        *("hep_proto_1_call", "localnode", "localnode"),
    )
    assert (first["aliasSrc"], first["aliasDst"]) == ("192.0.2.101:5060", "192.0.2.50:5060")
    assert (first["protocol"], first["payloadType"], first["protocolFamily"]) == (17, 1, 2)
    assert first["id"] < 1 << 53


async def test_the_body_that_the_user_interface_sends(homer: Homer) -> None:
    """With all that HOMER passes over."""
    answer = await homer.post(
        "search/call/data",
        {
            "config": {"protocol_id": {"name": "SIP", "value": 1}, "searchbutton": False},
            "param": {
                "transaction": {},
                "limit": 200,
                "orlogic": False,
                "search": {
                    "1_call": [
                        {
                            "name": "data_header.from_user",
                            "value": "ali%",
                            "type": "string",
                            "hepid": 1,
                            "func": None,
                        },
                        {
                            "name": "protocol_header.srcPort",
                            "value": "5060",
                            "type": "integer",
                            "hepid": 1,
                        },
                        {"name": "limit", "value": "2", "type": "string", "hepid": 1},
                    ]
                },
                "location": {"node": ["localnode"]},
                "timezone": {"value": -180, "name": "Local"},
            },
            "timestamp": {"from": RANGE["from"], "to": RANGE["to"]},
        },
    )
    assert _methods(answer) == ["200", "200"], "the last two of that port"


@pytest.mark.parametrize(
    ("key", "count"),
    [
        ("1_call", len(CALL.messages)),
        ("1_registration", len(REGISTRATION.messages)),
        *(("1_default", 1), ("5_default", 1), ("34_default", 1), ("35_default", 2)),
        *(("100_default", 1), ("53_default", 0), ("54_default", 0), ("60_default", 0)),
    ],
)
async def test_every_profile_is_found(homer: Homer, key: str, count: int) -> None:
    """35 has all reports that are not RTCP, as in HOMER."""
    answer = await homer.find(key)
    assert (answer.status, answer.json["total"]) == (201, count), answer
    assert {row["table"] for row in answer.json["data"]} <= {f"hep_proto_{key}"}


async def test_a_log_row_has_its_line_and_both_nodes(homer: Homer) -> None:
    """What is not UTF-8 in it does no harm."""
    (row,) = (await homer.find("100_default")).json["data"]
    assert row["raw"] == LOG_LINE.decode(errors="replace")
    assert (row["node"], row["proto"], row["sid"]) == (["media", "localnode"], "log", A)


CONDITIONS: list[tuple[list[tuple[str, Any]], int]] = [
    ([("sid", A)], 7),
    ([("sid", f"{A};{B}")], 13),
    ([("sid", [A, B])], 13),
    ([("data_header.callid", f"!={A}")], 6),
    ([("data_header.method", "INVITE")], 2),
    ([("data_header.method", "INVITE;BYE")], 4),
    ([("data_header.method", "1%")], 3),
    ([("data_header.method", "1%;2%")], 7),
    ([("data_header.method", "!=1%")], 10),
    ([("data_header.method", "!=INVITE"), ("sid", A)], 6),
    ([("data_header.method", "INVITE"), ("sid", f"||{A}")], 8),
    ([("data_header.user_agent", "isEmpty")], 6),
    ([("data_header.user_agent", "!=isEmpty")], 7),
    ([("protocol_header.srcPort", "5070")], 3),
    ([("protocol_header.srcPort", 5070)], 3),
    ([("protocol_header.srcPort", "!=5070")], 10),
    ([("protocol_header.srcPort", "50%")], 13),
    ([("protocol_header.srcIp", "192.0.2.101")], 3),
    ([("protocol_header.dstIp", "192.0.2.%")], 13),
    ([("raw", "xfrxm")], 0),
    ([("raw", "x-cid:")], 1),
    ([("raw", "INVITE%x-CID:%")], 1),
    ([("raw", "!=X-CID:")], 12),
    ([("limit", "200"), ("sid", A)], 7),
    ([("sid", ""), ("node", ["localnode"]), ("profile", "call")], 13),
    ([("smartinput", f"sid = {A}"), ("data_header.method", "INVITE")], 1),
    ([("data_header.from_user", "o'brien & sons")], 0),
    ([("create_date", f"{START * 1000:.0f}")], 1),
]


@pytest.mark.parametrize(("elements", "count"), CONDITIONS)
async def test_conditions(homer: Homer, elements: list[tuple[str, Any]], count: int) -> None:
    """What a user of HOMER means by each."""
    answer = await homer.find("1_call", *elements)
    assert (answer.status, answer.json["total"]) == (201, count), answer


async def test_conditions_are_alternatives_with_orlogic(homer: Homer) -> None:
    """Instead of all of them, one is enough."""
    elements = (("sid", A), ("data_header.method", "INVITE"))
    assert (await homer.find("1_call", *elements)).json["total"] == 1
    assert (await homer.find("1_call", *elements, orlogic=True)).json["total"] == 8


async def test_raw_finds_bytes_that_are_not_ascii(homer: Homer) -> None:
    """And a backslash, a per cent sign and an underline in other packets break nothing."""
    assert (await homer.find("1_default", ("raw", "\u00e9"))).json["total"] == 1
    for value in ("\\", "%\\", "\\351", "_", "\u00e8"):
        assert (await homer.find("1_default", ("raw", value))).status == 201


async def test_a_custom_header_is_a_field(homer: Homer) -> None:
    """One of sip.custom_headers, which HOMER keeps beside the others; a row shows it."""
    found = await homer.find("1_default", ("data_header.X_Tenant", "7"))
    assert [row["X-Tenant"] for row in found.json["data"]] == ["7"]
    assert (await homer.find("1_default", ("data_header.X_Tenant", "8"))).json["total"] == 0


async def test_the_last_rows_of_the_range_are_found_when_there_are_more(homer: Homer) -> None:
    """In the order of capture; param.limit counts where no element does."""
    answer = await homer.find("1_call", limit=3)
    assert _methods(answer) == [_word(message.sip) for message in CALL.messages[-3:]]
    assert (await homer.find("1_call", ("limit", "0"))).json["data"] == []


def _word(sip: bytes) -> str:
    words = sip.split(b" ", 2)
    return (words[1] if words[0].startswith(b"SIP/") else words[0]).decode()


async def test_the_time_range_includes_both_ends(homer: Homer) -> None:
    """Milliseconds."""
    last = CALL.messages[-1].us // 1000
    assert (await homer.find("1_call", span={"from": last, "to": last})).json["total"] == 1
    assert (await homer.find("1_call", span={"from": last + 1, "to": last + 9})).json["data"] == []


@pytest.mark.parametrize(
    ("node", "count"),
    [
        *((["localnode"], 13), (["LocalNode"], 13), ([], 13), ("", 13), (None, 13)),
        *(([["media", "localnode"]], 13), (["elsewhere"], 0)),
    ],
)
async def test_nodes_are_databases(homer: Homer, node: Any, count: int) -> None:
    """There is one; a list within a list is what a row says."""
    answer = await homer.find("1_call", location={"node": node})
    assert (answer.status, answer.json["total"]) == (201, count), answer


async def test_several_profiles_are_searched_together(homer: Homer) -> None:
    """Each with its own conditions, in the order of time."""
    search = {"1_call": [{"name": "sid", "value": A}], "1_registration": []}
    answer = await homer.ask("search/call/data", search)
    assert {row["sid"] for row in answer.json["data"]} == {A, REGISTRATION_ID}
    dates = [row["create_date"] for row in answer.json["data"]]
    assert dates == sorted(dates)


@pytest.mark.parametrize(
    ("search", "param", "span"),
    [
        *(({"1_nothing": []}, {}, None), ({}, {}, None), ({"1_call; DROP": []}, {}, None)),
        *(({"1_call": {}}, {}, None), ({"1_call": [1]}, {}, None), ({"1_call": "x"}, {}, None)),
        ({"1_call": [{"value": "x"}]}, {}, None),
        ({"1_call": [{"name": "data_header.nobody", "value": "x"}]}, {}, None),
        ({"1_call": [{"name": "fault", "value": "x"}]}, {}, None),
        ({"1_call": [{"name": 'srcIp" OR true --', "value": "x"}]}, {}, None),
        ({"1_call": [{"name": "protocol_header.srcPort", "value": "x"}]}, {}, None),
        ({"1_call": [{"name": "sid", "value": {"a": 1}}]}, {}, None),
        ({"1_call": [{"name": "sid", "value": True}]}, {}, None),
        ({"1_call": [{"name": "sid", "value": "a\0b"}]}, {}, None),
        ({"1_call": [{"name": "sid", "value": "x"}] * 51}, {}, None),
        ({"1_call": [{"name": "limit", "value": "many"}]}, {}, None),
        ({"1_call": []}, {"limit": "many"}, None),
        ({"1_call": []}, {"whitelist": ["nobody"]}, None),
        *(({"1_call": []}, {}, span) for span in ({}, {"from": 2, "to": 1}, {"from": "x"}, 1)),
        *(({"1_call": []}, {}, {"from": at, "to": at}) for at in (-1, 1e30, 10**30)),
    ],
)
async def test_what_is_wrong_is_refused_and_not_left_out(
    homer: Homer, search: Any, param: dict[str, Any], span: Any
) -> None:
    """HOMER drops such conditions, and finds everything then."""
    answer = await homer.ask(
        "search/call/data", search, span=RANGE if span is None else span, **param
    )
    assert answer.status == 400, answer
    assert answer.json["data"] == {}
    assert answer.json["message"]


async def test_suggestions_for_the_smart_input(homer: Homer) -> None:
    """Short names that have the last word that was typed, and the ids behind them."""
    path = "/api/v3/smart/search/tag/1/call"
    query = orjson.dumps({"data": "sip.method = INVITE AND from_us"}).decode()
    answer = await homer.client.get(path, params={"query": query}, headers=HOST)
    assert answer.status == 200
    assert await answer.json() == {
        "data": {"data": [{"name": "sip.from_user", "value": "data_header.from_user"}]}
    }
    whole = await (await homer.client.get(path, headers=HOST)).json()
    names = [one["name"] for one in whole["data"]["data"]]
    assert "net.srcIp" in names
    assert not {"smartinput", "node"} & set(names)
    for text, status in (("x", 400), ("[]", 400), ('{"data": 1}', 400)):
        bad = await homer.client.get(path, params={"query": text}, headers=HOST)
        assert bad.status == status
    unknown = await homer.client.get("/api/v3/smart/search/tag/1/x", headers=HOST)
    assert unknown.status == 400
