# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/advanced`` and ``/api/v3/user/settings``: shapes, and whose settings one sees."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.webapi.homer.conftest import Homer, Ui
from webapi.homer import advanced, body

REFUSED = {"message": "This API requires admin access."}
ZONE = {
    "username": "user",
    "partid": 10,
    "category": "system",
    "param": "timezone",
    "data": {"name": "Europe/Berlin"},
}
GRAFANA = {
    "partid": 1,
    "category": "search",
    "param": "grafana",
    "data": {
        "host": "http://grafana:3000",
        "user": "admin",
        "Password": "x",
        "more": [{"token": 1}],
    },
}


async def test_the_advanced_settings_that_are_there_from_the_start(user: Ui) -> None:
    """201, as HOMER has it, with what the call window reads; no host and no password."""
    answer = await user.get("advanced")
    assert (answer.status, answer.json["count"]) == (201, len(answer.json["data"]))
    rows = {(row["category"], row["param"]): row for row in answer.json["data"]}
    assert rows["search", "transaction"]["data"]["tabpositon"] == "flow"
    assert rows["export", "transaction"]["data"]["openwindow"] is False
    for row in rows.values():
        assert set(row) == {"guid", "partid", "category", "param", "data"}
        assert UUID(row["guid"]).version == 4


async def test_an_advanced_setting_from_first_to_last(admin: Ui) -> None:
    """Made, shown, changed, deleted."""
    made = await admin.post("advanced", GRAFANA)
    assert (made.status, made.json["message"]) == (201, "successfully created advanced settings")
    path = f"advanced/{made.json['data']}"
    assert (await admin.get(path)).json["data"] == [{**GRAFANA, "guid": made.json["data"]}]
    changed = await admin.put(path, {**GRAFANA, "data": [1]})
    message = "successfully updated global_settings settings"
    assert changed == (200, {"data": made.json["data"], "message": message})
    assert (await admin.get(path)).json["data"][0]["data"] == [1]
    message = "successfully deleted global_settings settings"
    assert await admin.delete(path) == (200, {"data": made.json["data"], "message": message})
    assert (await admin.get(path)).status == 400
    assert (await admin.put(path, GRAFANA)).status == 400
    assert (await admin.delete(path)).status == 400


async def test_secrets_are_masked_for_all_but_administrators(admin: Ui, user: Ui) -> None:
    """HOMER shows Grafana's password to everybody."""
    path = f"advanced/{(await admin.post('advanced', GRAFANA)).json['data']}"
    (row,) = (await user.get(path)).json["data"]
    masked = {"host": "http://grafana:3000", "user": "admin", "Password": "***"}
    assert row["data"] == {**masked, "more": [{"token": "***"}]}
    listed = (await user.get("advanced")).json["data"]
    assert row in listed
    await admin.delete(path)


async def test_only_administrators_change_advanced_settings(user: Ui) -> None:
    """As in HOMER."""
    assert await user.post("advanced", GRAFANA) == (403, REFUSED)
    assert await user.put(f"advanced/{uuid4()}", GRAFANA) == (403, REFUSED)
    assert await user.delete(f"advanced/{uuid4()}") == (403, REFUSED)


@pytest.mark.parametrize(
    "given",
    [
        {"category": "", "param": "x"},
        {"category": "x"},
        {"category": "x" * 101, "param": "x"},
        {"category": ["x"], "param": "x"},
        {"category": "x", "param": "x", "partid": -1},
        {"category": "x", "param": "x", "data": "a\0b"},
        {"category": "x\0", "param": "x"},
    ],
)
async def test_a_setting_that_cannot_be(admin: Ui, given: dict[str, Any]) -> None:
    """400, whichever kind of setting it is."""
    for path in ("advanced", "user/settings"):
        answer = await admin.post(path, given)
        assert (answer.status, answer.json["data"]) == (400, {}), path


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"a":"\\ud800"}'])
async def test_a_body_that_is_no_object(homer: Homer, admin: Ui, sent: bytes) -> None:
    """400 in HOMER's words."""
    headers = {
        "Host": "127.0.0.1:9080",
        "Authorization": f"Bearer {admin.token}",
        "Content-Type": "application/json",
    }
    answer = await homer.client.post("/api/v3/advanced", data=sent, headers=headers)
    assert answer.status == 400
    assert await answer.json() == {"data": {}, "message": "request format is not correct"}


async def test_a_body_that_is_too_long(admin: Ui) -> None:
    """413, before it is read to its end."""
    given = {"category": "x", "param": "x", "data": "x" * body.MAX_DOCUMENT}
    assert (await admin.post("advanced", given)).status == 413


async def test_there_is_a_most(
    admin: Ui, writer: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody fills the database with settings."""
    monkeypatch.setattr(advanced, "MOST", 0)
    answer = await admin.post("advanced", GRAFANA)
    assert answer.status == 400
    assert "delete one first" in answer.json["message"]
    monkeypatch.setattr("webapi.homer.user_setting.MOST", 0)
    answer = await admin.post("user/settings", ZONE)
    assert "at most 0 settings" in answer.json["message"]
    cursor = await writer.execute("SELECT count(*) FROM homer_user_setting")
    assert await cursor.fetchone() == (0,)


async def test_a_user_setting_from_first_to_last(user: Ui) -> None:
    """Made, listed, changed, deleted; one's own name comes from the token."""
    made = await user.post("user/settings", {**ZONE, "username": "admin"})
    assert (made.status, made.json["message"]) == (201, "successfully created userObject")
    answer = await user.get("user/settings/system")
    assert (answer.status, answer.json["count"]) == (200, 1)
    (row,) = answer.json["data"]
    shown = {**ZONE, "guid": made.json["data"], "external": False, "id": row["id"]}
    assert row == shown
    assert isinstance(row["id"], int)
    path = f"user/settings/{made.json['data']}"
    changed = await user.put(path, {**row, "data": {"name": "UTC"}})
    assert changed == (201, {"data": row["guid"], "message": "successfully updated alias"})
    (row,) = (await user.get("user/settings")).json["data"]
    assert row["data"] == {"name": "UTC"}
    gone = await user.delete(path)
    assert gone == (201, {"data": row["guid"], "message": "successfully deleted userobject"})
    assert (await user.get("user/settings")).json == {"count": 0, "data": []}


async def test_nobody_sees_or_changes_others_settings(homer: Homer, user: Ui, admin: Ui) -> None:
    """Only an administrator does; a category is one's own even then."""
    guid = (await user.post("user/settings", ZONE)).json["data"]
    support = await homer.signed_in("support")
    assert (await support.get("user/settings")).json["data"] == []
    assert (await support.get("user/settings/system")).json["data"] == []
    for answer in (
        await support.put(f"user/settings/{guid}", ZONE),
        await support.delete(f"user/settings/{guid}"),
    ):
        assert (answer.status, answer.json["message"]) == (400, "data was not found")
    listed = (await admin.get("user/settings")).json["data"]
    assert [row["username"] for row in listed] == ["user"]
    assert (await admin.get("user/settings/system")).json["data"] == []
    assert (await admin.put(f"user/settings/{guid}", {**listed[0], "param": "z"})).status == 201
    (row,) = (await user.get("user/settings")).json["data"]
    assert (row["username"], row["param"]) == ("user", "z")
    assert (await admin.delete(f"user/settings/{guid}")).status == 201


async def test_an_administrator_makes_settings_for_others(user: Ui, admin: Ui) -> None:
    """Of a user that there is."""
    made = await admin.post("user/settings", ZONE)
    (row,) = (await user.get("user/settings")).json["data"]
    assert row["guid"] == made.json["data"]
    assert (await admin.post("user/settings", {**ZONE, "username": "nobody"})).status == 400
    await user.delete(f"user/settings/{row['guid']}")


async def test_a_token_that_only_reads_changes_no_settings(homer: Homer, admin: Ui) -> None:
    """Settings are one's own, in person."""
    wanted = {"name": "x", "expire_date": "2027-01-01T00:00:00Z"}
    token = (await admin.post("token/auth", wanted)).json["data"]["token"]
    program = homer.ui()
    assert (await program.get("user/settings", Auth_Token=token)).status == 200
    answer = await program.post("user/settings", ZONE, Auth_Token=token)
    assert (answer.status, answer.json["data"]) == (403, {})
