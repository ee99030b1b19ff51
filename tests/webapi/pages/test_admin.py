# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of the administration in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser

from tests.fake_control import TOKEN, FakeControl
from tests.fix_browser import SESSION, PageSite, Window, serious, serve_pages
from tests.fix_database import Database
from webapi.pages.admin import HOME, SECTIONS, Section

pytestmark = pytest.mark.asyncio(loop_scope=SESSION)
PROXY: Final = "edge"


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def pages(
    browser: Browser, shared_database: Database, password_hash: str
) -> AsyncIterator[PageSite]:
    """A service with a proxy that trace rules are brought to."""
    control = FakeControl()
    async with control.server:
        settings = {"TRACE_PROXIES": f"{PROXY}={control.url}", "TRACE_TOKEN": TOKEN}
        async with serve_pages(browser, shared_database, password_hash, **settings) as site:
            yield site


async def _fill(window: Window, button: str, **fields: str) -> None:
    """Open the dialog of a button, fill it in and send it."""
    await window.page.click(f"#tools button:text-is('{button}')")
    for name, value in fields.items():
        field = window.page.locator(f"dialog [name={name}]")
        if await field.evaluate("field => field.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)
    await window.page.click("dialog.editor button.main")


async def _do(window: Window, action: str, name: str) -> None:
    """What a row offers, with the question before it answered."""
    await window.page.click(f"#table [aria-label='{action}: {name}']")
    await window.page.click("dialog.editor button.main")


async def _secret(window: Window) -> str:
    """The secret that is shown; afterwards it is nowhere in the page."""
    secret = await window.page.input_value("dialog .secret")
    assert secret not in await window.page.content()
    await window.page.click("dialog.editor button.main")
    await window.page.wait_for_selector("dialog.editor", state="detached")
    values = "[...document.querySelectorAll('input')].map((input) => input.value)"
    assert secret not in await window.page.evaluate(values)
    return secret


async def _wrong(window: Window, name: str) -> str:
    """What is said at a field."""
    await window.page.wait_for_selector(f"dialog [name={name}][aria-invalid=true]")
    return await window.text(f"dialog .field:has([name={name}]) .wrong")


async def _row(window: Window, *texts: str) -> None:
    """Until there is a row with these texts."""
    await window.page.wait_for_selector(
        "#table tbody tr" + "".join(f":has-text('{text}')" for text in texts)
    )


async def _gone(window: Window, text: str) -> None:
    """Until no row has this text."""
    await window.page.wait_for_selector(f"#table tbody tr:has-text('{text}')", state="detached")


async def test_a_new_user_signs_in(pages: PageSite) -> None:
    """With the password that is shown once; what the API refuses is said at its field."""
    async with pages.signed_in("admin", "/admin/users") as window:
        await window.settled()
        await _fill(window, "Add user", username="admin", role="user")
        assert await _wrong(window, "username") == "there is a user admin"
        await window.page.fill("dialog [name=username]", "nina")
        await window.page.click("dialog.editor button.main")
        first = await _secret(window)
        await _row(window, "nina", "must be changed")
        async with pages.window() as other:
            await other.sign_in("nina", "/search", first)
            await other.page.wait_for_selector("[name=new_password]")
        await _do(window, "Reset password", "nina")
        assert await _secret(window) != first


async def test_a_user_is_changed_and_removed(pages: PageSite) -> None:
    """Each asks before, and nobody can do it to themselves."""
    async with pages.signed_in("admin", "/admin/users") as window:
        await window.settled()
        await _fill(window, "Add user", username="otto", role="user", full_name="<b>Otto</b>")
        await _secret(window)
        await _row(window, "otto", "<b>Otto</b>")
        await window.page.click("#table [aria-label='Change: otto']")
        await window.page.select_option("dialog [name=role]", "support")
        await window.page.click("dialog.editor button.main")
        await _row(window, "otto", "support")
        await _do(window, "Disable", "otto")
        await _row(window, "otto", "disabled")
        await window.page.click("#table [aria-label='Remove: otto']")
        await window.page.click("dialog button:text-is('Cancel')")
        await _do(window, "Remove", "otto")
        await _gone(window, "otto")
        assert await window.page.locator("[aria-label='Remove: admin']").count() == 0


async def test_a_token_is_made_and_revoked(pages: PageSite) -> None:
    """It opens the API from then until then; what it may is no more than one may."""
    async with pages.signed_in("support", "/admin/tokens") as window:
        await window.settled()
        await _fill(window, "Make token", name="<i>script</i>", networks="nonsense")
        assert "nonsense" in await _wrong(window, "networks")
        assert await window.page.locator("dialog [name=scopes][value=admin]").count() == 0
        await window.page.fill("dialog [name=networks]", "127.0.0.1, 192.0.2.0/24")
        await window.page.click("dialog.editor button.main")
        token = await _secret(window)
        await _row(window, "<i>script</i>", "127.0.0.1/32, 192.0.2.0/24")
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
            assert (await client.get(f"{pages.url}/api/v1/calls")).status == 200
            await _do(window, "Revoke", "<i>script</i>")
            await _gone(window, "script")
            assert (await client.get(f"{pages.url}/api/v1/calls")).status == 401


async def test_an_administrator_sees_tokens_of_all(pages: PageSite) -> None:
    """Or only one's own; and revokes those of others."""
    async with pages.signed_in("support", "/admin/tokens") as window:
        await window.settled()
        await _fill(window, "Make token", name="of-support")
        await _secret(window)
    async with pages.signed_in("admin", "/admin/tokens") as window:
        await _row(window, "of-support", "support")
        await window.page.uncheck("#filters input[type=checkbox]")
        await _gone(window, "of-support")
        await window.page.check("#filters input[type=checkbox]")
        await _do(window, "Revoke", "of-support")
        await _gone(window, "of-support")


async def test_who_may_not_sees_and_reaches_nothing(pages: PageSite) -> None:
    """Neither in the navigation nor by the address; the role support has a part of it."""
    async with pages.signed_in("user") as window:
        assert "Admin" not in await window.text(".bar nav")
        for path in (HOME, *(section.path for section in SECTIONS)):
            await window.go(path)
            assert "You may not see this" in await window.text("main")
    async with pages.signed_in("support", "/admin") as window:
        assert "Admin" in await window.text(".bar nav")
        assert "Users" not in await window.text(".sections")
        for path in ("/admin/users", "/admin/audit"):
            await window.go(path)
            assert "You may not see this" in await window.text("main")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
async def test_everybody_can_read_it(pages: PageSite, section: Section, scheme: str) -> None:
    """axe-core: names, roles, contrast; of the dialog as well. Nothing serious."""
    async with pages.signed_in("admin", section.path, color_scheme=scheme) as window:
        await window.settled()
        if section.name != "audit":
            await window.page.keyboard.press("n")
            await window.page.wait_for_selector("dialog.editor")
        assert not await serious(window)
