# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/saved-searches``."""

from __future__ import annotations

from typing import Any, Final

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST, Person, Site
from webapi.names import saved_search
from webapi.names.saved_search import SUBJECTS

PATH: Final = "/api/v1/saved-searches"
BUSY: Final = {"from": "-1d", "state": "busy", "caller": "+4930*", "limit": "50"}


async def _save(person: Person, **fields: Any) -> Any:
    body = {"name": "busy today", "kind": "calls", "parameters": BUSY, **fields}
    answer = await person.ask("POST", PATH, body)
    assert answer.status == 201, answer
    return answer.json


async def test_a_search_from_its_saving_to_its_end(site: Site) -> None:
    """Saved, found again, changed, removed; each of it is in the audit log."""
    user = await site.signed_in("user")
    made = await _save(user)
    assert (made["parameters"], made["shared"], made["own"]) == (BUSY, False, True)
    path = f"{PATH}/{made['id']}"
    assert (await user.ask("GET", path)).json == made
    answer = await user.ask("PATCH", path, {"name": "now", "parameters": {"running": "true"}})
    assert (answer.json["name"], answer.json["parameters"]) == ("now", {"running": "true"})
    assert (await user.ask("GET", f"{PATH}?kind=messages")).json["saved_searches"] == []
    assert (await user.ask("GET", f"{PATH}?kind=calls")).json["saved_searches"] == [answer.json]
    assert (await user.ask("DELETE", path)).status == 200
    assert (await user.ask("GET", path)).status == 404
    admin = await site.signed_in("admin")
    log = (await admin.ask("GET", "/api/v1/audit?username=user")).json["audit"]
    actions = [(one["action"], one["subject"]) for one in reversed(log)]
    assert actions[1:] == [
        ("saved_search_added", "busy today"),
        ("saved_search_changed", "now"),
        ("saved_search_removed", "now"),
    ]


REFUSED: Final[list[tuple[Any, str]]] = [
    ({"nothing": "x"}, "parameters: nothing: there is no such parameter"),
    ({"cursor": "x"}, "parameters: cursor: there is no such parameter"),
    ({"from": "yesterday"}, "parameters: from: must be like"),
    ({"from": "now", "to": "-1h"}, "parameters: from: must be before to"),
    ({"sort": "raw; DROP TABLE"}, "parameters: sort: must be among"),
    ({"limit": "1000000"}, "parameters: limit: must be a number"),
    ({"src_ip": "x"}, "parameters: src_ip: must be an address"),
    ({"node": "a\nb"}, "parameters: node: has control characters"),
    ({"node": "x" * 1001}, "parameters: node: is longer"),
    ({"port": 5060}, "parameters: must be an object of texts"),
    (["node"], "parameters: must be an object of texts"),
]


async def test_what_the_search_would_refuse_is_not_saved(site: Site) -> None:
    """Its own parser says so, when it is made as when it is changed."""
    user = await site.signed_in("user")
    for kind in SUBJECTS:
        made = await _save(user, kind=kind, parameters={"from": "-1h"})
        for parameters, message in REFUSED:
            body = {"name": "x", "kind": kind, "parameters": parameters}
            for answer in (
                await user.ask("POST", PATH, body),
                await user.ask("PATCH", f"{PATH}/{made['id']}", {"parameters": parameters}),
            ):
                assert (answer.status, answer.json["error"]["field"]) == (422, "parameters")
                assert answer.json["error"]["message"].startswith(message)
    listed = (await user.ask("GET", PATH)).json["saved_searches"]
    assert [one["parameters"] for one in listed] == [{"from": "-1h"}] * len(SUBJECTS)


async def test_others_see_what_is_shared_and_change_nothing(
    site: Site, connection: AsyncConnection[TupleRow]
) -> None:
    """Administrators tidy up; with its owner disabled it is not shown."""
    support, user, admin = [await site.signed_in(name) for name in ("support", "user", "admin")]
    own = await _save(support, name="own")
    shared = await _save(support, name="for all", shared=True)
    listed = (await user.ask("GET", PATH)).json["saved_searches"]
    assert listed == [{**shared, "own": False}]
    for number in (own["id"], shared["id"]):
        path = f"{PATH}/{number}"
        assert (await user.ask("PATCH", path, {"shared": False})).status == 404
        assert (await user.ask("DELETE", path)).status == 404
    assert (await user.ask("GET", f"{PATH}/{own['id']}")).status == 404
    assert (await admin.ask("DELETE", f"{PATH}/{own['id']}")).status == 404
    assert (await admin.ask("DELETE", f"{PATH}/{shared['id']}")).status == 200
    await _save(support, name="for all", shared=True)
    await connection.execute("UPDATE web_user SET enabled = false WHERE username = 'support'")
    assert (await user.ask("GET", PATH)).json["saved_searches"] == []


async def test_names_and_numbers_are_limited(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One name for a kind, and so many for each user."""
    user = await site.signed_in("user")
    await _save(user)
    await _save(user, kind="messages", parameters={"text": "486"})
    body = {"name": "busy today", "kind": "calls", "parameters": {}}
    answer = await user.ask("POST", PATH, body)
    assert (answer.status, answer.json["error"]["code"]) == (409, "search_exists")
    monkeypatch.setattr(saved_search, "MAX_PER_USER", 2)
    answer = await user.ask("POST", PATH, {**body, "name": "third"})
    assert (answer.status, answer.json["error"]["code"]) == (409, "too_many_searches")
    await _save(await site.signed_in("support"))


async def test_a_program_reads_them_and_changes_none(site: Site) -> None:
    """A token that reads is no reason to let its holder change what people see."""
    shared = await _save(await site.signed_in("support"), shared=True)
    token = await site.token("user", "read", "export")
    bearer = {"Authorization": f"Bearer {token}", "Host": HOST}
    answer = await site.client.get(PATH, headers=bearer)
    assert [one["id"] for one in (await answer.json())["saved_searches"]] == [shared["id"]]
    answer = await site.client.post(PATH, json={}, headers=bearer)
    assert (answer.status, (await answer.json())["error"]["code"]) == (403, "session_required")
