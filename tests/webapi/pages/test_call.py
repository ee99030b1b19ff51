# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a call in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests import flow, page_rows
from tests.fix_browser import SESSION, PageSite, Window
from tests.flow import Flow

NAMES = ("fork-serial", "b2bua-header", "ack-missing", "registration-new")
pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("flows")]


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def flows(pages: PageSite) -> AsyncIterator[dict[str, Flow]]:
    """Calls by the name of their flow."""
    begins = page_rows.now() - timedelta(minutes=10)
    found = {name: flow.load(name, begins=begins) for name in NAMES}
    await page_rows.ingest(pages.database, list(found.values()))
    yield found


@asynccontextmanager
async def _opened(pages: PageSite, found: Flow) -> AsyncIterator[Window]:
    call_id = next(iter(found.legs.values()))
    async with pages.signed_in(path=f"/calls/{quote(call_id, safe='')}") as window:
        await window.page.wait_for_selector("#ladder .row")
        yield window


async def _names(window: Window) -> list[str]:
    """What the arrows in view are called."""
    return await window.page.locator("#ladder .label").all_text_contents()


async def test_a_call_is_told_and_drawn(pages: PageSite, flows: dict[str, Flow]) -> None:
    """The explanation at the top, every host a column, every message an arrow in its order."""
    call = flows["fork-serial"]
    async with _opened(pages, call) as window:
        assert "alice called bob" in await window.text("#headline")
        assert "192.0.2.111:5060 cancelled the call" in await window.text("#story")
        assert await window.page.locator("#ladder .hosts .host").count() == 4
        names = await _names(window)
        assert names[:3] == ["INVITE SDP", "100 Trying", "INVITE"]
        first, second = (window.page.locator(f"#ladder [data-at='{at}'] .time") for at in (0, 1))
        assert re.match(r"\d\d:\d\d:\d\d\.\d{6}$", await first.text_content() or "")
        assert await first.text_content() != await second.text_content()


async def test_a_message_is_read(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Click or key; the address names it, and leads to it again."""
    call = flows["fork-serial"]
    async with _opened(pages, call) as window:
        await window.page.click("#ladder [data-at='0']")
        assert (await window.text("#message pre")).startswith("INVITE sip:bob@biloxi.example.com")
        assert await window.page.locator("#message pre .header").count() > 10
        await window.page.keyboard.press("j")
        assert (await window.text("#message pre")).startswith("SIP/2.0 100 Trying")
        assert "message=" in window.page.url
        await window.page.reload()
        await window.page.wait_for_selector("#message pre")
        assert await window.text("#message h2") == "100 Trying"
        await window.page.keyboard.press("Escape")
        assert await window.page.is_hidden("#message")


async def test_two_messages_are_compared(pages: PageSite, flows: dict[str, Flow]) -> None:
    """What the proxy has changed."""
    async with _opened(pages, flows["fork-serial"]) as window:
        await window.page.click("#ladder [data-at='0']")
        await window.page.click("#message [title^=Compare]")
        await window.page.click("#ladder [data-at='2']")
        new = await window.page.locator("#message pre .new").all_inner_texts()
        assert any(line.startswith("Via:") for line in new)
        gone = await window.page.locator("#message pre .gone").all_inner_texts()
        assert any("o=-" in line for line in gone)


async def test_legs_are_drawn_together_and_hidden(pages: PageSite, flows: dict[str, Flow]) -> None:
    """Both legs of a B2BUA in one order, each in its colour."""
    async with _opened(pages, flows["b2bua-header"]) as window:
        assert await window.page.locator("#ladder .row.leg-1").count() > 0
        both = await window.page.locator("#ladder .row").count()
        await window.page.uncheck(".leg-switch.leg-1 input")
        assert await window.page.locator("#ladder .row.leg-1").count() == 0
        assert 0 < await window.page.locator("#ladder .row").count() < both


async def test_retransmissions_are_folded(pages: PageSite, flows: dict[str, Flow]) -> None:
    """One arrow with a count; each of them when one wants to see them."""
    async with _opened(pages, flows["ack-missing"]) as window:
        assert any("↻5" in name for name in await _names(window))
        folded = len(await _names(window))
        await window.page.uncheck("#fold")
        assert len(await _names(window)) == folded + 6


async def test_what_is_no_call_is_shown_as_well(pages: PageSite, flows: dict[str, Flow]) -> None:
    """A registration has messages and no row of call."""
    async with _opened(pages, flows["registration-new"]) as window:
        assert "REGISTER" in await _names(window)


async def test_a_call_is_exported(pages: PageSite, flows: dict[str, Flow], tmp_path: Path) -> None:
    """All of its legs, for Wireshark."""
    async with _opened(pages, flows["b2bua-header"]) as window:
        await window.page.click("#exports > summary")
        async with window.page.expect_download() as download:
            await window.page.click("#exports a:text-is('PCAP')")
        path = tmp_path / "call.pcap"
        await (await download.value).save_as(path)
        data = path.read_bytes()
        assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
        assert data.count(b"INVITE sip:") == 2


async def test_a_call_that_is_not_there(pages: PageSite) -> None:
    """Says so, and the way back is open."""
    async with pages.signed_in(path="/calls/nobody%40nowhere") as window:
        await window.page.wait_for_selector("#headline:has-text('Nothing has this Call-ID')")
        await window.page.click("#back")
        await window.page.wait_for_url("**/search")
