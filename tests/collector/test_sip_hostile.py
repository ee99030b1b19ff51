# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP that was made to break parsers: nothing raises, nothing takes for ever, nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector import sip, sip_header
from collector.hep import MAX_INFLATED
from collector.sip import MAX_CSEQ, Fault, Kind, Sip
from tests.sip_text import extract, request, with_headers

LARGE = 65_000
"""Bytes of a value that fills a datagram."""

FILLERS = [
    *(b" ", b"\t", b"a", b"<", b">", b'"', b"\\", b'\\"', b"@", b":", b";", b",", b"=", b"[", b"]"),
    *(b"\r\n ", b"sip:", b"<sip:", b'"<', b"<sip:a", b"a@", b";tag", b" tag", b";tag=", b"; tag ="),
    *(
        b";branch",
        b"; branch =",
        b"SIP/2.0",
        b" SIP/2.0",
        b"SIP/2.0 ",
        b" SIP/2.0  ",
        b"SIP / 2.0 /",
    ),
    *(
        b" username",
        b' username="',
        b",username= ",
        b" realm =",
        b"1",
        b"1 ",
        b"\0",
        b"\xff",
        b"x: ",
    ),
]
PLACES = [
    *(b"Via: %s", b"Via: SIP/2.0/UDP %s", b"Via: SIP/2.0/UDP h;%s", b"Via: SIP/2.0/UDP h;%sx"),
    *(b"From: %s", b"From: <sip:%s", b"From: <sip:%s@%s>", b'From: "%s', b'From: "%s" <sip:a@b>'),
    *(b"From: x%s <sip:a@b", b"From: <sip:a@b>;%s", b"To: sip:%s;%s", b"Contact: %s", b"CSeq: %s"),
    *(b"CSeq: 1%sX Y", b"Authorization: Digest%s", b'Authorization: Digest username="%s'),
    *(b"Authorization: Digest username=%s", b"Call-ID: %s", b"%s: x", b"%s", b"Content-Length: %s"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", PLACES)
def test_no_header_takes_for_ever(place: bytes) -> None:
    """A pattern that is not linear would run for hours here: 65,000 bytes of each filler."""
    for filler in FILLERS:
        header = place.replace(b"%s", filler * (LARGE // len(filler) // place.count(b"%s")))
        assert isinstance(extract(header), Sip)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "place",
    [
        *(b"%s", b"INVITE %s", b"INVITE %sx", b"INVITE x%sx", b"INVITE sip:%s SIP/2.0"),
        *(b"INVITE sip:%s SIP/2.0 x", b"%s sip:a@b SIP/2.0", b"SIP/2.0 %s", b"SIP/2.0 200%s"),
        *(b"SIP/2.0 200%sx", b"SIP/2.0 200 %s", b"SIP/2.0%s", b"INVITE sip:a@b SIP/2.0%s"),
        b"INVITE sip:a@b SIP/2.0%sx",
    ],
)
def test_no_start_line_takes_for_ever(place: bytes) -> None:
    """The same for the first line."""
    for filler in FILLERS:
        line = place.replace(b"%s", filler * (LARGE // len(filler)))
        assert isinstance(extract(start=line), Sip)


@pytest.mark.timeout(60)
def test_no_inflated_message_takes_for_ever() -> None:
    """A compressed payload may be four times as large as a datagram; and see ``tests.fuzz``."""
    for place in (b"From: <sip:%s", b'From: "%s', b"Via: SIP/2.0/UDP h%s", b"INVITE %sx"):
        for filler in (b" ", b"a", b"\\a", b";", b"; "):
            text = filler * (MAX_INFLATED // len(filler))
            message = with_headers(place.replace(b"%s", text))
            assert isinstance(sip.extract(message), Sip)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    [
        *(b"a:b", b"x", b"", b":", b" ", b": ", b" :", b"Via:", b"Via: SIP/2.0/UDP x", b"From: <"),
        b"X-Header-That-Nobody-Knows: v",
    ],
)
def test_thousands_of_header_lines(line: bytes) -> None:
    """As many as a datagram holds."""
    count = LARGE // (len(line) + 2)
    found = extract(*[line] * count, b"User-Agent: last")
    assert isinstance(found, Sip)
    if line:  # an empty line ends the headers
        assert found.user_agent == b"last"


def test_thousands_of_header_names_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spellings are remembered, but only so many, and only short ones."""
    monkeypatch.setattr(sip_header, "_spellings", dict(sip_header._spellings))
    for number in range(5000):
        extract(b"X-%d: v" % number, b"Y" * 1000 + b"%d: v" % number)
    assert len(sip_header._spellings) <= sip_header._MAX_SPELLINGS
    assert max(map(len, sip_header._spellings)) <= sip_header._MAX_SPELLING_BYTES
    assert extract(b"fRoM : <sip:a@b>").from_user == b"a", "a new spelling is still understood"


def test_of_headers_beyond_64_kib_the_beginning_is_read() -> None:
    """Only a compressed message can have them; it is marked."""
    long = b"X: " + b"x" * (sip.MAX_HEAD - 200)
    whole = sip.extract(with_headers(long, b"User-Agent: within"))
    assert (whole.user_agent, whole.fault) == (b"within", None)
    cut = sip.extract(with_headers(long, b"Y: " + b"y" * 200, b"User-Agent: beyond"))
    assert (cut.call_id, cut.user_agent, cut.fault) == (b"c", b"", Fault.TRUNCATED)
    body = with_headers(b"Content-Length: 200000") + b"b" * 200_000
    assert sip.extract(body).fault is None, "a body may be as long as it likes"


def test_a_branch_is_found_within_8_kib_of_via() -> None:
    """And comes out whole."""
    for parameters, branch in ((b";" * 8000, b"z" * 9000), (b";" * 9000, b"")):
        found = extract(b"Via: SIP/2.0/TLS h" + parameters + b";branch=" + (branch or b"z"))
        assert (found.via_transport, found.via_branch) == (b"TLS", branch)


@pytest.mark.parametrize("size", [1000, 16_000])
def test_large_values_come_out_whole(size: int) -> None:
    """Cutting is the row's business, where it is marked."""
    text = b"x" * size
    found = extract(
        *(b"From: <sip:" + text + b"@h>;tag=" + text, b"User-Agent: " + text),
        b"Via: SIP/2.0/UDP h;branch=" + text,
    )
    assert (found.from_user, found.from_tag, found.user_agent) == (text, text, text)
    assert found.via_branch == text
    message = b"INVITE sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\nCall-ID: " + text + b"\r\n\r\n"
    assert sip.extract(message).call_id == text


@pytest.mark.parametrize(
    "line", [b"tx", b"Via", b"From", b"Call-IDx", b"Call-ID", b"f", b"l", b"CSeq 7 BYE", b"m5"]
)
def test_a_line_without_colon_is_no_header(line: bytes) -> None:
    """It must not take the place of the real one behind it."""
    message = request(headers=line.decode() + "\r\n").replace(
        b"\r\nVia", b"\r\n" + line + b"\r\nVia", 1
    )
    assert sip.extract(message) == sip.extract(request())


def test_bodies_without_the_empty_line_are_not_taken_for_headers() -> None:
    """SDP lines have no colon before their value."""
    message = request().replace(b"\r\n\r\n", b"\r\n") + (
        b"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=audio 1 RTP/AVP 0\r\ni=info\r\n"
    )
    found = sip.extract(message)
    assert found == sip.extract(request())._replace(fault=Fault.TRUNCATED, body_size=-1)


@pytest.mark.parametrize("value", [b"a\0b", b"\0", b"a\xffb", b"\xc3\x28", b"\xed\xa0\x80"])
def test_nul_and_invalid_utf8_are_passed_on(value: bytes) -> None:
    """As received; the row replaces and marks them."""
    found = extract(
        *(b"From: " + value + b" <sip:" + value + b"@h>;tag=" + value, b"User-Agent: " + value),
        b"Via: SIP/2.0/UDP h;branch=" + value,
    )
    assert (found.from_user, found.from_tag) == (value, value)
    assert (found.user_agent, found.via_branch) == (value, value)


# In the spirit of RFC 4475: legal oddities, then things that are wrong in ways that were seen.
ODD = (
    (
        (
            b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
            b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
            b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n'
            b"  tag = 98asjd8\r\n"
            b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\n"
            b"Content-Length   : 2\r\ncseq: 0009\r\n  INVITE\r\n"
            b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
            b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
            b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
            b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8\r\n"
            b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n newvalue ;\r\n'
            b"  secondparam ; q = 0.33\r\n\r\nxx"
        ),
        {
            "call_id": b"wsinv.ndaksdj@192.0.2.1",
            "cseq": 9,
            "method": b"INVITE",
            "from_user": b"jdrosen",
            "from_tag": b"98asjd8",
            "to_user": b"vivekg",
            "to_tag": b"1918181833n",
            "via_transport": b"UDP",
            "via_branch": b"390skdjuw",
            "contact_user": b"jdrosen",
            "ruri_domain": b"chair-dnrc.example.com",
            "fault": None,
        },
    ),
    (
        (
            b"!interesting-Method0123456789_*+`.%indeed'~ "
            b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too."
            b"(doesn't-it)@example.com SIP/2.0\r\n"
            b"Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n"
            b"CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\n"
            b'From: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~@example.com>;'
            b"tag=_token~1'+`*%!-.\r\n"
            b"Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue>\r\n"
            b"Content-Length: 0\r\n\r\n"
        ),
        {
            "method": b"!interesting-Method0123456789_*+`.%indeed'~",
            "cseq": 139122385,
            "call_id": b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "kind": Kind.OTHER,
            "ruri_user": b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/",
            "fault": None,
            "ruri_domain": b"example.com",
            "from_tag": b"_token~1'+`*%!-.",
            "contact_user": b"cal%6Cer",
        },
    ),
    (
        (
            b"REGISTER sip:example.com SIP/2.0\r\nCall-ID: esc02\r\nCSeq: 29344 RE%47IST%45R\r\n"
            b'From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23\r\n\r\n'
        ),
        {"kind": Kind.OTHER, "method": b"REGISTER", "fault": None, "from_user": b"resource"},
    ),
    (
        b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\r\nCall-ID: unreason\r\nCSeq: 35 BYE\r\n\r\n",
        {"reason": b"= 2**3 * 5**2 \xd0\xbd\xd0\xbe", "status": 200, "fault": None},
    ),
    (
        (
            b"INVITE sip:user@example.com SIP/2.0\r\nCall-ID: scalar\r\nCSeq: 36893488147419103232 "
            b"REGISTER\r\nMax-Forwards: 300\r\nExpires: 10000000000\r\n\r\n"
        ),
        {"cseq": -1, "fault": Fault.CSEQ, "method": b"INVITE", "kind": Kind.CALL},
    ),
    (
        (
            b"SIP/2.0 4294967301 better not break the receiver\r\nCall-ID: bigcode\r\n"
            b"CSeq: 1 INVITE\r\n\r\n"
        ),
        {"fault": Fault.START_LINE, "call_id": b"bigcode", "status": 0},
    ),
    (
        b"INVITE <sip:user@example.com> SIP/2.0\r\nCall-ID: ltgtruri\r\nCSeq: 1 INVITE\r\n\r\n",
        {"method": b"INVITE", "fault": None, "call_id": b"ltgtruri"},
    ),
    (
        b"OPTIONS sip:user@example.com  SIP/2.0  \r\nCall-ID: lwstart\r\nCSeq: 8 OPTIONS\r\n\r\n",
        {"method": b"OPTIONS", "ruri_user": b"user", "fault": None},
    ),
    (
        (
            b'INVITE sip:user@example.com SIP/2.0\r\nTo: "Mr. J. User <sip:j.user@example.com>\r\n'
            b"Call-ID: quotbal\r\nCSeq: 1 INVITE\r\n\r\n"
        ),
        {"to_user": b"j.user", "fault": None},
    ),
    (
        (
            b"OPTIONS sip:user@example.com SIP/2.0\r\n"
            b"From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43\r\n"
            b"Call-ID: baddn\r\nCSeq: 1 OPTIONS\r\n\r\n"
        ),
        {"from_user": b"a.g.bell", "from_tag": b"43"},
    ),
    (
        b"OPTIONS sip:t.watson@example.org SIP/7.0\r\nCall-ID: badvers\r\nCSeq: 1 OPTIONS\r\n\r\n",
        {"method": b"OPTIONS", "fault": None},
    ),
    (
        b"OPTIONS sip:user@example.com SIP/2.0\r\nCall-ID: mismatch\r\nCSeq: 8 INVITE\r\n\r\n",
        {"method": b"OPTIONS", "kind": Kind.CALL},
    ),
    (
        (
            b"INVITE sip:user@example.com SIP/2.0\r\nCall-ID: clerr\r\nCSeq: 1 INVITE\r\n"
            b"Content-Length: 9999\r\n\r\nv=0\r\n"
        ),
        {"fault": Fault.TRUNCATED, "call_id": b"clerr"},
    ),
    (
        (
            b"INVITE sip:user@example.com SIP/2.0\r\n"
            b"From: <sip:one@x>;tag=1\r\nFrom: <sip:two@x>;tag=2\r\n"
            b"Call-ID: one\r\nCall-ID: two\r\nCSeq: 5 INVITE\r\nCSeq: 59 ACK\r\n\r\n"
        ),
        {"call_id": b"one", "from_user": b"one", "from_tag": b"1", "cseq": 5},
    ),
)


@pytest.mark.parametrize(("message", "expected"), ODD)
def test_torture(message: bytes, expected: dict[str, object]) -> None:
    """What can be read is read, what is wrong is marked."""
    found = sip.extract(message)
    assert {name: getattr(found, name) for name in expected} == expected


_pieces = st.sampled_from(
    [
        *(b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" "),
        *(b"Via: SIP/2.0/UDP h;branch=z", b"From: ", b"<sip:a@b>", b";tag=x", b"To:", b"CSeq: "),
        *(b"1 INVITE", b"Call-ID: c", b"Contact: *", b'"', b"\\", b"<", b">", b"@", b"[", b"]"),
        *(
            b"Authorization: Digest username=",
            b"Content-Length: ",
            b"99",
            b"\0",
            b"\xff",
            b",",
            b":",
        ),
    ]
)


@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(st.one_of(_pieces, st.binary(max_size=5)), max_size=40).map(b"".join),
    )
)
@example(b"\r\n")
@example(b"\n")
@example(b":")
@example(b"\r\n :")
@example(b"INVITE sip:a SIP/2.0\r\n \r\n \r\n")
def test_any_bytes_give_a_message(message: bytes) -> None:
    """Never an exception; and what comes out is fit for its columns."""
    found = sip.extract(message)
    assert isinstance(found.kind, Kind)
    assert -1 <= found.cseq <= MAX_CSEQ
    assert found.status == 0 or 100 <= found.status <= 699
    assert all(
        isinstance(value, bytes) for value in found if not isinstance(value, int | str | None)
    )
    assert sum(isinstance(value, bytes) for value in found) == 27
    if found.fault is None:
        assert found.call_id
        assert found.method
        assert found.cseq >= 0
    assert sip.extract(message) == found, "the same message is always read the same"


@given(st.data())
def test_mutated_messages_keep_what_was_not_touched(data: st.DataObject) -> None:
    """Garbage in one header line leaves the others alone."""
    lines = request().split(b"\r\n")
    place = data.draw(st.integers(1, len(lines) - 3))
    garbage = data.draw(st.binary(max_size=60)).translate(None, b"\r\n").lstrip(b" \t")
    name = lines[place].partition(b":")[0]
    lines[place] = name + b":" + garbage
    found, whole = sip.extract(b"\r\n".join(lines)), sip.extract(request())
    touched = {
        b"Via": {"via_transport", "via_branch"},
        b"From": {"from_user", "from_domain", "from_tag"},
        b"To": {"to_user", "to_domain", "to_tag"},
        b"Call-ID": {"call_id", "kind", "fault"},
        b"CSeq": {"cseq", "kind", "fault"},
        b"Content-Length": {"fault"},
    }[name]
    for field in Sip._fields:
        if field not in touched:
            assert getattr(found, field) == getattr(whole, field)
