# SPDX-License-Identifier: GPL-2.0-or-later
"""Header names and values as RFC 3261 allows them: compact, folded, repeated, in any case."""

from __future__ import annotations

import pytest

from collector import sip
from tests.sip_text import extract


def test_compact_names() -> None:
    """RFC 3261 §7.3.3, in either case."""
    text = (
        b"SIP/2.0 200 OK\r\nv: SIP/2.0/WSS x;branch=z1\r\nf: <sip:a@b>;tag=1\r\n"
        b"t: <sip:c@d>;tag=2\r\ni: call\r\nCSeq: 4 BYE\r\nm: <sip:e@f>\r\nl: 0\r\n\r\n"
    )
    for message in (text, text.replace(b"\nf:", b"\nF:").replace(b"\nv:", b"\nV:")):
        found = sip.extract(message)
        assert (found.via_transport, found.via_branch) == (b"WSS", b"z1")
        assert (found.from_user, found.from_tag) == (b"a", b"1")
        assert (found.to_user, found.to_tag) == (b"c", b"2")
        assert (found.call_id, found.contact_user) == (b"call", b"e")
        assert found.fault is None


NAMES = {
    b"Via": "via_transport",
    b"From": "from_user",
    b"To": "to_user",
    b"Call-ID": "call_id",
    b"CSeq": "cseq",
    b"Contact": "contact_user",
    b"P-Asserted-Identity": "pai_user",
    b"P-Preferred-Identity": "pai_user",
    b"Remote-Party-ID": "pai_user",
    b"Authorization": "auth_user",
    b"Proxy-Authorization": "auth_user",
    b"User-Agent": "user_agent",
    b"Server": "user_agent",
}
VALUES = {
    "via_transport": b"SIP/2.0/UDP host;branch=1",
    "call_id": b"id",
    "cseq": b"7 INVITE",
    "auth_user": b'Digest username="u"',
    "user_agent": b"agent",
}


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("spelling", [bytes.lower, bytes.upper, bytes.title, bytes.swapcase])
@pytest.mark.parametrize("colon", [b":", b" :", b"\t:  ", b" \t : \t"])
def test_names_in_any_case_with_blanks_before_the_colon(
    name: bytes, spelling: object, colon: bytes
) -> None:
    """Twice: the second time the spelling is known."""
    assert callable(spelling)
    field = NAMES[name]
    value = VALUES.get(field, b"<sip:u@h>")
    message = b"SIP/2.0 200 OK\r\n" + spelling(name) + colon + value + b"\r\n\r\n"
    for _ in range(2):
        assert getattr(sip.extract(message), field) not in (b"", -1)


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, field in NAMES.items() if field != "cseq"]
)
def test_of_repeated_headers_the_first_with_a_value_counts(name: bytes, field: str) -> None:
    """The top Via above all."""
    values = {
        "via_transport": (b"SIP/2.0/TCP a", b"SIP/2.0/UDP b", b"TCP"),
        "auth_user": (b'Digest username="one"', b'Digest username="two"', b"one"),
        "call_id": (b"one", b"two", b"one"),
        "user_agent": (b"one", b"two", b"one"),
    }.get(field, (b"<sip:one@x>", b"<sip:two@x>", b"one"))
    first, second, expected = values
    for lines in ((first, second), (b"", first, second), (b" \t ", first), (first, b"")):
        message = b"SIP/2.0 200 OK\r\n" + b"".join(name + b": " + line + b"\r\n" for line in lines)
        assert getattr(sip.extract(message + b"\r\n"), field) == expected


def test_identity_goes_by_trust() -> None:
    """P-Asserted-Identity, else P-Preferred-Identity, else Remote-Party-ID."""
    rpid, ppi, pai = (
        b"Remote-Party-ID: <sip:rpid@x>;party=calling",
        b"P-Preferred-Identity: <sip:ppi@x>",
        b"P-Asserted-Identity: <sip:pai@x>",
    )
    assert extract(rpid, ppi, pai).pai_user == b"pai"
    assert extract(rpid, ppi).pai_user == b"ppi"
    assert extract(rpid).pai_user == b"rpid"
    assert extract(b"P-Asserted-Identity:", ppi).pai_user == b"ppi"


def test_user_agent_before_server_and_authorization_before_proxy() -> None:
    """One column each."""
    found = extract(
        *(b"Server: s", b"User-Agent: u", b'Proxy-Authorization: Digest username="p",realm="pr"'),
        b'Authorization: Digest username="a",realm="ar"',
    )
    assert (found.user_agent, found.auth_user, found.auth_realm) == (b"u", b"a", b"ar")


def test_folded_headers() -> None:
    """Any number of times, by blanks or tabs, also where the name ends."""
    found = extract(
        b"From:\r\n  Alice\r\n\t<sip:alice@a>\r\n ;tag=1",
        b"To: <sip:b@c>\r\n\t \t;\r\n tag=2",
        b"User-Agent: a\r\n b\r\n c",
        b"Via: SIP / 2.0 / UDP\r\n  first.example.com: 4000;ttl=16\r\n  ;branch=z9.1",
    )
    assert (found.from_user, found.from_tag) == (b"alice", b"1")
    assert (found.to_user, found.to_tag) == (b"b", b"2")
    assert found.user_agent == b"a b c"
    assert (found.via_transport, found.via_branch) == (b"UDP", b"z9.1")


@pytest.mark.parametrize(
    ("value", "transport", "branch"),
    [
        (b"SIP/2.0/UDP host;branch=z9", b"UDP", b"z9"),
        (b"SIP/2.0/udp host:5060;rport;branch=z9;received=1.2.3.4", b"UDP", b"z9"),
        (b"SIP / 2.0 / TLS [2001:db8::1]:5061 ; rport ; branch = z9 ", b"TLS", b"z9"),
        (b"sip/2.0/ws host;BRANCH=z9", b"WS", b"z9"),
        (b"SIP/2.0/TLS-SCTP host;branch=z9", b"TLS-SCTP", b"z9"),
        (b"SIP/2.0/UDP a;branch=1, SIP/2.0/TCP b;branch=2", b"UDP", b"1"),
        (b"SIP/2.0/UDP a, SIP/2.0/TCP b;branch=2", b"UDP", b""),
        (b"SIP/2.0/UDP a;xbranch=1;branchy=2", b"UDP", b""),
        (b"SIP/2.0/UDP a;branch=", b"UDP", b""),
        (b"SIP/2.0/UDP", b"UDP", b""),
        (b"SIP/2.0 UDP a;branch=1", b"", b""),
        (b"nonsense", b"", b""),
    ],
)
def test_via(value: bytes, transport: bytes, branch: bytes) -> None:
    """The first one in the value."""
    found = extract(b"Via: " + value)
    assert (found.via_transport, found.via_branch) == (transport, branch)


@pytest.mark.parametrize(
    ("value", "user", "realm"),
    [
        (b'Digest username="u", realm="r"', b"u", b"r"),
        (b'Digest realm="r",username="u"', b"u", b"r"),
        (b"Digest username=u, realm=r", b"u", b"r"),
        (b'Digest USERNAME = "u" , Realm= "r"', b"u", b"r"),
        (b'Digest username="a, b", realm="x=y"', b"a, b", b"x=y"),
        (b'Digest username="say \\"hi\\"", realm="r"', b'say "hi"', b"r"),
        (b'Digest username="DOMAIN\\\\user", realm="r"', b"DOMAIN\\user", b"r"),
        (b'Digest username="", realm=""', b"", b""),
        (b'Digest xusername="no", username="yes", realm="r"', b"yes", b"r"),
        (b'Digest username="open, realm="r"', b"open, realm=", b"r"),
        (b"Basic dTpw", b"", b""),
        (b"", b"", b""),
    ],
)
def test_credentials(value: bytes, user: bytes, realm: bytes) -> None:
    """Quoted or not, with commas and escapes inside."""
    for name in (b"Authorization: ", b"Proxy-Authorization: "):
        found = extract(name + value)
        assert (found.auth_user, found.auth_realm) == (user, realm)
