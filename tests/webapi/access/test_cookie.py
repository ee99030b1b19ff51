# SPDX-License-Identifier: GPL-2.0-or-later
"""What browsers are told of a cookie."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from webapi.access.cookie import Cookie
from webapi.access.principal import Client

PLAIN = Client(ip_address("127.0.0.1"), secure=False, here=True)
SECURE = PLAIN._replace(secure=True)


def _told(response: web.Response) -> set[str]:
    (morsel,) = response.cookies.values()
    return set(morsel.OutputString().split("; "))


def test_over_tls_it_is_this_hosts_alone() -> None:
    """With the prefix that browsers keep others from setting."""
    response = web.Response()
    Cookie("c", "Strict").set(response, "v", SECURE)
    assert _told(response) == {"__Host-c=v", "HttpOnly", "Path=/", "SameSite=Strict", "Secure"}


def test_without_tls_and_with_an_age() -> None:
    """Loopback has no TLS, and browsers would not send a Secure one."""
    response = web.Response()
    Cookie("c", "Lax", 600).set(response, "v", PLAIN)
    assert _told(response) == {"c=v", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"}


@pytest.mark.parametrize("client", [PLAIN, SECURE], ids=["plain", "tls"])
def test_it_is_read_and_cleared_by_its_name(client: Client) -> None:
    """Which over TLS is another one: that without the prefix is anybody's."""
    cookie = Cookie("c", "Strict")
    headers = {"Cookie": "c=planted; __Host-c=ours"}
    request = make_mocked_request("GET", "/", headers=headers)
    assert cookie.read(request, client) == ("ours" if client.secure else "planted")
    assert cookie.read(make_mocked_request("GET", "/"), client) == ""
    response = web.Response()
    cookie.clear(response, client)
    assert "Max-Age=0" in _told(response)
    assert cookie.name(secure=client.secure) in response.cookies
