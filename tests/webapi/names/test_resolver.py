# SPDX-License-Identifier: GPL-2.0-or-later
"""Which name an address has."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapi.names.alias import Alias, Wanted
from webapi.names.resolver import Resolver

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NETWORKS = ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.5/32", "2001:db8::/32", "::/0")


def _rank(alias: Alias) -> tuple[Any, ...]:
    """The order in which they win, said once more: the most specific first."""
    node, port = alias.capture_node != "", alias.port != 0
    return not node, -alias.network.prefixlen, not port, alias.id


def _aliases(*wanted: Wanted) -> list[Alias]:
    numbers = count(1)
    made = [
        Alias(number, UUID(int=number), *one, NOW, NOW)
        for one, number in zip(wanted, numbers, strict=False)
    ]
    return sorted(made, key=_rank)


def _wanted(name: str, network: str, port: int = 0, node: str = "") -> Wanted:
    return Wanted(name, ip_network(network), port, node)


RESOLVER = Resolver(
    _aliases(
        _wanted("everything", "0.0.0.0/0"),
        _wanted("office", "10.0.0.0/8"),
        _wanted("registrar", "10.0.0.5/32"),
        _wanted("sbc", "10.0.0.5/32", 5080),
        _wanted("other site", "10.0.0.0/8", node="west"),
        _wanted("trunk", "192.0.2.0/24", 5061),
        _wanted("six", "2001:db8::/64"),
    )
)


@pytest.mark.parametrize(
    ("address", "port", "node", "name"),
    [
        ("10.1.2.3", 5060, "east", "office"),
        ("10.0.0.5", 5060, "east", "registrar"),
        ("10.0.0.5", 5080, "east", "sbc"),
        ("10.0.0.5", 5080, "west", "other site"),
        ("10.0.0.5", 5080, "", "sbc"),
        # The longest prefix has nothing for this port; HOMER stops there, a shorter one may know.
        ("192.0.2.7", 5060, "east", "everything"),
        ("192.0.2.7", 5061, "east", "trunk"),
        ("::ffff:10.0.0.5", 0, "", "registrar"),
        ("2001:db8::1", 5060, "", "six"),
        ("2001:db9::1", 5060, "", None),
    ],
)
def test_the_most_specific_alias_wins(address: str, port: int, node: str, name: str | None) -> None:
    """Node, then prefix, then port."""
    assert RESOLVER.name_of(ip_address(address), port, node) == name


def test_names_of_a_row() -> None:
    """Of every address that has one."""
    row = {
        "src_ip": IPv4Address("10.0.0.5"),
        "src_port": 5080,
        "dst_ip": IPv6Address("2001:db9::1"),
        "dst_port": 5060,
        "answer_ip": IPv4Address("10.0.0.5"),
        "caller_media_ip": None,
        "node": "east",
    }
    assert RESOLVER.names(row) == {"src_name": "sbc", "answer_name": "registrar"}
    assert Resolver().names(row) == {}
    assert RESOLVER.name_of(None) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NETWORKS), st.sampled_from((0, 5060)), st.sampled_from(("", "west"))
        ),
        max_size=8,
    ),
    st.sampled_from(("10.0.0.5", "10.9.9.9", "11.0.0.1", "2001:db8::7", "fe80::1")),
    st.sampled_from((0, 5060, 5061)),
    st.sampled_from(("", "west", "east")),
)
def test_what_is_found_is_the_first_that_holds(
    listed: list[tuple[str, int, str]], text: str, port: int, node: str
) -> None:
    """As if one looked at all of them, one after the other."""
    aliases = _aliases(*(_wanted(str(number), *one) for number, one in enumerate(listed)))
    address = ip_address(text)
    holding = [
        alias.name
        for alias in aliases
        if address in alias.network and alias.port in (0, port) and alias.capture_node in ("", node)
    ]
    expected = holding[0] if holding else None
    assert Resolver(aliases).name_of(address, port, node) == expected
