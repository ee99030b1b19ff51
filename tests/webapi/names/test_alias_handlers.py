# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/aliases``, and where the names show."""

from __future__ import annotations

import csv
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST, Person, Site
from tests.fix_api import store
from tests.sip_text import packet, request
from webapi.access.roles import Role

Connection = AsyncConnection[TupleRow]
CALLER: Final = "192.0.2.1"
SPAN: Final = "from=2026-09-21T14:00:00Z&to=2026-09-21T15:00:00Z"
START: Final = 1_790_000_000.0
SVG: Final = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def admin(site: Site) -> Person:
    """Somebody who may change aliases."""
    return await site.signed_in("admin")


async def _add(admin: Person, name: str, network: str, **fields: Any) -> int:
    body = {"name": name, "network": network, **fields}
    answer = await admin.ask("POST", "/api/v1/aliases", body)
    assert answer.status == 201, answer
    return int(answer.json["id"])


async def _text(site: Site, admin: Person, path: str) -> str:
    headers = {"Host": HOST, "Cookie": admin.cookie}
    answer = await site.client.get(path, headers=headers)
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_an_alias_from_its_making_to_its_end(site: Site, admin: Person) -> None:
    """Made, seen by everybody, changed, removed; each of it is in the audit log."""
    number = await _add(admin, "pbx", "192.0.2.77/24", port=5061, capture_node="west", type="sbc")
    user = await site.signed_in("user")
    shown = (await user.ask("GET", f"/api/v1/aliases/{number}")).json
    assert (shown["network"], shown["port"], shown["enabled"]) == ("192.0.2.0/24", 5061, True)
    listed = (await user.ask("GET", "/api/v1/aliases")).json
    assert listed == {"aliases": [shown], "next": None}
    path = f"/api/v1/aliases/{number}"
    answer = await admin.ask("PATCH", path, {"name": "pbx 2", "enabled": False})
    assert (answer.json["name"], answer.json["enabled"]) == ("pbx 2", False)
    assert (await admin.ask("DELETE", path)).json["name"] == "pbx 2"
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        assert (await admin.ask(method, path, body)).status == 404
    log = (await admin.ask("GET", "/api/v1/audit")).json["audit"]
    actions = [(one["action"], one["subject"]) for one in reversed(log)]
    assert [one for one in actions if one[0].startswith("alias")] == [
        *(("alias_added", "pbx"), ("alias_changed", "pbx 2"), ("alias_removed", "pbx 2")),
    ]


REFUSED: Final[list[tuple[dict[str, Any], str]]] = [
    ({"name": "x"}, "network"),
    ({"name": "", "network": CALLER}, "name"),
    ({"name": "a\u202eb", "network": CALLER}, "name"),
    ({"name": "x" * 251, "network": CALLER}, "name"),
    ({"name": "x", "network": "192.0.2.0/33"}, "network"),
    ({"name": "x", "network": "example.com"}, "network"),
    ({"name": "x", "network": CALLER, "port": 65_536}, "port"),
    ({"name": "x", "network": CALLER, "port": True}, "port"),
    ({"name": "x", "network": CALLER, "enabled": 1}, "enabled"),
    ({"name": "x", "network": CALLER, "guid": "1"}, "guid"),
]


async def test_what_is_no_alias(admin: Person) -> None:
    """422 with the field."""
    for body, field in REFUSED:
        answer = await admin.ask("POST", "/api/v1/aliases", body)
        assert (answer.status, answer.json["error"]["field"]) == (422, field), body


async def test_the_same_alias_twice_is_refused(admin: Person) -> None:
    """Also by a change, and in other words."""
    await _add(admin, "a", CALLER)
    number = await _add(admin, "b", CALLER, port=5060)
    body = {"name": "c", "network": f"::ffff:{CALLER}"}
    for answer in (
        await admin.ask("POST", "/api/v1/aliases", body),
        await admin.ask("PATCH", f"/api/v1/aliases/{number}", {"port": 0}),
    ):
        assert (answer.status, answer.json["error"]["code"]) == (409, "alias_exists")


async def test_only_administrators_change_them(site: Site) -> None:
    """As in homer-app."""
    for role in (Role.SUPPORT, Role.USER):
        person = await site.signed_in(role)
        answer = await person.ask("POST", "/api/v1/aliases", {"name": "x", "network": CALLER})
        assert answer.status == 403


async def test_names_show_where_addresses_do(
    site: Site, admin: Person, connection: Connection
) -> None:
    """In searches, the call, files and drawings, from the next request on."""
    await store(connection, [packet(request(call_id="n@x"), at=START)])
    found = f"/api/v1/messages?{SPAN}"
    assert "src_name" not in (await admin.ask("GET", found)).json["messages"][0]
    await _add(admin, "Berlin", "192.0.2.0/24")
    await _add(admin, "trunk", "198.51.100.2", capture_node="2001")
    (message,) = (await admin.ask("GET", found)).json["messages"]
    assert (message["src_name"], message["dst_name"]) == ("Berlin", "trunk")
    call = (await admin.ask("GET", "/api/v1/calls/n@x")).json
    assert call["messages"][0]["src_name"] == "Berlin"
    text = await _text(site, admin, "/api/v1/calls/n@x/export.txt")
    line = "UDP 192.0.2.1:5060 (Berlin) -> 198.51.100.2:5060 (trunk) node 2001"
    assert text.splitlines()[0].endswith(line)
    lines = await _text(site, admin, f"/api/v1/messages/export.jsonl?{SPAN}")
    assert '"src_name":"Berlin"' in lines
    drawing = ET.fromstring(await _text(site, admin, "/api/v1/calls/n@x/export.svg"))  # noqa: S314
    names = [e.text for e in drawing.iter(f"{SVG}text") if e.get("class") == "name"]
    assert names == ["Berlin", "trunk"]


async def test_a_search_by_name_finds_what_is_called_so(
    admin: Person, connection: Connection
) -> None:
    """And not what a more specific alias calls otherwise."""
    await store(
        connection,
        [
            packet(request(call_id="one@x"), at=START),
            packet(request(call_id="two@x"), at=START + 1, src_ip=bytes((192, 0, 2, 9))),
        ],
    )
    await _add(admin, "office", "192.0.2.0/24")
    await _add(admin, "registrar", "192.0.2.9")
    await _add(admin, "not in force", "192.0.2.1", enabled=False)
    await _add(admin, "office", "198.51.100.2", capture_node="another")

    async def ids(**names: str) -> list[str]:
        more = "".join(f"&{name}={value}" for name, value in names.items())
        answer = await admin.ask("GET", f"/api/v1/messages?{SPAN}&sort=ts{more}")
        assert answer.status == 200, answer
        return [message["call_id"] for message in answer.json["messages"]]

    assert await ids(alias="office") == ["one@x"]
    assert await ids(src_alias="registrar") == ["two@x"]
    assert await ids(dst_alias="registrar") == []
    assert await ids(alias="nobody") == []
    await connection.execute(
        "INSERT INTO call (ts, call_id, started_at, last_at, first_rank, first_at, first_id,"
        " src_ip, dst_ip, src_port, dst_port, transport, node, seen, messages)"
        " SELECT ts, call_id, ts, ts, 0, ts, id, src_ip, dst_ip, src_port, dst_port, transport,"
        " node, '', 1 FROM sip_message"
    )
    answer = await admin.ask("GET", f"/api/v1/calls?{SPAN}&alias=office")
    assert [(call["call_id"], call["src_name"]) for call in answer.json["calls"]] == [
        ("one@x", "office")
    ]


async def test_names_are_harmless_in_files(
    site: Site, admin: Person, connection: Connection
) -> None:
    """No markup, no formula."""
    name = "=<script>alert(1)</script>&"
    await _add(admin, name, CALLER)
    await store(connection, [packet(request(call_id="h@x"), at=START)])
    drawing = await _text(site, admin, "/api/v1/calls/h@x/export.svg")
    assert "<script" not in drawing
    assert "&lt;script&gt;" in drawing
    table = await _text(site, admin, f"/api/v1/messages/export.csv?{SPAN}")
    (row,) = csv.DictReader(table.splitlines())
    assert row["src_name"] == f"'{name}"
    assert f"'{name}" in await _text(site, admin, "/api/v1/aliases/export.csv")


async def test_files_of_homer_app_go_in_and_out(site: Site, admin: Person) -> None:
    """JSON and CSV say the same, and what goes out comes in again."""
    homer = [
        {
            "id": 7,
            "guid": "x",
            "alias": "pbx",
            "ip": CALLER,
            "port": 0,
            "mask": 32,
            "captureID": "CAP101",
            "status": True,
        },
        {
            "id": 8,
            "guid": "y",
            "alias": "=lab",
            "ip": "10.1.2.3",
            "port": 5060,
            "mask": 8,
            "captureID": "CAP101",
            "status": False,
        },
    ]
    answer = await admin.ask("POST", "/api/v1/aliases/import", {"data": homer})
    assert (answer.status, answer.json) == (200, {"aliases": 2, "replace": False})
    listed = (await admin.ask("GET", "/api/v1/aliases")).json["aliases"]
    assert [(one["name"], one["network"], one["enabled"]) for one in listed] == [
        ("pbx", f"{CALLER}/32", True),
        ("=lab", "10.0.0.0/8", False),
    ]
    files = {kind: await _text(site, admin, f"/api/v1/aliases/export.{kind}") for kind in _TYPES}
    for kind, text in files.items():
        headers = {
            "Host": HOST,
            "Cookie": admin.cookie,
            "X-CSRF-Token": admin.csrf,
            "Content-Type": _TYPES[kind],
        }
        path = "/api/v1/aliases/import?replace=true"
        done = await site.client.post(path, data=text.encode(), headers=headers)
        assert done.status == 200, await done.text()
        for other, expected in files.items():
            assert await _text(site, admin, f"/api/v1/aliases/export.{other}") == expected


_TYPES: Final = {"json": "application/json", "csv": "text/csv"}


async def test_one_wrong_entry_changes_nothing(admin: Person) -> None:
    """And is named."""
    await _add(admin, "stays", CALLER)
    entries = [{"alias": "a", "ip": "10.0.0.1"}, {"alias": "b", "ip": "10.0.0.2", "port": "x"}]
    answer = await admin.ask("POST", "/api/v1/aliases/import?replace=true", {"data": entries})
    assert (answer.status, answer.json["error"]["field"]) == (422, "port")
    assert answer.json["error"]["message"].startswith("entry 2: port: ")
    listed = (await admin.ask("GET", "/api/v1/aliases")).json["aliases"]
    assert [one["name"] for one in listed] == ["stays"]
