# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/token/auth``, and the header ``Auth-Token``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST
from tests.webapi.homer.conftest import Homer, Ui

REFUSED = {"message": "This API requires admin access."}
IN_USE = {"message": "This API requires admin access. The AuthToken in use!"}


def _wanted(**more: Any) -> dict[str, Any]:
    expires = datetime.now(UTC) + timedelta(days=30)
    return {"name": "a script", "expire_date": expires.isoformat(), "active": True, **more}


async def _made(admin: Ui, **more: Any) -> str:
    answer = await admin.post("token/auth", _wanted(**more))
    assert (answer.status, set(answer.json)) == (201, {"message", "data"})
    assert answer.json["message"] == "successfully created auth token"
    return str(answer.json["data"]["token"])


async def _listed(admin: Ui, name: str = "a script") -> list[dict[str, Any]]:
    answer = await admin.get("token/auth")
    assert (answer.status, answer.json["count"]) == (200, len(answer.json["data"]))
    return [row for row in answer.json["data"] if row["name"] == name]


async def test_a_token_reads_by_either_header(homer: Homer, admin: Ui) -> None:
    """Auth-Token is HOMER's; both also work for the native API."""
    token = await _made(admin)
    program = homer.ui()
    assert (await program.get("mapping/protocol", Auth_Token=token)).status == 200
    assert (await program.get("mapping/protocol", Authorization=f"Bearer {token}")).status == 200
    headers = {"Host": HOST, "Auth-Token": token}
    assert (await homer.client.get("/api/v1/calls", headers=headers)).status == 200


async def test_a_token_is_never_an_administrators(homer: Homer, admin: Ui) -> None:
    """Though an administrator has made it."""
    token = await _made(admin)
    answer = await homer.ui().get("token/auth", Auth_Token=token)
    assert answer == (403, IN_USE)
    answer = await homer.ui().post("alias", {}, Auth_Token=token)
    assert answer == (403, IN_USE)


async def test_only_administrators_see_tokens(user: Ui) -> None:
    """As in HOMER."""
    assert await user.get("token/auth") == (403, REFUSED)
    assert await user.post("token/auth", _wanted()) == (403, REFUSED)


async def test_the_list_does_not_have_the_token(admin: Ui) -> None:
    """It was shown once."""
    token = await _made(admin, name="listed")
    (row,) = await _listed(admin, "listed")
    assert set(row) == {
        *("guid", "name", "user_object", "ip_address", "create_date", "lastusage_date"),
        *("expire_date", "usage_calls", "limit_calls", "active"),
    }
    assert token not in str(row)
    assert row["active"] is True
    one = await admin.get(f"token/auth/{row['guid']}")
    assert (one.status, one.json["data"]) == (200, [row])


@pytest.mark.parametrize("how", ["delete", "put"])
async def test_a_token_that_is_ended_is_refused(homer: Homer, admin: Ui, how: str) -> None:
    """Deleted, or set to inactive."""
    token = await _made(admin, name=how)
    (row,) = await _listed(admin, how)
    path = f"token/auth/{row['guid']}"
    answer = await (
        admin.delete(path) if how == "delete" else admin.put(path, {**row, "active": False})
    )
    assert (answer.status, answer.json["data"]) == (200, row["guid"])
    answer = await homer.ui().get("mapping/protocol", Auth_Token=token)
    assert answer == (401, {"message": "invalid or expired jwt"})
    assert (await admin.delete(path)).status == 400


async def test_ip_address_is_enforced(homer: Homer, admin: Ui) -> None:
    """HOMER writes it down and takes the token from everywhere."""
    token = await _made(admin, ip_address="192.0.2.0/24")
    answer = await homer.ui().get("mapping/protocol", Auth_Token=token)
    assert answer.status == 403


@pytest.mark.parametrize(
    "given",
    [
        {"expire_date": "soon"},
        {"expire_date": "2020-01-01T00:00:00Z"},
        {"expire_date": "9999-12-31T23:59:59Z"},
        {"name": ""},
        {"ip_address": "x"},
        {"active": False},
    ],
)
async def test_a_token_that_cannot_be(admin: Ui, given: dict[str, Any]) -> None:
    """400 that says why."""
    answer = await admin.post("token/auth", _wanted(**given))
    assert (answer.status, answer.json["data"]) == (400, {})


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\x80", "A" * 80])
async def test_no_such_token(homer: Homer, token: str) -> None:
    """Whatever it looks like."""
    answer = await homer.ui().get("mapping/protocol", Auth_Token=token)
    assert answer == (401, {"message": "invalid or expired jwt"})


async def test_making_one_is_in_the_audit_log(admin: Ui, writer: AsyncConnection[TupleRow]) -> None:
    """Without the token."""
    token = await _made(admin, name="audited")
    cursor = await writer.execute("SELECT detail::text FROM audit_log WHERE subject = 'audited'")
    ((detail,),) = await cursor.fetchall()
    assert '"read"' in detail
    assert token not in detail
