# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of networks."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collector import networks as module
from collector.networks import Networks

_ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
_NETWORKS = st.builds(
    lambda address, bits: ipaddress.ip_network(
        (address, bits % (address.max_prefixlen + 1)), False
    ),
    _ADDRESSES,
    st.integers(0, 128),
)


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@given(st.lists(_NETWORKS, max_size=5), _ADDRESSES)
def test_what_the_standard_library_says(networks: list[_Network], address: _Address) -> None:
    """For any networks and addresses of both families."""
    assume(getattr(address, "ipv4_mapped", None) is None)
    expected = any(address in network for network in networks)
    found = Networks(map(str, networks))
    assert (address.packed in found) == expected
    if address.version == 4:
        assert (b"\0" * 10 + b"\xff\xff" + address.packed in found) == expected


def test_an_unknown_address_is_in_no_network() -> None:
    """Some senders name none."""
    assert b"" not in Networks(["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize(
    "text", ["", "x", "10.0.0.0/33", "300.1.1.1", "10.0.0.1:5060", "10.0.0.1/8"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    """When the settings are read."""
    with pytest.raises(ValueError, match="is not an address or a network"):
        Networks([text])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can make up addresses."""
    monkeypatch.setattr(module, "_MAX_VERDICTS", 10)
    found = Networks(["10.0.0.0/8"])
    assert all(bytes((10, 0, 0, number)) in found for number in range(100))
    assert len(found._verdicts) <= 10
