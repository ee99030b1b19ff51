# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in, sign-out and errors, as people see them."""

from __future__ import annotations

from typing import Final

import pytest
from psycopg import AsyncConnection

from tests.fix_access import HOST, PASSWORD, Site
from tests.fix_browser import SESSION, PageSite
from webapi.pages.render import POLICY

browsing = pytest.mark.asyncio(loop_scope=SESSION)
HTML: Final = {"Host": HOST, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@browsing
async def test_one_comes_to_where_one_wanted_to_go(pages: PageSite) -> None:
    """By way of sign-in, with all that the address said."""
    async with pages.new("user", "/search?state=busy&from=-7d") as window:
        assert window.page.url == f"{pages.url}/search?state=busy&from=-7d"
        assert window.hosts == {pages.url.removeprefix("http://")}
        await window.page.click(".bar details summary")
        await window.page.click("#sign-out")
        await window.page.wait_for_selector("[name=username]")
        await window.go("/search")
        assert "/sign-in?next=%2Fsearch" in window.page.url


@browsing
async def test_a_link_from_elsewhere_finds_the_session(pages: PageSite) -> None:
    """SameSite=Strict keeps the cookie from the first request; the page asks again."""
    async with pages.new("user") as window:
        elsewhere = pages.url.replace("127.0.0.1", "localhost")
        await window.page.goto(f"{elsewhere}/sign-in")
        await window.page.evaluate(f"location.href = '{pages.url}/search?state=failed'")
        await window.page.wait_for_url(f"{pages.url}/search?state=failed")
        await window.page.wait_for_selector("#box")


@browsing
async def test_a_wrong_password_is_told(pages: PageSite) -> None:
    """In the words of the API; nothing else happens."""
    async with pages.window() as window:
        await window.go("/sign-in?next=//evil.example")
        await window.page.fill("[name=username]", "user")
        await window.page.fill("[name=password]", "wrong")
        await window.page.click("button.main")
        await window.page.wait_for_selector("#failure:not([hidden])")
        assert "wrong" in await window.text("#failure")
        await window.page.fill("[name=password]", PASSWORD)
        await window.page.click("button.main")
        await window.page.wait_for_url(f"{pages.url}/search")
        assert window.hosts == {pages.url.removeprefix("http://")}


@browsing
async def test_a_password_that_must_be_changed(pages: PageSite) -> None:
    """Comes before everything else, and then one goes on."""
    async with await AsyncConnection.connect(pages.database.dsn, autocommit=True) as connection:
        await connection.execute(
            "UPDATE web_user SET must_change_password = true WHERE username = 'admin'"
        )
    async with pages.new("admin", "/search?state=busy") as window:
        await window.page.wait_for_selector("[name=new_password]")
        await window.page.fill("[name=password]", PASSWORD)
        for name in ("new_password", "again"):
            await window.page.fill(f"[name={name}]", "another horse battery")
        await window.page.click("#password button.main")
        await window.page.wait_for_url(f"{pages.url}/search?state=busy")


@pytest.mark.parametrize(
    "path", ["/search", "/sign-in", "/password", "/calls/a@b", "/shared/x", "/nothing"]
)
async def test_every_page_has_the_policy(site: Site, path: str) -> None:
    """Errors as well; what the API answers keeps its own."""
    person = await site.signed_in("user")
    headers = {**HTML, "Cookie": person.cookie}
    answer = await site.client.get(path, headers=headers)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_type == "text/html"
    assert "unsafe" not in POLICY
    answer = await site.client.get("/api/v1/me", headers=headers)
    assert "script-src" not in answer.headers["Content-Security-Policy"]


async def test_errors_are_pages_for_people_only(site: Site) -> None:
    """Programs get the one JSON shape, at the API everybody does."""
    answer = await site.client.get("/nothing<b>", headers=HTML)
    assert (answer.status, answer.content_type) == (404, "text/html")
    assert "/nothing&lt;b&gt;" in await answer.text()
    assert (await site.client.get("/nothing", headers={"Host": HOST})).content_type == (
        "application/json"
    )
    answer = await site.client.get("/api/v1/calls", headers=HTML)
    assert (answer.status, answer.content_type) == (401, "application/json")


@pytest.mark.parametrize("path", ["/search?number=%2B49*&from=-1d", "/calls/a%2Fb@c"])
async def test_without_a_session_the_way_leads_to_sign_in(site: Site, path: str) -> None:
    """And remembers."""
    answer = await site.client.get(path, headers=HTML, allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/sign-in?next=%2F")
    page = await (await site.client.get(answer.headers["Location"], headers=HTML)).text()
    assert f'data-target="{path.replace("&", "&amp;")}"' in page


async def test_who_must_change_the_password_is_led_there(site: Site) -> None:
    """From every page."""
    async with await AsyncConnection.connect(site.database.dsn, autocommit=True) as connection:
        await connection.execute("UPDATE web_user SET must_change_password = true")
    person = await site.signed_in("user")
    headers = {**HTML, "Cookie": person.cookie}
    answer = await site.client.get("/search", headers=headers, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/password?next=%2Fsearch")
    assert (await site.client.get("/password", headers=headers)).status == 200
