# SPDX-License-Identifier: GPL-2.0-or-later
"""First paint and search-to-result in a real browser, with many messages stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from bench import stored
from bench.pages.browser import Found, Opened, Person, Window, browsing
from bench.report import NONE, Section, Table, number, quantile
from bench.stored import Leg
from stack.trial import Trial

MESSAGES: Final = 10_000_000
QUICK_MESSAGES: Final = 20_000
TIMES: Final = 200
QUICK_TIMES: Final = 2
WARM_UP: Final = 5
QUICK_WARM_UP: Final = 1
"""Before those that count."""
LONGEST_S: Final = 90.0
"""For one thing that is measured; then it is done fewer times."""
_NAME: Final = "bench"
_DAY: Final = "/search?from=-1d"
_HOUR: Final = "/search?tab=messages&from=-1h"


def _call(leg: Leg) -> str:
    return f"/calls/{quote(leg.call_id, safe='')}"


class Load(NamedTuple):
    """A page that is opened again and again."""

    name: str
    path: Callable[[Leg], str]
    cold: bool = False
    """By a browser that has never seen the service."""
    from_search: bool = False
    """By Enter on the row that the search has found."""


class Search(NamedTuple):
    """Something that is searched for again and again."""

    name: str
    page: str
    """Where."""
    text: Callable[[Leg], str]


LOADS: Final = (
    Load("search, the first visit", lambda _: "/search", cold=True),
    Load("search", lambda _: "/search"),
    Load("call, the first visit", _call, cold=True),
    Load("call", _call),
    Load("call, by Enter in the search", lambda leg: leg.call_id, from_search=True),
    Load("status, the first visit", lambda _: "/status", cold=True),
    Load("status", lambda _: "/status"),
)
SEARCHES: Final = (
    Search("calls of a number, 24 h", _DAY, lambda leg: leg.caller),
    Search("calls of the end of a number, 24 h", _DAY, lambda leg: f"*{leg.callee[-7:]}"),
    Search("calls of an address, 24 h", _DAY, lambda leg: leg.address),
    Search("calls of a Call-ID, at any time", "/search", lambda leg: leg.call_id),
    Search("completed calls of a number, 24 h", _DAY, lambda leg: f"state:completed {leg.caller}"),
    Search("messages of a number, 1 h", _HOUR, lambda leg: f"from_user:{leg.caller}"),
    Search("messages of an address, 1 h", _HOUR, lambda leg: leg.address),
    Search("messages of a Call-ID, at any time", _HOUR.partition("&")[0], lambda leg: leg.call_id),
)
SORT: Final = "calls by duration, 24 h"


class Turns(NamedTuple):
    """Each is about another leg."""

    legs: Sequence[Leg]
    warm_up: int
    """The first ones, which do not count."""


class Result(NamedTuple):
    """Of one thing."""

    name: str
    times: list[Opened] | list[Found]


def run(scratch: Path, *, quick: bool, messages: int = 0) -> Section:
    """``messages`` overrides how many are stored."""
    total = messages or (QUICK_MESSAGES if quick else MESSAGES)
    times, warm_up = (QUICK_TIMES, QUICK_WARM_UP) if quick else (TIMES, WARM_UP)
    trial = Trial(scratch, {"web": {"sign_in": "internal"}})
    try:
        trial.start_database()
        stored.fill(trial.cluster.dsn(), total)
        password = trial.webapi_command("user", "add", _NAME).rpartition("password ")[2]
        trial.start_webapi()
        with trial.connect() as connection:
            size = stored.size(connection)
            legs = stored.legs(connection, stored.HOUR / 2, times + warm_up)
        with browsing(f"http://127.0.0.1:{trial.web_port}", _NAME, password) as person:
            turns = Turns(legs, warm_up)
            loads = [_loaded(person, load, turns) for load in LOADS]
            searches = [_searched(person, search, turns) for search in SEARCHES]
            searches.append(_sorted(person, turns))
    finally:
        trial.stop()
    return _section(total, size, loads, searches)


def _within(name: str, turns: Turns) -> Iterator[tuple[bool, Leg]]:
    """Each leg, and whether it counts, until it takes too long."""
    print(f"  {name} …", flush=True)
    deadline = time.monotonic() + LONGEST_S
    for turn, leg in enumerate(turns.legs):
        if time.monotonic() > deadline and turn > turns.warm_up:
            return
        yield turn >= turns.warm_up, leg


def _loaded(person: Person, load: Load, turns: Turns) -> Result:
    times = []
    with person.window() as window:
        for counts, leg in _within(load.name, turns):
            opened = _opened(person, window, load, leg)
            if counts:
                times.append(opened)
    return Result(load.name, times)


def _opened(person: Person, window: Window, load: Load, leg: Leg) -> Opened:
    if load.from_search:
        window.open("/search")
        window.search(load.path(leg))
        return window.open_first()
    if load.cold:
        with person.window() as fresh:
            return fresh.open(load.path(leg))
    return window.open(load.path(leg))


def _searched(person: Person, search: Search, turns: Turns) -> Result:
    times = []
    with person.window() as window:
        window.open(search.page)
        for counts, leg in _within(search.name, turns):
            found = window.search(search.text(leg))
            if counts:
                times.append(found)
    return Result(search.name, times)


def _sorted(person: Person, turns: Turns) -> Result:
    """The other way round each time."""
    times = []
    with person.window() as window:
        window.open(_DAY)
        for counts, _ in _within(SORT, turns):
            found = window.sort("duration_ms")
            if counts:
                times.append(found)
    return Result(SORT, times)


def _section(total: int, size: int, loads: Sequence[Result], searches: Sequence[Result]) -> Section:
    return Section(
        "pages",
        f"the pages with {total:,} stored messages",
        "Chromium without a window, on the same machine, 1280 by 800, signed in. First paint is "
        "that of any text or picture; content is what the page is for: rows, arrows, charts. "
        "Times are from the begin of the navigation, or from the key that starts a search, until "
        "the frame is painted; answer is what the API took of that, as the browser saw it. Each "
        "time about another call of the last half hour.",
        [
            Table(
                [
                    *("page", "times", "first paint p50 ms", "p99 ms"),
                    *("content p50 ms", "p99 ms", "max ms"),
                ],
                [_load_row(result) for result in loads],
            ),
            Table(
                [
                    *("search to result", "times", "rows", "p50 ms", "p99 ms", "max ms"),
                    *("answer p50 ms", "p99 ms"),
                ],
                [_search_row(result) for result in searches],
            ),
        ],
        [
            f"The database has {size / 1e9:.1f} GB; partitions of two weeks.",
            "The charts of the status have no figures to draw: what is stored was not captured.",
        ],
        {result.name: _data(result) for result in (*loads, *searches)},
    )


def _load_row(result: Result) -> list[str]:
    paint = [one.paint_s for one in result.times if isinstance(one, Opened)]
    return [
        result.name,
        number(len(paint)),
        *_ms(paint, 0.5, 0.99),
        *_ms([one.content_s for one in result.times], 0.5, 0.99, 1),
    ]


def _search_row(result: Result) -> list[str]:
    found = [one for one in result.times if isinstance(one, Found)]
    return [
        result.name,
        number(len(found)),
        number(sum(one.rows for one in found) / len(found), 1) if found else NONE,
        *_ms([one.content_s for one in found], 0.5, 0.99, 1),
        *_ms([one.answer_s for one in found], 0.5, 0.99),
    ]


def _ms(seconds: Sequence[float], *shares: float) -> list[str]:
    return [number(quantile(seconds, share) * 1000, 1) for share in shares]


def _data(result: Result) -> dict[str, Any]:
    fields = zip(*result.times, strict=True)
    names = result.times[0]._fields if result.times else ()
    return {"times": len(result.times)} | {
        name: {f"p{share * 100:.0f}": quantile(values, share) for share in (0.5, 0.99, 1)}
        for name, values in zip(names, fields, strict=True)
    }
