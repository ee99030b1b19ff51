# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts for the tests of live capture."""

from __future__ import annotations

import pytest

from tests.fix_network import MakeNetwork, Network


@pytest.fixture
def hosts(make_network: MakeNetwork) -> Network:
    """Two hosts with IPv4, IPv6 and a VLAN."""
    return make_network(vlans=(7,))


@pytest.fixture(params=["ipv4", "ipv6"])
def addresses(request: pytest.FixtureRequest, hosts: Network) -> tuple[str, str]:
    """From and to."""
    return getattr(hosts.left, request.param), getattr(hosts.right, request.param)
