# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords and groups of a real slapd, and what must not get past it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest
from ldap3.utils.conv import escape_filter_chars

from collector import settings
from stack.ports import free_port
from tests.fix_ldap import BASE, LDAP_PASSWORD, PEOPLE, SERVICE, Slapd
from webapi.access.roles import Role
from webapi.errors import ApiError
from webapi.sign_in.ldap import Directory
from webapi.sign_in.person import Person


@asynccontextmanager
async def _directory(slapd: Slapd, **changed: str) -> AsyncIterator[Directory]:
    environment = {f"KEMISCOPE_{k}": v for k, v in slapd.settings(**changed).items()}
    found = settings.load(None, {"KEMISCOPE_CONFIG": os.devnull} | environment)
    directory = Directory(found.ldap)
    try:
        yield directory
    finally:
        await directory.close()


async def _check(
    slapd: Slapd, username: str, password: str = LDAP_PASSWORD, **changed: str
) -> Person | None:
    async with _directory(slapd, **changed) as directory:
        return await directory.check(username, password)


async def _role(slapd: Slapd, username: str, **changed: str) -> Role | None:
    found = await _check(slapd, username, **changed)
    return found.role if found else None


async def test_sign_in_with_ldap(slapd: Slapd) -> None:
    """A service account finds the entry, the password is tried there, groups give the role."""
    anna = Person("ldap", "anna", Role.ADMIN, True, "anna@example.com", "Anna A")
    assert await _check(slapd, "anna") == anna
    assert await _check(slapd, "anna", "wrong") is None
    assert await _check(slapd, "nobody") is None
    assert await _role(slapd, "ben") is Role.USER
    assert await _role(slapd, "eve") is None


async def test_ldaps(slapd: Slapd) -> None:
    """TLS from the first byte."""
    assert await _role(slapd, "anna", SERVERS=slapd.ldaps) is Role.ADMIN


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_server_whose_certificate_is_not_trusted_gets_no_password(
    slapd: Slapd, encrypted: bool
) -> None:
    """Neither over ldaps nor with StartTLS: another authority, and another name."""
    server = slapd.ldaps if encrypted else slapd.ldap
    for changed in ({"TLS_CA": ""}, {"SERVER_NAME": "elsewhere.example.com"}):
        with pytest.raises(ApiError) as caught:
            await _check(slapd, "anna", SERVERS=server, **changed)
        assert (caught.value.status, caught.value.code) == (503, "sign_in_unavailable")
    for changed in ({"TLS_CA": "", "TLS_VERIFY": "false"}, {"SERVER_NAME": "localhost"}):
        assert await _role(slapd, "anna", SERVERS=server, **changed) is Role.ADMIN


async def test_an_empty_password_is_never_right(slapd: Slapd) -> None:
    """The server agrees to a bind with a name and no password (RFC 4513 §5.1.2)."""
    for changed in ({}, {"USER_DN": f"uid=%s,{PEOPLE}"}):
        assert await _check(slapd, "anna", "", **changed) is None
        assert await _check(slapd, "", LDAP_PASSWORD, **changed) is None


@pytest.mark.parametrize(
    "password",
    ["\0", f"{LDAP_PASSWORD}\0", "\a", "\u00ad", "\u200b", "schön", "\ufeff", "x" * 20_000],
)
async def test_any_password_is_wrong_and_no_fault(slapd: Slapd, password: str) -> None:
    """Characters that RFC 4013 forbids or takes away as well: nothing is empty then."""
    for changed in ({}, {"USER_DN": f"uid=%s,{PEOPLE}"}):
        assert await _check(slapd, "anna", password, **changed) is None


INJECTIONS = ["*", "ann*", "anna)(uid=*", "*)(objectClass=*", "anna\0", "\\61nna", "a*a", "(", ")"]


@pytest.mark.parametrize("name", INJECTIONS)
async def test_a_user_name_is_no_part_of_the_filter(slapd: Slapd, name: str) -> None:
    """RFC 4515 §3: what has a meaning in filters is escaped, so nobody is found by a pattern. The
    same in a filter that would find a single entry, and as a part of a DN."""
    assert await _check(slapd, name) is None
    assert await _check(slapd, name, USER_FILTER="(&(mail=anna*)(uid=%s))") is None
    assert await _check(slapd, name, USER_DN=f"uid=%s,{PEOPLE}") is None


async def test_the_pattern_would_have_worked(slapd: Slapd) -> None:
    """So the test above can fail: without escapes the directory finds somebody."""
    assert escape_filter_chars("ann*") != "ann*"
    assert await _role(slapd, "anna", USER_FILTER="(&(uid=ann*)(uid=%s))") is Role.ADMIN


@pytest.mark.parametrize("name", ["anna,ou=people", "anna+cn=Anna A", "#04", '"anna"', "anna;x"])
async def test_a_user_name_is_no_part_of_the_dn(slapd: Slapd, name: str) -> None:
    """RFC 4514 §2.4."""
    template = f"uid=%s,{PEOPLE}"
    assert await _check(slapd, name, USER_DN=template) is None
    assert await _role(slapd, "anna", USER_DN=template) is Role.ADMIN


async def test_a_filter_that_finds_two_finds_nobody(slapd: Slapd) -> None:
    """Whose password would it be?"""
    assert await _check(slapd, "anna", USER_FILTER="(|(uid=%s)(uid=ben))") is None


async def test_by_dn_template_without_a_service_account(slapd: Slapd) -> None:
    """The person's own bind, who then looks for the groups."""
    changed = {"BIND_DN": "", "BIND_PASSWORD": "", "USER_DN": f"uid=%s,{PEOPLE}"}
    assert await _role(slapd, "anna", **changed) is Role.ADMIN
    assert await _check(slapd, "anna", "wrong", **changed) is None


async def test_anonymous_when_asked_for(slapd: Slapd) -> None:
    """Looking only: the password is that of the person all the same."""
    changed = {"BIND_DN": "", "BIND_PASSWORD": "", "ANONYMOUS": "true"}
    assert await _role(slapd, "anna", **changed) is Role.ADMIN
    assert await _check(slapd, "anna", "wrong", **changed) is None


async def test_a_service_account_that_is_refused(
    slapd: Slapd, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can be judged: 503, the log says why, and has no password."""
    with pytest.raises(ApiError) as caught:
        await _check(slapd, "anna", BIND_PASSWORD="another one")
    assert caught.value.status == 503
    assert "ldap.bind_dn and ldap.bind_password are refused" in caplog.text
    assert "another one" not in caplog.text + str(caught.value)


async def test_groups(slapd: Slapd) -> None:
    """By DN with any spelling, by cn, by the names of members, groups of groups, none at all."""
    dn = f"CN=voip-admins, OU=groups, {BASE}"
    assert await _role(slapd, "anna", ADMIN_GROUPS=f'["{dn}"]', USER_GROUPS="") is Role.ADMIN
    by_name = {"GROUP_FILTER": "(memberUid=%s)", "GROUP_BY": "name", "SUPPORT_GROUPS": "support"}
    assert await _role(slapd, "dan", **by_name) is Role.SUPPORT
    assert await _role(slapd, "cleo") is None
    assert await _role(slapd, "cleo", NESTED_GROUPS="true") is Role.USER
    assert await _role(slapd, "anna", NESTED_GROUPS="true", MAX_GROUPS="1") in (
        Role.ADMIN,
        Role.USER,
    )
    assert await _role(slapd, "eve", DEFAULT_ROLE="user") is Role.USER


async def test_a_role_that_no_group_gives_is_given_here(slapd: Slapd) -> None:
    """Without groups the default is that of a new user, and can be changed here."""
    found = await _check(slapd, "eve", ADMIN_GROUPS="", USER_GROUPS="", DEFAULT_ROLE="support")
    assert found
    assert (found.role, found.knows_role) == (Role.SUPPORT, False)


async def test_another_name_for_the_same_person(slapd: Slapd) -> None:
    """Who signs in with the address is the same user here."""
    changed = {"USER_FILTER": "(|(uid=%s)(mail=%s))", "USERNAME_ATTRIBUTE": "uid"}
    found = await _check(slapd, "anna@example.com", **changed)
    assert found
    assert found.username == "anna"


async def test_the_second_server_when_the_first_is_away(slapd: Slapd) -> None:
    """In the order of the setting."""
    away = f"ldap://127.0.0.1:{free_port()}"
    assert await _role(slapd, "anna", SERVERS=f"{away},{slapd.ldap}") is Role.ADMIN
    with pytest.raises(ApiError) as caught:
        await _check(slapd, "anna", SERVERS=away)
    assert caught.value.code == "sign_in_unavailable"


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
async def test_a_server_that_says_nothing(slapd: Slapd, scheme: str) -> None:
    """It has ``ldap.timeout``, and the event loop goes on meanwhile."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        asked = asyncio.create_task(
            _check(slapd, "anna", SERVERS=f"{scheme}://127.0.0.1:{port}", TIMEOUT="0.3")
        )
        turns = 0
        while not asked.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5
        with pytest.raises(ApiError) as caught:
            await asked
        assert caught.value.status == 503


async def test_so_many_at_once_and_no_more(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads, sixteen wait, the rest is turned away at once."""
    release = threading.Event()

    def wait(*_: Any) -> None:
        release.wait(20)

    async with _directory(slapd) as directory:
        monkeypatch.setattr(Directory, "_check", wait)
        waiting = [asyncio.create_task(directory.check("anna", "x")) for _ in range(20)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as caught:
            await directory.check("anna", "x")
        assert (caught.value.status, caught.value.code) == (503, "busy")
        release.set()
        await asyncio.gather(*waiting)


def test_the_service_account_is_not_somebody_to_sign_in_as() -> None:
    """It is outside of where people are, in these tests as it should be anywhere."""
    assert not SERVICE.endswith(PEOPLE)
