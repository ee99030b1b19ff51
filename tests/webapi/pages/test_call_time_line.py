# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a call: what happened beside its messages, on one time line; keys and the phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests import beside, flow, page_rows
from tests.fix_browser import SESSION, PageSite, Window, serious
from tests.flow import Flow

NAMES: Final = ("hold", "two-proxies", "b2bua-header")
REPORTS: Final = 10
MARKUP: Final = "<img src=x onerror=alert(1)>\u202e"
PHONE: Final = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("flows")]


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def flows(pages: PageSite) -> AsyncIterator[dict[str, Flow]]:
    """Calls by the name of their flow, with reports and log lines of some."""
    begins = page_rows.now() - timedelta(minutes=10)
    found = {name: flow.load(name, begins=begins) for name in NAMES}
    hold = found["hold"]
    hold.messages.extend(beside.reports(hold, REPORTS, loss_at=3))
    hold.messages.append(beside.log(hold, f'{{"level":"warning","text":"{MARKUP}"}}', after_s=2))
    relayed = found["b2bua-header"]
    relayed.messages.extend(beside.reports(relayed, 2, leg="B"))
    await page_rows.ingest(pages.database, list(found.values()))
    yield found


@asynccontextmanager
async def _opened(pages: PageSite, found: Flow, **options: Any) -> AsyncIterator[Window]:
    call_id = next(iter(found.legs.values()))
    async with pages.signed_in(path=f"/calls/{quote(call_id, safe='')}", **options) as window:
        await window.page.wait_for_selector("#ladder .row")
        yield window


async def _kinds(window: Window) -> list[str]:
    """What the rows are, from the top down."""
    kinds = "rows => rows.map(one => one.classList[1])"
    found: list[str] = await window.page.locator("#ladder .row").evaluate_all(kinds)
    return found


async def test_audio_is_drawn_where_it_was_agreed(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Below the answer; again when somebody holds, and when he comes back. Not for each hop."""
    async with _opened(pages, flows["hold"]) as window:
        bands = window.page.locator("#ladder .row.media")
        said = await bands.evaluate_all("rows => rows.map(row => row.ariaLabel)")
        assert [text.split(", 192")[0] for text in said] == [
            "Audio agreed, PCMU",
            "Audio agreed, PCMU one way",
            "Audio agreed, PCMU",
        ]
        kinds = await _kinds(window)
        assert kinds.index("media") == kinds.index("event") + 2  # INVITE, 180, log, 200, audio
        await bands.first.click()
        assert "192.0.2.101:49172" in await window.text("#message dl")
    async with _opened(pages, flows["two-proxies"]) as window:
        assert await window.page.locator("#ladder .row.media").count() == 1


async def test_streams_and_their_quality_are_drawn(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Each stream with what was reported of it, in the colour that it deserves; each report as a
    row of its own when one wants to see them."""
    async with _opened(pages, flows["hold"], viewport={"width": 1280, "height": 2400}) as window:
        streams = window.page.locator("#ladder .row.stream")
        said = await streams.evaluate_all("rows => rows.map(row => row.ariaLabel)")
        assert [text.split(", ")[1] for text in sorted(said)] == [
            "192.0.2.101 to 192.0.2.201",
            "192.0.2.201 to 192.0.2.101",
        ]
        assert "2.48 % lost" in min(said)
        before = await window.page.locator("#ladder .row").count()
        await window.page.check("#reports")
        assert await window.page.locator("#ladder .row").count() == before + 2 * REPORTS
        assert await window.page.locator("#ladder .row.report .tone-bad").count() == 1
        assert "Callee hears" in await window.text("#facts")


async def test_no_report_is_not_zero(pages: PageSite, flows: dict[str, Flow]) -> None:
    """A call that nobody reports on says so."""
    async with _opened(pages, flows["two-proxies"]) as window:
        assert "no report received" in await window.text("#facts")
        await window.page.click("#quality")
        assert "Nobody has reported" in await window.text("#message")
        assert "0 %" not in await window.text("#message")


async def test_quality_over_time(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Charts of what was reported, read with the keyboard and zoomed together."""
    async with _opened(pages, flows["hold"]) as window:
        await window.page.click("#quality")
        charts = window.page.locator("#message .chart")
        assert await charts.locator("strong").all_inner_texts() == ["MOS", "Packets lost", "Jitter"]
        plot = charts.nth(1).locator(".plot")
        assert await plot.locator("path.line").count() == 2
        await plot.focus()
        await window.page.keyboard.press("Home")
        for _ in range(3):
            await window.page.keyboard.press("ArrowRight")
        assert "25 %" in (await plot.get_attribute("aria-valuetext") or "")
        await window.page.keyboard.press("Shift+ArrowRight")
        await window.page.keyboard.press("Shift+ArrowRight")
        await window.page.keyboard.press("Enter")
        assert await plot.get_attribute("aria-valuemax") == "2"
        await window.page.click("#message .charts button")
        assert await plot.get_attribute("aria-valuemax") == str(REPORTS - 1)


async def test_streams_of_another_leg(pages: PageSite, flows: dict[str, Flow]) -> None:
    """In the colour of its leg, and hidden with it."""
    async with _opened(pages, flows["b2bua-header"]) as window:
        assert await window.page.locator("#ladder .row.stream.leg-1").count() == 2
        assert await window.page.locator("#ladder .row.media").count() == 2
        assert "(leg 2)" in await window.text("#facts")
        await window.page.uncheck(".leg-switch.leg-1 input")
        assert await window.page.locator("#ladder .row.stream").count() == 0
        assert await window.page.locator("#ladder .row.media").count() == 1


async def test_a_log_line_is_on_the_time_line(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Between the messages of its time; a click reads it, and it is text."""
    async with _opened(pages, flows["hold"]) as window:
        window.page.on("dialog", lambda _: window.faults.append("a script ran"))
        assert (await _kinds(window))[:3] == ["message", "message", "event"]
        await window.page.click("#ladder .row.event")
        assert await window.text("#message h2") == "log"
        shown = await window.text("#message pre")
        assert '"level": "warning"' in shown
        assert "<img src=x" in shown
        assert "U+202E" in shown
        assert await window.page.locator("#main img").count() == 0


async def test_rows_by_keyboard(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Tab leads to one row, keys from there to all others; what is read goes along; Esc leads
    back. Each row says what it is and where it stands among how many."""
    async with _opened(pages, flows["hold"]) as window:
        page = window.page
        focused = "document.activeElement.dataset.at"
        assert await page.locator("#ladder [tabindex='0']").count() == 1
        await page.locator("#ladder .row").first.focus()
        await page.keyboard.press("Enter")
        assert await window.text("#message h2") == "INVITE"
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate(focused) == "1"
        assert await window.text("#message h2") == "180 Ringing"
        row = page.locator("#ladder [data-at='1']")
        assert await row.get_attribute("role") == "option"
        assert await row.get_attribute("aria-selected") == "true"
        assert await row.get_attribute("aria-posinset") == "2"
        label = await row.get_attribute("aria-label") or ""
        assert label.startswith("180 Ringing, 192.0.2.201 to 192.0.2.101, +0.05")
        await page.keyboard.press("End")
        last = int(await row.get_attribute("aria-setsize") or 0) - 1
        assert await page.evaluate(focused) == str(last)
        assert await window.text("#message h2") == "200 OK"
        await page.keyboard.press("Home")
        assert await page.evaluate(focused) == "0"
        assert await page.locator("#ladder [tabindex='0']").count() == 1
        await page.keyboard.press("Tab")
        assert await page.evaluate("!!document.activeElement.closest('#message')")
        await page.keyboard.press("Escape")
        assert await page.is_hidden("#message")
        assert await page.evaluate(focused) == "0"


async def test_rows_stay_in_the_order_of_time(pages: PageSite, flows: dict[str, Flow]) -> None:
    """A screen reader reads the document, not the drawing: also after scrolling up and down."""
    viewport = {"width": 1280, "height": 500}
    async with _opened(pages, flows["hold"], viewport=viewport) as window:
        await window.page.check("#reports")
        for top in (1e9, 0, 400, 100):
            await window.page.evaluate(f"document.querySelector('#ladder').scrollTop = {top}")
            await window.page.wait_for_timeout(50)
            order = await window.page.locator("#ladder .row").evaluate_all(
                "rows => rows.map(row => Number(row.dataset.at))"
            )
            assert order == sorted(order)


async def test_on_a_phone(pages: PageSite, flows: dict[str, Flow]) -> None:
    """390 px: nothing is wider than the screen, three hosts stand side by side, what one reads
    lies over the ladder and goes away again, and what a finger has to meet is large enough."""
    async with _opened(pages, flows["b2bua-header"], **PHONE) as window:
        page = window.page
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        ladder = "document.querySelector('#ladder')"
        assert await page.evaluate(f"{ladder}.scrollWidth - {ladder}.clientWidth") == 0
        await page.tap("#ladder [data-at='2']")
        box = await page.locator("#message").bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 390)
        assert box["y"] + box["height"] == 844
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        small = "all => all.filter(one => one.offsetHeight < 34).map(one => one.textContent)"
        assert await page.locator("#message header button").evaluate_all(small) == []
        await page.tap("#message [title^=Next]")
        assert "180 Ringing" in await window.text("#message h2")
        await page.tap("#message [title^=Close]")
        assert await page.is_hidden("#message")
        await page.tap("#quality")
        assert await page.locator("#message .chart").count() == 3
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE])
async def test_everybody_can_read_the_time_line(
    pages: PageSite, flows: dict[str, Flow], options: dict[str, Any]
) -> None:
    """axe-core over the ladder with streams and events, and over the charts."""
    async with _opened(pages, flows["hold"], **options) as window:
        await window.page.check("#reports")
        assert not await serious(window)
        await window.page.click("#quality")
        assert not await serious(window)
        await window.page.click("#message [title^=Close]")
        await window.page.click("#ladder .row.event")
        assert not await serious(window)
