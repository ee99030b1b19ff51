# SPDX-License-Identifier: GPL-2.0-or-later
"""Media addresses that the flows cannot write."""

from __future__ import annotations

import pytest

from collector.explain import Code, explain
from collector.explain.address import is_local, is_private, is_public
from tests.collector.explain.test_flows import load
from tests.explain_rows import rows_of

_CANDIDATE = b"a=candidate:1 1 UDP 1 192.0.2.101 49172 typ srflx\r\na=rtpmap"


def test_ice_finds_its_way() -> None:
    """A private address beside ICE candidates is a hint of NAT, and no fault (RFC 8445)."""
    rows = rows_of(
        [
            message._replace(sip=message.sip.replace(b"a=rtpmap", _CANDIDATE))
            for message in load("private-media").messages
        ]
    )
    codes = {statement.code for statement in explain(rows).statements}
    assert Code.NAT in codes
    assert Code.PRIVATE_MEDIA not in codes


@pytest.mark.parametrize(
    ("ip", "kind"),
    [
        *(("10.255.0.1", "private"), ("172.16.0.1", "private"), ("172.32.0.1", "public")),
        *(("192.168.1.1", "private"), ("100.64.0.1", "private"), ("169.254.1.1", "private")),
        *(("fd00::1", "private"), ("fe80::1", "private"), ("2001:db8::1", "public")),
        *(("127.0.0.1", "local"), ("::1", "local"), ("192.0.2.1", "public")),
        *(("", "none"), ("host.example", "none"), ("300.1.1.1", "none")),
    ],
)
def test_sorts_of_addresses(ip: str, kind: str) -> None:
    """RFC 1918, 6598, 3927, 4193, 4291; what is no address is of no sort."""
    sorts = {"private": is_private(ip), "public": is_public(ip), "local": is_local(ip)}
    assert [name for name, holds in sorts.items() if holds] == [kind] * (kind != "none")
