# SPDX-License-Identifier: GPL-2.0-or-later
"""Each filter alone."""

from __future__ import annotations

import pytest

from collector.hep import TYPE_LOG
from collector.selection.filters import (
    AddressFilter,
    MethodFilter,
    SampleFilter,
    UserAgentFilter,
)
from collector.sip import Kind
from tests.collector.selection.candidates import candidate
from tests.sip_text import request

RESPONSE = request().replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 486 Busy Here")


@pytest.mark.parametrize(
    ("networks", "discarded"),
    [
        (["192.0.2.1"], True),
        (["198.51.100.0/24"], True),
        (["203.0.113.0/24", "2001:db8::/32"], False),
        (["::/0"], False),
    ],
)
def test_addresses_of_either_side(networks: list[str], discarded: bool) -> None:
    """192.0.2.1 sends to 198.51.100.2."""
    assert AddressFilter(networks).discards(candidate()) == discarded


def test_addresses_of_other_types_count_as_well() -> None:
    """A log line of an address that is not wanted is not wanted."""
    assert AddressFilter(["192.0.2.1"]).discards(candidate(b"a line", type=TYPE_LOG))


@pytest.mark.parametrize(
    ("message", "discarded"),
    [
        (request("OPTIONS"), True),
        (request("options"), True),
        (request("INVITE"), True),
        (RESPONSE, True),
        (request("BYE"), False),
        (b"garbage", False),
    ],
)
def test_methods_of_requests_and_responses(message: bytes, discarded: bool) -> None:
    """A response has the method of its CSeq."""
    assert MethodFilter(["OPTIONS", "invite"]).discards(candidate(message)) == discarded


@pytest.mark.parametrize(
    ("headers", "discarded"),
    [
        ("User-Agent: Friendly-Scanner\r\n", True),
        ("Server: sipvicious 0.3\r\n", True),
        ("User-Agent: kamailio\r\n", False),
        ("", False),
    ],
)
def test_user_agents(headers: str, discarded: bool) -> None:
    """Any part, in any case, of User-Agent or Server."""
    chosen = UserAgentFilter(["friendly-SCANNER", "vicious"])
    assert chosen.discards(candidate(request(headers=headers))) == discarded


def test_other_types_have_no_method_and_no_user_agent() -> None:
    """They stay."""
    event = candidate(b"User-Agent: friendly-scanner", type=TYPE_LOG)
    assert not MethodFilter(["INVITE"]).discards(event)
    assert not UserAgentFilter(["friendly-scanner"]).discards(event)
    assert not SampleFilter(dict.fromkeys(Kind, 0.0)).discards(event)


def test_a_sample_keeps_whole_calls() -> None:
    """Every message of a Call-ID has the same fate, and about the share is kept."""
    chosen = SampleFilter({Kind.CALL: 25})
    fates = [
        {
            chosen.discards(candidate(request(method, f"{number}@sample", number=number)))
            for method in ("INVITE", "ACK", "BYE")
        }
        for number in range(400)
    ]
    assert all(len(fate) == 1 for fate in fates)
    assert 60 <= fates.count({False}) <= 140
    assert not chosen.discards(candidate(request("REGISTER", "1@sample")))


@pytest.mark.parametrize(("percent", "kept"), [(0, 0), (100, 50)])
def test_all_and_nothing_are_exact(percent: float, kept: int) -> None:
    """Without rounding at the ends; what has no Call-ID is kept."""
    chosen = SampleFilter({Kind.CALL: percent})
    found = [chosen.discards(candidate(request(call_id=str(number)))) for number in range(50)]
    assert found.count(False) == kept
    assert not chosen.discards(candidate(b"INVITE sip:a SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n"))
