# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages over two sites, and what they say when one is away."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests import page_rows
from tests.fix_browser import SESSION, serious, serve_pages
from tests.fix_database import Database
from tests.fix_sites import HERE, THERE, Remote

pytestmark = pytest.mark.asyncio(loop_scope=SESSION)


async def test_the_pages_over_two_sites(
    browser: Browser, database: Database, remote: Remote, password_hash: str, tmp_path: Path
) -> None:
    """One list, a column that says whose each call is; without one of them a sentence says so."""
    now = page_rows.now() - timedelta(minutes=1)
    flows = page_rows.played(12, now)
    await page_rows.ingest(database, flows[::2])
    await page_rows.ingest(remote.database, flows[1::2])
    settings = {
        "SITES_NAME": HERE,
        "SITES_DATABASES": f"['{remote.entry}']",
        "SITES_TIMEOUT": "0.5",
        "SITES_RETRY": "0",
    }
    async with (
        serve_pages(browser, database, password_hash, **settings) as pages,
        pages.signed_in() as window,
    ):
        page = window.page
        await page.wait_for_selector("#table tbody tr")
        everywhere = await window.column("Site")
        assert set(everywhere) == {HERE, THERE}
        assert not await page.is_visible("#notice")

        await window.search(f"site:{THERE}")
        assert set(await window.column("Site")) == {THERE}
        assert "Site" in await window.text("#chips")
        there = (await window.column("Call-ID"))[0]
        await window.go(f"/calls/{there}")
        await page.wait_for_selector("#ladder .row")
        assert THERE in await window.text("#facts")

        await window.go("/search?live=true")
        await page.wait_for_selector("#live.on")
        assert await window.text("#notice") == f"Live shows what {HERE} captures."
        await page.wait_for_selector("#table tbody tr")
        assert set(await window.column("Site")) == {HERE}

        remote.go()
        await window.go("/search")
        await page.wait_for_selector("#table tbody tr")
        assert set(await window.column("Site")) == {HERE}
        notice = await window.text("#notice")
        assert notice.startswith(f"Without site {THERE} (the database does not answer;")
        assert notice.endswith("there may be more.")
        assert "web.query_timeout" not in await window.text("#count")
        assert await serious(window) == []
        await page.screenshot(path=tmp_path / "away.png")

        await window.go(f"/calls/{there}")
        await page.wait_for_selector(f"#headline:has-text('site {THERE}: ')")

        await window.go("/status")
        await page.wait_for_selector("#attention li")
        assert f"{THERE} this site does not answer" in await window.text("#attention")


async def test_one_site_is_not_spoken_of(
    browser: Browser, database: Database, password_hash: str
) -> None:
    """Neither a column nor a field."""
    await page_rows.ingest(database, page_rows.played(2, page_rows.now()))
    async with (
        serve_pages(browser, database, password_hash) as pages,
        pages.signed_in() as window,
    ):
        await window.page.wait_for_selector("#table tbody tr")
        assert await window.page.locator("#table th").count() > 5
        assert "Site" not in await window.text("#table thead")
        assert await window.page.locator('#form [name="site"]').count() == 0
