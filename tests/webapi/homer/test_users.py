# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/users``: HOMER's shapes, and that nobody gets more rights than was given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import PASSWORD
from tests.webapi.homer.conftest import Homer, Ui
from webapi.homer import guid
from webapi.homer.guid import Kind

ROW: Final = {
    *("username", "partid", "email", "password", "enabled", "firstname", "lastname"),
    *("department", "usergroup", "guid"),
}
NEW: Final[dict[str, Any]] = {
    "username": "anna",
    "partid": 10,
    "email": "anna@example.com",
    "firstname": "Anna",
    "lastname": "van der Berg",
    "department": "Voice",
    "usergroup": "user",
    "password": PASSWORD,
    "enabled": True,
    "version": 1,
    "guid": "0f0f0f0f-0000-4000-8000-000000000000",
}
"""As the user interface sends it."""


@pytest.fixture
async def anna(homer: Homer, admin: Ui) -> AsyncIterator[Ui]:
    """A new user, signed in; gone after the test."""
    answer = await admin.post("users", NEW)
    assert (answer.status, answer.json["message"]) == (201, "successfully created user")
    yield await homer.signed_in("anna")
    answer = await admin.delete(f"users/{answer.json['data']}")
    assert (answer.status, answer.json["message"]) == (201, "successfully deleted user")


async def _record(ui: Ui) -> dict[str, Any]:
    answer = await ui.get(f"users/{ui.guid}")
    assert answer.status == 201
    (row,) = answer.json["data"]
    return dict(row)


async def test_an_administrator_sees_all(admin: Ui, anna: Ui) -> None:
    """201, with a count, and no password in any form."""
    answer = await admin.get("users")
    assert answer.status == 201
    rows = {row["username"]: row for row in answer.json["data"]}
    assert answer.json["count"] == len(rows) >= 4
    assert all(set(row) == ROW and row["password"] == "" for row in rows.values())
    assert rows["anna"] == {name: NEW[name] for name in ROW} | {"password": "", "guid": anna.guid}


async def test_others_see_themselves(user: Ui) -> None:
    """In the list, and by the guid; another's record is refused."""
    answer = await user.get("users")
    assert (answer.status, [row["username"] for row in answer.json["data"]]) == (201, ["user"])
    assert (await _record(user))["username"] == "user"
    other = guid.of(Kind.USER, 1)
    answer = await user.get(f"users/{other}")
    assert (answer.status, answer.json["data"]) == (403, {})


async def test_groups_are_our_roles(user: Ui) -> None:
    """For the form of a user."""
    answer = await user.get("users/groups")
    assert answer == (200, {"count": 3, "data": ["admin", "support", "user"]})


async def test_the_profile(admin: Ui, user: Ui) -> None:
    """As the user interface shows it."""
    answer = await admin.get("users/profile")
    assert answer.status == 200
    assert answer.json == {
        "count": 0,
        "data": {
            "guid": admin.guid,
            "username": "admin",
            "displayname": "Admin O'Hara",
            "avatar": "",
            "group": "admin",
            "admin": True,
            "external_auth": False,
            "external_profile": "",
        },
    }
    assert (await user.get("users/profile")).json["data"]["admin"] is False


@pytest.mark.parametrize(
    "name", ["username", "email", "firstname", "department", "usergroup", "password"]
)
async def test_a_new_user_needs_every_field(admin: Ui, name: str) -> None:
    """400 that names what is missing."""
    answer = await admin.post("users", {**NEW, name: ""})
    assert (answer.status, answer.json["data"]) == (400, {})
    assert name in answer.json["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("usergroup", "root"),
        ("usergroup", ["admin"]),
        ("email", "nobody"),
        ("password", "short"),
        ("username", "a b"),
        ("username", "admin"),
        ("enabled", "yes"),
        ("firstname", "a\x1bb"),
    ],
)
async def test_a_field_that_breaks_its_rule(admin: Ui, name: str, value: Any) -> None:
    """400 in the generic shape, and no user."""
    before = (await admin.get("users")).json["count"]
    answer = await admin.post("users", {**NEW, name: value})
    assert (answer.status, answer.json["data"]) == (400, {})
    assert (await admin.get("users")).json["count"] == before


async def test_a_new_user_that_is_not_enabled(homer: Homer, admin: Ui) -> None:
    """HOMER forgets it; its users mean it."""
    answer = await admin.post("users", {**NEW, "username": "asleep", "enabled": False})
    assert (await homer.ui().sign_in("asleep")).status == 401
    assert (await admin.delete(f"users/{answer.json['data']}")).status == 201


async def test_one_changes_ones_own_names(anna: Ui) -> None:
    """Sent with the whole record, as the form does."""
    changed = {**await _record(anna), "firstname": "Ann", "department": "IT", "lastname": "Berg"}
    answer = await anna.put(f"users/{anna.guid}", changed)
    assert answer == (201, {"data": anna.guid, "message": "successfully updated user"})
    assert await _record(anna) == changed


@pytest.mark.parametrize("change", [{"usergroup": "admin"}, {"enabled": False}])
async def test_nobody_promotes_oneself(anna: Ui, change: dict[str, Any]) -> None:
    """403, and nothing is changed."""
    before = await _record(anna)
    answer = await anna.put(f"users/{anna.guid}", {**before, **change})
    assert (answer.status, answer.json["data"]) == (403, {})
    assert await _record(anna) == before


@pytest.mark.parametrize(
    "extra",
    [
        {"role": "admin"},
        {"useradmin": True},
        {"password_hash": "x"},
        {"hash": "x"},
        {"source": "ldap"},
        {"must_change_password": True},
        {"id": 1},
    ],
)
async def test_what_nobody_asks_for_changes_nothing(
    anna: Ui, writer: AsyncConnection[TupleRow], extra: dict[str, Any]
) -> None:
    """Columns of ours, and names that others have for them."""
    statement = "SELECT * FROM web_user WHERE username = 'anna'"
    before = await (await writer.execute(statement)).fetchall()
    assert (await anna.put(f"users/{anna.guid}", {**await _record(anna), **extra})).status == 201
    assert await (await writer.execute(statement)).fetchall() == before


async def test_others_records_are_not_changed(anna: Ui, admin: Ui) -> None:
    """Neither by the route nor by a guid in the body."""
    answer = await anna.put(f"users/{admin.guid}", {"firstname": "Eve"})
    assert answer.status == 403
    await anna.put(f"users/{anna.guid}", {**await _record(anna), "guid": admin.guid})
    assert (await _record(admin))["firstname"] == "Admin"


async def test_ones_own_password_needs_the_old_one(homer: Homer, anna: Ui) -> None:
    """Who finds a browser open does not take the account over."""
    record = {**await _record(anna), "password": "another long password"}
    answer = await anna.put(f"users/{anna.guid}", record)
    assert (answer.status, "old_password" in answer.json["message"]) == (400, True)
    answer = await anna.put(f"users/{anna.guid}", {**record, "old_password": "wrong"})
    assert answer.status == 401
    answer = await anna.put(f"users/{anna.guid}", {**record, "old_password": PASSWORD})
    assert answer.status == 201
    assert (await anna.get("users/profile")).status == 200
    assert (await homer.ui().sign_in("anna", "another long password")).status == 201


async def test_an_administrator_changes_role_and_password(admin: Ui, anna: Ui) -> None:
    """The user signs in anew and has them."""
    record = await _record(anna)
    changed = {**record, "usergroup": "support", "password": "another long password"}
    assert (await admin.put(f"users/{anna.guid}", changed)).status == 201
    assert (await anna.get("users/profile")).status == 401
    assert (await anna.sign_in("anna", "another long password")).status == 201
    assert (await anna.get("users/profile")).json["data"]["group"] == "support"


async def test_somebody_must_be_left(admin: Ui) -> None:
    """The last administrator is neither demoted nor deleted."""
    record = await _record(admin)
    answer = await admin.put(f"users/{admin.guid}", {**record, "usergroup": "user"})
    assert (answer.status, answer.json["data"]) == (400, {})
    assert (await admin.delete(f"users/{admin.guid}")).status == 400
    assert await _record(admin) == record


async def test_a_name_is_not_changed(admin: Ui, anna: Ui) -> None:
    """Other things are known by it."""
    answer = await admin.put(f"users/{anna.guid}", {**await _record(anna), "username": "eve"})
    assert (answer.status, answer.json["message"]) == (400, "username: cannot be changed")


@pytest.mark.parametrize(
    "other",
    [
        "x",
        "00000000-0000-0000-0000-000000000000",
        guid.of(Kind.TOKEN, 1),
        guid.of(Kind.USER, 2_000_000_000),
    ],
)
async def test_a_guid_that_nobody_has(admin: Ui, other: str) -> None:
    """400: the user interface takes 404 for an API that is not there."""
    for answer in (
        await admin.get(f"users/{other}"),
        await admin.put(f"users/{other}", {}),
        await admin.delete(f"users/{other}"),
    ):
        assert (answer.status, answer.json["data"]) == (400, {})


async def test_changes_are_in_the_audit_log(
    admin: Ui, anna: Ui, writer: AsyncConnection[TupleRow]
) -> None:
    """By whom, and without the password."""
    record = {**await _record(anna), "password": "another long password"}
    await admin.put(f"users/{anna.guid}", record)
    cursor = await writer.execute(
        "SELECT username, action, subject, detail FROM audit_log"
        " WHERE action LIKE 'user_%' ORDER BY id DESC LIMIT 1"
    )
    ((username, action, subject, detail),) = await cursor.fetchall()
    assert (username, action, subject) == ("admin", "user_changed", "anna")
    assert detail["password"] == "***"


def test_guids_are_uuids_and_say_which_number() -> None:
    """To and fro, for each kind apart."""
    for kind in Kind:
        for number in (1, 77, (1 << 31) - 1):
            made = guid.of(kind, number)
            assert UUID(made).version == 8
            assert guid.number_of(kind, UUID(made)) == number
