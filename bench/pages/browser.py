# SPDX-License-Identifier: GPL-2.0-or-later
"""A browser that tells when it has painted what somebody waits for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
"""The distribution's; nothing is downloaded."""
VIEWPORT: Final[Any] = {"width": 1280, "height": 800}
_PATIENCE_MS: Final = 120_000
_MARKS: Final = Path(__file__).with_name("marks.js")
_ROWS: Final = "#table tbody tr"


class Opened(NamedTuple):
    """How long a page took, s since it was asked for."""

    paint_s: float
    """Until the first text or picture was painted."""
    content_s: float
    """Until what it is for was."""


class Found(NamedTuple):
    """How long a search took, s since the key was pressed."""

    content_s: float
    """Until its rows were painted."""
    answer_s: float
    """Of these, for the answer of the API."""
    rows: int


class Window:
    """One window of somebody who has signed in, with a cache of its own."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def open(self, path: str) -> Opened:
        """A page of the service, by its address."""
        self.page.goto(f"{self._url}{path}", wait_until="commit")
        return self._opened()

    def open_first(self) -> Opened:
        """The first row of the search, by Enter."""
        self.page.focus(_ROWS)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/calls/**", wait_until="commit")
        return self._opened()

    def search(self, text: str) -> Found:
        """Type it into the box and press Enter."""
        self.page.evaluate("bench.watch()")
        self.page.fill("#box", text)
        self.page.press("#box", "Enter")
        return self._found()

    def sort(self, column: str) -> Found:
        """Click on the head of a column."""
        self.page.evaluate("bench.watch()")
        self.page.click(f"th button[data-sort={column}]")
        return self._found()

    def _opened(self) -> Opened:
        return Opened(*(ms / 1000 for ms in self.page.evaluate("bench.opened")))

    def _found(self) -> Found:
        content, answer = (ms / 1000 for ms in self.page.evaluate("bench.search"))
        return Found(content, answer, self.page.locator(_ROWS).count())


class Person:
    """Somebody with a browser."""

    def __init__(self, browser: Browser, url: str, username: str, password: str) -> None:
        self._browser = browser
        self._url = url
        self._username = username
        self._password = password
        self._session: Any = None

    @contextmanager
    def window(self) -> Iterator[Window]:
        """A window that has seen none of the pages, with the session of the others."""
        context = self._browser.new_context(viewport=VIEWPORT, storage_state=self._session)
        try:
            context.set_default_timeout(_PATIENCE_MS)
            context.add_init_script(path=_MARKS)
            yield Window(context.new_page(), self._url)
        finally:
            context.close()

    def sign_in(self) -> None:
        """By way of the page for it."""
        with self.window() as window:
            page = window.page
            page.goto(f"{self._url}/sign-in")
            page.fill("[name=username]", self._username)
            page.fill("[name=password]", self._password)
            page.click("#sign-in button.main")
            page.wait_for_url("**/search")
            self._session = page.context.storage_state()


@contextmanager
def browsing(url: str, username: str, password: str) -> Iterator[Person]:
    """Chromium without a window, and somebody who has signed in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            person = Person(browser, url, username, password)
            person.sign_in()
            yield person
        finally:
            browser.close()
