# SPDX-License-Identifier: GPL-2.0-or-later
"""The smart input: what it finds, and that what does not parse finds nothing."""

from __future__ import annotations

import pytest

from tests.webapi.homer.search.conftest import CALL, A, B, Homer

EVERYTHING = len(CALL.messages)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *((f"sid = {A}", 7), (f"sid={A}", 7), (f"sid != {A}", 6), (f"sid!={A}", 6)),
        *((f"sid = '{A}'", 7), (f'sid = "{A}"', 7), (f"sid <> {A}", 6)),
        ("data_header.method = INVITE", 2),
        ("sip.method = INVITE", 2),
        *(("data_header.method LIKE 1%", 3), ("data_header.method like '1%'", 3)),
        *(("data_header.method = 1%", 3), ("data_header.method != 1%", 10)),
        ("data_header.method NOT LIKE 1%", 10),
        ("data_header.method = 'INVITE' and net.srcPort = 5070", 1),
        ("protocol_header.srcPort > 5060", 3),
        ("protocol_header.srcPort >= 5060 AND protocol_header.srcPort <= 5069", 10),
        ("protocol_header.srcPort < 5060", 0),
        # AND binds before OR, brackets before both.
        (f"data_header.method = INVITE OR data_header.method = BYE AND sid = {A}", 3),
        (f"(data_header.method = INVITE OR data_header.method = BYE) AND sid = {A}", 2),
        (f"NOT (data_header.method = INVITE OR sid = {A})", 5),
        (f"((sid = {A}) )", 7),
        ("data_header.user_agent = isEmpty", 6),
        ("data_header.user_agent != isEmpty", 7),
        ("data_header.user_agent = SBC/5", 7),
        ("data_header.user_agent = Asterisk(13)", 0),
        ("data_header.from_user = 'o\\'brien'", 0),
        ("data_header.from_user = o'brien", 0),
        *(("raw = x-cid", 1), ("raw LIKE '%x-cid%'", 1), ("raw != x-cid", 12)),
        (f"data_header.callid = '{A};{B}'", 0),
    ],
)
async def test_what_is_found(homer: Homer, text: str, count: int) -> None:
    """Conditions with AND, OR, NOT and brackets."""
    answer = await homer.smart(text)
    assert (answer.status, answer.json.get("total")) == (201, count), answer


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nobody = 1", "nobody"),
        ("data_header.nobody = 1", "data_header.nobody"),
        ("data_header.method", "needs one of"),
        ("data_header.method ~ x", "needs one of"),
        ("data_header.method =", "needs a value"),
        ("data_header.method = 'INVITE", "has no end"),
        ("data_header.method = INVITE AND", "the name of a field"),
        ("data_header.method = INVITE sid = x", "needs AND or OR"),
        ("data_header.method = INVITE; DROP TABLE call", "needs AND or OR"),
        *(("(sid = x", "needs )"), ("sid = x)", "needs AND or OR"), ("OR sid = x", "OR")),
        ("protocol_header.srcPort = x", "must be a number"),
        ("raw > x", "raw"),
        ("SELECT 1", "SELECT"),
        ("(" * 30 + "sid = x" + ")" * 30, "brackets"),
        (" AND ".join(["sid = x"] * 51), "more than 50"),
        ("x" * 4001, "longer"),
    ],
)
async def test_what_does_not_parse_is_refused(homer: Homer, text: str, says: str) -> None:
    """And never a search of everything."""
    answer = await homer.smart(text)
    assert answer.status == 400
    assert says in answer.json["message"]
    assert answer.json["data"] == {}
