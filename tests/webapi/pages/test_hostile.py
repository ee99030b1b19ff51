# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP text that would like to be markup: shown, and nothing else. And a check for all who read by
other means than their eyes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests import page_rows
from tests.fix_browser import SESSION, PageSite, Window, serious
from tests.flow import Flow, Message
from tests.flow_sip import Endpoint

pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("rows")]
MARKUP: Final = "<img/src=x/onerror=alert(1)><script>alert(2)</script><svg/onload=alert(3)>"
BIDI: Final = "a\u202ecba\u2066x\u200bz\ufeff"
CALL_ID: Final = "\"><img src=//evil.example/x onerror=alert(4)>{{7*7}}@'/../"
AGENT: Final = f"{MARKUP}{BIDI}\x1b[31m"
LONG: Final = 60_000
MANY: Final = 5_000
"""Messages of the call that is long."""


_HERE: Final = Endpoint("here", "192.0.2.1", 5060)
_THERE: Final = Endpoint("there", "198.51.100.2", 5060)


def _message(call_id: str, number: int, method: str) -> Message:
    """One of a call; the first has a header of 60 KB."""
    long = "<b>" * (LONG // 3) if number == 1 else ""
    text = (
        f"{method} sip:{BIDI}<i>@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n"
        f'From: "{MARKUP}" <sip:{BIDI}%3Cb%3E{MARKUP}@example.com>;tag=<b>1</b>\r\n'
        f"To: <sip:javascript:alert(5)@example.com>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {number} {method}\r\n"
        f"User-Agent: {AGENT}\r\nX-Long: {long}\r\nContent-Length: 0\r\n\r\n"
    )
    us = round(page_rows.now().timestamp() * 1e6) - 60_000_000 + number * 1000
    return Message(f"F{number}", us, _HERE, _THERE, "UDP", text.encode(), "")


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def rows(pages: PageSite) -> AsyncIterator[None]:
    """A short call, and one that never ends."""
    many = [_message("many@x", n, "INVITE" if n == 1 else "INFO") for n in range(1, MANY + 1)]
    messages = [_message(CALL_ID, 1, "INVITE"), *many]
    await page_rows.ingest(pages.database, [Flow("hostile", messages=messages)])
    yield


async def _check_harmless(window: Window, pages: PageSite) -> None:
    """Nothing of it has become an element, nothing was asked elsewhere. That nothing ran and that
    the policy had nothing to forbid is checked for every window when it closes."""
    assert window.hosts == {pages.url.removeprefix("http://")}
    found = "document.querySelectorAll('#main :is(script, iframe, [onerror], [onload], i)').length"
    assert await window.page.evaluate(found) == 0
    assert await window.page.evaluate("document.querySelectorAll('#main img').length") == 0


@pytest.mark.parametrize("tab", ["calls", "messages&method=INVITE", "registrations"])
async def test_hostile_text_in_the_tables(pages: PageSite, tab: str) -> None:
    """All columns that there are; what one would not see is shown by its number."""
    async with pages.signed_in() as window:
        window.page.on("dialog", lambda _: window.faults.append("a script ran"))
        await window.go(f"/search?tab={tab}")
        await window.settled()
        await window.page.click("#columns > summary")
        for box in await window.page.locator("#columns input").all():
            await box.check()
        if tab != "registrations":
            text = await window.text("#table")
            assert "<img/src=x/onerror" in text
            assert "U+202E" in text
            assert "\u202e" not in text
        await _check_harmless(window, pages)


async def test_hostile_text_in_the_box(pages: PageSite) -> None:
    """What was typed comes back in chips, in completions and in the answer to it."""
    async with pages.signed_in() as window:
        await window.search(f'text:"{MARKUP}{BIDI}"')
        await window.search(f'state:"{MARKUP}"')
        await window.page.wait_for_selector("#empty:not([hidden])")
        await window.page.type("#box", "<b>x")
        await _check_harmless(window, pages)


async def test_a_hostile_call(pages: PageSite) -> None:
    """Its Call-ID in the address, its texts in the drawing and in the message."""
    async with pages.signed_in(path=f"/calls/{quote(CALL_ID, safe='')}") as window:
        window.page.on("dialog", lambda _: window.faults.append("a script ran"))
        await window.page.wait_for_selector("#ladder .row")
        assert "evil.example" in await window.text("#call-id")
        await window.page.keyboard.press("j")
        text = await window.text("#message pre")
        assert len(text) > LONG
        assert MARKUP in text
        assert "U+202E" in text
        assert "U+001B" in text
        await _check_harmless(window, pages)


async def test_a_call_of_many_messages(pages: PageSite) -> None:
    """Only what is in view is in the page, however long the call is; its end can be reached."""
    async with pages.signed_in(path="/calls/many%40x") as window:
        await window.page.wait_for_selector("#ladder .row")
        rows = window.page.locator("#ladder .row")
        assert await rows.count() < 100
        await rows.first.focus()
        await window.page.evaluate("document.querySelector('#ladder').scrollTop = 1e9")
        await window.page.wait_for_selector(f"#ladder [data-at='{MANY - 1}']")
        assert await rows.count() < 100
        assert await window.page.locator("#ladder *").count() < 2000
        assert await window.page.evaluate("document.activeElement.dataset.at") == "0"
        await window.page.keyboard.press("End")
        assert await rows.count() < 100
        assert f"CSeq: {MANY} INFO" in await window.text("#message pre")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/search", "/search?tab=messages&method=INVITE", "/password", "/calls/many%40x"]
)
async def test_everybody_can_read_it(pages: PageSite, path: str, scheme: str) -> None:
    """axe-core: names, roles, contrast. Nothing serious."""
    async with pages.signed_in(path=path, color_scheme=scheme) as window:
        await window.page.wait_for_selector("#table tbody tr, #password, #ladder .row")
        if path.startswith("/calls"):
            await window.page.keyboard.press("j")
        assert not await serious(window)
