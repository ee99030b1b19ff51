# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/auth``: what it answers, and that its token is a session that can be ended."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any
from uuid import UUID

import jwt
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST, PASSWORD
from tests.webapi.homer.conftest import Homer, OpenHomer, Ui
from webapi.access import json_web_token

Connection = AsyncConnection[TupleRow]
EXPIRED = {"message": "invalid or expired jwt"}
MISSING = {"message": "missing or malformed jwt"}
ME = "users/profile"


async def is_open(ui: Ui) -> bool:
    """Whether the token is still taken; a refusal is the one that the user interface knows."""
    answer = await ui.get(ME)
    assert answer.status == 200 or answer == (401, EXPIRED)
    return answer.status == 200


def claims(token: str) -> dict[str, Any]:
    """As the user interface reads them, without a key."""
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


async def test_the_answer_to_a_right_password(homer: Homer) -> None:
    """201 with a token, the user's guid, and whether it is an administrator."""
    answer = await homer.ui().sign_in("admin")
    assert answer.status == 201
    assert set(answer.json) == {"token", "scope", "user"}
    assert answer.json["user"] == {"admin": True}
    assert UUID(answer.json["scope"]).version == 8
    assert jwt.get_unverified_header(answer.json["token"])["alg"] == "HS256"
    found = claims(answer.json["token"])
    assert found["username"] == "admin"
    assert (found["useradmin"], found["usergroup"]) == (True, "admin")
    assert found["displayname"] == "Admin O'Hara"
    assert (found["externalauth"], found["externaltype"]) == (False, "")
    assert isinstance(found["exp"], int)


@pytest.mark.parametrize(
    ("name", "password"), [("admin", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)]
)
async def test_one_answer_whatever_is_wrong(
    homer: Homer, writer: Connection, password_hash: str, name: str, password: str
) -> None:
    """A wrong password, a name that nobody has, a disabled user: 401 as HOMER says it."""
    await writer.execute(
        "INSERT INTO web_user (username, password_hash, role, enabled)"
        " VALUES ('gone', %s, 'user', false) ON CONFLICT DO NOTHING",
        (password_hash,),
    )
    answer = await homer.ui().sign_in(name, password)
    message = {"statuscode": 401, "error": "Unauthorized", "message": "incorrect password"}
    assert answer == (401, message)


@pytest.mark.parametrize("given", [{}, {"username": "admin"}, {"username": "", "password": "x"}])
async def test_a_missing_field_is_400(homer: Homer, given: dict[str, str]) -> None:
    """In the generic shape."""
    answer = await homer.ui().post("auth", given)
    assert (answer.status, answer.json["data"]) == (400, {})
    assert "is missing" in answer.json["message"]


async def test_lock_out_counts_for_both_doors(open_homer: OpenHomer) -> None:
    """Failures here lock /api/v1/sign-in, too; the answer says how long to wait."""
    homer = await open_homer(WEB_SIGN_IN_FAILURES="2")
    ui = homer.ui()
    for _ in range(2):
        assert (await ui.sign_in("support", "wrong")).status == 401
    answer = await ui.sign_in("support")
    assert answer.status == 429
    assert "too many failed attempts" in answer.json["message"]
    assert int(ui.headers["Retry-After"]) > 0
    body = {"username": "support", "password": PASSWORD}
    other = await homer.client.post("/api/v1/sign-in", json=body, headers={"Host": HOST})
    assert other.status == 429


async def test_who_must_change_the_password_gets_no_token(
    homer: Homer, writer: Connection, password_hash: str
) -> None:
    """With one there would be nothing to do."""
    await writer.execute(
        "INSERT INTO web_user (username, password_hash, role, must_change_password)"
        " VALUES ('new', %s, 'user', true)",
        (password_hash,),
    )
    answer = await homer.ui().sign_in("new")
    assert (answer.status, answer.json["error"]) == (401, "Unauthorized")
    assert "change your password first" in answer.json["message"]


async def test_sign_out_ends_the_token(homer: Homer) -> None:
    """The native route takes it, too."""
    ui, other = await homer.signed_in("user"), await homer.signed_in("user")
    headers = {"Host": HOST, "Authorization": f"Bearer {ui.token}"}
    assert (await homer.client.post("/api/v1/sign-out", headers=headers)).status == 200
    assert not await is_open(ui)
    assert await is_open(other)


async def test_disabling_ends_the_token(homer: Homer, admin: Ui) -> None:
    """Also after the user is enabled again."""
    ui = await homer.signed_in("support")
    record = (await ui.get(f"users/{ui.guid}")).json["data"][0]
    for enabled in (False, True):
        changed = {**record, "enabled": enabled}
        assert (await admin.put(f"users/{ui.guid}", changed)).status == 201
        assert not await is_open(ui)


async def test_a_new_password_ends_the_token(homer: Homer, admin: Ui) -> None:
    """All tokens of the user."""
    ui, other = await homer.signed_in("support"), await homer.signed_in("support")
    record = (await ui.get(f"users/{ui.guid}")).json["data"][0]
    changed = {**record, "password": PASSWORD + "!"}
    assert (await admin.put(f"users/{ui.guid}", changed)).status == 201
    assert not await is_open(ui)
    assert not await is_open(other)
    assert (await ui.sign_in("support")).status == 401
    changed["password"] = PASSWORD
    assert (await admin.put(f"users/{ui.guid}", changed)).status == 201


async def test_a_new_role_ends_the_token(homer: Homer, writer: Connection) -> None:
    """The token says the old one; so it does not matter who changed it, or how."""
    ui = await homer.signed_in("support")
    await writer.execute("UPDATE web_user SET role = 'user' WHERE username = 'support'")
    assert not await is_open(ui)
    await writer.execute("UPDATE web_user SET role = 'support' WHERE username = 'support'")
    assert await is_open(ui)


async def test_a_session_that_is_over_ends_the_token(homer: Homer, writer: Connection) -> None:
    """Idle too long, or cut off by an administrator."""
    ui = await homer.signed_in("user")
    await writer.execute("UPDATE web_session SET idle_expires_at = now()")
    assert not await is_open(ui)


async def test_processes_agree_and_installations_do_not(
    homer: Homer, open_homer: OpenHomer, writer: Connection
) -> None:
    """The signing secret is made with the database and is no constant."""
    ui, second = await homer.signed_in("user"), (await open_homer()).ui()
    second.token = ui.token
    assert await is_open(second)
    cursor = await writer.execute("UPDATE web_secret SET secret = sha256('other') RETURNING 1")
    assert cursor.rowcount == 1
    third = (await open_homer()).ui()
    third.token = ui.token
    assert not await is_open(third)


async def test_the_signing_secret_is_not_enough(homer: Homer, writer: Connection) -> None:
    """With it and all that is in the table of sessions nobody makes a token of another."""
    ui = await homer.signed_in("user")
    cursor = await writer.execute("SELECT secret FROM web_secret")
    ((secret,),) = await cursor.fetchall()
    key = hmac.new(secret, b"signature:", hashlib.sha256).hexdigest()
    assert jwt.decode(ui.token, key, algorithms=["HS256"])["username"] == "user"
    forged = {**claims(ui.token), "username": "admin", "usergroup": "admin", "useradmin": True}
    for changed in (forged, {**forged, "jti": secrets.token_urlsafe(32)}):
        other = homer.ui()
        other.token = jwt.encode(changed, key, "HS256")
        assert not await is_open(other)


def _unsigned(token: str, algorithm: str) -> str:
    """The token with another algorithm in its head and no signature."""
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    return ".".join([head.decode().rstrip("="), token.split(".")[1], ""])


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS256", "ES256", "HS512"])
async def test_no_token_without_our_signature(homer: Homer, algorithm: str) -> None:
    """Whatever algorithm it names: ours is the only one."""
    ui = await homer.signed_in("user")
    forged = homer.ui()
    forged.token = _unsigned(ui.token, algorithm)
    assert not await is_open(forged)


def _signed(token: str, key: str, algorithm: str) -> str:
    """The claims of the token, signed with a key that somebody might have guessed."""
    signed = _unsigned(token, algorithm).rstrip(".")
    name = algorithm.replace("HS", "sha")
    signature = base64.urlsafe_b64encode(hmac.digest(key.encode(), signed.encode(), name))
    return f"{signed}.{signature.decode().rstrip('=')}"


@pytest.mark.parametrize(
    "key", ["", "secret", "167f0db2-f83e-4baa-9736-d56064a5b415", "json_web_token"]
)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_no_key_that_somebody_knows(homer: Homer, key: str, algorithm: str) -> None:
    """Neither an empty one nor the one that old HOMERs had in common."""
    ui = await homer.signed_in("user")
    forged = homer.ui()
    forged.token = _signed(ui.token, key, algorithm)
    assert not await is_open(forged)


@pytest.mark.parametrize("claim", ["exp", "jti", "username", "usergroup"])
async def test_every_claim_must_be_there(homer: Homer, writer: Connection, claim: str) -> None:
    """Even in a token that is signed by us."""
    ui = await homer.signed_in("user")
    cursor = await writer.execute("SELECT secret FROM web_secret")
    ((secret,),) = await cursor.fetchall()
    key = hmac.new(secret, b"signature:", hashlib.sha256).hexdigest()
    fewer = claims(ui.token)
    del fewer[claim]
    ui.token = jwt.encode(fewer, key, json_web_token.ALGORITHM)
    assert not await is_open(ui)


async def test_a_token_is_no_cookie_and_no_api_token(homer: Homer) -> None:
    """It is taken as Authorization: Bearer and nowhere else, neither itself nor its id."""
    ui = await homer.signed_in("user")
    for secret in (ui.token, claims(ui.token)["jti"]):
        other = homer.ui()
        answer = await other.get(ME, Cookie=f"kemiscope_session={secret}")
        assert answer == (401, EXPIRED)
        assert await other.get(ME, Auth_Token=secret) == (401, EXPIRED)
        assert await other.get(f"{ME}?token={secret}") == (401, MISSING)


async def test_a_cookie_is_no_token(homer: Homer) -> None:
    """What signs one in to the pages is not taken as a bearer's."""
    body = {"username": "user", "password": PASSWORD}
    answer = await homer.client.post("/api/v1/sign-in", json=body, headers={"Host": HOST})
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    other = homer.ui()
    assert (await other.get(ME, Cookie=cookie)).status == 200
    other.token = cookie.partition("=")[2]
    assert not await is_open(other)


async def test_the_ways_to_sign_in(homer: Homer) -> None:
    """Nobody needs to have signed in to read them."""
    answer = await homer.ui().get("auth/type/list")
    assert answer.status == 200
    assert answer.json == {
        "count": 1,
        "message": "all good",
        "data": {
            "internal": {"name": "Internal", "type": "internal", "position": 1, "enable": True},
            "ldap": {"name": "LDAP", "type": "ldap", "position": 2, "enable": False},
        },
    }


async def test_sign_in_is_in_the_audit_log(homer: Homer, writer: Connection) -> None:
    """As that of the pages is; a token is in no row of it."""
    ui = await homer.signed_in("user")
    await ui.sign_in("user", "wrong")
    cursor = await writer.execute(
        "SELECT action, detail::text FROM audit_log WHERE username = 'user'"
        " ORDER BY id DESC LIMIT 2"
    )
    failed, signed_in = await cursor.fetchall()
    assert (failed[0], signed_in[0]) == ("sign_in_failed", "signed_in")
    assert ui.token not in signed_in[1]
