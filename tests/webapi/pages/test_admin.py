# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of the administration in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser
from psycopg import AsyncConnection

from tests import flow, page_rows, status_rows
from tests.fake_control import TOKEN, FakeControl
from tests.fix_browser import SESSION, PageSite, Window, serious, serve_pages
from tests.fix_database import Database
from tests.flow import Flow
from webapi.pages.admin import HOME, SECTIONS, Section

pytestmark = pytest.mark.asyncio(loop_scope=SESSION)
PROXY: Final = "edge"
MARKUP: Final = "<img/src=x/onerror=alert(1)>"
CALLER: Final = "alice"
ALIASES: Final = 450
HEAD: Final = "alias,ip,port,mask,captureID,status"


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


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def call(pages: PageSite) -> Flow:
    """One that has just been."""
    found = flow.load("busy", begins=page_rows.now() - timedelta(minutes=10))
    await page_rows.ingest(pages.database, [found])
    return found


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
    async with pages.signed_in("support", "/account/tokens") as window:
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
    async with pages.signed_in("support", "/account/tokens") as window:
        await window.settled()
        await _fill(window, "Make token", name="of-support")
        await _secret(window)
    async with pages.signed_in("admin", "/account/tokens") as window:
        await _row(window, "of-support", "support")
        await window.page.uncheck("#filters input[type=checkbox]")
        await _gone(window, "of-support")
        await window.page.check("#filters input[type=checkbox]")
        await _do(window, "Revoke", "of-support")
        await _gone(window, "of-support")


async def test_somebody_without_more_rights_has_tokens_of_their_own(pages: PageSite) -> None:
    """From the menu at the name; of what a user may, and without a way to those of others."""
    async with pages.signed_in("user") as window:
        await window.page.click(".bar .menu summary")
        await window.page.click(".bar .menu a:text-is('API tokens')")
        await window.settled()
        await _fill(window, "Make token", name="of-user")
        token = await _secret(window)
        await _row(window, "of-user", "read")
        assert await window.page.locator("#filters input[type=checkbox]").count() == 0
        assert (await window.text(".sections")).split() == ["API", "tokens", "Share", "links"]
        async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as client:
            assert (await client.get(f"{pages.url}/api/v1/calls")).status == 200
            assert (await client.get(f"{pages.url}/api/v1/settings")).status == 403
        await _do(window, "Revoke", "of-user")
        await _gone(window, "of-user")


async def test_an_alias_is_shown_in_the_search(pages: PageSite, call: Flow) -> None:
    """From its making on; and no longer when it is removed."""
    async with pages.signed_in("admin", "/admin/aliases") as window:
        await window.settled()
        await _fill(window, "Add alias", name=MARKUP, network="nonsense")
        assert "must be an address or a network" in await _wrong(window, "network")
        await window.page.fill("dialog [name=network]", call.messages[0].src.ip)
        await window.page.click("dialog.editor button.main")
        await _row(window, "<img", "in force")
        await window.go("/search")
        await window.settled()
        assert MARKUP in await window.column("From")
        await window.go("/admin/aliases")
        await window.settled()
        await window.page.click("#table button:text-is('Change')")
        await window.page.uncheck("dialog [name=enabled]")
        await window.page.click("dialog.editor button.main")
        await _row(window, "<img", "off")
        assert await window.page.locator("#main img").count() == 0
        await window.page.click("#table button:text-is('Remove')")
        await window.page.click("dialog.editor button.main")
        await _gone(window, "<img")


async def test_aliases_come_and_go_as_files(pages: PageSite, tmp_path: Path) -> None:
    """An export is imported again; the filter is over all, not only over those that are shown."""
    lines = [f"sbc{n},10.0.{n // 250}.{n % 250 + 1},0,32,,true" for n in range(ALIASES)]
    async with pages.signed_in("admin", "/admin/aliases") as window:
        await window.settled()
        for number, content in enumerate((f"{HEAD}\nwrong", "\n".join([HEAD, *lines]))):
            path = tmp_path / f"{number}.csv"
            path.write_text(content)
            if not number:
                await window.page.click("#tools button:text-is('Import')")
            await window.page.set_input_files("dialog [name=file]", path)
            await window.page.click("dialog.editor button.main")
            if not number:
                await window.page.wait_for_selector("dialog .notice.bad:not([hidden])")
        await _row(window, "sbc0")
        assert await window.page.locator("#table tbody tr").count() < ALIASES
        await window.page.fill("#filters input", f"sbc{ALIASES - 1}")
        await _row(window, f"sbc{ALIASES - 1}")
        assert await window.page.locator("#table tbody tr").count() == 1
        async with window.page.expect_download() as download:
            await window.page.click("#tools a:text-is('JSON')")
        await (await download.value).save_as(tmp_path / "aliases.json")
        assert len(json.loads((tmp_path / "aliases.json").read_text())["data"]) == ALIASES
    async with pages.signed_in("support", "/admin/aliases") as window:
        await _row(window, "sbc0")
        assert await window.page.locator("#table button, #tools button").count() == 0


async def test_a_trace_rule_is_made_and_ended(pages: PageSite, call: Flow) -> None:
    """From the page of a call: filled in, in force on the proxy, and no longer."""
    path = f"/calls/{quote(next(iter(call.legs.values())), safe='')}"
    async with pages.signed_in("support", path) as window:
        await window.page.click("#trace")
        assert await window.page.input_value("dialog [name=kind]") == "from_user"
        assert await window.page.input_value("dialog [name=value]") == CALLER
        await window.page.fill("dialog [name=reason]", "<u>ticket 815</u>")
        await window.page.fill("dialog [name=percent]", "300")
        # The browser knows this rule; that of the API is in the words of the API.
        await window.page.evaluate("document.querySelector('dialog.editor form').noValidate = true")
        await window.page.click("dialog.editor button.main")
        assert "0.01 … 100" in await _wrong(window, "percent")
        await window.page.fill("dialog [name=percent]", "")
        await window.page.click("dialog.editor button.main")
        await _row(window, "<u>ticket 815</u>", f"{PROXY}: in force")
        await window.page.click("#table button:text-is('End')")
        await window.page.click("dialog.editor button.main")
        await _gone(window, "ticket 815")
        await window.page.select_option("#filters select", "ended")
        await _row(window, "ticket 815", "removed", "support")
    async with pages.signed_in("user", path) as window:
        await window.page.wait_for_selector("#ladder .row")
        assert await window.page.locator("#trace").count() == 0


async def test_a_call_is_shared(pages: PageSite, call: Flow) -> None:
    """The link is shown once, and opens the call for somebody who has not signed in."""
    path = f"/calls/{quote(next(iter(call.legs.values())), safe='')}"
    async with pages.signed_in("user", path) as window:
        await window.page.wait_for_selector("#ladder .row")
        await window.page.click("#share")
        await window.page.fill("dialog [name=duration]", "9999d")
        await window.page.click("dialog.editor button.main")
        assert "share.max_lifetime" in await _wrong(window, "duration")
        await window.page.fill("dialog [name=duration]", "12h")
        await window.page.check("dialog [name=export]")
        await window.page.click("dialog.editor button.main")
        link = await _secret(window)
    async with pages.window() as other:
        await other.page.goto(link)
        await other.page.wait_for_selector("#ladder .row")
        assert CALLER in await other.text("#headline")
        assert await other.page.is_hidden("#back")
        await other.page.click("#exports > summary")
        async with other.page.expect_download() as download:
            await other.page.click("#exports a")
        assert (await download.value).suggested_filename.endswith(".pcap")
        await other.page.goto(f"{link}x")
        await other.page.wait_for_selector("#headline:has-text('there is no such link')")
        assert not other.faults


async def test_a_share_link_is_listed_and_revoked(pages: PageSite, call: Flow) -> None:
    """With what it opens and how often it was opened; an administrator sees those of all."""
    call_id = next(iter(call.legs.values()))
    async with pages.signed_in("support", f"/calls/{quote(call_id, safe='')}") as window:
        await window.page.click("#share")
        await window.page.fill("dialog [name=note]", MARKUP)
        await window.page.click("dialog.editor button.main")
        link = await _secret(window)
        async with pages.window() as other:
            await other.page.goto(link)
            await other.page.wait_for_selector("#ladder .row")
        await window.go("/account/share-links")
        await _row(window, call_id, MARKUP)
        assert await window.column("Opened") == ["1"]
        assert await window.page.locator("#main img").count() == 0
        path = await window.page.get_attribute("#table td a", "href") or ""
        await window.go(path)
        await window.page.wait_for_selector("#ladder .row")
    async with pages.signed_in("user", "/account/share-links") as window:
        await window.settled()
        assert MARKUP not in await window.column("Note")
    async with pages.signed_in("admin", "/account/share-links") as window:
        await _row(window, call_id, MARKUP, "support")
        await window.page.click(f"#table tr:has-text('{MARKUP}') button:text-is('Revoke')")
        await window.page.click("dialog.editor button.main")
        await _gone(window, MARKUP)
    async with pages.window() as other:
        await other.page.goto(link)
        await other.page.wait_for_selector("#headline:has-text('there is no such link')")


async def test_what_is_kept_and_what_went(pages: PageSite) -> None:
    """Limits with their forecast, each kind with size and age, and every drop a page at a time."""
    async with await AsyncConnection.connect(pages.database.dsn, autocommit=True) as connection:
        await status_rows.publish(connection, "capture1", status_rows.CAUSES)
        await status_rows.publish_retention(connection, page_rows.now())
        await connection.execute(
            "INSERT INTO retention_log (dropped_at, kind, partition, range_begin, range_end,"
            " messages, octets, reason, capture_node) SELECT now() - interval '9 d', 'call',"
            " 'p' || n, now(), now(), 7, 1048576, 'max_bytes', %s FROM generate_series(1, 230) n",
            (MARKUP,),
        )
    async with pages.signed_in("support", "/admin/retention") as window:
        await window.settled()
        above = await window.text("#above")
        assert "last hour +1.0 GiB/h, reached in 1.1 d" in above
        assert "the least precious kind goes: other, then event" in above
        kind = window.page.locator("#above .grid tbody tr", has_text="call").first
        assert re.search(r"17\.0 GiB", await kind.inner_text())
        assert await window.page.locator("#above .plot .line").count() > 0
        assert await window.page.locator("#table tbody tr").count() == 200
        await window.page.click("#more")
        await window.page.wait_for_selector("#table tbody tr:nth-child(232)")
        assert MARKUP in await window.column("By")
        assert await window.page.locator("#main img").count() == 0
        await window.page.select_option("#filters [name=reason]", "age")
        await _gone(window, "max_bytes")
        assert set(await window.column("Kind")) == {"registration", "other"}
        assert not window.faults


async def test_the_settings_in_force(pages: PageSite) -> None:
    """With where each comes from; secrets are not in the page at all."""
    async with pages.signed_in("admin", "/admin/settings") as window:
        await window.settled()
        await window.page.fill("#filters input[type=search]", "trace.")
        await _row(window, "trace.proxies", PROXY)
        assert TOKEN not in await window.page.content()
        token = window.page.locator("#table tr", has_text="trace.token")
        assert "***" in await token.inner_text()
        await window.page.fill("#filters input[type=search]", "")
        await window.page.check("#filters input[type=checkbox]")
        await _gone(window, "hep.workers")
        assert "there is no settings file" not in (await window.text("#above")).lower()
        assert set(await window.column("Comes from")) == {"environment"}


async def test_the_audit_log_is_read(pages: PageSite) -> None:
    """The newest first, a page at a time, of one user and of one kind."""
    async with await AsyncConnection.connect(pages.database.dsn, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO audit_log (username, action, subject, detail)"
            " SELECT 'mallory', 'imported', %s || n, '{\"n\": 1}' FROM generate_series(1, 250) n",
            (MARKUP,),
        )
    async with pages.signed_in("admin", "/admin/audit") as window:
        await window.settled()
        await window.page.fill("#filters [name=username]", "mallory")
        await window.page.select_option("#filters [name=action]", "imported")
        await window.page.wait_for_selector("#table tbody tr:first-child:has-text('onerror')")
        await window.settled()
        assert (await window.column("Of what"))[0] == f"{MARKUP}250"
        assert set(await window.column("Who")) == {"mallory"}
        assert await window.page.locator("#table tbody tr").count() == 200
        await window.page.click("#more")
        await window.page.wait_for_selector("#table tbody tr:nth-child(250)")
        assert len(await window.column("Who")) == 250
        assert await window.page.locator("#main img").count() == 0


async def test_who_may_not_sees_and_reaches_nothing(pages: PageSite) -> None:
    """Neither in the navigation nor by the address; the role support has a part of it."""
    async with pages.signed_in("user") as window:
        assert "Admin" not in await window.text(".bar nav")
        for path in (HOME, *(one.path for one in SECTIONS if one.home == HOME)):
            await window.go(path)
            assert "You may not see this" in await window.text("main")
    async with pages.signed_in("support", "/admin") as window:
        assert "Admin" in await window.text(".bar nav")
        assert "Users" not in await window.text(".sections")
        for path in ("/admin/users", "/admin/settings", "/admin/audit"):
            await window.go(path)
            assert "You may not see this" in await window.text("main")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
async def test_everybody_can_read_it(pages: PageSite, section: Section) -> None:
    """axe-core: names, roles, contrast, light and dark; of the dialog as well. Nothing serious."""
    # Without motion there is no colour half way from light to dark.
    look = {"color_scheme": "light", "reduced_motion": "reduce"}
    async with pages.signed_in("admin", section.path, **look) as window:
        await window.settled()
        if await window.page.locator("#tools .main").count():
            await window.page.keyboard.press("n")
            await window.page.wait_for_selector("dialog.editor")
        assert not await serious(window)
        await window.page.emulate_media(color_scheme="dark")
        assert not await serious(window)
