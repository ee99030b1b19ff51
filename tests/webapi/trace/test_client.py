# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON-RPC with a proxy: the form of requests, and every kind of answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from collector import trace_rule
from collector.errors import TraceRuleError
from collector.trace_rule import CALLS, COUNTS, RULES
from stack.ports import free_port
from tests.fake_control import TOKEN, FakeControl, patterns
from webapi.trace.client import MAX_ANSWER, Client, Fault, ProxyError, request_body


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """As the application has one."""
    async with ClientSession() as opened:
        yield opened


@pytest.fixture
def client(session: ClientSession, control: FakeControl) -> Client:
    """Speaks with ``control``."""
    return Client(session, control.url, TOKEN, 2)


async def test_tables_are_read_and_changed(client: Client, control: FakeControl) -> None:
    """Text and numbers, with characters that JSON escapes."""
    assert await client.table(RULES) == {}
    await client.set(RULES, 'call_id:a"b\\c', "1;include;1;1;*", 60)
    await client.set(CALLS, 'a"b\\c', -1, 60)
    assert await client.table(RULES) == {'call_id:a"b\\c': "1;include;1;1;*"}
    assert await client.size(CALLS) == 1
    await client.delete(RULES, 'call_id:a"b\\c')
    await client.delete(RULES, "was never there")
    assert (await client.table(RULES), await client.table(COUNTS)) == ({}, {})
    assert not await client.is_on()
    await client.switch_on()
    assert await client.is_on()
    assert control.on


@pytest.mark.parametrize(
    ("method", "parameters", "body"),
    [
        ("htable.stats", (), b'{"jsonrpc":"2.0","id":7,"method":"htable.stats","params":[]}'),
        (
            "htable.setxs",
            ("trace_rule", "all", "1;include;65536;5;*", 60),
            b'{"jsonrpc":"2.0","id":7,"method":"htable.setxs",%s}'
            % b'"params":["trace_rule","all","1;include;65536;5;*",60]',
        ),
    ],
)
def test_the_form_of_a_request(method: str, parameters: tuple[str | int, ...], body: bytes) -> None:
    """To the byte, because the proxy compares it with a pattern."""
    assert request_body(7, method, parameters) == body


@given(
    st.integers(1, 999_999_999),
    st.sampled_from([*trace_rule.KINDS]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300),
    st.integers(1, 604_800),
)
def test_every_rule_that_is_taken_can_be_sent(
    number: int, kind: str, value: str, seconds: int
) -> None:
    """The proxy's pattern takes it, whatever characters are in it."""
    try:
        value = trace_rule.check_value(kind, value)
    except TraceRuleError:
        return
    body = request_body(number, "htable.setxs", (RULES, f"{kind}:{value}", value, seconds))
    assert any(pattern.match(body) for pattern in patterns())


async def _fault(session: ClientSession, answer: web.Response) -> ProxyError:
    async def give(_: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_post("/trace", give)
    async with TestServer(app) as server:
        client = Client(session, f"http://127.0.0.1:{server.port}", TOKEN, 2)
        with pytest.raises(ProxyError) as caught:
            await client.table(RULES)
    return caught.value


@pytest.mark.parametrize(
    ("status", "text", "fault", "says"),
    [
        (401, "TRACE_TOKEN is another one", Fault.REFUSED, "401: TRACE_TOKEN is another one"),
        (401, "", Fault.REFUSED, "401: trace.token is not the proxy's TRACE_TOKEN"),
        (404, "", Fault.REFUSED, "404: the proxy has no /trace"),
        (200, "hello", Fault.GARBAGE, "200: no answer of JSON-RPC: hello"),
        (200, "\x1b[2Jhello\n", Fault.GARBAGE, "200: no answer of JSON-RPC:  [2Jhello"),
        (302, "", Fault.GARBAGE, "302: no answer of JSON-RPC"),
        (200, "[]", Fault.GARBAGE, "200: no answer"),
        (200, '{"jsonrpc":"2.0","id":2,"result":[]}', Fault.GARBAGE, "200: no answer"),
        (200, '{"jsonrpc":"2.0","id":1}', Fault.GARBAGE, "200: no answer"),
        (200, '{"jsonrpc":"2.0","id":1,"result":"x"}', Fault.GARBAGE, "not a list of objects"),
        (200, '{"jsonrpc":"2.0","id":1,"result":[1]}', Fault.GARBAGE, "not a list of objects"),
        (200, '{"jsonrpc":"2.0","id":1,"result":[{"slot":{"a":1}}]}', Fault.GARBAGE, "not a list"),
        (
            *(200, '{"jsonrpc":"2.0","id":1,"result":[{"slot":[{"name":1,"value":2}]}]}'),
            *(Fault.GARBAGE, "an item of trace_rule is not one"),
        ),
        (
            *(500, '{"jsonrpc":"2.0","id":1,"error":{"code":500,"message":"No such htable"}}'),
            *(Fault.FAILED, "No such htable"),
        ),
        (200, "x" * (MAX_ANSWER + 1), Fault.GARBAGE, f"more than {MAX_ANSWER} bytes"),
        (200, "[" * 100_000, Fault.GARBAGE, "200: no answer"),
    ],
)
async def test_answers_that_are_none(
    session: ClientSession, status: int, text: str, fault: Fault, says: str
) -> None:
    """Each has its fault, and a message that is short and safe to show."""
    error = await _fault(session, web.Response(status=status, text=text))
    assert error.fault is fault
    assert says in str(error)
    assert str(error).isprintable()
    assert len(str(error)) <= 200


async def test_redirects_are_not_followed(session: ClientSession) -> None:
    """The token is for the proxy and nobody else."""
    headers = {"Location": "http://127.0.0.1:1/"}
    error = await _fault(session, web.Response(status=307, headers=headers))
    assert error.fault is Fault.GARBAGE


async def test_nobody_listens(session: ClientSession) -> None:
    """Says what the system says."""
    client = Client(session, f"http://127.0.0.1:{free_port()}", TOKEN, 2)
    with pytest.raises(ProxyError, match="Connect call failed") as caught:
        await client.is_on()
    assert caught.value.fault is Fault.UNREACHABLE


async def test_a_missing_table_is_named(client: Client, control: FakeControl) -> None:
    """The include is missing, or another one."""
    del control.tables[CALLS]
    with pytest.raises(ProxyError, match="there is no htable trace_call") as caught:
        await client.size(CALLS)
    assert caught.value.fault is Fault.FAILED


async def test_an_odd_state_of_siptrace(session: ClientSession) -> None:
    """Neither on nor off."""

    async def give(_: web.Request) -> web.Response:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": "Perhaps"})

    app = web.Application()
    app.router.add_post("/trace", give)
    async with TestServer(app) as server:
        client = Client(session, f"http://127.0.0.1:{server.port}", TOKEN, 2)
        with pytest.raises(ProxyError, match=r"siptrace\.status says Perhaps"):
            await client.is_on()
