# SPDX-License-Identifier: GPL-2.0-or-later
"""A working day in front of the pages: one browser, one session, a real stack, real calls.

The proxy is that of the demo, which sends nothing until there is a rule; SIPp places the calls.
"""

from __future__ import annotations

import asyncio
import socket
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import pytest
from playwright.async_api import Browser

from stack.demo.calls import CALLS, UNTRACED, Call, Demo
from stack.demo.rule import DOMAIN
from stack.trial import Trial
from tests import tshark
from tests.fix_browser import SESSION, PageSite, Window
from tests.fix_database import Database
from tests.fix_trial import MakeTrial
from tests.sip_text import packet, request

pytestmark = pytest.mark.asyncio(loop_scope=SESSION)
LIVE_S: Final = 2.0
"""From the INVITE at the proxy to the row on the screen."""
LIVE_CALLS: Final = 5
"""As many as are placed for it: on a busy machine the first ones may take longer."""
BY_NAME: Final = {call.name: call for call in CALLS}
ROWS: Final = "#table tbody tr"
IN_FORCE_NOWHERE: Final = """async () => (await (await fetch("/api/v1/trace-rules")).json())
    .proxies.every(({ in_force }) => in_force.length === 0)"""


class Walk(NamedTuple):
    """The browser, those who call, and the capture node."""

    window: Window
    demo: Demo
    trial: Trial

    async def follow(self, link: str) -> None:
        """Click on a link, until the page behind it can be used."""
        page = self.window.page
        async with page.expect_navigation():
            await page.click(link)

    async def place(self, *calls: Call) -> None:
        """Place calls, and wait for their end."""
        await asyncio.to_thread(self.demo.place_calls, calls)

    def row(self, name: str) -> str:
        """The row of a call in the table."""
        return f"{ROWS}[data-path='{self.path(name)}']"

    def path(self, name: str) -> str:
        """The page of a call."""
        return f"/calls/{quote(self.demo.call_id(name), safe='')}"

    async def api(self, path: str) -> Any:
        """What the API says to this browser."""
        return await self.window.page.evaluate(
            "async (path) => (await fetch(path)).json()", f"/api/v1{path}"
        )

    async def download(self, menu: str, link: str, path: Path) -> Path:
        """A file, by the menu Export."""
        page = self.window.page
        await page.click(f"{menu} > summary")
        async with page.expect_download() as download:
            await page.click(f"{menu} a:text-is('{link}')")
        await (await download.value).save_as(path)
        await page.keyboard.press("Escape")
        return path


@pytest.mark.timeout(300)
async def test_a_walk_through_the_pages(
    browser: Browser, make_trial: MakeTrial, tmp_path: Path
) -> None:
    """Sign in; trace; live; search each way; read, compare and export a call; another time zone.

    No request leaves the host.
    """
    trial = make_trial(web={"sign_in": "internal"}, correlation={"headers": ["X-CID"]})
    await asyncio.to_thread(trial.start_database)
    await asyncio.to_thread(trial.start_capture)
    password = trial.first_user().rpartition("password ")[2]
    database = Database(trial.settings.database.dsn, trial.settings.database.reader_dsn)
    with Demo(trial, tmp_path / "demo") as demo:
        await asyncio.to_thread(demo.rules.wait_ready)
        host = f"127.0.0.1:{demo.rules.port}"
        site = PageSite(browser, database, f"http://{host}")
        async with site.window(timezone_id="Europe/Berlin") as window:
            walk = Walk(window, demo, trial)
            await window.sign_in("admin", "/search", password)
            await _nothing_is_traced(walk)
            await _a_rule_is_made(walk)
            await _calls_are_there_as_they_happen(walk)
            await _calls_are_found(walk)
            await _messages_are_found(walk)
            await _a_call_is_read(walk)
            await _a_call_is_exported(walk, tmp_path / "call.pcap")
            await _another_time_zone(walk, tmp_path / "calls.csv")
            await _the_rule_is_ended(walk)
            await window.page.click(".bar details.menu summary")
            await walk.follow("#sign-out")
            assert await window.page.is_visible("[name=username]")
        assert window.hosts == {host}
        assert not window.faults, window.faults


async def _nothing_is_traced(walk: Walk) -> None:
    """The page says so; there is no row before there is a rule."""
    await walk.place(UNTRACED)
    await walk.window.search(walk.demo.call_id(UNTRACED.name))
    assert "No calls match" in await walk.window.text("#empty")


async def _a_rule_is_made(walk: Walk) -> None:
    """For all of the demo's callers; the page says when the proxy has it."""
    page = walk.window.page
    await walk.follow(".bar nav a:text-is('Admin')")
    await walk.follow(".sections a:text-is('Trace rules')")
    await page.click("#tools button:text-is('Trace calls')")
    await page.select_option("dialog [name=kind]", "from_domain")
    for name, value in {"value": DOMAIN, "reason": "ticket 815", "methods": "*"}.items():
        await page.fill(f"dialog [name={name}]", value)
    await page.click("dialog.editor button.main")
    await page.wait_for_selector(f"{ROWS}:has-text('{DOMAIN}'):has-text('demo: in force')")


async def _calls_are_there_as_they_happen(walk: Walk) -> None:
    """Live: a row within two seconds, which changes with its call."""
    page = walk.window.page
    await walk.follow(".bar nav a:text-is('Search')")
    await page.keyboard.press("l")
    await page.wait_for_selector("#live.on")
    delays: list[float] = []
    while len(delays) < LIVE_CALLS and min(delays, default=LIVE_S) >= LIVE_S:
        delays.append(await _seen_after_s(walk, f"live{len(delays)}"))
    assert min(delays) < LIVE_S, delays
    await walk.place(*CALLS)
    for call in CALLS:
        if call.name != "registration":
            await page.wait_for_selector(walk.row(call.name))
    await page.wait_for_selector(f"{walk.row('busy')} td[data-label=State]:has-text('busy')")
    await page.keyboard.press("l")
    await walk.window.settled()


async def _seen_after_s(walk: Walk, name: str) -> float:
    """Seconds from the first INVITE at the proxy to the row of a new call."""
    page = walk.window.page
    seen = asyncio.create_task(
        page.wait_for_function(
            "row => document.querySelector(row) && Date.now()", arg=walk.row(name)
        )
    )
    await walk.place(BY_NAME["answered"]._replace(name=name))
    seen_ms = await (await seen).json_value()
    await page.wait_for_selector(f"{walk.row(name)} td[data-label=State]:has-text('completed')")
    found = await walk.api(walk.path(name))
    return float(seen_ms) / 1000 - datetime.fromisoformat(found["call"]["started_at"]).timestamp()


async def _calls_are_found(walk: Walk) -> None:
    """By number, address, Call-ID, field and value, and by the form."""
    window, page = walk.window, walk.window.page

    await window.search("4011")
    assert await window.column("Callee") == ["4011"]
    assert await window.column("State") == ["busy"]

    await window.search("127.0.0.0/8")
    assert len(await window.column("From")) >= len(CALLS)

    await window.search(walk.demo.call_id("cancelled"))
    assert await window.column("Call-ID") == [walk.demo.call_id("cancelled")]
    assert await window.text("#range-text") == "All times"

    await page.fill("#box", "")
    await page.type("#box", "stat")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    assert await page.input_value("#box") == "state:"
    await page.keyboard.type("failed")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/search?state=failed")
    await window.settled()
    assert sorted(await window.column("Callee")) == ["4012", "4099"]

    await page.click("#form-switch")
    await page.fill("#form [name=state]", "")
    await page.fill("#form [name=callee]", "40*")
    await page.fill("#form [name=status]", "404")
    await page.press("#form [name=status]", "Enter")
    await page.wait_for_url("**/search?callee=40*&status=404")
    await window.settled()
    assert await window.column("Callee") == ["4099"]
    await page.click("#form-switch")


async def _messages_are_found(walk: Walk) -> None:
    """The further tabs; any text of a message."""
    window = walk.window
    await window.go("/search?tab=messages")
    await window.search('"Demo-Callee" status:486')
    assert await window.column("Message")
    assert all("486" in text for text in await window.column("Message"))
    await window.go("/search?tab=registrations")
    await window.page.wait_for_selector(f"{ROWS}:has-text('registered')")


async def _a_call_is_read(walk: Walk) -> None:
    """From the row by Enter: what happened, both legs, a message, and what the proxy changed."""
    window, page = walk.window, walk.window.page
    await window.go("/search")
    await window.search(walk.demo.call_id("answered"))
    await page.focus(walk.row("answered"))
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{walk.path('answered')}")
    await page.wait_for_selector("#ladder .row")
    assert "caller called 4010" in await window.text("#headline")
    assert await page.locator("#switches .leg-switch:has-text('Leg')").count() == 2
    assert "hung up" in await window.text("#story")

    await page.keyboard.press("j")
    assert (await window.text("#message pre")).startswith("INVITE sip:4010@")
    await page.keyboard.press("j")
    assert (await window.text("#message pre")).startswith("SIP/2.0 100 ")
    await page.keyboard.press("k")

    await page.click("#message [title^=Compare]")
    await page.keyboard.press("j")
    await page.wait_for_selector("#message pre .gone")
    await page.click("#message [title^=Close]")


async def _a_call_is_exported(walk: Walk, path: Path) -> None:
    """As tshark reads it: every message of both legs, between whom, at which microsecond."""
    await walk.download("#exports", "PCAP", path)
    found = await walk.api(f"{walk.path('answered')}?legs=all")
    packets = tshark.dissect(path)
    assert all(packet.is_sip for packet in packets)
    assert [
        (packet.src, packet.src_port, packet.dst, packet.dst_port, packet.payload.decode())
        for packet in packets
    ] == [
        (one["src_ip"], one["src_port"], one["dst_ip"], one["dst_port"], one["raw"])
        for one in found["messages"]
    ]
    assert [_us(packet.time) for packet in packets] == [
        round(datetime.fromisoformat(one["ts"]).timestamp() * 1_000_000)
        for one in found["messages"]
    ]
    call_ids = {
        call_id for row in tshark.fields(path, "sip.Call-ID") for call_id in row["sip.Call-ID"]
    }
    assert call_ids == {walk.demo.call_id(name) for name in ("answered", "second-leg")}


def _us(time: str) -> int:
    """tshark writes nanoseconds."""
    seconds, fraction = time.split(".")
    return int(seconds) * 1_000_000 + int(fraction[:6])


async def _another_time_zone(walk: Walk, path: Path) -> None:
    """It holds for what is shown, for a range that is typed, and for the file; and it is kept."""
    window, page = walk.window, walk.window.page
    await window.go("/search?callee=4011")
    await page.wait_for_selector(ROWS)
    (berlin,) = await window.column("Began")
    await page.select_option("#zone", "Australia/Adelaide")
    (adelaide,) = await window.column("Began")
    assert berlin != adelaide
    # What is shown, typed: a range of a second around it.
    began = adelaide.rpartition(".")[0]
    await page.click("#range > summary")
    await page.fill("#range [name=from]", began)
    await page.fill("#range [name=to]", f"{began}.999")
    await page.click("#range .absolute button")
    await page.wait_for_url("**&from=*")
    await window.settled()
    assert await window.column("Began") == [adelaide]
    lines = (await walk.download("#exports", "CSV", path)).read_text().splitlines()
    assert len(lines) == 2
    assert f"{began.replace(' ', 'T')}." in lines[1]
    assert "+10:30" in lines[1]
    await page.reload()
    await page.wait_for_selector(ROWS)
    assert await window.column("Began") == [adelaide]


async def _the_rule_is_ended(walk: Walk) -> None:
    """The proxy sends no call any longer."""
    page = walk.window.page
    await walk.window.go("/admin/trace-rules")
    await page.click("#table button:text-is('End')")
    await page.click("dialog.editor button.main")
    await page.wait_for_selector(f"{ROWS}:has-text('{DOMAIN}')", state="detached")
    await page.wait_for_function(IN_FORCE_NOWHERE)
    await walk.place(BY_NAME["answered"]._replace(name="late"))
    # What is sent afterwards is stored, so what is not there has not been sent.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        after = packet(request(call_id=walk.demo.call_id("after")))
        sender.sendto(after, ("127.0.0.1", walk.trial.hep_port))
    await page.wait_for_function(
        "async (path) => (await fetch(path)).ok", arg=f"/api/v1{walk.path('after')}"
    )
    for name in (UNTRACED.name, "late"):
        assert (await walk.api(walk.path(name)))["error"]["code"] == "not_found"
