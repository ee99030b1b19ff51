# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP addresses (RFC 3261 §19.1, §20, RFC 3966): users and hosts out of URIs and header values.

Nothing here raises; what cannot be read is empty.
"""

from __future__ import annotations

import re
from typing import Final

# One match instead of a dozen finds, as in ``sip``, and linear like all patterns there.
_SIP_URI: Final = re.compile(
    rb"\s*+sips?:(?:([^@:;]*+)(?:[:;][^@]*+)?@)?(?:\[([^\]]*+)\]|([^:;?>,\s\[\]]*+))",
    re.IGNORECASE,
)
_SCHEME: Final = re.compile(rb"\s*+(?:sips?|tel):", re.IGNORECASE)
_NAME_ADDR: Final = re.compile(
    rb'\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+")?[^<":]*+<sips?:'
    rb"(?:([^@:;>]*+)(?:[:;][^@>]*+)?@)?(?:\[([^\]>]*+)\]|([^:;?>,\s\[\]]*+))[^>]*+>(.*)",
    re.DOTALL | re.IGNORECASE,
)
_QUOTED: Final = re.compile(rb'\s*+"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_TAG: Final = re.compile(rb"[;\s]tag\s*=\s*([^;,\s]*)", re.IGNORECASE)


def parse_uri(uri: bytes) -> tuple[bytes, bytes]:
    """User and host of a ``sip:``, ``sips:`` or ``tel:`` URI (RFC 3261 §19.1, RFC 3966).

    The user comes without password and parameters, an IPv6 host without brackets, a host in
    lower case. A ``tel:`` number, and the rest of any other scheme, is a user without host.
    """
    found = _SIP_URI.match(uri)
    if found:
        user, host6, host = found.groups(b"")
        return user, (host or host6).lower()
    _, _, rest = uri.partition(b":")
    return rest.partition(b";")[0].strip(), b""


def split_address(value: bytes) -> tuple[bytes, bytes]:
    """URI and header parameters of the first name-addr or addr-spec in a header value.

    RFC 3261 §20: without angle brackets, a ``,`` ends the address and everything after the first
    ``;`` is header parameters. The display name may be quoted and hold any character.
    """
    quoted = _QUOTED.match(value)
    if quoted:
        value = value[quoted.end() :]
    begin = value.find(b"<")
    if begin >= 0 and not _SCHEME.match(value):
        uri, _, parameters = value[begin + 1 :].partition(b">")
        return uri, parameters
    value = value.partition(b",")[0]
    end = value.find(b";", max(value.find(b"@"), 0))
    return (value, b"") if end < 0 else (value[:end], value[end:])


def address(value: bytes) -> tuple[bytes, bytes, bytes]:
    """User, host and header parameters of the first address in a header value."""
    found = _NAME_ADDR.match(value)
    if found:
        user, host6, host, parameters = found.groups(b"")
        return user, (host or host6).lower(), parameters
    uri, parameters = split_address(value)
    return *parse_uri(uri), parameters


def party(value: bytes) -> tuple[bytes, bytes, bytes]:
    """User, host and tag of a From or To value."""
    user, host, parameters = address(value)
    if not parameters:
        return user, host, b""
    if parameters[:5] == b";tag=" and parameters[5:].isalnum():
        return user, host, parameters[5:]
    found = _TAG.search(parameters)
    return user, host, found[1] if found else b""
