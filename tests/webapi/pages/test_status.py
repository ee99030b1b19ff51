# SPDX-License-Identifier: GPL-2.0-or-later
"""The status page in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.causes import Cause
from tests import page_rows, status_rows
from tests.fake_control import TOKEN, FakeControl
from tests.fix_api import store
from tests.fix_browser import SESSION, PageSite, Window, serious, serve_pages
from tests.fix_database import Database
from tests.sip_text import packet, request
from tests.status_rows import CAUSES, WAITING

pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("writer")]
MARKUP: Final = "<img/src=x onerror=alert(1)>\"'\u202e"
CALLS: Final = 40
Connection = AsyncConnection[TupleRow]


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def control() -> AsyncIterator[FakeControl]:
    """The control of a proxy."""
    fake = FakeControl()
    async with fake.server:
        yield fake


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def writer(shared_database: Database) -> AsyncIterator[Connection]:
    """Who writes what the page shows: a node, calls, a sender with a hostile name."""
    until = page_rows.now() - timedelta(minutes=1)
    await page_rows.ingest(shared_database, page_rows.played(CALLS, until))
    async with await AsyncConnection.connect(shared_database.dsn, autocommit=True) as connection:
        await status_rows.fill(connection, until, 15)
        hostile = packet(request(), node_name=MARKUP.encode())
        await store(connection, [hostile, packet(request(), at=until.timestamp() - 600)])
        yield connection


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def site(
    browser: Browser,
    shared_database: Database,
    password_hash: str,
    control: FakeControl,
) -> AsyncIterator[PageSite]:
    """A service that knows a proxy."""
    trace = {"TRACE_PROXIES": f"edge={control.url}", "TRACE_TOKEN": TOKEN}
    async with serve_pages(browser, shared_database, password_hash, **trace) as served:
        yield served


@asynccontextmanager
async def _opened(site: PageSite, **options: str) -> AsyncIterator[Window]:
    async with site.signed_in(path="/status", **options) as window:
        window.page.on("dialog", lambda _: window.faults.append("a script ran"))
        await window.page.wait_for_selector("#balance .picture")
        await window.page.wait_for_selector("#charts .line")
        yield window


async def test_the_balance_closes(site: PageSite) -> None:
    """What was received is the sum of what became of it; each outcome has its band."""
    async with _opened(site) as window:
        received = sum(CAUSES.values()) + WAITING
        assert f"{received:,}" in await window.text("#balance .source")
        numbers = [
            int(text.replace(",", ""))
            for text in await window.page.locator(".outcomes p strong").all_inner_texts()
        ]
        assert len(numbers) == 6
        assert sum(numbers) == received
        assert await window.page.locator("#balance .band").count() == 6
        proof = await window.text("#proof")
        assert "closes" in proof
        assert proof.endswith(f"{received:,} = {' + '.join(f'{number:,}' for number in numbers)}")


async def test_the_losses_over_time(site: PageSite) -> None:
    """Their number, and a line only where a reading was taken."""
    async with _opened(site) as window:
        chart = window.page.locator(".chart", has_text="Packets lost")
        plot = chart.get_by_role("slider")
        await chart.locator(".line").wait_for()
        assert await plot.get_attribute("aria-valuetext") == "all of the time: lost 412"
        await plot.focus()
        await window.page.keyboard.press("Home")
        assert (await plot.get_attribute("aria-valuetext") or "").endswith("lost \u2013")


async def test_the_balance_and_the_losses_of_one_node(site: PageSite, writer: Connection) -> None:
    """Where there are several; of one, the choice would be none."""
    other = UUID(int=2)
    async with _opened(site) as window:
        assert await window.page.locator("#node").is_hidden()
        await status_rows.publish(writer, "capture2", {"stored": 30, "kernel": 12}, 0, other)
        await status_rows.publish_losses(writer, page_rows.now(), [0, 5, 7], other)
        try:
            await window.page.wait_for_selector("#node:not([hidden])")
            both = sum(CAUSES.values()) + WAITING + 42 + WAITING
            await window.page.locator("#balance .source", has_text=f"{both:,}").wait_for()
            await window.page.select_option("#node", "capture2")
            assert await window.text("#balance .source strong") == f"{42 + WAITING}"
            plot = window.page.locator(".chart", has_text="Packets lost").get_by_role("slider")
            told = window.page.locator(".chart dd[data-line=lost]", has_text=re.compile("^12$"))
            await told.wait_for()
            assert await plot.get_attribute("aria-valuetext") == "all of the time: lost 12"
        finally:
            await writer.execute("DELETE FROM balance WHERE journal_id = %s", (other,))
            await writer.execute("DELETE FROM capture_node WHERE journal_id = %s", (other,))
        # A node that is gone is nobody's choice any more.
        await window.page.wait_for_selector("#node", state="hidden")
        await window.page.locator(
            "#balance .source", has_text=f"{both - 42 - WAITING:,}"
        ).wait_for()


async def test_a_cause_of_drops_has_its_words(site: PageSite) -> None:
    """Name, number and what it means, below its outcome."""
    async with _opened(site) as window:
        told = await window.text('[data-outcome="dropped"] [data-cause="kernel"]')
        assert re.sub(r"\s+", " ", told) == f"{CAUSES['kernel']} kernel {Cause.KERNEL.help}"
        assert await window.page.locator('[data-cause="disk_full"]').count() == 0


async def test_what_is_missing_is_told(site: PageSite, writer: Connection) -> None:
    """Packets without a cause, and losses that go on, come by themselves to the top."""
    async with _opened(site) as window:
        await status_rows.publish(writer, "capture1", CAUSES | {"kernel": 500}, unaccounted=3)
        try:
            told = window.page.locator("#attention li", has_text="is losing packets now: kernel")
            await told.wait_for()
            assert "3 unaccounted" in await window.text("#proof")
            assert "need attention" in await window.text("#verdict")
        finally:
            await status_rows.publish(writer, "capture1", CAUSES)


async def test_a_pause_of_storing_is_told(site: PageSite, writer: Connection) -> None:
    """Who paused a node and forgot it would wonder what is wrong with the database."""
    await writer.execute("UPDATE capture_node SET paused_at = now() - interval '3 min'")
    try:
        async with _opened(site) as window:
            told = window.page.locator(
                "#attention li", has_text="storing was paused by an operator"
            )
            assert "python -m collector resume" in await told.inner_text()
    finally:
        await writer.execute("UPDATE capture_node SET paused_at = NULL")


async def test_an_output_and_a_clock_that_need_somebody(site: PageSite) -> None:
    """With the error, and with how far the clock is off."""
    async with _opened(site) as window:
        attention = await window.text("#attention")
        assert "relay:archive does not deliver" in attention
        assert "Connection refused" in attention
        assert re.search(r"203\.0\.113\.5 2001 has a clock that is 1\d min behind", attention)
        assert re.search(r"\u22121\d min", await window.text("#senders"))


async def test_a_hostile_name_is_text(site: PageSite, writer: Connection) -> None:
    """Of a sender and of a capture node, in the tables and at the top."""
    await status_rows.publish(writer, MARKUP, CAUSES, unaccounted=1)
    try:
        async with _opened(site) as window:
            for place in ("#senders", "#nodes", "#attention"):
                text = await window.text(place)
                assert "<img/src=x onerror=alert(1)>" in text
                assert "U+202E" in text
            assert await window.page.locator("#main :is(img, script, [onerror])").count() == 0
            assert window.hosts == {site.url.removeprefix("http://")}
    finally:
        await status_rows.publish(writer, "capture1", CAUSES)


async def test_key_figures_are_read_and_zoomed_into(site: PageSite) -> None:
    """By keys: the figures of a step, a range, and its zoom; the address keeps it."""
    async with _opened(site) as window:
        chart = window.page.locator(".chart", has_text="ASR and NER")
        plot = chart.get_by_role("slider")
        whole = await plot.get_attribute("aria-valuetext") or ""
        assert re.match(r"all of the time: NER \d+\.\d %, ASR \d+\.\d %$", whole)
        await plot.focus()
        for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft"):
            await window.page.keyboard.press(key)
        assert await plot.get_attribute("aria-valuetext") != whole
        await window.page.keyboard.press("Enter")
        await window.page.wait_for_url(re.compile(r"/status\?from=.+&to=.+"))
        await window.page.wait_for_selector("#zoom-out:not([hidden])")
        await window.page.keyboard.press("z")
        await window.page.wait_for_url(f"{site.url}/status")
        await window.page.click("#ranges [data-from='-7d']")
        assert window.page.url.endswith("?from=-7d")


async def test_zoom_by_dragging(site: PageSite) -> None:
    """Over some of a chart, with the pointer."""
    async with _opened(site) as window:
        plot = window.page.locator(".chart .plot").first
        await plot.scroll_into_view_if_needed()
        box = await plot.bounding_box()
        assert box
        y = box["y"] + 40
        await window.page.mouse.move(box["x"] + box["width"] * 0.6, y)
        await window.page.mouse.down()
        await window.page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=3)
        await window.page.mouse.up()
        await window.page.wait_for_url(re.compile(r"\?from=.+&to=.+"))


async def test_proxies_rules_disk_and_outputs(site: PageSite) -> None:
    """Where a rule is in force, and when the limits are reached."""
    async with _opened(site) as window:
        await window.page.locator("#rules", has_text="1 of 1").wait_for()
        assert "4711" in await window.text("#rules")
        assert "ready" in await window.text("#proxies")
        limits = await window.text("#limits")
        assert "last hour +1.0 GiB/h, reached in 1.1 d" in limits
        assert "last day +1.0 GiB/h, reached in 1.3 d" in limits
        assert "retention" not in await window.text("#dropped")
        assert "registration" in await window.text("#dropped")
        assert "1,190,233" in await window.text("#outputs")


async def test_nothing_yet(browser: Browser, database: Database, password_hash: str) -> None:
    """Of an empty database the page says so, and what to do."""
    async with (
        serve_pages(browser, database, password_hash) as site,
        site.signed_in(path="/status") as window,
    ):
        await window.page.locator("#attention", has_text="make doctor").wait_for()
        assert "No capture node has ever reported" in await window.text("#nodes")
        assert "Nobody has sent anything yet" in await window.text("#senders")
        assert "No proxy is named in trace.proxies" in await window.text("#proxies")


async def test_the_way_to_it(site: PageSite) -> None:
    """From the navigation, and from a search that finds nothing."""
    async with site.signed_in(path="/search?number=nobody") as window:
        await window.page.click("#empty a[href='/status']")
        await window.page.wait_for_selector("nav [aria-current]")
        assert await window.text("nav [aria-current]") == "Status"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_read_it(site: PageSite, scheme: str) -> None:
    """axe-core: names, roles, contrast. Nothing serious."""
    async with _opened(site, color_scheme=scheme) as window:
        await window.page.wait_for_selector("#rules table")
        assert not await serious(window)
