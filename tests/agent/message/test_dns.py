# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS as heplify's JSON, against messages built by hand and tshark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.message.dns import MAX_JSON, MAX_RECORDS, to_json
from tests import dns_bytes as build
from tests import tshark, udp_file

OWNER = 12
"""Where the first question's name begins: what pointers lead to."""
EXAMPLE = build.name("example.com")


def _read(message: bytes) -> dict[str, Any]:
    text = to_json(message)
    assert text is not None
    document: dict[str, Any] = orjson.loads(text)
    return document


def _answer(kind: int, data: bytes) -> dict[str, Any]:
    """An answer about example.com, and what is said beside the common keys."""
    message = build.message(
        [build.question(EXAMPLE, kind)], [build.record(build.name("", OWNER), kind, data)]
    )
    (answer,) = _read(message)["answers"]
    assert list(answer)[:4] == ["name", "type", "class", "ttl"]
    assert [answer.pop(key) for key in list(answer)[:4]] == ["example.com", kind, 1, 300]
    said: dict[str, Any] = answer
    return said


def test_a_query() -> None:
    """heplify's keys in its order; without answers there is no such key."""
    document = _read(build.message([build.question(EXAMPLE, build.NAPTR)], number=0xABCD))
    assert list(document.items()) == [
        *(("id", 0xABCD), ("qr", False), ("opcode", 0), ("aa", False), ("tc", False)),
        *(("rd", True), ("ra", False), ("z", 0), ("rescode", 0)),
        *(("qdc", 1), ("anc", 0), ("nsc", 0), ("arc", 0)),
        ("questions", [{"name": "example.com", "type": 35, "class": 1}]),
    ]


def test_flags_of_a_response() -> None:
    """Each bit where it belongs."""
    document = _read(build.message([build.question(EXAMPLE, 1)], flags=0xA6F3))
    names = ("qr", "opcode", "aa", "tc", "rd", "ra", "z", "rescode")
    assert [document[name] for name in names] == [True, 4, True, True, False, True, 7, 3]


def test_addresses() -> None:
    """A and AAAA."""
    assert _answer(build.A, build.address("192.0.2.1")) == {"ip": "192.0.2.1"}
    assert _answer(build.AAAA, build.address("2001:db8::1")) == {"ip": "2001:db8::1"}


@pytest.mark.parametrize(
    ("kind", "key"), [(build.NS, "ns"), (build.CNAME, "cname"), (build.PTR, "ptr")]
)
def test_names(kind: int, key: str) -> None:
    """Whole, and with a pointer for the rest."""
    assert _answer(kind, build.name("a.b.example.org")) == {key: "a.b.example.org"}
    assert _answer(kind, build.name("a-1.b", OWNER)) == {key: "a-1.b.example.com"}


def test_what_sip_asks_for() -> None:
    """RFC 3263: NAPTR, then SRV."""
    target = build.name("sip", OWNER)
    assert _answer(build.SRV, build.srv(10, 60, 5060, target)) == {
        "srv": {"priority": 10, "weight": 60, "port": 5060, "name": "sip.example.com"}
    }
    data = build.naptr(50, 51, b"s", b"SIP+D2U", b"", replacement=build.name("_sip._udp", OWNER))
    assert _answer(build.NAPTR, data) == {
        "naptr": {
            "order": 50,
            "preference": 51,
            "flags": "s",
            "service": "SIP+D2U",
            "regexp": "",
            "replacement": "_sip._udp.example.com",
        }
    }


def test_other_types_have_the_common_keys() -> None:
    """Their data stays out."""
    assert _answer(build.SOA, b"\xff" * 30) == {}
    assert _answer(build.A, b"\1\2\3") == {}


def test_labels_may_hold_any_octet() -> None:
    """RFC 1035 §5.1: written so that JSON, text columns and readers take them."""
    owner = b"\4a.\\\0\2\xff \0"
    document = _read(build.message([build.question(owner, 1)]))
    assert document["questions"][0]["name"] == r"a\.\\\000.\255\032"


@pytest.mark.parametrize(
    "owner",
    [
        b"\xc0\x0c",
        b"\1a\xc0\x0c",
        b"\xc0\xff",
        b"\xc0\x0e\xc0\x0c",
        b"\x40aaaa\0",
        64 * b"\3aaa" + b"\0",
        b"\3ab",
        b"",
    ],
    ids=[
        *("to itself", "to its own beginning", "forward", "each to the other", "bad label type"),
        *("too long", "cut off", "missing"),
    ],
)
def test_names_that_cannot_be_are_refused(owner: bytes) -> None:
    """No pointer leads anywhere but backwards, so none in circles."""
    assert to_json(build.message([owner])[: 12 + len(owner)]) is None


@pytest.mark.parametrize(("depth", "is_read"), [(100, True), (200, False), (8000, False)])
def test_pointers_to_pointers_are_bounded(depth: int, is_read: bool) -> None:
    """A message full of them costs as much as their number times that of names."""
    root = build.question(b"\0", 1)
    first = OWNER + len(root) + len(build.record(b"\0", 99, b""))
    chain = [build.name("", OWNER)]
    chain += [build.name("", first + 2 * number) for number in range(depth - 1)]
    last = build.name("", first + 2 * (depth - 1))
    answers = [build.record(b"\0", 99, b"".join(chain)), build.record(last, 99, b"")]
    assert (to_json(build.message([root], answers)) is not None) == is_read


def test_the_number_of_records_is_bounded() -> None:
    """The counts still say how many there are."""
    one = build.record(build.name("", OWNER), build.A, build.address("192.0.2.1"))
    document = _read(build.message([build.question(EXAMPLE, 1)], [one] * 500))
    assert (document["anc"], len(document["answers"])) == (500, MAX_RECORDS)
    document = _read(build.message([build.question(EXAMPLE, 1)] * 500))
    assert (document["qdc"], len(document["questions"])) == (500, MAX_RECORDS)


def test_the_size_is_bounded() -> None:
    """Compression makes much of little; a HEP packet has 64 KB."""
    long = b"".join(b"\x3f" + 63 * b"\xff" for _ in range(3)) + b"\x3d" + 61 * b"\xff" + b"\0"
    answer = build.record(b"\xc0\x0c", build.CNAME, b"\xc0\x0c")
    text = to_json(build.message([build.question(long, 5)], [answer] * MAX_RECORDS))
    assert text is not None
    assert len(text) <= MAX_JSON
    assert orjson.loads(text)["anc"] == MAX_RECORDS
    assert "answers" not in orjson.loads(text)


ENDS = st.sampled_from([b"\0", b"\xc0\x0c", b"\xc0\x0d", b"\xc0\x10", b"\xff\xff", b"\1a\0"])


@given(
    st.binary(min_size=12, max_size=12),
    st.lists(ENDS | st.binary(max_size=12), max_size=20).map(b"".join),
)
def test_any_bytes_are_answered(head: bytes, rest: bytes) -> None:
    """None or JSON, no exception."""
    for counts in (head[4:], b"\0\1\0\2\0\0\0\0", b"\0\0\0\3\0\0\0\0"):
        text = to_json(head[:4] + counts + rest)
        assert text is None or isinstance(orjson.loads(text), dict)


LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
NAMES = st.lists(LABEL, min_size=1, max_size=8).map(".".join)


@given(st.lists(NAMES, min_size=1, max_size=10))
def test_every_name_survives(names: list[str]) -> None:
    """With and without a pointer to the first one."""
    questions = [build.question(build.name(names[0]), build.SRV)]
    answers = [build.record(build.name(text, OWNER), build.NS, build.name(text)) for text in names]
    document = _read(build.message(questions, answers))
    assert [answer["ns"] for answer in document["answers"]] == names
    assert [answer["name"] for answer in document["answers"]] == [f"{n}.{names[0]}" for n in names]


def test_tshark_reads_the_same(tmp_path: Path) -> None:
    """One response with every type."""
    owner = build.name("", OWNER)
    data = {
        build.A: build.address("192.0.2.1"),
        build.AAAA: build.address("2001:db8::1"),
        build.CNAME: build.name("alias", OWNER),
        build.NS: build.name("ns1.example.org"),
        build.PTR: build.name("host", OWNER),
        build.SRV: build.srv(10, 60, 5060, build.name("sip", OWNER)),
        build.NAPTR: build.naptr(
            50, 51, b"u", b"E2U+sip", b"!^.*$!sip:i@example.com!", replacement=b"\0"
        ),
    }
    answers = [build.record(owner, kind, rest) for kind, rest in data.items()]
    message = build.message([build.question(EXAMPLE, 255)], answers, flags=0x8180)
    file = udp_file.write(tmp_path / "dns.pcap", [(53, 40_000, message)])
    names = (
        *("dns.id", "dns.count.answers", "dns.qry.name", "dns.resp.type", "dns.resp.ttl"),
        *("dns.a", "dns.aaaa", "dns.cname", "dns.ns", "dns.ptr.domain_name"),
        *("dns.srv.priority", "dns.srv.weight", "dns.srv.port", "dns.srv.target"),
        *("dns.naptr.order", "dns.naptr.preference", "dns.naptr.flags", "dns.naptr.service"),
        "dns.naptr.regex",
    )
    (said,) = tshark.fields(file, *names)
    document = _read(message)
    found = document["answers"]
    expected: list[list[Any]] = [
        [document["id"]],
        [document["anc"]],
        [document["questions"][0]["name"]],
        [answer["type"] for answer in found],
        [answer["ttl"] for answer in found],
        *([found[0]["ip"]], [found[1]["ip"]], [found[2]["cname"]], [found[3]["ns"]]),
        [found[4]["ptr"]],
        *([value] for value in found[5]["srv"].values()),
        *([value] for value in list(found[6]["naptr"].values())[:5]),
    ]
    read = [
        [int(t, 0) if isinstance(e, int) else t for t, e in zip(said[n], es, strict=True)]
        for n, es in zip(names, expected, strict=True)
    ]
    assert read == expected
