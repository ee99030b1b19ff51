# SPDX-License-Identifier: GPL-2.0-or-later
"""Share links: made by somebody, opened by anybody who has one."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.api_token import SHARE_PREFIX
from tests.fix_access import HOST, OpenSite, Person, Site
from tests.fix_api import Answer, store
from tests.sip_text import packet, request
from webapi.access.roles import Role, Scope
from webapi.names import share_link
from webapi.names.shared_call import OF_CALL

PATH: Final = "/api/v1/share-links"
START: Final = 1_790_000_000.0
CREDENTIALS: Final = 'Authorization: Digest username="a", response="0123456789abcdef"\r\n'
Connection = AsyncConnection[TupleRow]


@pytest.fixture(autouse=True)
async def _calls(connection: Connection) -> None:
    """Two legs that a link leads to each other, and a call that has nothing to do with them."""
    headers = {"a@x": CREDENTIALS, "b@x": "", "other@x": ""}
    packets = [
        packet(request(call_id=call_id, number=number, headers=more), at=START + number)
        for call_id, more in headers.items()
        for number in (1, 2)
    ]
    await store(connection, packets)
    await connection.execute(
        "INSERT INTO call (ts, call_id, started_at, last_at, first_rank, first_at, first_id,"
        " src_port, dst_port, transport, node, seen, messages)"
        " SELECT ts, call_id, ts, ts, 0, ts, id, src_port, dst_port, transport, node, '', 2"
        " FROM sip_message WHERE cseq = 1"
    )
    await connection.execute(
        "INSERT INTO call_link (ts, call_id, linked_id, reason, detail, confidence)"
        " SELECT ts, 'a@x', 'b@x', 'header', 'X-CID', 'certain' FROM call WHERE call_id = 'a@x'"
    )


async def _share(person: Person, **fields: Any) -> Any:
    answer = await person.ask("POST", PATH, {"call_id": "a@x", **fields})
    assert answer.status == 201, answer
    return answer.json


async def _open(site: Site, made: Any, suffix: str = "") -> Answer:
    """By somebody with nothing but the link."""
    return await site.person().ask("GET", made["path"] + suffix)


async def test_a_link_opens_exactly_its_call_without_sign_in(
    site: Site, connection: Connection
) -> None:
    """What its page needs; the token is stored as its hash, and shown once."""
    user = await site.signed_in("user")
    made = await _share(user, note="ticket 815")
    answer = await _open(site, made)
    assert answer.status == 200
    assert set(answer.json) == {*OF_CALL, "may_export", "expires_at"}
    assert {message["call_id"] for message in answer.json["messages"]} == {"a@x"}
    assert (answer.json["legs"], answer.json["links"]) == ([answer.json["call"]], [])
    text = str(answer.json)
    assert "b@x" not in text
    assert "0123456789abcdef" not in text
    found = await connection.execute("SELECT token_sha256 FROM share_link")
    assert await found.fetchall() == [(hashlib.sha256(made["token"].encode()).digest(),)]
    (listed,) = (await user.ask("GET", PATH)).json["share_links"]
    assert (listed["uses"], listed["note"], "token" in listed) == (1, "ticket 815", False)


async def test_legs_are_those_of_the_moment(site: Site, connection: Connection) -> None:
    """One that is linked later is not shown."""
    made = await _share(await site.signed_in("user"), legs="all")
    assert made["legs"] == ["b@x"]
    await connection.execute(
        "INSERT INTO call_link (ts, call_id, linked_id, reason, detail, confidence)"
        " SELECT ts, 'a@x', 'other@x', 'header', 'X-CID', 'certain' FROM call"
        " WHERE call_id = 'a@x'"
    )
    answer = await _open(site, made)
    assert {message["call_id"] for message in answer.json["messages"]} == {"a@x", "b@x"}
    assert {leg["call_id"] for leg in answer.json["legs"]} == {"a@x", "b@x"}
    assert [link["linked_id"] for link in answer.json["links"]] == ["b@x"]
    assert "other@x" not in str(answer.json)


async def test_a_link_to_messages_shows_these_only(site: Site) -> None:
    """As JSON and as pcap."""
    user = await site.signed_in("user")
    messages = (await user.ask("GET", "/api/v1/calls/a@x")).json["messages"]
    made = await _share(user, message_ids=[messages[1]["id"]], export=True)
    answer = await _open(site, made)
    assert [message["cseq"] for message in answer.json["messages"]] == [2]
    assert set(answer.json) == {
        *("call_id", "from", "to", "complete", "messages", "may_export", "expires_at"),
    }
    file = await site.client.get(f"{made['path']}/export.pcap", headers={"Host": HOST})
    data = await file.read()
    assert (file.status, data.count(b"CSeq: "), data.count(b"CSeq: 2 ")) == (200, 1, 1)


async def test_an_export_only_if_its_maker_said_so(site: Site) -> None:
    """Bytes as captured."""
    user = await site.signed_in("user")
    answer = await _open(site, await _share(user), "/export.pcap")
    assert (answer.status, answer.json["error"]["code"]) == (403, "not_allowed")
    made = await _share(user, export=True)
    file = await site.client.get(f"{made['path']}/export.pcap", headers={"Host": HOST})
    assert request(call_id="a@x", headers=CREDENTIALS) in await file.read()
    assert "other@x" not in (await file.text(errors="replace"))


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE share_link SET created_at = '2020-01-01', expires_at = '2020-01-02'",
        "UPDATE web_user SET enabled = false WHERE username = 'user'",
        "DELETE FROM web_user WHERE username = 'user'",
        "",
    ],
)
async def test_a_link_ends(site: Site, connection: Connection, end: str) -> None:
    """Expired, its maker disabled or gone, revoked: one answer for all of it, at once."""
    user = await site.signed_in("user")
    made = await _share(user, export=True)
    assert (await _open(site, made)).status == 200
    if end:
        await connection.execute(end.encode())
    else:
        assert (await user.ask("DELETE", f"{PATH}/{made['id']}")).status == 200
    for suffix in ("", "/export.pcap"):
        answer = await _open(site, made, suffix)
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


async def test_tokens_cannot_be_guessed(site: Site) -> None:
    """After twenty that open nothing an address waits, and is told how long."""
    made = await _share(await site.signed_in("user"))
    person = site.person()
    wrong = f"/api/v1/shared/{SHARE_PREFIX}{'x' * 43}"
    for path in [wrong, "/api/v1/shared/x", "/api/v1/shared/%00"] * 6 + [wrong, wrong]:
        # One that is right does not begin the count anew.
        assert (await _open(site, made)).status == 200
        answer = await person.ask("GET", path)
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found"), path
    for path in (wrong, made["path"]):
        answer = await person.ask("GET", path)
        assert (answer.status, answer.json["error"]["code"]) == (429, "too_many_attempts")
        assert int(person.headers["Retry-After"]) > 0


REFUSED: Final[list[tuple[dict[str, Any], int, str]]] = [
    ({"call_id": "nobody@x"}, 404, "call_id"),
    ({"call_id": "a\0b"}, 422, "call_id"),
    ({"legs": "guessed"}, 422, "legs"),
    ({"legs": ["one"]}, 422, "legs"),
    ({"message_ids": ["x"]}, 422, "message_ids"),
    ({"message_ids": ["1"]}, 422, "message_ids"),
    ({"message_ids": ["9" * 19]}, 422, "message_ids"),
    ({"duration": "31d"}, 422, "duration"),
    ({"duration": 0}, 422, "duration"),
    ({"export": "yes"}, 422, "export"),
]


async def test_what_cannot_be_shared(site: Site) -> None:
    """Nothing that is not there, nothing for longer than it may be."""
    user = await site.signed_in("user")
    for fields, status, field in REFUSED:
        answer = await user.ask("POST", PATH, {"call_id": "a@x", **fields})
        assert (answer.status, answer.json["error"]["field"]) == (status, field), fields


async def test_who_may_share(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has signed in, what he may do himself, at making and at opening."""
    token = await site.token("admin", "read", "export")
    bearer = {"Host": HOST, "Authorization": f"Bearer {token}"}
    answer = await site.client.post(PATH, json={"call_id": "a@x"}, headers=bearer)
    assert (answer.status, (await answer.json())["error"]["code"]) == (403, "session_required")
    token = await site.token("admin", "admin")
    bearer = {"Host": HOST, "Authorization": f"Bearer {token}"}
    answer = await site.client.post(PATH, json={"call_id": "a@x"}, headers=bearer)
    assert (answer.status, (await answer.json())["error"]["field"]) == (422, "call_id")
    made = await _share(await site.signed_in("user"), export=True)
    monkeypatch.setattr(share_link, "SCOPES", {Role.USER: frozenset({Scope.READ})})
    assert (await _open(site, made)).json["may_export"] is False
    assert (await _open(site, made, "/export.pcap")).status == 403
    monkeypatch.setattr(share_link, "SCOPES", {Role.USER: frozenset({Scope.EXPORT})})
    assert (await _open(site, made)).status == 404


async def test_links_of_others(site: Site) -> None:
    """Administrators see and revoke them, nobody else does."""
    user, support, admin = [await site.signed_in(name) for name in ("user", "support", "admin")]
    made = await _share(user)
    path = f"{PATH}/{made['id']}"
    assert (await support.ask("GET", PATH)).json["share_links"] == []
    assert (await support.ask("GET", f"{PATH}?all=true")).status == 403
    assert (await support.ask("DELETE", path)).status == 404
    (seen,) = (await admin.ask("GET", f"{PATH}?all=true")).json["share_links"]
    assert (seen["username"], seen["call_id"]) == ("user", "a@x")
    assert (await admin.ask("DELETE", path)).status == 200
    assert (await _open(site, made)).status == 404


async def test_links_are_in_the_audit_log(site: Site) -> None:
    """Made, opened, revoked: by whom, which call, never the token."""
    user = await site.signed_in("user")
    made = await _share(user, export=True)
    await _open(site, made)
    await _open(site, made, "/export.pcap")
    await user.ask("DELETE", f"{PATH}/{made['id']}")
    admin = await site.signed_in("admin")
    log = (await admin.ask("GET", "/api/v1/audit")).json["audit"]
    opener = f"share:{made['id']}"
    assert [
        (one["action"], one["username"], one["subject"])
        for one in reversed(log)
        if one["action"].startswith("share_link")
    ] == [
        ("share_link_added", "user", "a@x"),
        ("share_link_opened", opener, "a@x"),
        ("share_link_opened", opener, "a@x"),
        ("share_link_revoked", "user", "a@x"),
    ]
    assert made["token"] not in str(log)


async def test_they_can_be_switched_off(open_site: OpenSite) -> None:
    """Neither made nor opened."""
    made = await _share(await (await open_site()).signed_in("user"))
    site = await open_site(SHARE_ENABLED="false")
    user = await site.signed_in("user")
    for answer in (await user.ask("POST", PATH, {"call_id": "a@x"}), await _open(site, made)):
        assert (answer.status, answer.json["error"]["code"]) == (403, "share_links_off")


async def test_so_many_for_a_user(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then one is revoked first."""
    monkeypatch.setattr(share_link, "MAX_PER_USER", 1)
    user = await site.signed_in("user")
    await _share(user)
    answer = await user.ask("POST", PATH, {"call_id": "a@x"})
    assert (answer.status, answer.json["error"]["code"]) == (409, "too_many_links")
