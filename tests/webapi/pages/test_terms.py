# SPDX-License-Identifier: GPL-2.0-or-later
"""What the search box makes of words: the module itself, in the browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.fix_browser import SESSION, PageSite, Window
from webapi.pages.assets import path_of
from webapi.pages.tab import TABS

pytestmark = pytest.mark.asyncio(loop_scope=SESSION)
CALLS, MESSAGES, REGISTRATIONS = TABS
UUID: Final = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
WORDS: Final = [
    (CALLS, "4711", {"number": "4711"}),
    (CALLS, "+49 30", {"number": "+49"}),
    (CALLS, "+49(30)12-34", {"number": "+49301234"}),
    (CALLS, "+4930*", {"number": "+4930*"}),
    (CALLS, "*30123", {"number": "*30123"}),
    (CALLS, "alice", {"number": "alice"}),
    (CALLS, "192.0.2.7", {"ip": "192.0.2.7"}),
    (CALLS, "10.0.0.0/8", {"ip": "10.0.0.0/8"}),
    (CALLS, "2001:db8::1", {"ip": "2001:db8::1"}),
    (CALLS, "192.0.2.7:5060", {"ip": "192.0.2.7", "port": "5060"}),
    (CALLS, "[2001:db8::1]:5061", {"ip": "2001:db8::1", "port": "5061"}),
    (CALLS, "alice@example.com", {"number": "alice", "domain": "example.com"}),
    (CALLS, "sip:+4930@example.com;user=phone", {"number": "+4930", "domain": "example.com"}),
    (CALLS, "a84b4c76e66710@pc33.example.com", {"call_id": "a84b4c76e66710@pc33.example.com"}),
    (CALLS, "1-2345@192.0.2.7", {"call_id": "1-2345@192.0.2.7"}),
    (CALLS, UUID, {"call_id": UUID}),
    (CALLS, '"no audio"', {"text": "no audio"}),
    (CALLS, "state:busy state:failed", {"state": "busy,failed"}),
    (CALLS, 'user_agent:"Phone 1" status:5xx', {"user_agent": "Phone 1", "status": "5xx"}),
    (CALLS, "call_id:a:b@c", {"call_id": "a:b@c"}),
    (MESSAGES, "method:BYE 192.0.2.7", {"method": "BYE", "ip": "192.0.2.7"}),
    (MESSAGES, "alice@example.com", {"from_user": "alice", "from_domain": "example.com"}),
    (REGISTRATIONS, "alice", {"aor": "alice@*"}),
    (REGISTRATIONS, "alice@example.com", {"aor": "alice@example.com"}),
]


async def _ask(window: Window, function: str, *values: Any) -> Any:
    """What a function of the module returns, its maps as objects."""
    code = """async ([path, name, ...values]) => {
        const found = (await import(path))[name](...values.map(
            (one) => one?.fields ? new Set(one.fields) : one?.pairs ? new Map(one.pairs) : one));
        return found.parameters ? {...found, parameters: Object.fromEntries(found.parameters)}
            : found;
    }"""
    return await window.page.evaluate(code, [path_of("search/terms.js"), function, *values])


@pytest_asyncio.fixture(loop_scope=SESSION)
async def window(pages: PageSite) -> AsyncIterator[Window]:
    """A page that has the module at hand."""
    async with pages.window() as opened:
        await opened.go("/sign-in")
        yield opened


async def test_what_words_are_taken_for(window: Window) -> None:
    """Numbers, addresses, Call-IDs, people and field:value."""
    for tab, text, expected in WORDS:
        found = await _ask(window, "parse", text, {"fields": list(tab.subject.filters)})
        assert {name: found["parameters"].get(name) for name in expected} == expected, text


async def test_what_is_written_is_read_again(window: Window) -> None:
    """Whatever a value is made of."""
    for value in ("a", "a b", 'a "b" c', "a\\b", '\\"', "x:y", "  ", "é", '"', "state:busy", ","):
        text = await _ask(window, "join", {"pairs": [["node", value], ["text", value]]})
        found = await _ask(window, "parse", text, {"fields": list(CALLS.subject.filters)})
        assert found["parameters"] == {"node": value, "text": value}


@pytest.mark.parametrize("text", ["state:", "node:a node:b"])
async def test_what_is_not_understood_is_told(window: Window, text: str) -> None:
    """And nothing is searched by half of it."""
    assert (await _ask(window, "parse", text, {"fields": list(CALLS.subject.filters)}))["problems"]
