# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses of other services in the settings (RFC 3986 §3), taken apart once for all rules."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

WEB: Final = ("http", "https")


class Url(NamedTuple):
    """The parts that rules are about."""

    scheme: str = ""
    """In lower case."""
    host: str = ""
    """In lower case, without the brackets of IPv6."""
    port: int | None = None
    """None where none is named."""
    path: str = ""
    query: str = ""
    fragment: str = ""
    has_user: bool = False
    """Whether a user name, or a password, stands before the host, be they empty."""

    @property
    def is_web(self) -> bool:
        """Whether it is HTTP at some host, encrypted or not."""
        return self.scheme in WEB and bool(self.host)

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but scheme, host, port and path."""
        return not (self.query or self.fragment or self.has_user)


def parse_url(text: str) -> Url:
    """Raises ValueError when host or port cannot be told."""
    parts = urlsplit(text)
    return Url(
        parts.scheme,
        parts.hostname or "",
        parts.port,
        parts.path,
        parts.query,
        parts.fragment,
        "@" in parts.netloc,
    )


def url_of(text: str) -> Url:
    """The same; what cannot be taken apart has no parts."""
    try:
        return parse_url(text)
    except ValueError:
        return Url()
