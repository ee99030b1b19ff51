# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages in the distribution's Chromium, over a real service and a real PostgreSQL.

One browser serves the whole run, one service a module; all of it in the event loop of the session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import pytest_asyncio
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Request, async_playwright
from psycopg import AsyncConnection

from bench.pages.browser import CHROMIUM, VIEWPORT
from tests.fix_access import PASSWORD
from tests.fix_api import load_with_origins
from tests.fix_database import Database
from webapi.access.roles import Role
from webapi.app import create_app

SESSION: Final = "session"
_PATIENCE_MS: Final = 60_000


class Window:
    """A page of a browser of its own, and what it did that it should not."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        """What the console tells as an error: exceptions, what the policy forbade, and so on."""
        self.hosts: set[str] = set()
        """All that it has asked."""
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", self._asked)

    async def go(self, path: str) -> None:
        """Open a page of the service."""
        await self.page.goto(f"{self.url}{path}")

    async def sign_in(self, username: str, path: str = "/search", password: str = PASSWORD) -> None:
        """By way of the page for it, to where one wanted to go."""
        await self.go(path)
        await self.page.fill("[name=username]", username)
        await self.page.fill("[name=password]", password)
        await self.page.click("#sign-in button.main")
        await self.page.wait_for_url(lambda url: "/sign-in" not in url)

    async def search(self, text: str) -> None:
        """Type it into the box and wait for what it finds."""
        await self.page.fill("#box", text)
        await self.page.press("#box", "Enter")
        await self.settled()

    async def settled(self) -> None:
        """Until the search has its answer."""
        await self.page.wait_for_selector("#results:not([aria-busy])", state="attached")

    async def column(self, label: str) -> list[str]:
        """The cells below a heading."""
        cells = self.page.locator(f'#table td[data-label="{label}"]')
        return [text.strip() for text in await cells.all_inner_texts()]

    async def text(self, selector: str) -> str:
        """What is to be read there."""
        return (await self.page.inner_text(selector)).strip()

    def _heard(self, message: Any) -> None:
        # An answer of 4xx is told as an error, too; which those are is the test's business.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _asked(self, request: Request) -> None:
        if request.url.startswith(("http", "ws")):
            self.hosts.add(urlsplit(request.url).netloc)


async def serious(window: Window) -> list[tuple[str, str]]:
    """What axe-core finds that keeps somebody from reading a page: rule, and the first element."""
    found = (await Axe().run(window.page)).response["violations"]
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


class PageSite:
    """A service with pages, and a user of each role."""

    def __init__(self, browser: Browser, database: Database, url: str) -> None:
        self.browser = browser
        self.database = database
        self.url = url
        self._states: dict[str, Any] = {}
        """Cookies of those who have signed in: a password takes as long as it should."""

    @asynccontextmanager
    async def window(self, **options: Any) -> AsyncIterator[Window]:
        """A browser that knows nothing yet; ``options`` as of Playwright's ``new_context``."""
        given = {"viewport": VIEWPORT, "timezone_id": "UTC", **options}
        context = await self.browser.new_context(**given)
        try:
            yield Window(await context.new_page(), self.url)
        finally:
            await context.close()

    @asynccontextmanager
    async def new(
        self, username: str, path: str = "/search", **options: Any
    ) -> AsyncIterator[Window]:
        """The same, signed in, at a page. A fault fails the test."""
        async with self.window(**options) as window:
            await window.sign_in(username, path)
            yield window
            assert not window.faults, window.faults

    @asynccontextmanager
    async def signed_in(
        self, username: str = "support", path: str = "/search", **options: Any
    ) -> AsyncIterator[Window]:
        """The same with a session that others have, too."""
        if username not in self._states:
            async with self.new(username) as window:
                self._states[username] = await window.page.context.storage_state()
        async with self.window(storage_state=self._states[username], **options) as window:
            await window.go(path)
            yield window
            assert not window.faults, window.faults


@asynccontextmanager
async def serve_pages(
    browser: Browser, database: Database, password_hash: str, **environment: str
) -> AsyncIterator[PageSite]:
    """A service of its own over a database; ``environment`` as for ``load_settings``."""
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        for role in Role:
            await connection.execute(
                "INSERT INTO web_user (username, password_hash, role) VALUES (%s, %s, %s)",
                (role.value, password_hash, role.value),
            )
    app = create_app(*load_with_origins(database, WEB_SIGN_IN="internal", **environment))
    async with TestServer(app) as server:
        yield PageSite(browser, database, f"http://127.0.0.1:{server.port}")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """The distribution's Chromium, without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope=SESSION)
async def browser() -> AsyncIterator[Browser]:
    """One for the whole run."""
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def pages(
    browser: Browser, shared_database: Database, password_hash: str
) -> AsyncIterator[PageSite]:
    """One for the module; what it has to show, the module puts there."""
    async with serve_pages(browser, shared_database, password_hash) as site:
        yield site
