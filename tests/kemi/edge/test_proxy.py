# SPDX-License-Identifier: GPL-2.0-or-later
"""The example proxy in Python does what proxy.cfg does."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from stack.service import ROOT
from tests.fake_proxy import FakeProxy


@pytest.fixture
def routes(proxy_script: ModuleType) -> Any:
    """What Kamailio calls."""
    made = proxy_script.mod_init()
    assert made.child_init(1) == 0
    return made


@pytest.mark.parametrize(
    ("fields", "answers", "done"),
    [
        ({}, {"maxfwd.process_maxfwd": -1}, ["maxfwd.process_maxfwd", "sl.sl_send_reply 483"]),
        ({"method": "CANCEL"}, {}, ["tm.t_check_trans", "tm.t_relay"]),
        ({"method": "CANCEL"}, {"tm.t_check_trans": -1}, ["tm.t_check_trans"]),
        ({"method": "BYE", "tt": "tag"}, {}, ["rr.loose_route", "tm.t_relay"]),
        (
            {"method": "ACK", "tt": "tag"},
            {"rr.loose_route": -1},
            ["rr.loose_route", "tm.t_check_trans"],
        ),
        (
            {"method": "BYE", "tt": "tag"},
            {"rr.loose_route": -1},
            ["rr.loose_route", "sl.sl_send_reply 404"],
        ),
        ({}, {"tm.t_check_trans": 0}, ["tm.t_check_trans"]),
        ({}, {}, ["rr.record_route", "pv.sets $du", "tm.t_relay"]),
        ({"rU": "4711"}, {}, ["rr.record_route", "sl.sl_send_reply 404"]),
        ({"rU": None}, {}, ["rr.record_route", "sl.sl_send_reply 404"]),
        ({"method": "OPTIONS"}, {"tm.t_relay": -1}, ["tm.t_relay", "sl.sl_reply_error"]),
        ({"method": "REGISTER"}, {}, ["auth.pv_auth_check demo.example", "sl.sl_send_reply 200"]),
        (
            {"method": "REGISTER"},
            {"auth.pv_auth_check": -2},
            ["auth.pv_auth_check demo.example", "auth.auth_challenge demo.example"],
        ),
    ],
)
def test_what_becomes_of_a_request(
    proxy: FakeProxy,
    routes: Any,
    fields: dict[str, str],
    answers: dict[str, int],
    done: list[str],
) -> None:
    """Method, To tag and what the modules say decide."""
    proxy.request(**fields)
    proxy.answers = answers
    assert routes.ksr_request_route(None) == 1
    found = [" ".join(map(str, [name, *arguments[:1]])) for name, *arguments in proxy.done]
    passed = {"maxfwd.process_maxfwd 10", "tm.t_check_trans"}
    expected = [name.replace("process_maxfwd", "process_maxfwd 10") for name in done]
    assert [step for step in found if step not in passed - {*expected}] == expected
    assert proxy.logged == []


@pytest.mark.parametrize(
    ("host", "transport", "target"),
    [
        ("192.0.2.9", "udp", "sip:192.0.2.9:5080;transport=udp"),
        ("2001:db8::9", "tls", "sip:[2001:db8::9]:5080;transport=tls"),
    ],
)
def test_where_a_callee_listens(
    proxy: FakeProxy, routes: Any, host: str, transport: str, target: str
) -> None:
    """At the address that the call came in at, with the same transport."""
    proxy.request(Ri=host, proto=transport)
    routes.ksr_request_route(None)
    assert proxy.did("pv.sets") == [("$du", target)]


def test_a_name_that_kemi_does_not_export_is_refused(proxy: FakeProxy) -> None:
    """What stops a real proxy fails here first."""
    with pytest.raises(AttributeError, match=r"KEMI exports no tm\.t_relais"):
        proxy.module.tm.t_relais()
    with pytest.raises(AttributeError, match=r"KEMI exports no auth\.pv_www"):
        proxy.module.auth.pv_www_authenticate()
    with pytest.raises(AttributeError, match="KEMI exports no nothing"):
        _ = proxy.module.nothing


def test_native_and_python_routes_have_the_same_names_in_the_same_order(routes: Any) -> None:
    """The request route first."""
    native = re.findall(
        r"^route\[(\w+)\]", (ROOT / "kemi/edge/proxy.cfg").read_text(), re.MULTILINE
    )
    python = [name for name in vars(type(routes)) if name.startswith("ksr_")]
    assert python == ["ksr_request_route", *(f"ksr_route_{name.lower()}" for name in native)]
