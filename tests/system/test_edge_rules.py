# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls each kind of rule takes, and which not. One request is enough to see it."""

from __future__ import annotations

import random
import time

import pytest

from collector.trace_rule import EXCLUDE, KINDS
from tests.system.edge import V4, V6, Edge, rules

Fields = dict[str, str]

_CASES: list[tuple[str, str, Fields, Fields]] = [
    # kind, value, a request that it takes, one that it does not take
    ("from_user", "+4989100", {"from_": "<sip:+4989100@x>;tag=a"}, {"from_": "<sip:+498910@x>"}),
    ("to_user", "4010", {"to": "<sip:4010@x>"}, {"to": "<sip:40100@x>"}),
    ("request_user", "alice", {"uri": "sip:alice@x"}, {"uri": "sip:Alice@x"}),
    ("from_prefix", "+4989", {"from_": "<sip:+49891@x>;tag=a"}, {"from_": "<sip:+4988@x>;tag=a"}),
    ("to_prefix", "0049", {"to": "<sip:0049@x>"}, {"to": "<sip:004@x>"}),
    ("request_prefix", "9" * 20, {"uri": f"sip:{'9' * 40}@x"}, {"uri": f"sip:{'9' * 19}8@x"}),
    ("from_domain", "a.example", {"from_": "<sip:u@A.Example>"}, {"from_": "<sip:u@b.a.example>"}),
    ("to_domain", "[2001:db8::1]", {"to": "<sip:u@[2001:DB8::1]:5>"}, {"to": "<sip:u@[::1]>"}),
    ("request_domain", "a.example", {"uri": "sip:u@a.EXAMPLE:5061"}, {"uri": "sip:u@example"}),
    ("call_id", 'it"s\\me@x', {"call_id": 'it"s\\me@x'}, {"call_id": "its-me@x"}),
]


@pytest.mark.parametrize(("kind", "value", "taken", "left"), _CASES)
def test_a_rule_takes_what_it_names(
    edge: Edge, kind: str, value: str, taken: Fields, left: Fields
) -> None:
    """Users as they are written, prefixes of up to 20 characters, domains in any case."""
    (rule,) = rules((kind, value))
    edge.put(rule.item_name(), rule.item_value())
    edge.set_kinds(KINDS[kind])
    with edge.calls() as phone:
        wanted, other = ({"call_id": edge.new_call_id()} | fields for fields in (taken, left))
        requests = [phone.request("INVITE", "1", **fields) for fields in (other, wanted)]
        assert edge.traced_calls(requests) == {wanted["call_id"]}
    # Without the kind's bit nobody looks for the rule.
    edge.set_kinds(sum(KINDS.values()) - KINDS[kind])
    with edge.calls() as phone:
        wanted["call_id"] = edge.new_call_id()
        if kind != "call_id":
            assert edge.traced_calls([phone.request("INVITE", "1", **wanted)]) == set()


def test_every_kind_is_tried() -> None:
    """The two others have tests of their own."""
    assert {kind for kind, *_ in _CASES} | {"source", "all"} == set(KINDS)


def test_all_takes_all(edge: Edge) -> None:
    """Even a request without users."""
    edge.rule(*rules(("all", "*")))
    call_ids = [edge.new_call_id() for _ in range(3)]
    with edge.calls() as phone:
        requests = [
            phone.request("INVITE", "1", call_id=call_ids[0]),
            phone.request("INVITE", "1", call_id=call_ids[1], uri="sip:x", from_="<sip:x>;tag=a"),
            phone.request("INVITE", "1", call_id=call_ids[2], to="<tel:+4989>"),
        ]
        assert edge.traced_calls(requests) == set(call_ids)


@pytest.mark.parametrize(
    ("network", "takes_v4", "takes_v6"),
    [
        ("127.0.0.1/32", True, False),
        ("127.0.0.0/8", True, False),
        ("127.0.0.2/32", False, False),
        ("192.0.2.0/24", False, False),
        ("::1/128", False, True),
        ("::/16", False, True),
        ("2001:db8::/32", False, False),
    ],
)
def test_a_network_takes_its_addresses(
    edge: Edge, network: str, *, takes_v4: bool, takes_v6: bool
) -> None:
    """IPv4 and IPv6, one address or many."""
    edge.rule(*rules(("source", network)))
    expected = set()
    for host, takes in ((V4, takes_v4), (V6, takes_v6)):
        with edge.calls("UDP", host) as phone:
            call_id = edge.new_call_id()
            edge.answer([phone.request("INVITE", "1", call_id=call_id)], host)
        expected |= {call_id} if takes else set()
    assert {message.call_id for message in edge.collector.messages()} == expected


def test_sixteen_networks_are_looked_at(edge: Edge) -> None:
    """The last of them is as good as the first."""
    networks = [f"198.51.100.{number}/32" for number in range(1, 16)]
    edge.rule(*rules(*(("source", network) for network in [*networks, "127.0.0.0/8"])))
    with edge.calls() as phone:
        call_id = edge.new_call_id()
        assert edge.traced_calls([phone.request("INVITE", "1", call_id=call_id)]) == {call_id}


def test_an_exclude_wins_over_every_include(edge: Edge) -> None:
    """Whichever kind comes first."""
    edge.rule(
        *rules(("from_user", "caller"), ("all", "*")),
        *rules(("request_user", "secret"), action=EXCLUDE, calls=0),
        *rules(("from_user", "boss"), action=EXCLUDE, calls=0),
    )
    taken = edge.new_call_id()
    with edge.calls() as phone:
        requests = [
            phone.request("INVITE", "secret", call_id=edge.new_call_id()),
            phone.request("INVITE", "1", call_id=edge.new_call_id(), from_="<sip:boss@x>;tag=a"),
            phone.request("INVITE", "1", call_id=taken),
        ]
        assert edge.traced_calls(requests) == {taken}


def test_an_exclude_alone_traces_nothing(edge: Edge) -> None:
    """Rules say what is traced; there is no tracing of the rest."""
    edge.rule(*rules(("from_user", "boss"), action=EXCLUDE, calls=0))
    with edge.calls() as phone:
        assert edge.traced([phone.request("INVITE", "1", call_id=edge.new_call_id())]) == []


@pytest.mark.parametrize(
    ("methods", "taken"),
    [
        (("INVITE",), {"INVITE"}),
        (("MESSAGE", "OPTIONS"), {"MESSAGE", "OPTIONS"}),
        ((), {"INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE"}),
    ],
)
def test_a_rule_takes_its_methods(edge: Edge, methods: tuple[str, ...], taken: set[str]) -> None:
    """Of the request that begins the call."""
    edge.rule(*rules(("all", "*"), methods=methods))
    with edge.calls() as phone:
        requests = [
            phone.request(method, "1", call_id=f"{method}.{edge.new_call_id()}").replace(
                "Max-Forwards: 70", "Max-Forwards: 0"
            )
            for method in ("INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE")
        ]
        found = edge.traced_calls(requests)
    assert {call_id.partition(".")[0] for call_id in found} == taken


def test_a_share_is_the_same_calls_on_every_proxy_and_nested(edge: Edge) -> None:
    """By a hash of the Call-ID: 10 % is inside 30 %, and a Call-ID is in or out for good."""
    chance = random.Random(5)
    call_ids = [f"{chance.randbytes(8).hex()}@192.0.2.1" for _ in range(300)]
    for percent in (10, 30):
        (rule,) = rules(("all", "*"), percent=percent)
        edge.rule(rule)
        with edge.calls() as phone:
            requests = [phone.request("INVITE", "1", call_id=one) for one in call_ids]
            found = edge.traced_calls(requests)
        assert found == {one for one in call_ids if _hash(one) < rule.share}
        assert 0.5 * percent < len(found) / 3 < 1.5 * percent


def test_a_rule_ends_at_its_number_of_calls(edge: Edge) -> None:
    """Another rule may take the next; what was traced is counted."""
    first, second = rules(("request_user", "1"), ("all", "*"), calls=2)
    edge.rule(first, second)
    call_ids = [edge.new_call_id() for _ in range(6)]
    with edge.calls() as phone:
        requests = [phone.request("INVITE", "1", call_id=one) for one in call_ids]
        assert edge.traced_calls(requests) == set(call_ids[:4])
    assert edge.table("trace_count") == {"1": 2, "2": 2}


def test_a_rule_ends_by_itself(edge: Edge) -> None:
    """Its items expire with nobody controlling the proxy."""
    edge.rule(*rules(("request_user", "1")), seconds=1)
    with edge.calls() as phone:
        call_id = edge.new_call_id()
        assert edge.traced_calls([phone.request("INVITE", "1", call_id=call_id)]) == {call_id}
        time.sleep(2.1)
        assert edge.traced([phone.request("INVITE", "1", call_id=edge.new_call_id())]) == []


def test_a_repeated_request_is_one_call(edge: Edge) -> None:
    """A retransmission and the answer to a 401 have the same Call-ID."""
    edge.rule(*rules(("request_user", "1")))
    call_id = edge.new_call_id()
    with edge.calls() as phone:
        requests = [phone.request("INVITE", "1", call_id=call_id, cseq=n) for n in (1, 1, 2)]
        assert edge.traced(requests) == ["404 INVITE"] * 3 + ["INVITE"] * 3
    assert edge.table("trace_count") == {"1": 1}


def test_a_request_inside_a_dialog_begins_nothing(edge: Edge) -> None:
    """Nor do ACK and CANCEL: what has begun without a rule stays as it is."""
    edge.rule(*rules(("all", "*"), methods=()))
    with edge.calls() as phone:
        inside = {"to": "<sip:1@x>;tag=there", "call_id": edge.new_call_id()}
        edge.answer([phone.request("INVITE", "1", **inside)])
        phone.send(phone.request("CANCEL", "1", call_id=edge.new_call_id()))
        phone.send(phone.request("ACK", "1", call_id=edge.new_call_id()))
    assert edge.collector.packets() == []


def _hash(text: str) -> int:
    """Kamailio's core_hash over 65,536 (core/hashes.h), written anew."""
    data = text.encode()
    data, rest = data[: len(data) // 4 * 4], data[len(data) // 4 * 4 :]
    value = 0
    for start in range(0, len(data), 4):
        word = int.from_bytes(data[start : start + 4], "big")
        value += word ^ word >> 3
    tail = int.from_bytes(rest, "big")
    value = (value + (tail ^ tail >> 3)) & 0xFFFF_FFFF
    value = (value + (value >> 11) + (value >> 13) + (value >> 23)) & 0xFFFF_FFFF
    return value & 0xFFFF
