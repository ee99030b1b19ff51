# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords that a service checks, which is a process of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from collector.settings.sign_in import HttpAuth
from stack.ports import free_port
from tests.http_auth_server import PASSWORD, TOKEN
from tests.until_listening import listening
from webapi.access.roles import Role
from webapi.errors import ApiError
from webapi.sign_in.http_auth import Service
from webapi.sign_in.person import Person


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the service is."""
    port = free_port()
    log = tmp_path_factory.mktemp("http") / "log"
    with listening([sys.executable, "-m", "tests.http_auth_server", str(port)], port, log):
        yield f"http://127.0.0.1:{port}/check"


@asynccontextmanager
async def _service(settings: HttpAuth) -> AsyncIterator[Service]:
    service = Service(settings)
    try:
        yield service
    finally:
        await service.close()


async def _check(settings: HttpAuth, username: str, password: str = PASSWORD) -> Person | None:
    async with _service(settings) as service:
        return await service.check(username, password)


async def test_sign_in_with_http_auth(url: str) -> None:
    """Name and password go there, the row of a user comes back."""
    settings = HttpAuth(url=url, token=TOKEN)
    anna = Person("http", "anna", Role.ADMIN, True, "anna@example.com", "Anna A")
    assert await _check(settings, "anna") == anna
    assert await _check(settings, "anna", "wrong") is None
    assert await _check(settings, "nobody") is None
    ben = await _check(settings, "ben")
    assert ben
    assert (ben.username, ben.role) == ("ben", Role.USER)


NO = ["nogroup", "disabled", "unsaid", "texts", "enabledtext", "nodata", "forbidden"]


@pytest.mark.parametrize("username", NO)
async def test_what_is_no_yes(url: str, username: str) -> None:
    """Only true is true; somebody who is disabled, or in no group with a role, may not."""
    assert await _check(HttpAuth(url=url, token=TOKEN), username) is None


@pytest.mark.parametrize("username", ["created", "redirect", "broken", "list", "large", "slow"])
async def test_what_is_no_answer(url: str, username: str) -> None:
    """503 instead of a refusal. A redirect is not followed: a password would go along."""
    with pytest.raises(ApiError) as caught:
        await _check(HttpAuth(url=url, token=TOKEN, timeout=0.7), username)
    assert (caught.value.status, caught.value.code) == (503, "sign_in_unavailable")


async def test_the_service_knows_us_by_a_token(url: str) -> None:
    """Without it this one refuses everybody."""
    assert await _check(HttpAuth(url=url), "anna") is None


async def test_nobody_without_a_password() -> None:
    """It is not even asked."""
    away = HttpAuth(url=f"http://127.0.0.1:{free_port()}")
    assert await _check(away, "anna", "") is None
    with pytest.raises(ApiError):
        await _check(away, "anna")
