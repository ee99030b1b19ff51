# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of this service that a Host header may have."""

from __future__ import annotations

import asyncio

from collector.settings.endpoint import parse_host_port
from collector.settings.web import Web

_LOCAL = "localhost"


def names(settings: Web, transport: asyncio.BaseTransport | None) -> frozenset[str]:
    """Those of the settings, and the address at which the connection has come in.

    An address in a Host header is harmless: no page elsewhere can have our address as its name.
    """
    listens = [text for text in (settings.listen, settings.tls_listen) if text]
    found = {_LOCAL, *map(str.lower, settings.hosts)}
    found.update(parse_host_port(text)[0] for text in listens)
    own = transport.get_extra_info("sockname") if transport else None
    if isinstance(own, tuple):
        found.add(own[0])
    return frozenset(found)


def name_of(host: str) -> str:
    """A Host header without its port and brackets: a page at another port is another origin."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
