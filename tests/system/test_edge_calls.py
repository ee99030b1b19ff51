# SPDX-License-Identifier: GPL-2.0-or-later
"""Tracing by rule: exactly the messages of the calls that a rule wants, with true addresses."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from collector import hep
from stack.demo.calls import CALLS
from tests.system.conversation import ANSWERS, as_seen, conversation
from tests.system.edge import V4, V6, Edge, rules
from tests.system.phones import Phones, call_ids

WAYS = [("UDP", V4), ("TCP", V4), ("TLS", V4), ("UDP", V6), ("TCP", V6)]
_OTHER = "not-4015"


@pytest.mark.parametrize(("transport", "host"), WAYS)
def test_without_a_rule_nothing_is_sent(edge: Edge, transport: str, host: str) -> None:
    """And siptrace is off: it does not even look."""
    with conversation(edge, transport, host) as call:
        call.answer(call.begin())
        call.hang_up()
    assert edge.collector.packets() == []
    assert not edge.is_on()


@pytest.mark.parametrize(("transport", "host"), WAYS)
def test_a_rule_for_one_number_traces_exactly_that_call(
    edge: Edge, transport: str, host: str
) -> None:
    """INVITE, 100 of the proxy, 180, 200, ACK both ways, re-INVITE, BYE; retransmissions too."""
    edge.rule(*rules(("request_user", ANSWERS)))
    again = transport == "UDP"
    with conversation(edge, transport, host) as call:
        call.answer(call.begin(again=again), again=again)
        call.invite_again()
        call.hang_up()
        setup = [">INVITE", "<|100 INVITE", "<180 INVITE", "<200 INVITE", ">ACK"]
        repeated = [">|INVITE", "<|100 INVITE", "<200 INVITE"] if again else []
        changed = [">INVITE", "<|100 INVITE", "<200 INVITE", ">ACK"]
        expected = call.seen(*setup, *repeated, *changed, ">BYE", "<200 BYE")
        messages = edge.collector.messages(len(expected))
        assert as_seen(messages) == sorted(expected)
    assert {message.call_id for message in messages} == {call.call_id}
    assert {message.packet.protocol for message in messages} == {_protocol(transport)}
    assert {message.packet.capture_id for message in messages} == {2001}


@pytest.mark.parametrize(("transport", "host"), WAYS)
def test_a_cancelled_call_arrives_whole(edge: Edge, transport: str, host: str) -> None:
    """CANCEL and its 200 on both sides, 487, and both ACKs to it, of which one is the proxy's."""
    edge.rule(*rules(("request_user", ANSWERS)))
    with conversation(edge, transport, host) as call:
        call.cancel(call.begin())
        expected = call.seen(
            *(">INVITE", "<|100 INVITE", "<180 INVITE"),
            *(">|CANCEL", "<|200 CANCEL", "|>CANCEL", "|<200 CANCEL"),
            *("<487 INVITE", "|>ACK", ">|ACK"),
        )
        assert as_seen(edge.collector.messages(len(expected))) == sorted(expected)


def test_the_next_call_is_not_traced(edge: Edge) -> None:
    """Neither to another number while a traced call goes on, nor to the same when the rule ends."""
    edge.rule(*rules(("request_user", ANSWERS)))
    with conversation(edge) as call:
        invite = call.begin()
        assert edge.collector.messages()
        assert edge.is_on()
        with edge.calls() as other:
            assert edge.traced([other.request("INVITE", _OTHER, call_id=edge.new_call_id())]) == []
        call.cancel(invite)
        assert edge.collector.messages()
    edge.rule()
    with conversation(edge) as call:
        call.answer(call.begin())
        call.hang_up()
    assert edge.collector.packets() == []


def test_a_call_keeps_being_traced_when_its_rule_has_gone(edge: Edge) -> None:
    """The whole call follows the decision of its first request."""
    edge.rule(*rules(("request_user", ANSWERS)))
    with conversation(edge) as call:
        invite = call.begin()
        edge.rpc("htable.delete", "trace_rule", f"request_user:{ANSWERS}")
        edge.rpc("htable.delete", "trace_rule", "kinds")
        call.answer(invite)
        call.hang_up()
        expected = call.seen(
            *(">INVITE", "<|100 INVITE", "<180 INVITE", "<200 INVITE", ">ACK"),
            *(">BYE", "<200 BYE"),
        )
        assert as_seen(edge.collector.messages(len(expected))) == sorted(expected)


def test_a_call_stops_being_traced_when_its_rule_is_ended(edge: Edge) -> None:
    """`ended:<id>` is for who has seen enough."""
    edge.rule(*rules(("request_user", ANSWERS)))
    with conversation(edge) as call:
        invite = call.begin()
        assert edge.collector.messages(5)
        edge.rpc("htable.setxi", "trace_rule", "ended:1", 1, 60)
        call.answer(invite)
        call.hang_up()
    assert edge.collector.packets() == []


@pytest.mark.parametrize(("transport", "host"), WAYS)
def test_switched_on_in_the_middle_of_a_call_the_rest_is_traced(
    edge: Edge, transport: str, host: str
) -> None:
    """By its Call-ID, which no request that begins a call will have."""
    with conversation(edge, transport, host) as call:
        call.answer(call.begin())
        assert edge.collector.packets() == []
        edge.rule(*rules(("call_id", call.call_id)))
        call.invite_again()
        call.hang_up()
        expected = call.seen(
            *(">INVITE", "<|100 INVITE", "<200 INVITE", ">ACK", ">BYE", "<200 BYE")
        )
        assert as_seen(edge.collector.messages(len(expected))) == sorted(expected)


def test_what_the_proxy_answers_itself_is_traced(edge: Edge) -> None:
    """404 and 483 without a transaction, 401 of the registrar; the ACK comes once."""
    edge.rule(*rules(("from_user", "caller"), methods=()))
    with edge.calls() as phone:
        call_id = edge.new_call_id()
        phone.send(phone.request("INVITE", _OTHER, call_id=call_id))
        to = phone.receive("SIP/2.0 404").split("To: ")[1].split("\r\n")[0]
        phone.send(phone.request("ACK", _OTHER, call_id=call_id, to=to, branch="1INVITE"))
        found = sorted(message.what for message in edge.collector.messages(3))
        assert found == ["404 INVITE", "ACK", "INVITE"]
        request = phone.request("OPTIONS", _OTHER, call_id=edge.new_call_id())
        request = request.replace("Max-Forwards: 70", "Max-Forwards: 0")
        assert edge.traced([request]) == ["483 OPTIONS", "OPTIONS"]
        request = phone.request("REGISTER", _OTHER, call_id=edge.new_call_id())
        assert edge.traced([request]) == ["401 REGISTER", "REGISTER"]


def test_a_log_line_comes_with_the_call_id_of_a_traced_call(edge: Edge) -> None:
    """route(TRACE_LOG), HEP type 100; not for other calls."""
    with edge.calls() as phone:
        edge.answer([phone.request("INVITE", "5000", call_id=edge.new_call_id())])
        assert edge.collector.packets() == []
        edge.rule(*rules(("request_user", "5000")))
        call_id = edge.new_call_id()
        edge.answer([phone.request("INVITE", "5000", call_id=call_id)])
    (log,) = (packet for packet in edge.collector.packets(3) if packet.type == hep.TYPE_LOG)
    assert log.payload == b"no such number: 5000"
    assert log.correlation_id == call_id.encode()


def test_sipp_calls_of_every_kind(config: Path, tmp_path: Path) -> None:
    """SIPp's callers and callees, all at once; those that call two of the numbers do not show."""
    excluded = ("4011", "4099")
    with Phones(tmp_path / "phones") as phones:
        base = phones.callees()
        with Edge(tmp_path / "edge", config=config, callee_port=base) as edge:
            edge.rule(
                *rules(("from_user", "caller"), methods=()),
                *rules(*(("request_user", number) for number in excluded), action="exclude"),
            )
            placed = [
                phones.place(
                    *(edge.port, call.name, call.scenario, call.number or "caller"),
                    status=call.status,
                )
                for call in CALLS
            ]
            phones.finish(*placed)
            wanted = {
                call_ids(call.name)[0]: call.messages
                for call in CALLS
                if call.number not in excluded
            }
            messages = edge.collector.messages(sum(wanted.values()))
    assert Counter(message.call_id for message in messages) == wanted


def _protocol(transport: str) -> int:
    """siptrace marks TLS with 22, which the decoder knows."""
    return {"UDP": 17, "TCP": 6, "TLS": 22}[transport]
