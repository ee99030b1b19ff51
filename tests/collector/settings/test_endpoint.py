# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses to listen on: read, compared, written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.settings.endpoint import Endpoint, parse_endpoint, parse_host_port


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("udp:127.0.0.1:9060", Endpoint("udp", "127.0.0.1", 9060)),
        ("tcp:0.0.0.0:1", Endpoint("tcp", "0.0.0.0", 1)),
        ("tcp:[::1]:65535", Endpoint("tcp", "::1", 65_535)),
        ("udp:[2001:DB8:0::0001]:9060", Endpoint("udp", "2001:db8::1", 9060)),
        ("udp:[::]:9060", Endpoint("udp", "::", 9060)),
        ("tls:192.0.2.1:9061", Endpoint("tls", "192.0.2.1", 9061)),
        ("ws:[::]:9062", Endpoint("ws", "::", 9062)),
        ("wss:0.0.0.0:9063", Endpoint("wss", "0.0.0.0", 9063)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    """The address comes in its usual spelling: it is compared with what the kernel says."""
    assert parse_endpoint(text) == endpoint
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "does not begin with one of udp:, tcp:, tls:, ws:, wss:"),
        ("127.0.0.1:9060", "does not begin with one of udp:, tcp:, tls:, ws:, wss:"),
        ("sctp:127.0.0.1:9061", "does not begin with one of udp:, tcp:, tls:, ws:, wss:"),
        ("UDP:127.0.0.1:9060", "does not begin with one of udp:, tcp:, tls:, ws:, wss:"),
        ("udp:", "form address:port"),
        ("udp:9060", "form address:port"),
        ("udp::9060", "form address:port"),
        ("udp:localhost:9060", "form address:port"),
        ("udp:127.0.0.1", "form address:port"),
        ("udp:127.0.0.256:9060", "form address:port"),
        ("udp:[127.0.0.1:9060", "form address:port"),
        ("udp:::1:9060", "stands in brackets"),
        ("udp:2001:db8::1:9060", "stands in brackets"),
        ("udp:127.0.0.1:", "port must be 1 … 65535"),
        ("udp:127.0.0.1:0", "port must be 1 … 65535"),
        ("udp:127.0.0.1:65536", "port must be 1 … 65535"),
        ("udp:127.0.0.1:-1", "port must be 1 … 65535"),
        ("udp:127.0.0.1:+90", "port must be 1 … 65535"),
        ("udp:127.0.0.1:90 60", "port must be 1 … 65535"),
        ("udp:127.0.0.1:²", "port must be 1 … 65535"),
        ("udp:127.0.0.1:" + "9" * 5000, "port must be 1 … 65535"),
    ],
)
def test_mistakes_are_explained(text: str, rule: str) -> None:
    """With the rule, not with a trace."""
    with pytest.raises(ValueError, match=rule):
        parse_endpoint(text)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_any_address_and_port(address: object, port: int) -> None:
    """Both families, there and back."""
    host = str(address)
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert parse_host_port(text) == (host, port)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Only ValueError comes out."""
    try:
        found = parse_endpoint(text)
    except ValueError:
        return
    assert 1 <= found.port <= 65_535
