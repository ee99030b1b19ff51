# SPDX-License-Identifier: GPL-2.0-or-later
"""Real calls through a real proxy: every message of both legs, in order, with true addresses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collector.__main__ import main
from stack.demo.calls import CALLS, Demo
from stack.demo.show import ladder, summary
from stack.trial import Trial

Calls = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def calls(running: Trial, tmp_path_factory: pytest.TempPathFactory) -> Calls:
    """What the API shows of each call of the demo."""
    with Demo(running, tmp_path_factory.mktemp("demo")) as demo:
        demo.place_untraced()
        assert demo.rules.trace_all()["in_force_on"] == ["demo"]
        placed = demo.place_all()
        demo.check_untraced()
        return placed


def test_every_call_has_exactly_its_messages(calls: Calls) -> None:
    """Both legs of the proxy, provisional, final and local replies, ACK, CANCEL, re-INVITE."""
    assert {name: len(call["messages"]) for name, call in calls.items()} == {
        call.name: call.messages for call in CALLS
    }


def test_an_answered_call_shows_both_legs_with_true_addresses(calls: Calls) -> None:
    """Caller to proxy and proxy to callee; every hop's ports pair up."""
    messages = calls["answered"]["messages"]
    flow = [(m.get("status"), m["method"], _port(m, "src"), _port(m, "dst")) for m in messages]
    caller, proxy = flow[0][2], flow[0][3]
    callee = next(m["dst_port"] for m in messages if m["src_port"] == proxy and not m.get("status"))
    assert len({caller, proxy, callee}) == 3
    assert flow == [
        (None, "INVITE", caller, proxy),
        (100, "INVITE", proxy, caller),
        (None, "INVITE", proxy, callee),
        (180, "INVITE", callee, proxy),
        (180, "INVITE", proxy, caller),
        (200, "INVITE", callee, proxy),
        (200, "INVITE", proxy, caller),
        (None, "ACK", caller, proxy),
        (None, "ACK", proxy, callee),
        (None, "BYE", caller, proxy),
        (None, "BYE", proxy, callee),
        (200, "BYE", callee, proxy),
        (200, "BYE", proxy, caller),
    ]
    assert {m["src_ip"] for m in messages} | {m["dst_ip"] for m in messages} == {"127.0.0.1"}
    assert {(m["transport"], m["node"], m["kind"]) for m in messages} == {("UDP", "2001", "call")}


@pytest.mark.parametrize(
    ("name", "final"),
    [
        ("answered", 200),
        ("busy", 486),
        ("cancelled", 487),
        ("not-found", 404),
        ("no-answer", 408),
        ("hold", 200),
        ("registration", 200),
    ],
)
def test_the_final_status_is_there(calls: Calls, name: str, final: int) -> None:
    """How each call ended."""
    statuses = [m["status"] for m in calls[name]["messages"] if "status" in m]
    assert final in statuses
    if name == "registration":
        # siptrace takes the time after it has sent, and a busy machine may let another go first.
        assert sorted(statuses) == [200, 401]


@pytest.mark.parametrize(
    ("name", "code", "also"),
    [
        ("answered", "completed", {"called", "rang", "answered", "talked", "hung_up", "audio"}),
        ("busy", "busy", {"called", "busy"}),
        ("cancelled", "cancelled", {"called", "rang", "cancelled"}),
        ("not-found", "not_found", {"called", "not_found"}),
        ("no-answer", "gave_up", {"called", "rang", "gave_up", "proxy_cancelled"}),
        ("hold", "completed", {"called", "rang", "answered", "talked", "hung_up", "audio", "hold"}),
        ("registration", "not_a_call", {"not_a_call"}),
    ],
)
def test_why_a_call_ended(
    running: Trial,
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    code: str,
    also: set[str],
) -> None:
    """What siptrace captures at one proxy is enough for `explain`, and nothing is made up."""
    monkeypatch.setenv("KEMISCOPE_DATABASE_DSN", running.settings.database.dsn)
    assert main(["explain", calls[name]["call_id"], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == code
    said = {statement["code"] for statement in told["statements"]}
    assert said - {"linked"} == also


def test_messages_are_in_microsecond_order(calls: Calls) -> None:
    """Times never go back, and they are finer than a millisecond."""
    for call in calls.values():
        times = [datetime.fromisoformat(m["ts"]) for m in call["messages"]]
        assert times == sorted(times)
        assert any(moment.microsecond % 1000 for moment in times)


def test_the_second_leg_names_the_first(calls: Calls) -> None:
    """The B2BUA's other leg carries the Call-ID of the first in X-CID."""
    first = calls["answered"]["call_id"]
    assert f"X-CID: {first}" in calls["second-leg"]["messages"][0]["raw"]


def test_the_registration_shows_who_authenticated(calls: Calls) -> None:
    """Digest username and realm are columns."""
    # siptrace may give a request and the response before it the same µs, in either order.
    (second,) = (
        message
        for message in calls["registration"]["messages"]
        if message["cseq"] == 2 and "status" not in message
    )
    assert (second["method"], second["kind"]) == ("REGISTER", "registration")
    assert (second["auth_user"], second["auth_realm"]) == ("caller", "demo.example")


def test_what_the_demo_prints(calls: Calls) -> None:
    """The summary names every call; the ladder has one line per message."""
    assert all(call.name in summary(calls) for call in CALLS)
    lines = ladder(calls["answered"]["messages"]).splitlines()
    assert len(lines) == 1 + 13
    assert "INVITE" in lines[1]
    assert lines[1].index("INVITE") < lines[1].index(">")
    assert "<" in lines[2]


def test_the_proxy_keeps_routing_when_the_capture_node_is_gone(
    running: Trial, tmp_path: Path
) -> None:
    """Capture never touches the call path."""
    assert running.kamailio is not None
    running.kamailio.stop()
    try:
        with Demo(running, tmp_path) as demo:
            demo.rules.trace_all()
            demo.place_calls()
    finally:
        running.start_capture()


def _port(message: dict[str, Any], side: str) -> int:
    port: int = message[f"{side}_port"]
    return port
