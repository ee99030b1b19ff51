# SPDX-License-Identifier: GPL-2.0-or-later
"""Which addresses of RTCP are found in SIP bodies."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.message.sdp import MAX_PARTS, rtcp_targets
from collector.sdp import MAX_STREAMS
from tests.sdp_text import description, multipart
from tests.sip_text import request

AUDIO = "m=audio 40000 RTP/AVP 8 0"


def _found(body: bytes) -> list[tuple[str, tuple[int, ...]]]:
    """As text, of a whole SIP message with this body."""
    targets = rtcp_targets(request(body=body))
    assert targets == rtcp_targets(body)
    return [(str(ip_address(ip)) if ip else "", ports) for ip, ports in targets]


def test_rtcp_goes_to_the_port_above_that_of_rtp() -> None:
    """RFC 3550 §11; an odd port is taken as it is."""
    assert _found(description(AUDIO)) == [("192.0.2.1", (40001,))]
    assert _found(description("m=audio 40001/2 RTP/AVP 8")) == [("192.0.2.1", (40002,))]


def test_several_streams_have_one_target_each() -> None:
    """The address is the stream's own, else that of the session."""
    body = description(
        "m=audio 40000 RTP/AVP 8\nc=IN IP4 198.51.100.7/127", "m=audio 40010 RTP/SAVP 8"
    )
    assert _found(body) == [("198.51.100.7", (40001,)), ("192.0.2.1", (40011,))]


def test_only_audio_is_read() -> None:
    """As with heplify."""
    body = description("m=video 40020 RTP/AVP 99\na=rtcp:40025", AUDIO, "m=image 40030 udptl t38")
    assert _found(body) == [("192.0.2.1", (40001,))]


def test_no_port_above_the_last() -> None:
    """Port 65535 leaves none for RTCP, but that of RTP itself."""
    assert _found(description("m=audio 65535 RTP/AVP 8")) == [("192.0.2.1", ())]
    assert _found(description("m=audio 65535 RTP/AVP 8\na=rtcp-mux")) == [("192.0.2.1", (65535,))]


def test_a_refused_stream_has_none() -> None:
    """RFC 3264 §6: port 0."""
    assert _found(description("m=audio 0 RTP/AVP 8", AUDIO)) == [("192.0.2.1", (40001,))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=rtcp:53020", ("192.0.2.1", (53020,))),
        ("a=rtcp:53020 IN IP4 198.51.100.9", ("198.51.100.9", (53020,))),
        ("a=rtcp:53020 IN IP6 2001:db8::9", ("2001:db8::9", (53020,))),
        ("a=rtcp:53020 IN IP4 media.example.com", ("192.0.2.1", (53020,))),
        ("a=rtcp:nonsense", ("192.0.2.1", (40001,))),
        ("a=rtcp-mux", ("192.0.2.1", (40001, 40000))),
        ("a=rtcp-mux\na=rtcp:40000", ("192.0.2.1", (40000, 40000))),
        ("a=rtcp-fb:8 nack", ("192.0.2.1", (40001,))),
    ],
)
def test_attributes_name_another_target(line: str, expected: tuple[str, tuple[int, ...]]) -> None:
    """RFC 3605, and RTCP on the port of RTP (RFC 5761)."""
    assert _found(description(f"{AUDIO}\n{line}")) == [expected]


def test_ipv6() -> None:
    """In the session's line and in the stream's."""
    assert _found(description(AUDIO, ip="2001:db8::1")) == [("2001:db8::1", (40001,))]
    body = description(f"{AUDIO}\nc=IN IP6 2001:db8::2")
    assert _found(body) == [("2001:db8::2", (40001,))]


@pytest.mark.parametrize("ip", ["0.0.0.0", "phone.example.com"])
def test_without_an_address_there_is_still_a_port(ip: str) -> None:
    """On hold in the old way, or a host name: where the message came from may do."""
    assert _found(description(AUDIO, ip=ip)) == [("", (40001,))]


def test_multipart_sdp_is_accepted() -> None:
    """heplify never does: it searches for "applicaton/sdp"."""
    sdp = ("application/sdp", description(AUDIO))
    isup = ("application/isup", bytes(range(256)))
    xml = ("application/pidf+xml", b"<presence/>")
    for parts in ((sdp,), (sdp, isup), (isup, sdp, xml), (xml, isup, sdp)):
        assert _found(multipart(*parts)) == [("192.0.2.1", (40001,))]


def test_nested_multipart() -> None:
    """multipart/alternative within multipart/mixed: every description in it is read."""
    inner = multipart(
        ("Application/SDP ; charset=utf-8", description("m=audio 1000 RTP/AVP 0")),
        ("application/sdp", description("m=audio 2000 RTP/AVP 0", ip="2001:db8::1")),
        boundary="inner",
    )
    outer = multipart(
        ("text/plain", b"hello"), ("multipart/alternative;boundary=inner", inner), boundary="outer"
    )
    assert _found(outer) == [("192.0.2.1", (1001,)), ("2001:db8::1", (2001,))]


def test_lines_behind_a_part_do_not_belong_to_it() -> None:
    """The boundary ends the description."""
    body = multipart(
        ("application/sdp", description(AUDIO)), ("text/plain", b"\r\na=rtcp:9\r\nm=audio 8 RTP")
    )
    assert _found(body) == [("192.0.2.1", (40001,))]


def test_bare_line_ends() -> None:
    """LF alone, and a last line without any."""
    body = description(AUDIO + "\na=rtcp:41000").replace(b"\r\n", b"\n").rstrip()
    assert _found(body) == [("192.0.2.1", (41000,))]


def test_the_number_of_streams_is_bounded() -> None:
    """As is that of descriptions."""
    body = description(*[AUDIO] * (MAX_STREAMS + 5))
    assert len(_found(body)) == MAX_STREAMS
    assert len(_found(body * (MAX_PARTS + 5))) == MAX_STREAMS * MAX_PARTS


PIECES = st.sampled_from(
    [
        *(b"v=0", b"\r\n", b"\n", b"m=audio ", b"m=", b"c=IN IP4 ", b"c=IN IP6 ", b"a=rtcp:"),
        *(b"a=rtcp-mux", b"1", b"65535", b"99999", b" ", b"/", b"::1", b"192.0.2.1", b"--b"),
        *(b" IN IP4 ", b"RTP/AVP 0", b"\0", b"\xff"),
    ]
)


@given(st.lists(PIECES | st.binary(max_size=5), max_size=60))
def test_any_body_is_read_within_bounds(pieces: list[bytes]) -> None:
    """No exception, whole addresses, ports of 16 bits."""
    targets = rtcp_targets(b"v=0\n" + b"".join(pieces))
    assert len(targets) <= MAX_STREAMS * MAX_PARTS
    for ip, ports in targets:
        assert len(ip) in (0, 4, 16)
        assert all(0 < port <= 0xFFFF for port in ports)
