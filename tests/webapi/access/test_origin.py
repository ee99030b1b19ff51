# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a request comes from: reverse proxies, and who only says that he is one."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from webapi.access.origin import Origins
from webapi.access.principal import Client
from webapi.errors import ApiError

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
PROXIES = ("10.0.0.0/8", "2001:db8::7", "127.0.0.1")


class _Transport:
    """Two ends of a connection."""

    def __init__(self, peer: str, own: str) -> None:
        self._extra: dict[str, Any] = {"peername": (peer, 5000), "sockname": (own, 9080)}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As asyncio's transports have it."""
        return self._extra.get(name, default)


def _client(
    peer: str,
    headers: dict[str, str] | None = None,
    *,
    own: str = "192.0.2.1",
    tls: bool = False,
    proxies: tuple[str, ...] = PROXIES,
) -> Client:
    transport: Any = _Transport(peer, own)
    request = make_mocked_request(
        "GET", "/", headers or {}, transport=transport, sslcontext=_TLS if tls else None
    )
    return Origins(proxies).client(request)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.8,10.0.0.9", "10.0.0.8"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours(forwarded: str, address: str) -> None:
    """What stands before it anybody can write; and it is never this host, whatever it says."""
    found = _client("10.0.0.1", {"X-Forwarded-For": forwarded})
    assert found == Client(ip_address(address), secure=False, here=False)


def test_tls_at_the_reverse_proxy() -> None:
    """As it says."""
    headers = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert _client("10.0.0.1", headers).secure
    headers["X-Forwarded-Proto"] = "http"
    assert not _client("10.0.0.1", headers).secure


def test_who_is_no_reverse_proxy_is_not_believed() -> None:
    """Neither an address nor TLS; without TLS it is not served at all."""
    headers = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    with pytest.raises(ApiError) as refused:
        _client("198.51.100.7", headers)
    assert (refused.value.status, refused.value.code) == (403, "tls_required")
    found = _client("198.51.100.7", headers, tls=True)
    assert found == Client(ip_address("198.51.100.7"), secure=True, here=False)
    found = _client("127.0.0.1", headers, proxies=())
    assert found == Client(ip_address("127.0.0.1"), secure=False, here=True)


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.1"])
def test_this_host(peer: str) -> None:
    """Loopback, or the address that it has itself; not what a reverse proxy there passes on."""
    assert _client(peer, proxies=("10.0.0.0/8",)).here
    assert not _client(peer, proxies=(*PROXIES, "::1", "192.0.2.1")).here


@pytest.mark.parametrize("forwarded", ["", "unknown", "_hidden, x", "198.51.100.7:80", "evil,"])
def test_garbage_of_a_reverse_proxy(forwarded: str) -> None:
    """400, and nobody's address is guessed."""
    with pytest.raises(ApiError) as refused:
        _client("10.0.0.1", {"X-Forwarded-For": forwarded})
    assert refused.value.code == "bad_forwarded"
