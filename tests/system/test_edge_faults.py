# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that goes wrong with tracing stops a call."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collector.trace_rule import KINDS
from tests.system.conversation import ANSWERS, as_seen, conversation
from tests.system.edge import Edge, RefusedError, rules

_GARBAGE = [
    *("", " ", "x", ";", ";;;;;;;", "1", "-1", "1;include", "1;include;65536;10"),
    *("0;include;65536;10;*", "-1;include;65536;10;*", "01;include;65536;10;*"),
    "9999999999;include;65536;10;*",
    "99999999999999999999;include;65536;10;*",
    "1;INCLUDED;65536;10;*",
    *("1;include;-1;10;*", "1;include;999999;10;*", "1;include;x;10;*"),
    *("1;include;65536;-1;*", "1;include;65536;x;*", "1;include;65536;0;*"),
    *("1;include;65536;10;", "1;include;65536;10;(((", "1;include;65536;10;.*"),
    *("1;include;65536;10;*;not-a-network", "1;include;65536;10;*;1.2.3.4/99"),
    *("%s%n%x", "$(ci{s.len})", "$shtinc(trace_count=>x)", "x" * 3000, "1;include;" * 300),
]


def test_calls_go_on_while_the_collector_is_away(config: Path, tmp_path: Path) -> None:
    """Its port is closed; every message of the call is traced into the void."""
    with Edge(tmp_path, config=config) as edge:
        edge.collector.close()
        edge.rule(*rules(("all", "*"), methods=()))
        for transport in ("UDP", "TCP", "TLS"):
            with conversation(edge, transport) as call:
                call.answer(call.begin())
                call.hang_up()
        assert edge.is_running()
        assert edge.table("trace_count") == {"1": 3}


def test_garbage_in_a_rule_is_no_rule(edge: Edge) -> None:
    """Whoever wrote it: the request is answered and a good rule beside it works."""
    (good,) = rules(("from_user", "caller"))
    names = [
        *(f"{kind}:1" for kind in KINDS),
        *("all", "network:1", "network:16", "network:17", "ended:x", "from_user:", ":", "x" * 300),
    ]
    # What is behind the methods matters to networks only.
    traced_by_all = [value for value in _GARBAGE if value.startswith("1;include;65536;10;*;")]
    edge.set_kinds(sum(KINDS.values()))
    taken = set()
    with edge.calls() as phone:
        for value in _GARBAGE:
            for name in names:
                edge.put(name, value)
            call_id = edge.new_call_id()
            edge.answer([phone.request("INVITE", "1", call_id=call_id)])
            taken |= {call_id} if value in traced_by_all else set()
        edge.put(good.item_name(), good.item_value())
        call_id = edge.new_call_id()
        edge.answer([phone.request("INVITE", "1", call_id=call_id)])
        taken |= {call_id}
    assert {message.call_id for message in edge.collector.messages(2 * len(taken))} == taken


@pytest.mark.parametrize("kinds", [0, -1, 2**31 - 1, -(2**31), 4096, "", "x", "4", "$(ci)"])
def test_garbage_in_kinds_stops_nothing(edge: Edge, kinds: int | str) -> None:
    """At worst rules are not found."""
    edge.rule(*rules(("request_user", ANSWERS)))
    if isinstance(kinds, int):
        edge.set_kinds(kinds)
    else:
        edge.put("kinds", kinds)
    with conversation(edge) as call:
        call.answer(call.begin())
        call.hang_up()
    edge.collector.messages()


@pytest.mark.parametrize("value", ["", "x", "-", "0", "1;include", "$(ci)", 0, -(2**31), 2**31 - 1])
def test_garbage_in_the_other_tables_stops_nothing(edge: Edge, value: int | str) -> None:
    """Calls that seem to be traced already, and counts that are no numbers."""
    edge.rule(*rules(("request_user", ANSWERS)))
    edge.rpc("siptrace.status", "on")
    with conversation(edge) as call:
        method = "htable.setxi" if isinstance(value, int) else "htable.setxs"
        edge.rpc(method, "trace_call", call.call_id, value, 60)
        edge.rpc(method, "trace_call", "<null>", value, 60)
        edge.rpc(method, "trace_count", "1", value, 60)
        call.answer(call.begin())
        call.hang_up()
    with conversation(edge) as call:
        call.answer(call.begin())
        call.hang_up()
    edge.collector.messages()


@pytest.mark.parametrize("size", [512, 513, 8190, 60_000])
def test_a_huge_call_id_is_not_remembered(edge: Edge, size: int) -> None:
    """More than 512 bytes are not traced; the request is answered, and nothing is logged."""
    edge.rule(*rules(("all", "*"), ("call_id", "x")))
    edge.rpc("siptrace.status", "on")
    logged = edge.log.stat().st_size
    with edge.calls() as phone:
        call_id = "x" * size
        found = edge.traced_calls([phone.request("INVITE", "1", call_id=call_id)])
    assert found == ({call_id} if size <= 512 else set())
    assert edge.log.stat().st_size == logged


@pytest.mark.parametrize(
    "fields",
    [
        {"from_": "<sip:\udcff\udcfe@x>;tag=a"},
        {"from_": '"\udce4" <sip:u@x>;tag=a', "to": "<sip:\udce4@x>"},
        {"from_": "<sip:@x>;tag=a", "to": "<sip:@>"},
        {"from_": "x", "to": "y"},
        {"call_id": "\udce4\udcff@x"},
        {"call_id": "<null>"},
        {"call_id": "a'b\"c\\d$e%s{f}(g)[h]*"},
        {"uri": "sip:%00%ff@x"},
        {"uri": "tel:+49"},
        {"uri": f"sip:{'9' * 9000}@{'x' * 300}"},
        {"uri": "sip:$(ci)@$shtinc(trace_count=>1)"},
    ],
)
def test_hostile_requests_are_treated_as_without_tracing(
    edge: Edge, fields: dict[str, str]
) -> None:
    """With rules of all kinds in force: answered or dropped as before; the next call is fine."""
    with edge.calls() as phone:
        base = {"call_id": edge.new_call_id()} | fields
        request = phone.request("INVITE", "1", **base).encode(errors="surrogateescape")
        without = phone.exchange(request)
        edge.rule(*rules(("all", "*"), ("from_user", "u"), ("source", "127.0.0.9/32"), methods=()))
        edge.set_kinds(sum(KINDS.values()))
        edge.rpc("siptrace.status", "on")
        base["branch"] = "again"
        request = phone.request("INVITE", "1", **base).encode(errors="surrogateescape")
        assert phone.exchange(request) == without
    edge.collector.messages()
    assert all(call_id.isascii() for call_id in edge.table("trace_call"))
    with conversation(edge) as call:
        call.answer(call.begin())
        call.hang_up()
        assert len(edge.collector.messages(13)) == 13


def test_beyond_the_most_calls_a_call_is_not_traced(config: Path, tmp_path: Path) -> None:
    """It goes through, and trace_count=>full says how many there were."""
    with Edge(tmp_path, config=config, defines={"TRACE_MAX_CALLS": 2}) as edge:
        edge.rule(*rules(("all", "*")))
        for traced in (True, True, False, False):
            with conversation(edge) as call:
                call.answer(call.begin())
                call.hang_up()
                assert bool(edge.collector.messages()) == traced
        assert edge.table("trace_count") == {"1": 2, "full": 2}


def test_tracing_does_not_take_all_shared_memory(config: Path, tmp_path: Path) -> None:
    """With the smallest memory and the longest Call-IDs, the limit of calls leaves enough."""
    with Edge(tmp_path, config=config, arguments=("-m", "16")) as edge:
        edge.rule(*rules(("request_user", "1"), calls=100_000))
        with edge.calls() as phone:
            edge.answer([phone.request("INVITE", "1", call_id=f"{n:0512}") for n in range(5500)])
        edge.collector.messages()
        assert edge.table("trace_count")["full"] == 500
        with conversation(edge) as call:
            call.answer(call.begin())
            call.hang_up()


def test_without_shared_memory_requests_are_answered(config: Path, tmp_path: Path) -> None:
    """When there is none left, tracing stops and stateless answers go on."""
    defines = {"TRACE_MAX_CALLS": 1_000_000}
    with Edge(tmp_path, config=config, defines=defines, arguments=("-m", "8")) as edge:
        edge.rule(*rules(("request_user", "1"), calls=1_000_000))
        with edge.calls() as phone:
            edge.answer([phone.request("INVITE", "1", call_id=f"{n:0512}") for n in range(12_000)])
            edge.collector.messages()
            assert edge.traced([phone.request("INVITE", "1", call_id="x" * 512)]) == []
        assert "no more shm" in edge.log.read_text(errors="replace")
        assert edge.is_running()


def test_tracing_switches_itself_off(config: Path, tmp_path: Path) -> None:
    """The rule and then its calls expire, without control; a call that goes on keeps it on."""
    defines = {"TRACE_ENDED_S": 1}
    with Edge(tmp_path, config=config, defines=defines) as edge:
        edge.rule(*rules(("request_user", ANSWERS)), seconds=3)
        with conversation(edge) as longer:
            longer.answer(longer.begin())
            with edge.calls() as phone:
                edge.answer([phone.request("INVITE", "nobody", call_id=edge.new_call_id())])
            assert edge.is_on()
            time.sleep(7)
            assert edge.is_on(), "a call goes on"
            assert edge.table("trace_rule") == {}
            longer.hang_up()
            expected = longer.seen(
                *(">INVITE", "<|100 INVITE", "<180 INVITE", "<200 INVITE", ">ACK"),
                *(">BYE", "<200 BYE"),
            )
            assert as_seen(edge.collector.messages(len(expected))) == sorted(expected)
        deadline = time.monotonic() + 15
        while edge.is_on():
            assert time.monotonic() < deadline, "siptrace is still on"
            time.sleep(0.2)
        edge.rule(*rules(("request_user", ANSWERS)))
        with conversation(edge) as call:
            call.answer(call.begin())
            call.hang_up()
            assert len(edge.collector.messages(13)) == 13


def test_a_call_that_rings_too_long_is_forgotten(tmp_path: Path) -> None:
    """Each provisional response is a sign of life."""
    with Edge(tmp_path, defines={"TRACE_RINGING_S": 2}) as edge:
        edge.rule(*rules(("request_user", ANSWERS)))
        with conversation(edge) as call:
            invite = call.begin()
            for _ in range(2):
                time.sleep(1.5)
                call.ring(invite)
            assert len(edge.collector.messages(9)) == 9
            time.sleep(3.1)
            call.answer(invite)
            call.hang_up()
        assert edge.collector.packets() == []


def test_control_without_a_token_is_refused(config: Path, tmp_path: Path) -> None:
    """An empty secret never switches a check off."""
    with Edge(tmp_path, config=config, defines={"TRACE_TOKEN": '""'}) as edge:
        for authorization in ("Bearer ", "Bearer", "", 'Bearer ""'):
            with pytest.raises(RefusedError) as refused:
                edge.control(
                    '{"jsonrpc":"2.0","id":1,"method":"htable.stats","params":[]}',
                    authorization=authorization,
                )
            assert refused.value.status == 401
