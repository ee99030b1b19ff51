# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the audio of a call was agreed to go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests import flow
from webapi.media import Agreement, Flow, agreements

ALICE, BOB = ("192.0.2.101", 49172), ("192.0.2.201", 3456)


def _rows(found: flow.Flow) -> list[dict[str, Any]]:
    """As of ``sip_message``, as far as they are read."""
    return [
        {
            "id": message.us,
            "ts": datetime.fromtimestamp(message.us / 1e6, UTC),
            "call_id": found.legs[message.leg],
            "status": int(message.sip.split()[1]) if message.sip.startswith(b"SIP/2.0") else None,
            "cseq": int(message.sip.split(b"CSeq: ")[1].split()[0]),
            "raw": message.sip,
            "src_ip": message.src.ip,
            "dst_ip": message.dst.ip,
            "src_port": message.src.port,
            "dst_port": message.dst.port,
        }
        for message in found.messages
    ]


def _agreed(name: str) -> list[Agreement]:
    return agreements(_rows(flow.load(name)))


def _ends(agreed: Agreement) -> tuple[tuple[str, int], tuple[str, int]]:
    return (str(agreed.src_ip), agreed.src_port), (str(agreed.dst_ip), agreed.dst_port)


def test_what_proxies_pass_on_is_one_agreement() -> None:
    """Three hops, the same SDP on each: one stream each way."""
    (agreed,) = _agreed("two-proxies")
    assert _ends(agreed) == (ALICE, BOB)
    assert (agreed.codec, agreed.flow) == ("PCMU", Flow.BOTH)


def test_hold_and_back() -> None:
    """Each change is told, with who goes on to send."""
    agreed = _agreed("hold")
    assert [one.flow for one in agreed] == [Flow.BOTH, Flow.FORWARD, Flow.BOTH]
    assert {_ends(one) for one in agreed} == {(ALICE, BOB)}
    assert agreed[0].message_id > agreed[0].offer_id


def test_who_answers_may_hold() -> None:
    """The offer of the callee is seen from its side; with 0.0.0.0 it wants to hear nothing. What
    comes after it is told, although it is what was there before."""
    rows = _rows(flow.load("hold-by-callee"))
    again = [{**row, "cseq": 9001} for row in rows if b"v=0" in row["raw"]][:2]
    first, held, back = agreements([*rows, *again])
    assert held.flow is Flow.FORWARD
    assert _ends(held) == (("0.0.0.0", BOB[1]), ALICE)
    assert _ends(back) == _ends(first) == (ALICE, BOB)


def test_an_offer_in_the_answer() -> None:
    """The ACK answers it (RFC 3261 §13.2.1)."""
    (agreed,) = _agreed("delayed-offer")
    assert _ends(agreed)[0] == BOB


def test_each_side_of_a_relay_is_told() -> None:
    """A B2BUA with media: two legs, two stretches of the way."""
    a_to_relay, relay_to_b = sorted(_agreed("b2bua-header"), key=_ends, reverse=True)
    assert _ends(a_to_relay) == (("192.0.2.50", 20000), BOB)
    assert _ends(relay_to_b) == (ALICE, ("192.0.2.50", 20002))
    assert a_to_relay.call_id != relay_to_b.call_id


@pytest.mark.parametrize("name", ["registration-new", "busy", "cancel-unanswered"])
def test_without_an_answer_nothing_is_agreed(name: str) -> None:
    """An offer alone says where nobody has sent anything yet."""
    assert _agreed(name) == []


@pytest.mark.parametrize(
    ("offer", "answer", "flow"),
    [
        ("m=audio 1000 RTP/AVP 8", "m=audio 0 RTP/AVP 8", Flow.NONE),
        ("m=audio 1000 RTP/AVP 8\r\na=inactive", "m=audio 9 RTP/AVP 8\r\na=inactive", Flow.NONE),
        ("m=audio 1000 RTP/AVP 8\r\na=recvonly", "m=audio 9 RTP/AVP 8\r\na=sendonly", Flow.BACK),
        ("m=audio 1000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0", "m=audio 9 RTP/AVP 8", Flow.FORWARD),
    ],
)
def test_who_sends(offer: str, answer: str, flow: Flow) -> None:
    """Port 0 refuses; directions of both sides count; 0.0.0.0 is the older form of hold."""
    rows = _rows(_with_sdp(offer, answer))
    (agreed,) = agreements(rows)
    assert agreed.flow is flow


def _with_sdp(offer: str, answer: str) -> flow.Flow:
    found = flow.load("hold")
    sdp = [
        f"\r\n\r\nv=0\r\nc=IN IP4 192.0.2.9\r\n{media}\r\n".encode() for media in (offer, answer)
    ]
    sent = [found.messages[0], found.messages[2]]
    found.messages[:] = [
        message._replace(sip=message.sip.partition(b"\r\n\r\n")[0] + body)
        for message, body in zip(sent, sdp, strict=True)
    ]
    return found
