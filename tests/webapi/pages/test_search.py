# SPDX-License-Identifier: GPL-2.0-or-later
"""The search page in a browser, over calls that were stored by the real ingest."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests import flow, page_rows
from tests.fix_browser import SESSION, PageSite
from tests.flow import Flow

pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("flows")]
CALLS = 130


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def flows(pages: PageSite) -> AsyncIterator[list[Flow]]:
    """What is stored: calls of the last hour, and one of three days ago."""
    now = page_rows.now() - timedelta(minutes=1)
    old = flow.load("busy", 99, now - timedelta(days=3))
    found = [*page_rows.played(CALLS, now), old]
    await page_rows.ingest(pages.database, found)
    yield found


async def test_a_number_in_the_box(pages: PageSite) -> None:
    """It is the caller's or the callee's; the chip says what was understood."""
    async with pages.signed_in() as window:
        await window.page.wait_for_selector("#table tbody tr")
        assert len(await window.column("Caller")) == 100
        caller = (await window.column("Caller"))[0]
        await window.search(caller)
        assert set(await window.column("Caller")) | set(await window.column("Callee")) >= {caller}
        assert "Number" in await window.text("#chips")
        assert window.page.url.endswith(f"/search?number={caller.replace('+', '%2B')}")


async def test_an_address_in_the_box(pages: PageSite) -> None:
    """Or a network."""
    async with pages.signed_in() as window:
        await window.search("192.0.2.21")
        found = await window.column("From")
        assert found
        assert all(text.startswith("192.0.2.21:") for text in found)
        await window.search("198.51.100.0/24")
        assert "No calls match" in await window.text("#empty")


async def test_a_call_id_in_the_box(pages: PageSite, flows: list[Flow]) -> None:
    """It is found at any time, and Enter opens the call."""
    old = flows[-1]
    (call_id,) = old.legs.values()
    async with pages.signed_in() as window:
        await window.search(f"call_id:{call_id}")
        assert await window.column("Call-ID") == [call_id]
        assert await window.text("#range-text") == "All times"
        await window.page.focus("#table tbody tr")
        await window.page.keyboard.press("Enter")
        await window.page.wait_for_url(f"{pages.url}/calls/*")


async def test_terms_are_completed(pages: PageSite) -> None:
    """Names of filters, and then their values, from what the API knows."""
    async with pages.signed_in() as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.type("#box", "sta")
        await window.page.keyboard.press("ArrowDown")
        await window.page.keyboard.press("Enter")
        await window.page.keyboard.type("bu")
        assert await window.page.get_attribute("#box", "aria-expanded") == "true"
        await window.page.keyboard.press("ArrowDown")
        await window.page.keyboard.press("Tab")
        assert await window.page.input_value("#box") == "state:busy "
        await window.page.keyboard.press("Enter")
        await window.page.wait_for_url("**/search?state=busy")
        await window.settled()
        assert set(await window.column("State")) == {"busy"}


async def test_the_form_and_the_box_say_the_same(pages: PageSite) -> None:
    """And so does the address."""
    async with pages.signed_in() as window:
        await window.page.click("#form-switch")
        await window.page.fill("#form [name=state]", "failed")
        await window.page.fill("#form [name=status]", "403")
        await window.page.press("#form [name=status]", "Enter")
        await window.page.wait_for_url("**/search?state=failed&status=403")
        await window.settled()
        assert await window.page.input_value("#box") == "state:failed status:403"
        assert all(text.startswith("403") for text in await window.column("Status"))
        await window.page.click("#chips li:has-text('Status') button")
        await window.page.wait_for_url("**/search?state=failed")


async def test_sorting_goes_through_the_api(pages: PageSite) -> None:
    """Not through the rows of the first page alone; the address keeps it."""
    async with pages.signed_in() as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.click("th button[data-sort=duration_ms]")
        await window.page.wait_for_url("**sort=-duration_ms")
        await window.settled()
        longest = (await window.column("Duration"))[0]
        assert longest
        await window.page.click("th button[data-sort=duration_ms]")
        await window.page.wait_for_url("**sort=duration_ms")
        await window.settled()
        assert (await window.column("Duration"))[0] == ""
        assert (
            await window.page.get_attribute("th:has-text('Duration')", "aria-sort") == "ascending"
        )


async def test_columns_are_kept_in_the_address(pages: PageSite) -> None:
    """Who gets the link sees the same ones."""
    async with pages.signed_in() as window:
        await window.page.click("#columns > summary")
        await window.page.check("#columns [name=transport]")
        await window.page.uncheck("#columns [name=pdd_ms]")
        assert "columns=" in window.page.url
        await window.go(window.page.url.removeprefix(pages.url))
        await window.page.wait_for_selector("#table tbody tr")
        assert set(await window.column("Transport")) == {"UDP"}
        assert not await window.column("PDD")


async def test_more_rows(pages: PageSite) -> None:
    """Pages as the API has them, none twice."""
    async with pages.signed_in(path="/search?from=-6h") as window:
        await window.page.wait_for_selector("#table tbody tr")
        assert await window.text("#count") == "100 calls, and there are more."
        await window.page.keyboard.press("m")
        await window.page.wait_for_selector("#table tbody tr:nth-child(101)")
        paths = await window.page.eval_on_selector_all(
            "#table tbody tr", "rows => rows.map(row => row.dataset.path)"
        )
        assert len(paths) == len(set(paths)) > 100


async def test_messages_and_registrations(pages: PageSite) -> None:
    """Further tabs; filters that a tab does not know are kept and said to be idle."""
    async with pages.signed_in(path="/search?state=completed&ip=192.0.2.22") as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.keyboard.press("2")
        await window.page.wait_for_url("**/search?tab=messages**")
        await window.settled()
        assert "INVITE" in await window.column("Message")
        assert await window.page.locator(".chip.idle").count() == 1
        await window.page.press("#box", "Enter")
        await window.settled()
        assert await window.page.locator(".chip.idle").count() == 1
        assert "INVITE" in await window.column("Message")
        await window.go("/search?tab=registrations")
        await window.page.wait_for_selector("#table tbody tr")
        assert "registered" in await window.column("State")


async def test_the_time_zone(pages: PageSite) -> None:
    """Shown, switched, kept; it governs what is typed as well."""
    async with pages.signed_in(timezone_id="Asia/Tokyo") as window:
        await window.page.wait_for_selector("#table tbody tr")
        assert "Asia/Tokyo (+09:00)" in await window.text("#zone")
        before = (await window.column("Began"))[0]
        await window.page.select_option("#zone", "UTC")
        after = (await window.column("Began"))[0]
        assert before != after
        await window.page.select_option("#zone", "Europe/Berlin")
        await window.page.click("#range > summary")
        await window.page.fill("#range [name=from]", "2026-07-01 00:00:00")
        await window.page.fill("#range [name=to]", "2026-07-01 06:00:00")
        await window.page.click("#range .absolute button")
        await window.page.wait_for_url("**from=2026-06-30T22%3A00%3A00.000Z**")
        assert re.match("2026-07-01 00:00:00 . 06:00:00$", await window.text("#range-text"))
        await window.page.reload()
        assert await window.page.input_value("#zone") == "Europe/Berlin"


async def test_live_calls(pages: PageSite) -> None:
    """A call is there as it happens, and changes with its state."""
    async with pages.signed_in() as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.keyboard.press("l")
        await window.page.wait_for_selector("#live.on")
        call = flow.load("hold", 77, page_rows.now())
        begun, rest = call.messages[:3], call.messages[3:]
        ended, call.messages = rest, begun
        await page_rows.ingest(pages.database, [call])
        row = window.page.locator("#table tbody tr.fresh").first
        await row.wait_for()
        assert (await window.column("Caller"))[0] == "alice"
        first = (await window.column("State"))[0]
        call.messages = ended
        await page_rows.ingest(pages.database, [call])
        state = "document.querySelector('#table td[data-label=State]').innerText.trim()"
        await window.page.wait_for_function(f"first => {state} != first", arg=first)
        assert re.match(r"Live: \d+ new", await window.text("#count"))
        assert "live=true" in window.page.url


async def test_the_export_is_what_the_search_finds(pages: PageSite, tmp_path: Path) -> None:
    """With the filters and the time range of the page, on its clock."""
    async with pages.signed_in(path="/search?state=busy&from=-6h") as window:
        await window.page.select_option("#zone", "Asia/Tokyo")
        await window.page.wait_for_selector("#table tbody tr")
        shown = await window.column("Call-ID")
        await window.page.click("#exports > summary")
        async with window.page.expect_download() as download:
            await window.page.click("#exports a:has-text('CSV')")
        path = tmp_path / "calls.csv"
        await (await download.value).save_as(path)
        lines = path.read_text().splitlines()
        assert len(lines) == len(shown) + 1
        assert all("+09:00" in line for line in lines[1:])
        assert all(any(call_id in line for line in lines) for call_id in shown)


async def test_keys_are_enough(pages: PageSite) -> None:
    """From the box to the row and back; ? says which keys."""
    async with pages.signed_in() as window:
        await window.page.wait_for_selector("#table tbody tr")
        keyboard = window.page.keyboard
        await keyboard.press("?")
        assert await window.page.is_visible("#keyboard")
        await keyboard.press("Escape")
        await keyboard.press("j")
        await keyboard.press("j")
        focused = "document.activeElement.sectionRowIndex"
        assert await window.page.evaluate(focused) == 1
        await keyboard.press("End")
        assert await window.page.evaluate(focused) == 99
        await keyboard.press("/")
        assert await window.page.evaluate("document.activeElement.id") == "box"


async def test_a_search_that_finds_nothing_says_what_to_do(pages: PageSite) -> None:
    """A longer time, no filters; and whether anything is captured at all."""
    async with pages.signed_in() as window:
        await window.search("state:busy 2")
        await window.page.wait_for_selector("#empty code:has-text('make doctor')")
        await window.page.click("#empty button:has-text('Last 7 days')")
        await window.page.wait_for_url("**from=-7d")
        await window.page.click("#empty button:has-text('Without the filters')")
        await window.page.wait_for_selector("#table tbody tr")


async def test_an_error_names_what_is_wrong(pages: PageSite) -> None:
    """The chip of the parameter, in the words of the API."""
    async with pages.signed_in() as window:
        await window.search("state:nonsense")
        await window.page.wait_for_selector("#empty:not([hidden])")
        assert "must be among" in await window.text("#empty")
        assert await window.page.locator(".chip.wrong").count() == 1


async def test_a_search_is_saved(pages: PageSite) -> None:
    """With its tab, filters, order and time; found again, and by others when it is for all."""
    async with pages.signed_in(path="/search?state=busy&sort=-pdd_ms&from=-6h") as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.click("#saved > summary")
        await window.page.fill("#saved [name=name]", "<b>busy</b>")
        await window.page.check("#saved [name=shared]")
        await window.page.click("#saved .save button")
        await window.page.wait_for_selector("#saved .saved")
    async with pages.signed_in("user", "/search?tab=messages") as window:
        await window.page.click("#saved > summary")
        await window.page.click("#saved .saved button:has-text('<b>busy</b>')")
        await window.page.wait_for_url("**/search?state=busy&from=-6h&sort=-pdd_ms")
        await window.settled()
        assert set(await window.column("State")) == {"busy"}
    async with pages.signed_in() as window:
        await window.page.click("#saved > summary")
        await window.page.click("#saved .saved [aria-label^=Remove]")
        await window.page.wait_for_selector("#saved:has-text('None yet')")
