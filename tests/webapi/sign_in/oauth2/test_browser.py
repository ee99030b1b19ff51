# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in at a real provider in a real browser, which has its own rules for cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, async_playwright

from bench.pages.browser import CHROMIUM
from stack.ports import free_port
from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.fix_provider import oauth2_settings
from webapi.app import create_app


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Of a browser that nobody has used yet."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        yield await browser.new_page()
        await browser.close()


async def test_the_session_is_there_where_the_browser_goes_in_the_end(
    database: Database, openid_provider: str, page: Page
) -> None:
    """Its cookie is for requests from our own pages only, and the browser comes from another site:
    to a browser, 127.0.0.1 and localhost are two."""
    port = free_port()
    issuer = openid_provider.replace("127.0.0.1", "localhost")
    changed = {"ISSUER": issuer, "BASE_URL": f"http://127.0.0.1:{port}"}
    settings = load_settings(database, WEB_SIGN_IN="internal", **oauth2_settings(**changed))
    async with TestServer(create_app(settings), port=port):
        await page.goto(f"http://127.0.0.1:{port}/api/v1/oauth2/sso?next=/api/v1/me")
        assert page.url.startswith(issuer)
        await page.fill("input[name=sub]", "anna")
        await page.click('button:text("Authorize")')
        await page.wait_for_url("**/api/v1/me")
        assert '"username":"anna@example.com"' in await page.content()
