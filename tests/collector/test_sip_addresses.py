# SPDX-License-Identifier: GPL-2.0-or-later
"""URIs and addresses: name-addr, addr-spec, quoted names, lists, tel:, IPv6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.sip_address import parse_uri
from tests.sip_text import extract


@pytest.mark.parametrize(
    ("uri", "user", "domain"),
    [
        (b"sip:alice@example.com", b"alice", b"example.com"),
        (b"sip:alice@EXAMPLE.com", b"alice", b"example.com"),
        (b"SIPS:Alice@example.com", b"Alice", b"example.com"),
        (b"sip:alice:pass@example.com:5061", b"alice", b"example.com"),
        (b"sip:alice;x=y:z@example.com;transport=tcp", b"alice", b"example.com"),
        (b"sip:+49%2030@example.com", b"+49%2030", b"example.com"),
        (b"sip:a,b?c/d&e=$@example.com", b"a,b?c/d&e=$", b"example.com"),
        (b"sip:example.com", b"", b"example.com"),
        (b"sip:example.com;lr", b"", b"example.com"),
        (b"sip:example.com?subject=x", b"", b"example.com"),
        (b"sip:@example.com", b"", b"example.com"),
        (b"sip:192.0.2.1:5060", b"", b"192.0.2.1"),
        (b"sip:alice@[2001:DB8::1]", b"alice", b"2001:db8::1"),
        (b"sip:alice@[2001:db8::1]:5060;lr", b"alice", b"2001:db8::1"),
        (b"sip:[2001:db8::1]", b"", b"2001:db8::1"),
        (b"sip:[2001:db8::1]:5060;maddr=[::1]", b"", b"2001:db8::1"),
        (b"sip:alice@[2001:db8::1", b"alice", b""),
        (b"tel:+1-201-555-0123", b"+1-201-555-0123", b""),
        (b"tel:7042;phone-context=example.com", b"7042", b""),
        (b"TEL:7042", b"7042", b""),
        (b"urn:service:sos", b"service:sos", b""),
        (b" sip:alice@example.com ", b"alice", b"example.com"),
        (b"sip:", b"", b""),
        (b"sip", b"", b""),
        (b"*", b"", b""),
        (b"", b"", b""),
        (b"@", b"", b""),
        (b":", b"", b""),
    ],
)
def test_uris(uri: bytes, user: bytes, domain: bytes) -> None:
    """The user without password and parameters, the host without port and in lower case."""
    assert parse_uri(uri) == (user, domain)


ADDRESSES = [
    # name-addr
    (b"<sip:a@b>", b"a", b"b", b""),
    (b"<sip:a@b>;tag=t", b"a", b"b", b"t"),
    (b"Alice <sip:a@b>;tag=t", b"a", b"b", b"t"),
    (b"Alice B. Example<sip:a@b>;tag=t", b"a", b"b", b"t"),
    (b'"Alice" <sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b'"<sip:evil@x>;tag=no" <sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b'"a \\" <sip:evil@x> \\" b" <sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b'"ends with a backslash \\\\" <sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b'"@;,<>\\\\\\"" <sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b'""<sip:a@b>;tag=t', b"a", b"b", b"t"),
    (b"Doe, John <sip:a@b>;tag=t", b"a", b"b", b"t"),
    (b"Room: 5 <sip:a@b>;tag=t", b"a", b"b", b"t"),
    ("Zoë <sip:a@b>;tag=t".encode(), b"a", b"b", b"t"),
    (b"<sip:a:secret@b:5060;tag=inside;lr>;tag=t", b"a", b"b", b"t"),
    (b"<sip:a@b?Replaces=x%3Dy>;x=1; TAG = t ;y", b"a", b"b", b"t"),
    (b"<SIPS:a@B>;tag=t", b"a", b"b", b"t"),
    (b"<sip:a@[2001:DB8::1]:5060>;tag=t", b"a", b"2001:db8::1", b"t"),
    (b"<sip:[2001:db8::1]>;tag=t", b"", b"2001:db8::1", b"t"),
    (b"<sip:b>;tag=t", b"", b"b", b"t"),
    (b"<tel:+49-30;ext=5>;tag=t", b"+49-30", b"", b"t"),
    (b'"Phone" <tel:+4930>;tag=t', b"+4930", b"", b"t"),
    (b"<sip:a@b>;xtag=no;tag=t;tag=second", b"a", b"b", b"t"),
    (b"<sip:a@b>;tag=", b"a", b"b", b""),
    (b"<sip:a@b>;tag", b"a", b"b", b""),
    (b"<sip:a@b>;tag=t,<sip:c@d>;tag=u", b"a", b"b", b"t"),
    (b"<sip:a@b>;tag=a-B.1~x", b"a", b"b", b"a-B.1~x"),
    (b"< sip:a@b >;tag=t", b"a", b"b", b"t"),
    (b"<>;tag=t", b"", b"", b"t"),
    (b"<sip:a@b;tag=t", b"a", b"b", b""),
    (b'"never closed <sip:a@b>;tag=t', b"a", b"b", b"t"),
    # addr-spec: RFC 3261 §20, what follows the first ; belongs to the header
    (b"sip:a@b", b"a", b"b", b""),
    (b"sip:a@b;tag=t", b"a", b"b", b"t"),
    (b"sip:a@b:5060;transport=udp;tag=t", b"a", b"b", b"t"),
    (b"sip:a;isub=1@b;tag=t", b"a", b"b", b"t"),
    (b"sip:b;tag=t", b"", b"b", b"t"),
    (b"sip:a@[2001:db8::1];tag=t", b"a", b"2001:db8::1", b"t"),
    (b"tel:+4930;tag=t", b"+4930", b"", b"t"),
    (b'"Name" sip:a@b;tag=t', b"a", b"b", b"t"),
    (b"sip:a@b, <sip:c@d>", b"a", b"b", b""),
    (b"sip:b,sip:c@d", b"", b"b", b""),
    (b"tel:+4930, <sip:c@d>", b"+4930", b"", b""),
    (b'sip:a@b;x="<sip:evil@x>";tag=t', b"a", b"b", b"t"),
    # neither
    (b"Anonymous", b"", b"", b""),
    (b"*", b"", b"", b""),
    (b",", b"", b"", b""),
    (b";tag=t", b"", b"", b"t"),
    (b'"', b"", b"", b""),
    (b"<", b"", b"", b""),
    (b">", b"", b"", b""),
]


@pytest.mark.parametrize(("value", "user", "domain", "tag"), ADDRESSES)
def test_addresses(value: bytes, user: bytes, domain: bytes, tag: bytes) -> None:
    """In every header that has one; Contact and the identities have no tag."""
    found = extract(b"From: " + value, b"To: " + value, b"Contact: " + value)
    assert (found.from_user, found.from_domain, found.from_tag) == (user, domain, tag)
    assert (found.to_user, found.to_domain, found.to_tag) == (user, domain, tag)
    assert (found.contact_user, found.contact_domain) == (user, domain)
    for name in (b"P-Asserted-Identity: ", b"P-Preferred-Identity: ", b"Remote-Party-ID: "):
        found = extract(name + value)
        assert (found.pai_user, found.pai_domain) == (user, domain)


def test_of_a_list_the_first_address_counts() -> None:
    """Whatever form the others have."""
    first = [b"<sip:a@b>;q=0.7", b'"x, y" <sip:a@b>', b"sip:a@b", b"sip:a@b;q=1"]
    rest = [b"<sip:c@d>", b"sip:c@d", b'"a" <sip:c@d>', b"*"]
    for one in first:
        for other in rest:
            for comma in (b",", b", ", b" , "):
                found = extract(b"Contact: " + one + comma + other)
                assert (found.contact_user, found.contact_domain) == (b"a", b"b")


token = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=10).map(str.encode)
host = st.one_of(
    st.from_regex(rb"[a-z0-9]{1,8}(\.[a-z]{2,5})?", fullmatch=True),
    st.ip_addresses(v=4).map(lambda address: str(address).encode()),
    st.ip_addresses(v=6).map(lambda address: b"[%s]" % str(address).encode()),
)
user = st.text("abcXYZ019-.!%*_+~&=$", min_size=1, max_size=10).map(str.encode)
quoted = (
    st.binary(max_size=12)
    .map(lambda text: text.translate(None, b"\r\n\0"))
    .map(lambda text: text.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
    .map(lambda text: b'"' + text + b'" ')
)


@given(
    st.one_of(st.just(b""), quoted, token.map(lambda name: name + b" ")),
    st.sampled_from([b"sip:", b"sips:", b"SIP:"]),
    st.one_of(st.none(), user),
    host,
    st.sampled_from([b"", b":5060"]),
    st.sampled_from([b"", b";transport=tcp", b";lr;x=y"]),
    token,
)
def test_any_well_formed_address(
    name: bytes,
    scheme: bytes,
    who: bytes | None,
    where: bytes,
    port: bytes,
    more: bytes,
    tag: bytes,
) -> None:
    """Built from the grammar, with any display name in quotes."""
    uri = scheme + (who + b"@" if who is not None else b"") + where + port
    expected = (who or b"", where.strip(b"[]"), tag)
    forms = [name + b"<" + uri + more + b">;tag=" + tag]
    if not name:
        forms.append(uri + b";x=1;tag=" + tag)
    for value in forms:
        found = extract(b"From: " + value)
        assert (found.from_user, found.from_domain, found.from_tag) == expected
