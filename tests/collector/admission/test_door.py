# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict over one peer after the other."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.admission import door as module
from collector.admission.door import Door, rate_table
from collector.admission.rate import RateTable
from collector.causes import Cause
from collector.journal.record import pack_address
from collector.settings.receiving import Senders

HOST = pack_address("192.0.2.7")
OTHER = pack_address("198.51.100.7")


def test_without_networks_everybody_may_send() -> None:
    """As the default is."""
    door = Door([])
    assert door.allows(HOST)
    assert door.refuse(HOST) is None
    assert door.delay(HOST, 1_000_000) == 0
    assert rate_table(Senders()) is None


@pytest.mark.parametrize(
    ("networks", "peer", "allowed"),
    [
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.6", False),
        (["0.0.0.0/0"], "203.0.113.1", True),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["::/0"], "2001:db8::1", True),
        (["::/0"], "192.0.2.7", False),
        (["2001:db8::/32"], "2001:db8:ffff::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["10.0.0.0/8", "2001:db8::1", "192.0.2.0/30"], "192.0.2.3", True),
        (["10.0.0.0/8", "2001:db8::1", "192.0.2.0/30"], "192.0.2.4", False),
    ],
)
def test_networks(networks: list[str], peer: str, allowed: bool) -> None:
    """IPv4 and IPv6 beside each other."""
    for _ in range(2):  # the second time it is remembered
        door = Door(networks)
        assert door.allows(pack_address(peer)) is allowed
        assert door.refuse(pack_address(peer)) is (None if allowed else Cause.SENDER_NETWORK)


networks = st.one_of(
    st.builds(
        lambda n, bits: ipaddress.IPv4Network((n, bits), strict=False),
        st.integers(0, (1 << 32) - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda n, bits: ipaddress.IPv6Network((n, bits), strict=False),
        st.integers(0, (1 << 128) - 1),
        st.integers(0, 128),
    ),
)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6, network="2000::/3"))


@given(st.lists(networks, min_size=1, max_size=5), st.lists(addresses, min_size=1, max_size=20))
def test_any_networks_agree_with_the_library(
    some: list[ipaddress.IPv4Network | ipaddress.IPv6Network],
    peers: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
) -> None:
    """Which says what belongs to a network."""
    door = Door([str(network) for network in some])
    for peer in peers:
        assert door.allows(pack_address(str(peer))) is any(peer in network for network in some)


def test_a_rate_is_kept_for_each_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over UDP the rest is refused; a network that may not send does not even count."""

    class Clock:
        now = 5 * 10**9

        @classmethod
        def monotonic_ns(cls) -> int:
            return cls.now

    monkeypatch.setattr(module, "time", Clock)
    door = Door(["192.0.2.0/24"], rate_table(Senders(max_rate=10)))
    verdicts = [door.refuse(HOST) for _ in range(30)]
    assert verdicts == [None] * 10 + [Cause.SENDER_RATE] * 20
    assert door.refuse(pack_address("192.0.2.8")) is None
    assert {door.refuse(OTHER) for _ in range(30)} == {Cause.SENDER_NETWORK}
    Clock.now += 500_000_000
    assert [door.refuse(HOST) for _ in range(6)] == [None] * 5 + [Cause.SENDER_RATE]
    assert door.delay(HOST, 10) == pytest.approx(1.0)


def test_peers_without_end_do_not_fill_the_memory() -> None:
    """They may be invented."""
    door = Door(["10.0.0.0/8"], RateTable(100))
    for number in range(25_000):
        assert door.refuse(pack_address(str(ipaddress.IPv4Address(number)))) is not None
    assert door._networks is not None
    assert len(door._networks._verdicts) <= 10_000
