# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/oauth2``: to a provider and back to HOMER's page, which exchanges its key."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import HOST
from tests.fix_provider import Liar, oauth2_settings
from tests.webapi.homer.conftest import Homer, OpenHomer


@pytest.fixture
async def site(open_homer: OpenHomer, liar: Liar, writer: AsyncConnection[TupleRow]) -> Homer:
    """One that has a provider, another one each time, and nobody who was at the last one."""
    await writer.execute("DELETE FROM web_user WHERE source = 'oauth2'")
    return await open_homer(**oauth2_settings(ISSUER=liar.issuer))


async def _key(site: Homer, liar: Liar) -> str:
    """There and back; what HOMER's page finds in its address."""
    listed = (await site.ui().get("auth/type/list")).json["data"]["oauth2"]
    assert [provider["enable"] for provider in listed] == [True]
    headers = {"Host": HOST}
    away = await site.client.get(listed[0]["url"], headers=headers, allow_redirects=False)
    assert away.status == 302
    headers["Cookie"] = away.headers["Set-Cookie"].partition(";")[0]
    query = liar.authorize(away.headers["Location"])
    path = f"/api/v3/oauth2/auth/{listed[0]['provider_name']}?{query}"
    back = await site.client.get(path, headers=headers, allow_redirects=False)
    assert back.status == 302, await back.text()
    page = urlsplit(back.headers["Location"])
    assert (page.scheme, page.netloc, page.path) == ("", "", "/")
    (key,) = parse_qs(page.query)["token"]
    return key


async def test_a_key_is_exchanged_once(site: Homer, liar: Liar) -> None:
    """For what /auth answers; the second time for nothing."""
    ui, key = site.ui(), await _key(site, liar)
    answer = await ui.post("oauth2/token", {"token": key})
    assert answer.status == 201
    assert set(answer.json) == {"token", "scope", "user"}
    ui.token = answer.json["token"]
    profile = (await ui.get("users/profile")).json["data"]
    assert (profile["external_auth"], profile["external_profile"]) == (True, "oauth2")
    again = await site.ui().post("oauth2/token", {"token": key})
    assert again == (401, {"message": "invalid or expired jwt"})


async def test_a_disabled_user_exchanges_nothing(
    site: Homer, liar: Liar, writer: AsyncConnection[TupleRow]
) -> None:
    """Also if it was done after the provider's answer."""
    key = await _key(site, liar)
    await writer.execute("UPDATE web_user SET enabled = false WHERE source = 'oauth2'")
    assert (await site.ui().post("oauth2/token", {"token": key})).status == 401


@pytest.mark.parametrize("key", ["x", "a.b.c", "\0"])
async def test_a_key_that_was_never_given(site: Homer, key: str) -> None:
    """401, as for one that is too old."""
    assert (await site.ui().post("oauth2/token", {"token": key})).status == 401


async def test_without_a_provider(homer: Homer) -> None:
    """400 in HOMER's shape."""
    for path in ("oauth2/redirect/google", "oauth2/auth/google?state=x&code=y"):
        answer = await homer.ui().get(path)
        assert (answer.status, answer.json["data"]) == (400, {})
