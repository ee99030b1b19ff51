# SPDX-License-Identifier: GPL-2.0-or-later
"""The time zone that is chosen holds for rows, search and export, over changes of the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import pytest_asyncio

from tests import flow, page_rows
from tests.fix_browser import SESSION, PageSite, Window
from tests.flow import Flow
from webapi.parameters import time_zone

pytestmark = [pytest.mark.asyncio(loop_scope=SESSION), pytest.mark.usefixtures("flows")]
MINUTE: Final = timedelta(minutes=1)


class Change(NamedTuple):
    """A clock that is put forward or back."""

    zone: str
    at: datetime
    calls: tuple[tuple[timedelta, str, str], ...]
    """When they begin after that, and how the clock says it: time and offset."""
    typed: tuple[str, str]
    """A range that has all of them."""


def _change(zone: str, at: str, *calls: tuple[int, str, str], typed: tuple[str, str]) -> Change:
    begun = tuple((after * MINUTE, time, offset) for after, time, offset in calls)
    return Change(zone, datetime.fromisoformat(f"{at}Z"), begun, typed)


CHANGES: Final = (
    _change(
        *("Europe/Berlin", "2026-10-25T01:00"),
        (-30, "2026-10-25 02:30:00", "+02:00"),
        (30, "2026-10-25 02:30:00", "+01:00"),
        typed=("2026-10-25 02:29:00", "2026-10-25 02:31:00"),
    ),
    _change(
        *("America/New_York", "2026-11-01T06:00"),
        (-30, "2026-11-01 01:30:00", "-04:00"),
        (30, "2026-11-01 01:30:00", "-05:00"),
        typed=("2026-11-01 01:29:00", "2026-11-01 01:31:00"),
    ),
    _change(  # by half an hour
        *("Australia/Lord_Howe", "2026-04-04T15:00"),
        (-15, "2026-04-05 01:45:00", "+11:00"),
        (15, "2026-04-05 01:45:00", "+10:30"),
        typed=("2026-04-05 01:44:00", "2026-04-05 01:46:00"),
    ),
    _change(
        *("Europe/Berlin", "2026-03-29T01:00"),
        (-1, "2026-03-29 01:59:00", "+01:00"),
        (1, "2026-03-29 03:01:00", "+02:00"),
        typed=("2026-03-29 01:58:30", "2026-03-29 03:01:30"),
    ),
    _change(  # what is typed has never been
        *("America/New_York", "2026-03-08T07:00"),
        (-1, "2026-03-08 01:59:00", "-05:00"),
        (1, "2026-03-08 03:01:00", "-04:00"),
        typed=("2026-03-08 02:10:00", "2026-03-08 02:50:00"),
    ),
    _change(  # a day that began at one
        *("Africa/Cairo", "2026-04-23T22:00"),
        (-1, "2026-04-23 23:59:00", "+02:00"),
        (1, "2026-04-24 01:01:00", "+03:00"),
        typed=("2026-04-23 23:58:00", "2026-04-24 01:02:00"),
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope=SESSION)
async def flows(pages: PageSite) -> AsyncIterator[list[Flow]]:
    """A call at each side of each change, in their order."""
    begins = sorted(change.at + after for change in CHANGES for after, _, _ in change.calls)
    found = [flow.load("busy", number, begun) for number, begun in enumerate(begins)]
    await page_rows.ingest(pages.database, found)
    yield found


async def _began(window: Window) -> list[tuple[str, str]]:
    """What the table says, and what it says when one points at it; the first call first."""
    cells = window.page.locator('#table td[data-label="Began"] time')
    texts = await cells.all_text_contents()
    titles = [await cell.get_attribute("title") or "" for cell in await cells.all()]
    return [*zip(texts, titles, strict=True)][::-1]


async def _type_range(window: Window, typed: tuple[str, str]) -> None:
    await window.page.click("#range > summary")
    for name, text in zip(("from", "to"), typed, strict=True):
        await window.page.fill(f"#range [name={name}]", text)
    await window.page.click("#range .absolute button")
    await window.page.wait_for_url("**from=*")
    await window.settled()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.zone} {change.at:%m-%d}")
async def test_a_change_of_the_clock(pages: PageSite, change: Change, tmp_path: Path) -> None:
    """A range that is typed has the calls of both sides; rows and file say which is which."""
    async with pages.signed_in(timezone_id="UTC") as window:
        page = window.page
        await window.settled()
        await page.select_option("#zone", change.zone)
        await _type_range(window, change.typed)
        shown = await _began(window)
        assert [text for text, _ in shown] == [f"{time}.000" for _, time, _ in change.calls]
        assert [title.split()[2].replace("\N{MINUS SIGN}", "-") for _, title in shown] == [
            offset for _, _, offset in change.calls
        ]
        await page.click("#exports > summary")
        async with page.expect_download() as download:
            await page.click("#exports a:has-text('CSV')")
        await (await download.value).save_as(tmp_path / "calls.csv")
        lines = (tmp_path / "calls.csv").read_text().splitlines()[1:]
        assert len(lines) == len(change.calls)
        for _, time, offset in change.calls:
            moment = f"{time.replace(' ', 'T')}.000000{offset}"
            assert any(moment in line for line in lines), (moment, lines)


async def test_another_zone_is_another_range(pages: PageSite) -> None:
    """What is typed is meant by the clock that one sees, whatever that of the browser."""
    change = CHANGES[0]
    for zone, found in ((change.zone, 2), ("UTC", 0), ("Asia/Tokyo", 0)):
        async with pages.signed_in(timezone_id="Asia/Tokyo") as window:
            await window.settled()
            await window.page.select_option("#zone", zone)
            await _type_range(window, change.typed)
            assert len(await window.column("Began")) == found


async def test_a_range_of_the_address_is_one_of_moments(pages: PageSite) -> None:
    """Who gets the link finds the same calls, told by a clock of their own."""
    begun = CHANGES[0].at
    query = f"from={begun - 60 * MINUTE:%Y-%m-%dT%H:%MZ}&to={begun + 60 * MINUTE:%Y-%m-%dT%H:%MZ}"
    for zone, times in (
        ("Europe/Berlin", ["02:30:00", "02:30:00"]),
        ("Asia/Tokyo", ["09:30:00", "10:30:00"]),
        ("America/St_Johns", ["22:00:00", "23:00:00"]),
    ):
        async with pages.signed_in(path=f"/search?{query}", timezone_id=zone) as window:
            await window.settled()
            assert [text.split()[1][:8] for text, _ in await _began(window)] == times


async def test_the_service_knows_the_zones_of_the_browser(pages: PageSite) -> None:
    """By the names that the browser has for them, of which some are old ones."""
    async with pages.signed_in() as window:
        names = await window.page.eval_on_selector_all(
            "#zone option", "options => options.map((option) => option.value)"
        )
        assert len(names) > 400
        for name in set(names) - {"browser"}:
            assert time_zone("time_zone", name).utcoffset(datetime.now(UTC)) is not None
