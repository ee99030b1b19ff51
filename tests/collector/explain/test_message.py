# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows become messages, and copies go into the message that they are copies of."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from collector.explain.message import Endpoint, Message, fold, from_row
from tests.sip_text import request

_BEGIN: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
_RAW: Final = request()


def _message(at: float, node: str = "1", **columns: Any) -> Message:
    row = {
        "id": round(at * 1_000_000) * 100 + int(node),
        "ts": _BEGIN + timedelta(seconds=at),
        "node": node,
        "src_ip": ipaddress.ip_address("192.0.2.1"),
        "src_port": 5060,
        "dst_ip": ipaddress.ip_address("2001:db8::1"),
        "dst_port": 5061,
        "raw": _RAW,
    }
    return from_row(row | columns)


def _folded(*messages: Message) -> list[tuple[float, int]]:
    """Seconds and number of copies of each message that is kept."""
    kept = fold(list(messages))
    return [((m.ts - _BEGIN).total_seconds(), len(m.copies)) for m in kept]


def test_addresses_as_the_driver_gives_them() -> None:
    """inet, IPv6 in brackets, none at all."""
    message = _message(0)
    assert (str(message.src), str(message.dst)) == ("192.0.2.1:5060", "[2001:db8::1]:5061")
    assert str(_message(0, src_ip=None).src) == "an unknown address"
    assert message.src == Endpoint("192.0.2.1", 5060)


def test_an_empty_row() -> None:
    """Has no text, no number and no body."""
    message = from_row({})
    assert (message.id, message.cseq, message.status, message.method) == (0, -1, 0, "")
    assert (message.body, message.audio, message.branches, message.header("via")) == (
        *(b"", None, []),
        "",
    )


def test_headers_in_all_their_forms() -> None:
    """Compact, folded, repeated, several in one."""
    raw = (
        b"INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a;branch=1,\r\n SIP/2.0/UDP b\r\n"
        b"Via: SIP/2.0/UDP c ; branch = 3;rport\r\nx: 90\r\n\r\nbody"
    )
    message = _message(0, raw=raw)
    assert message.branches == ["1", "", "3"]
    assert message.header("session-expires") == "90"
    assert message.body == b"body"


@pytest.mark.parametrize(
    ("second", "folded"),
    [
        (_message(0.5), [(0, 0), (0.5, 0)]),
        (_message(0.01), [(0, 1)]),
        (_message(0.01, "2"), [(0, 1)]),
        (_message(7, "2"), [(0, 1)]),
        (_message(0.0005, src_ip="10.0.0.1"), [(0, 1)]),
        (_message(0.01, raw=request(number=2)), [(0, 0), (0.01, 0)]),
        (_message(0.01, raw=b""), [(0, 0), (0.01, 0)]),
    ],
)
def test_copy_or_retransmission(second: Message, folded: list[tuple[float, int]]) -> None:
    """The same capture point sees a retransmission again, after T1; anything else is a copy."""
    assert _folded(_message(0), second) == folded


def test_two_capture_points_see_two_retransmissions() -> None:
    """Each copy belongs to the sending that it is nearest to."""
    first, second = _message(0), _message(0.5)
    copies = [_message(0.02, "2"), _message(0.52, "2")]
    assert fold([copies[1], second, copies[0], first]) == [first, second]
    assert [first.copies, second.copies] == [[copies[0]], [copies[1]]]


def test_the_capture_point_that_saw_most_counts() -> None:
    """Another one may have missed some."""
    assert _folded(
        *(_message(0.001, "1"), _message(0, "2"), _message(0.5, "2"), _message(1.5, "2"))
    ) == [(0, 1), (0.5, 0), (1.5, 0)]
