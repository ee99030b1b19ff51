# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP extraction: each field out of messages as RFC 3261 allows them and as the wild sends them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import sip
from collector.sip import Fault, Kind, Sip
from tests.sip_text import extract, with_headers

INVITE = b"""\
INVITE sip:bob@biloxi.example.com;user=phone SIP/2.0
Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74b43
Via: SIP/2.0/UDP inner.example.com;branch=z9hG4bKinner
Max-Forwards: 70
From: "Alice" <sip:alice:secret@Atlanta.Example.COM;user=phone>;tag=9fxced76sl
To: Bob <sip:bob@biloxi.example.com>
Call-ID: 3848276298220188511@atlanta.example.com
CSeq: 1 INVITE
Contact: <sip:alice@client.atlanta.example.com;transport=tcp>
P-Asserted-Identity: "Alice" <sip:+4930111@pai.example.com>
Proxy-Authorization: Digest username="alice", realm="atlanta.example.com", nonce="abc"
User-Agent: Example-Phone/1.0
Expires: 300
Session-ID: a7e3;remote=0
Replaces: other@example.com;to-tag=7;from-tag=8
r: <sip:carol@example.com>
Reason: Q.850;cause=16
Warning: 370 example.com "Insufficient Bandwidth"
Content-Type: application/sdp
Content-Length: 3

v=0
""".replace(b"\n", b"\r\n")


def test_awith_headers() -> None:
    """Every field at once."""
    assert sip.extract(INVITE) == Sip(
        kind=Kind.CALL,
        method=b"INVITE",
        status=0,
        reason=b"",
        call_id=b"3848276298220188511@atlanta.example.com",
        cseq=1,
        ruri_user=b"bob",
        ruri_domain=b"biloxi.example.com",
        from_user=b"alice",
        from_domain=b"atlanta.example.com",
        from_tag=b"9fxced76sl",
        to_user=b"bob",
        to_domain=b"biloxi.example.com",
        to_tag=b"",
        contact_user=b"alice",
        contact_domain=b"client.atlanta.example.com",
        pai_user=b"+4930111",
        pai_domain=b"pai.example.com",
        auth_user=b"alice",
        auth_realm=b"atlanta.example.com",
        user_agent=b"Example-Phone/1.0",
        via_transport=b"TCP",
        via_branch=b"z9hG4bK74b43",
        fault=None,
        contact=b"<sip:alice@client.atlanta.example.com;transport=tcp>",
        expires=b"300",
        session_id=b"a7e3;remote=0",
        replaces=b"other@example.com;to-tag=7;from-tag=8",
        refer_to=b"<sip:carol@example.com>",
        reason_header=b"Q.850;cause=16",
        warning=b'370 example.com "Insufficient Bandwidth"',
        body_size=5,
    )


def test_a_response() -> None:
    """The method is that of CSeq, and there is no request-URI."""
    found = sip.extract(
        b"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP a;branch=z9\r\nFrom: <sip:a@b>;tag=1\r\n"
        b"To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 22 INVITE\r\nServer: Proxy\r\n\r\n"
    )
    assert (found.status, found.reason, found.method) == (486, b"Busy Here", b"INVITE")
    assert (found.ruri_user, found.ruri_domain) == (b"", b"")
    assert (found.from_tag, found.to_tag) == (b"1", b"2")
    assert found.cseq == 22
    assert found.user_agent == b"Proxy"
    assert found.kind is Kind.CALL
    assert found.fault is None


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, b"OK"),
        (b"SIP/2.0 200", 200, b""),
        (b"SIP/2.0 200 ", 200, b""),
        (b"SIP/2.0  180  Ringing now ", 180, b"Ringing now"),
        (b"sip/2.0 699 x", 699, b"x"),
        (b"SIP/2.0 100 " + "läuft".encode(), 100, "läuft".encode()),
        (b"SIP/2.0 505 we speak SIP/2.0", 505, b"we speak SIP/2.0"),
        (b"SIP/2.0 400 No: colons", 400, b"No: colons"),
    ],
)
def test_status_lines(line: bytes, status: int, reason: bytes) -> None:
    """Also one whose reason looks like the end of a request line."""
    found = extract(start=line)
    assert (found.status, found.reason, found.method) == (status, reason, b"INVITE")
    assert found.fault is None


@pytest.mark.parametrize(
    ("line", "method", "user", "domain"),
    [
        (b"INVITE sip:b@d.org SIP/2.0", b"INVITE", b"b", b"d.org"),
        (b"INVITE  sip:b@d.org   SIP/2.0  ", b"INVITE", b"b", b"d.org"),
        (b"invite sip:b@d.org sip/2.0", b"invite", b"b", b"d.org"),
        (b"!%0a`'~+*._-x sip:b@d.org SIP/2.0", b"!%0a`'~+*._-x", b"b", b"d.org"),
        (b"INVITE sip:a b@d.org SIP/2.0", b"INVITE", b"a b", b"d.org"),
        (b"INVITE tel:+4930;phone-context=x SIP/2.0", b"INVITE", b"+4930", b""),
        (b"REGISTER sip:d.org SIP/2.0", b"REGISTER", b"", b"d.org"),
        (b"OPTIONS sip:[2001:DB8::1]:5060;lr SIP/2.0", b"OPTIONS", b"", b"2001:db8::1"),
        (b"OPTIONS * SIP/2.0", b"OPTIONS", b"", b""),
        (b"INVITE <sip:b@d.org> SIP/2.0", b"INVITE", b"b@d.org>", b""),
        (b"INVITE sip:b@d.org SIP/3.9", b"INVITE", b"b", b"d.org"),
    ],
)
def test_request_lines(line: bytes, method: bytes, user: bytes, domain: bytes) -> None:
    """Methods as they come, and any URI."""
    found = extract(start=line)
    assert (found.method, found.ruri_user, found.ruri_domain) == (method, user, domain)
    assert (found.status, found.fault) == (0, None)


@pytest.mark.parametrize(
    "line",
    [
        *(b" ", b"INVITE", b"INVITE ", b"INVITE sip:a@b", b"INVITE  SIP/2.0"),
        *(b"INVITE sip:a@b SIP/2.0x", b"INVITE sip:a@b HTTP/1.1", b"INVITE sip:a@b SIP/7"),
        *(b" INVITE sip:a@b SIP/2.0", b"INVITE\tsip:a@b\tSIP/2.0", b"IN:VITE sip:a@b SIP/2.0"),
        *(b"SIP/2.0", b"SIP/2.0 ", b"SIP/2.0 OK", b"SIP/2.0 20 OK", b"SIP/2.0 2000 OK"),
        *(b"SIP/2.0 099 x", b"SIP/2.0 700 x", b"SIP/2.0 4294967301 x", b"SIP/2 200 OK"),
        *(b"HTTP/1.1 200 OK", b"\0\1\2\3", b"\xff\xfe"),
    ],
)
def test_other_first_lines_are_marked(line: bytes) -> None:
    """The rest of the message is read all the same, so that it can be found."""
    found = extract(b"From: <sip:a@b>;tag=1", start=line)
    assert found.fault is Fault.START_LINE
    assert found.kind is Kind.OTHER
    assert (found.method, found.status) == (b"", 0)
    assert (found.call_id, found.from_user) == (b"c", b"a")


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        *[
            (method, Kind.CALL)
            for method in (
                *(b"INVITE", b"ACK", b"BYE", b"CANCEL", b"UPDATE", b"PRACK", b"REFER", b"INFO"),
                b"NOTIFY",
            )
        ],
        (b"REGISTER", Kind.REGISTRATION),
        *[
            (method, Kind.OTHER)
            for method in (b"OPTIONS", b"SUBSCRIBE", b"MESSAGE", b"PUBLISH", b"KDMQ", b"invite")
        ],
    ],
)
def test_the_kind_goes_by_the_method_of_cseq(method: bytes, kind: Kind) -> None:
    """In requests and responses alike."""
    for start in (method + b" sip:x SIP/2.0", b"SIP/2.0 200 OK", b"OPTIONS sip:x SIP/2.0"):
        message = start + b"\r\nCall-ID: c\r\nCSeq: 1 " + method + b"\r\n\r\n"
        assert sip.extract(message).kind is kind


def test_without_cseq_the_kind_goes_by_thewith_headers() -> None:
    """A marked message still belongs somewhere."""
    message = b"REGISTER sip:x SIP/2.0\r\nCall-ID: c\r\n\r\n"
    assert sip.extract(message).kind is Kind.REGISTRATION
    assert sip.extract(message).fault is Fault.CSEQ


@pytest.mark.parametrize(
    ("value", "number", "method"),
    [
        (b"1 INVITE", 1, b"INVITE"),
        (b"0 INVITE", 0, b"INVITE"),
        (b"0009 INVITE", 9, b"INVITE"),
        (b"2147483647 \t INVITE", 2**31 - 1, b"INVITE"),
        (b"2147483648 INVITE", -1, b"INVITE"),
        (b"9999999999 INVITE", -1, b"INVITE"),
        (b"36893488147419103232 INVITE", -1, b""),
        (b"-1 INVITE", -1, b""),
        (b"1", -1, b""),
        (b"INVITE", -1, b""),
        (b"1INVITE", -1, b""),
        (b"1 INVITE x", -1, b""),
        (b"", -1, b""),
    ],
)
def test_cseq(value: bytes, number: int, method: bytes) -> None:
    """Numbers have a range; what is out of it is marked, and a response has no method then."""
    message = b"SIP/2.0 200 OK\r\nCall-ID: c\r\nCSeq: " + value + b"\r\n\r\n"
    found = sip.extract(message)
    assert (found.cseq, found.method) == (number, method)
    assert (found.fault is Fault.CSEQ) == (number < 0)


def test_a_message_without_anything_is_marked() -> None:
    """And empty everywhere."""
    found = sip.extract(b"")
    assert found.kind is Kind.OTHER
    assert found.fault is Fault.START_LINE
    assert set(found) == {Kind.OTHER, Fault.START_LINE, b"", 0, -1}


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", Fault.CALL_ID),
        (b"INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\nCall-ID: \r\n\r\n", Fault.CALL_ID),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: c\r\n\r\n", Fault.CSEQ),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: c\r\nCSeq: x\r\n\r\n", Fault.CSEQ),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE", Fault.TRUNCATED),
        (b"INVITE sip:a@b SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n", Fault.TRUNCATED),
        (b"INVITE sip:a@b SIP/2.0\r\n\r\n", Fault.CALL_ID),
        (b"nothing", Fault.START_LINE),
    ],
)
def test_the_first_fault_that_applies_is_told(message: bytes, fault: Fault) -> None:
    """In the order of the list."""
    assert sip.extract(message).fault is fault


@pytest.mark.parametrize(
    ("length", "body", "fault"),
    [
        (b"0", b"", None),
        (b"5", b"12345", None),
        (b"5", b"1234567", None),
        (b"6", b"12345", Fault.TRUNCATED),
        (b"99999999999999999999", b"12345", Fault.TRUNCATED),
        (b"-5", b"", None),
        (b"five", b"12345", None),
        (b"", b"12345", None),
        (b"\xb2", b"", None),
    ],
)
def test_content_length(length: bytes, body: bytes, fault: Fault | None) -> None:
    """Too small is what UDP pads; too large means that something is missing."""
    for name in (b"Content-Length: ", b"l:"):
        message = with_headers(name + length) + body
        assert sip.extract(message).fault is fault


@pytest.mark.parametrize("body", [b"\0\1\2\xff" * 50, b"From: <sip:evil@x>\r\n\r\n", b"\r\n\r\n"])
def test_a_body_is_not_read(body: bytes) -> None:
    """Whatever stands in it."""
    message = with_headers(b"Content-Length: %d" % len(body)) + body
    found = sip.extract(message)
    assert found.body_size == len(body)
    assert found == sip.extract(with_headers())._replace(body_size=len(body))


@pytest.mark.parametrize("before", [b"\r\n", b"\r\n\r\n", b"\n", b"\r\n" * 100])
def test_leading_empty_lines_are_skipped(before: bytes) -> None:
    """RFC 3261 §7.5: keep-alives may stand before a message."""
    assert sip.extract(before + INVITE) == sip.extract(INVITE)


@pytest.mark.parametrize(
    "message",
    [
        INVITE.replace(b"\r\n", b"\n"),
        INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/2.0\nVia", 1),
        INVITE.replace(b"SIP/2.0\r\nVia", b"SIP/2.0\nVia", 1).replace(b"\r\n\r\n", b"\n\r\n"),
        INVITE.replace(b"\r\n", b"\n").replace(b"SIP/2.0\nVia", b"SIP/2.0\r\nVia", 1),
        INVITE.replace(b"\r\n\r\n", b"\r\n\n"),
    ],
)
def test_bare_line_feeds_are_accepted(message: bytes) -> None:
    """All of them, or mixed with CRLF."""
    found = sip.extract(message)
    assert message[-found.body_size :].rstrip() == b"v=0"
    assert found._replace(body_size=5) == sip.extract(INVITE)


def test_bare_line_feeds_can_be_folded_too() -> None:
    """The message says the same as with CRLF."""
    message = with_headers(b"From: <sip:a@b>\r\n ;tag=1").replace(b"\r\n", b"\n")
    assert sip.extract(message).from_tag == b"1"
    assert sip.extract(message).fault is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        *[(data, True) for data in (b"", b"\r\n\r\n", b"\0", b"\r\n\0", b" \t\r\n", b"\0" * 40)],
        *[(data, False) for data in (b"x", b"\r\nx\r\n", b"SIP/2.0 200 OK", b"jaK", b"\xff")],
    ],
)
def test_keepalives(data: bytes, expected: bool) -> None:
    """What endpoints send to keep a NAT binding open."""
    assert sip.is_keepalive(data) is expected


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b"x", b"\r\n"]), max_size=14).map(b"".join),
    st.integers(0, 4),
    st.integers(0, 20),
)
def test_the_empty_line_is_found_as_a_pattern_finds_it(text: bytes, start: int, end: int) -> None:
    """Two line ends of either kind, the first ones, within the limits."""
    expected = re.compile(rb"\r?\n\r?\n").search(text, start, end)
    assert sip.find_empty_line(text, start, end) == (expected.span() if expected else None)
