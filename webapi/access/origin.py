# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a request comes from: the client's address, by way of which proxy, and from which page."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from aiohttp import web

from collector.networks import Networks
from webapi.access.principal import Address, Client
from webapi.errors import ApiError

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110 §9.2.1)."""


class Origins:
    """Knows ``web.reverse_proxies``."""

    def __init__(self, reverse_proxies: Iterable[str]) -> None:
        self._trusted = Networks(reverse_proxies)

    def client(self, request: web.Request) -> Client:
        """Raises ApiError 400 and 403 for a request that cannot be told from a wiretapped one."""
        peer = _end(request, "peername")
        own = _end(request, "sockname")
        is_proxy = peer.packed in self._trusted
        if is_proxy and "X-Forwarded-For" in request.headers:
            address = self._forwarded(request)
            secure = request.headers.get("X-Forwarded-Proto", "").lower() == "https"
            return Client(address, request.secure or secure, here=False)
        # A reverse proxy that does not say for whom it asks does not ask for this host.
        here = (peer.is_loopback or peer == own) and not is_proxy
        if not (request.secure or here or is_proxy):
            message = "without TLS only web.reverse_proxies and this host are served"
            raise ApiError(403, "tls_required", message)
        return Client(peer, request.secure, here)

    def _forwarded(self, request: web.Request) -> Address:
        """The last address that no proxy of ours has; what is before it anybody can claim."""
        entries = ",".join(request.headers.getall("X-Forwarded-For")).split(",")
        try:
            for entry in reversed(entries):
                address = _plain(ip_address(entry.strip()))
                if address.packed not in self._trusted:
                    return address
        except ValueError:
            message = "the reverse proxy's X-Forwarded-For is no list of addresses"
            raise ApiError(400, "bad_forwarded", message) from None
        return address


def check_page(request: web.Request) -> None:
    """Raise ApiError 403 for a change that a page elsewhere asks for.

    A browser sends Origin with every request that changes something (RFC 6454 §7).
    """
    origin = request.headers.get("Origin")
    # The host has been checked by then, so what it names is ours.
    if origin is not None and origin not in (f"http://{request.host}", f"https://{request.host}"):
        raise ApiError(403, "origin_not_allowed", "the Origin header names another page's address")


def _end(request: web.Request, end: str) -> Address:
    """Our or the other end of the connection."""
    found = request.transport.get_extra_info(end) if request.transport else None
    if not isinstance(found, tuple):
        raise ApiError(403, "no_address", "the connection is over or has no address")
    return _plain(ip_address(found[0].partition("%")[0]))


def _plain(address: IPv4Address | IPv6Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
