# SPDX-License-Identifier: GPL-2.0-or-later
"""The KEMI routes: the same decisions as the native ones, and never an exception."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from collector import trace_rule
from stack.service import ROOT
from tests.fake_proxy import FakeProxy
from tests.trace_requests import ALLOWED, REFUSED

_EDGE = ROOT / "kemi" / "edge"
_INCLUDE = 'include_file "trace-control.cfg"'
TRACE_CFG = (
    (_EDGE / "trace.cfg").read_text().replace(_INCLUDE, (_EDGE / "trace-control.cfg").read_text())
)
_TAKE_ALL = "1;include;65536;10;*"


def _rule(proxy: FakeProxy, name: str, value: str = _TAKE_ALL, kinds: int = 4095) -> None:
    proxy.tables["trace_rule"] |= {"kinds": kinds, name: value}


def test_without_rules_one_lookup_is_all(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Not even the Call-ID is read: the request has no variables here."""
    assert trace_script.ksr_route_trace_request(None) == 1
    assert proxy.done == []
    assert proxy.logged == []


@pytest.mark.parametrize(
    "name",
    [
        *("from_user:alice", "to_user:bob", "request_user:4010"),
        *("from_prefix:a", "to_prefix:bob", "request_prefix:40"),
        *("from_domain:a.example", "to_domain:b.example", "request_domain:c.example"),
        *("call_id:call@test", "all"),
    ],
)
def test_a_rule_of_each_kind(proxy: FakeProxy, trace_script: ModuleType, name: str) -> None:
    """Remembered while it rings, siptrace on, and the request itself sent."""
    proxy.request(fd="A.Example")
    _rule(proxy, name)
    assert trace_script.ksr_route_trace_request(None) == 1
    assert proxy.tables["trace_call"] == {"call@test": 1}
    assert proxy.seconds == {"call@test": 200}
    assert proxy.tables["trace_count"] == {"1": 1}
    assert [called for called, *_ in proxy.done] == ["jsonrpcs.exec", "siptrace.sip_trace"]
    trace_script.ksr_route_trace_request(None)
    assert proxy.tables["trace_count"] == {"1": 1}, "the call is known"


@pytest.mark.parametrize(
    ("network", "taken"), [("192.0.2.0/24", True), ("198.51.100.0/24", False), ("garbage", False)]
)
def test_networks(proxy: FakeProxy, trace_script: ModuleType, network: str, *, taken: bool) -> None:
    """16 places are looked at."""
    proxy.request()
    _rule(proxy, "network:16", f"{_TAKE_ALL};{network}")
    trace_script.ksr_route_trace_request(None)
    assert bool(proxy.tables["trace_call"]) == taken


@pytest.mark.parametrize(
    "value",
    [
        *("", "x", "0;include;65536;10;*", "1;include;65536;0;*", "1;include;1000;10;*"),
        *("1;include;65536;10;MESSAGE", "1;exclude;65536;10;*", "2147483648;include;65536;10;*"),
    ],
)
def test_rules_that_do_not_take_the_call(
    proxy: FakeProxy, trace_script: ModuleType, value: str
) -> None:
    """Garbage, no calls left, a share that ends before the call's place, methods, exclusion."""
    proxy.request()
    _rule(proxy, "all", value)
    trace_script.ksr_route_trace_request(None)
    assert proxy.tables["trace_call"] == {}
    assert proxy.done == []


@pytest.mark.parametrize(
    ("fields", "remembered"),
    [
        ({"method": "MESSAGE"}, (1, 64)),
        ({"method": "ACK"}, None),
        ({"method": "CANCEL"}, None),
        ({"tt": "tag"}, None),
        ({"ci": None}, None),
        ({"ci": "x" * 513}, None),
        ({"ci": "not UTF-8"}, None),
        ({"ci": "späť@x"}, None),
        ({"ci": "a b"}, None),
        ({"fU": "not UTF-8", "rU": None}, (1, 200)),
    ],
)
def test_requests(
    proxy: FakeProxy,
    trace_script: ModuleType,
    fields: dict[str, str],
    remembered: tuple[int, int] | None,
) -> None:
    """Which begin a call, and for how long it is remembered."""
    proxy.request(**fields)
    _rule(proxy, "all")
    assert trace_script.ksr_route_trace_request(None) == 1
    found = {call_id: (value, proxy.seconds[call_id]) for call_id, value in _calls(proxy)}
    assert found == ({"call@test": remembered} if remembered else {})
    assert proxy.logged == []


def _calls(proxy: FakeProxy) -> list[tuple[str, int | str]]:
    return list(proxy.tables["trace_call"].items())


def test_an_exclude_wins(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Also over one that was found before."""
    proxy.request()
    _rule(proxy, "from_user:alice")
    _rule(proxy, "all", "2;exclude;65536;0;*")
    trace_script.ksr_route_trace_request(None)
    assert proxy.tables["trace_call"] == {}


def test_a_limit_that_another_worker_has_reached(
    proxy: FakeProxy, trace_script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between look and count: the count is put back."""
    proxy.request()
    _rule(proxy, "all", "1;include;65536;10;*")
    proxy.tables["trace_count"]["1"] = 10
    monkeypatch.setattr(trace_script, "_count", lambda _rule: 9)
    trace_script.ksr_route_trace_request(None)
    assert proxy.tables["trace_call"] == {}
    assert proxy.tables["trace_count"] == {"1": 10}


def test_beyond_the_most_calls(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Counted, not traced."""
    proxy.definitions["TRACE_MAX_CALLS"] = "0"
    proxy.request()
    _rule(proxy, "all")
    trace_script.ksr_route_trace_request(None)
    assert proxy.tables["trace_call"] == {}
    assert proxy.tables["trace_count"] == {"full": 1}


def test_without_memory_nothing_is_sent(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """A first message alone would be of no use."""
    proxy.is_full = True
    proxy.request()
    _rule(proxy, "all")
    trace_script.ksr_route_trace_request(None)
    assert proxy.done == []


def test_a_call_of_the_script(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Traced without a rule; in the middle of a dialog as an answered call."""
    proxy.request()
    assert trace_script.ksr_route_trace_call(None) == 1
    proxy.request(ci="second@test", tt="tag")
    trace_script.ksr_route_trace_call(None)
    largest = trace_rule.ROUTE_ID
    assert proxy.tables["trace_call"] == {"call@test": largest, "second@test": -largest}
    assert proxy.seconds == {"call@test": 200, "second@test": 14_400}


def test_a_log_line(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Only for a traced call, or when everything is."""
    proxy.request()
    assert trace_script.ksr_route_trace_log(None, "one") == 1
    proxy.tables["trace_call"]["call@test"] = 1
    trace_script.ksr_route_trace_log(None, "two")
    assert proxy.did("siptrace.hlog") == [("two",)]


def test_everything_is_traced_without_routes(proxy: FakeProxy, trace_script: ModuleType) -> None:
    """Or the first message would come twice."""
    proxy.definitions["TRACE_BY_RULE"] = "no"
    proxy.request()
    _rule(proxy, "all")
    trace_script.ksr_route_trace_request(None)
    trace_script.ksr_route_trace_call(None)
    trace_script.ksr_route_trace_log(None, "line")
    assert proxy.done == [("siptrace.hlog", "line")]


@pytest.mark.parametrize(
    "route", ["ksr_route_trace_request", "ksr_route_trace_call", "ksr_route_trace_control"]
)
def test_a_fault_is_logged_once_and_routing_goes_on(
    proxy: FakeProxy, trace_script: ModuleType, route: str
) -> None:
    """Whatever KEMI raises; here it does not know a variable."""
    _rule(proxy, "all")
    for _ in range(3):
        assert getattr(trace_script, route)(None) == 1
    (line,) = proxy.logged
    assert line[0] == "warn"
    assert f"{route}: KeyError" in line[1]


@pytest.mark.parametrize("body", ALLOWED)
def test_control_that_the_web_api_asks_for(
    proxy: FakeProxy, trace_script: ModuleType, body: str
) -> None:
    """Handed to Kamailio."""
    _http(proxy, body)
    trace_script.ksr_route_trace_control(None)
    assert proxy.done == [("jsonrpcs.dispatch",)]


@pytest.mark.parametrize("body", REFUSED)
def test_control_that_nobody_may_have(
    proxy: FakeProxy, trace_script: ModuleType, body: str
) -> None:
    """403, as the native route answers."""
    _http(proxy, body)
    trace_script.ksr_route_trace_control(None)
    assert [arguments[0] for arguments in proxy.did("xhttp.xhttp_reply")] == [403]
    assert len(proxy.done) == 1


@pytest.mark.parametrize(
    ("fields", "definitions", "status"),
    [
        ({"hdr(Authorization)": "Bearer wrong"}, {}, 401),
        ({"hdr(Authorization)": None}, {}, 401),
        ({"hdr(Authorization)": "Bearer "}, {"TRACE_TOKEN": '""'}, 401),
        ({"hu": "/RPC"}, {}, 404),
        ({}, {"TRACE_CONTROL_PORT": "5072"}, 404),
        ({"rm": "GET"}, {}, 403),
    ],
)
def test_control_without_the_right(
    proxy: FakeProxy,
    trace_script: ModuleType,
    fields: dict[str, str | None],
    definitions: dict[str, str],
    status: int,
) -> None:
    """Token, path, port, method."""
    _http(proxy, ALLOWED[0])
    proxy.variables |= {f"${name}": value for name, value in fields.items()}
    proxy.definitions |= definitions
    trace_script.ksr_route_trace_control(None)
    assert [arguments[0] for arguments in proxy.did("xhttp.xhttp_reply")] == [status]


def _http(proxy: FakeProxy, body: str) -> None:
    proxy.variables = {
        "$rm": "POST",
        "$hu": "/trace",
        "$rb": body,
        "$hdr(Authorization)": "Bearer secret-of-the-test",
        "$Rp": 5071,
    }


def test_native_and_python_routes_have_the_same_names_in_the_same_order(
    trace_script: ModuleType,
) -> None:
    """A route that only one of them has would be a surprise."""
    native = re.findall(r"^route\[(\w+)\]", TRACE_CFG, re.MULTILINE)
    python = [name for name in vars(trace_script) if name.startswith("ksr_route_")]
    assert [f"ksr_route_{name.lower()}" for name in native[: len(python)]] == python


def test_numbers_are_those_of_the_rules(trace_script: ModuleType) -> None:
    """Bits, limits and tables in trace.cfg and trace.py are the ones that the web API writes."""
    found = re.findall(
        r'trace_kinds\) & (\d+)\) \{\n *(?:\$var\(\w+\) = "|route\(TRACE_)(\w+)', TRACE_CFG
    )
    bits = {"source" if kind == "NETWORK" else kind: int(bit) for bit, kind in found}
    assert bits == trace_rule.KINDS
    script = trace_script
    kinds = {
        kind: bit
        for table in (script._USERS, script._PREFIXES, script._DOMAINS)
        for bit, kind, _ in table
    }
    kinds |= {"source": script._NETWORK, "call_id": script._CALL_ID, "all": script._ALL}
    assert kinds == trace_rule.KINDS
    assert script._NETWORKS == trace_rule.MAX_NETWORKS
    assert script._LONGEST_PREFIX == trace_rule.MAX_PREFIX
    assert script._LARGEST == trace_rule.ROUTE_ID
    assert f"$var(trace_place) <= {trace_rule.MAX_NETWORKS})" in TRACE_CFG
    assert f"$var(trace_length) > {trace_rule.MAX_PREFIX})" in TRACE_CFG
    assert f"$var(trace_id) = {trace_rule.ROUTE_ID};" in TRACE_CFG
    assert f"{{s.corehash,{trace_rule.SHARES}}}" in TRACE_CFG
    tables = set(re.findall(r'"htable", "htable", "(\w+)=>', TRACE_CFG))
    assert tables == {*trace_rule.TABLES, script.collectors.TABLE}
    assert f"#!trydef TRACE_ANSWERED_S {trace_rule.ENDED_S}\n" in TRACE_CFG
