# SPDX-License-Identifier: GPL-2.0-or-later
"""What one message says about other legs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import hep, sip
from collector.correlation.fact import Fact
from collector.correlation.links import CONFIDENCE, Edge, Reason, edges
from tests.sip_text import packet, with_headers

ONE, OTHER = b"0123456789abcdef0123456789abcdef", b"fedcba9876543210fedcba9876543210"


def _edges(
    *headers: bytes,
    start: bytes = b"INVITE sip:b@example.com SIP/2.0",
    aleg: bytes = b"",
    correlation_id: bytes = b"",
) -> list[tuple[bytes, Reason]]:
    message = with_headers(*headers, start=start)
    decoded = hep.decode(packet(message, correlation_id=correlation_id))
    assert isinstance(decoded, hep.Hep)
    fact = Fact(0, 0, b"c", decoded, sip.extract(message), b"", aleg, b"", "X-CID")
    return [(edge.linked_id, edge.reason) for edge in edges(fact)]


def test_nothing_said() -> None:
    """No edge, and none to itself."""
    assert _edges() == []
    assert _edges(aleg=b"c", correlation_id=b"c") == []


def test_the_leg_before() -> None:
    """By a header; HEP's own id, which the header may have replaced, only when it is another."""
    assert _edges(aleg=b"a") == [(b"a", Reason.HEADER)]
    assert _edges(aleg=b"a", correlation_id=b"a") == [(b"a", Reason.HEADER)]
    assert _edges(aleg=b"a", correlation_id=b"h") == [(b"a", Reason.HEADER), (b"h", Reason.HEP)]
    assert _edges(correlation_id=b"h") == [(b"h", Reason.HEP)]


@pytest.mark.parametrize(
    ("value", "halves"),
    [
        (ONE + b";remote=" + OTHER, [ONE, OTHER]),
        (ONE.upper() + b" ; Remote=" + OTHER, [ONE, OTHER]),
        (ONE + b";remote=" + b"0" * 32, [ONE]),
        (ONE, [ONE]),
        (b"0" * 32, []),
        (ONE[:-1], []),
        (ONE[:-1] + b"z", []),
        (b";remote=" + ONE, [ONE]),
        (b"", []),
    ],
)
def test_the_halves_of_a_session_id(value: bytes, halves: list[bytes]) -> None:
    """RFC 7989: both, whichever side sends; unknown and unreadable ones are nothing."""
    found = _edges(b"Session-ID: " + value)
    assert found == [(b"session:" + half, Reason.SESSION) for half in halves]


@pytest.mark.parametrize(
    ("header", "edge"),
    [
        (b"Replaces: 98@h;to-tag=7;from-tag=8", (b"98@h", Reason.REPLACES)),
        (b"Replaces:   98@h ; early-only", (b"98@h", Reason.REPLACES)),
        (
            b"Refer-To: <sip:b@h?Replaces=98%40h%3Bto-tag%3D7%3Bfrom-tag%3D8>",
            (b"98@h", Reason.REFER),
        ),
        (b"r: <sip:b@h?Subject=x&replaces=98%40h&Priority=y>", (b"98@h", Reason.REFER)),
    ],
)
def test_calls_that_take_the_place_of_others(header: bytes, edge: tuple[bytes, Reason]) -> None:
    """RFC 3891, in an INVITE or in the URI that a REFER asks to call."""
    assert _edges(header) == [edge]
    assert _edges(header, start=b"SIP/2.0 200 OK") == []


@given(st.binary(max_size=200))
def test_any_value_gives_only_edges_that_lead_somewhere(value: bytes) -> None:
    """Of a reason that has a confidence."""
    line = value.replace(b"\r", b"").replace(b"\n", b"")
    for name in (b"Session-ID: ", b"Replaces: ", b"Refer-To: <sip:b@h?Replaces="):
        for linked_id, reason in _edges(name + line):
            assert linked_id
            assert reason in CONFIDENCE


def test_an_edge_says_which_header() -> None:
    """As the settings spell it."""
    message = with_headers()
    decoded = hep.decode(packet(message))
    assert isinstance(decoded, hep.Hep)
    fact = Fact(0, 0, b"c", decoded, sip.extract(message), b"", b"a", b"", "X-CID")
    assert list(edges(fact)) == [Edge(b"a", Reason.HEADER, b"X-CID")]
