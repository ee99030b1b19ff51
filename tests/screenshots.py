# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.screenshots [FOLDER]``: each page, light and dark, into docs/images."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from psycopg import AsyncConnection

from collector import migrate
from stack.ports import free_port
from stack.postgres import READER, Cluster
from stack.service import ROOT
from tests import beside, flow, page_rows, status_rows
from tests.fake_control import TOKEN, FakeControl
from tests.fix_access import PASSWORD
from tests.fix_browser import PageSite, Window, open_browser, serve_pages
from tests.fix_database import Database
from webapi.access.passwords import Passwords
from webapi.pages.admin import SECTIONS

_SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
_CALLS: Final = {
    "fork-serial": "call",
    "b2bua-header": "call-legs",
    "ack-missing": "call-repeats",
}
"""Flow → name of its picture."""
_TALK: Final = "hold"
"""The flow that has reports of its audio."""
_PHONE: Final = {"width": 390, "height": 844}


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(Path(directory) / "postgres", free_port())
        cluster.create("fsync = off")
        with (Path(directory) / "log").open("wb") as log:
            cluster.start(log)
        try:
            cluster.wait_ready()
            cluster.create_database()
            asyncio.run(_take(cluster, options.folder))
        finally:
            cluster.stop()
    return 0


async def _take(cluster: Cluster, folder: Path) -> None:
    database = Database(cluster.dsn(), cluster.dsn(READER))
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await migrate.migrate(connection)
        await migrate.grant_reader(connection, database.reader_dsn)
    passwords = Passwords()
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    until = page_rows.now() - timedelta(minutes=2)
    shown = [flow.load(name, 1, until - timedelta(seconds=10)) for name in _CALLS]
    talk = flow.load(_TALK, 1, until - timedelta(minutes=1))
    talk.messages.extend(beside.reports(talk, 10, loss_at=4))
    talk.messages.append(beside.log(talk, "rtpengine: 2 streams relayed", after_s=3.1))
    await page_rows.ingest(database, [*page_rows.played(160, until), *shown, talk])
    async with await AsyncConnection.connect(database.dsn, autocommit=True) as connection:
        await status_rows.fill(connection, until)
    control = FakeControl()
    async with open_browser() as browser, control.server:
        settings = {"TRACE_PROXIES": f"edge1={control.url}", "TRACE_TOKEN": TOKEN}
        async with serve_pages(browser, database, password_hash, **settings) as site:
            for scheme in _SCHEMES:
                await _pages(site, scheme, folder)


async def _pages(site: PageSite, scheme: Literal["light", "dark"], folder: Path) -> None:
    async def shoot(window: Window, name: str) -> None:
        path = folder / f"{name}-{scheme}.png"
        await window.page.screenshot(path=path, animations="disabled")
        sys.stdout.write(f"{path}\n")

    look = {"color_scheme": scheme, "timezone_id": "Europe/Berlin"}
    async with site.window(**look) as window:
        await window.go("/search")
        await shoot(window, "sign-in")
    async with site.signed_in("admin", **look) as window:
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.keyboard.press("j")
        await shoot(window, "search")
        await window.page.fill("#box", "sta")
        await window.page.wait_for_selector("#completions li")
        await shoot(window, "completion")
        await window.search("state:failed,busy")
        await window.page.click("#range > summary")
        await shoot(window, "range")
        await window.go("/search?tab=messages")
        await window.page.wait_for_selector("#table tbody tr")
        await window.page.click("#form-switch")
        await shoot(window, "messages")
        await window.go("/search?tab=registrations")
        await window.page.wait_for_selector("#table tbody tr")
        await shoot(window, "registrations")
        await window.go("/search?number=12345")
        await window.page.wait_for_selector("#empty .actions")
        await shoot(window, "empty")
        for name, picture in _CALLS.items():
            await _call(window, name)
            await shoot(window, picture)
        await _call(window, _TALK)
        await window.page.keyboard.press("q")
        await shoot(window, "call-quality")
        await window.page.click("#trace")
        await window.page.fill("dialog [name=reason]", "no audio, ticket 815")
        await shoot(window, "trace-rule")
        await window.page.click("dialog.editor button.main")
        for section in SECTIONS:
            await window.go(section.path)
            await window.settled()
            await shoot(window, section.name)
        await window.go("/status")
        await _status(window)
        await shoot(window, "status")
        await _whole_height(window)
        await shoot(window, "whole-status")
    async with site.signed_in("admin", viewport=_PHONE, **look) as window:
        await window.page.wait_for_selector("#table tbody tr")
        await shoot(window, "phone-search")
        await _call(window, "fork-serial")
        await shoot(window, "phone-call")
        await window.go("/status")
        await _status(window)
        await shoot(window, "phone-status")


async def _call(window: Window, name: str) -> None:
    call_id = next(iter(flow.load(name, 1).legs.values()))
    await window.go(f"/calls/{quote(call_id, safe='')}")
    await window.page.wait_for_selector("#ladder .row")
    await window.page.keyboard.press("j")
    await window.page.wait_for_selector("#message pre")


async def _status(window: Window) -> None:
    await window.page.wait_for_selector("#charts .line")
    await window.page.wait_for_selector("#rules table")
    # Rates are known from the second answer on.
    await window.page.locator("#asked", has_text=re.compile(r"^\d")).wait_for()


async def _whole_height(window: Window) -> None:
    height = await window.page.evaluate("document.documentElement.scrollHeight")
    await window.page.set_viewport_size({"width": 1280, "height": height})


if __name__ == "__main__":
    sys.exit(main())
