# SPDX-License-Identifier: GPL-2.0-or-later
"""Aliases as homer-app has them."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapi.errors import ApiError
from webapi.names import transfer
from webapi.names.alias import Alias, Wanted

NOW = datetime(2026, 11, 23, tzinfo=UTC)
_TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
_NETWORKS = st.one_of(
    st.builds(
        lambda a, p: ip_network((a, p), strict=False), st.ip_addresses(v=4), st.integers(0, 32)
    ),
    st.just(ip_network("2001:db8::/32")),
)
_WANTED = st.builds(
    Wanted,
    _TEXTS.filter(bool),
    _NETWORKS,
    st.integers(0, 65_535),
    _TEXTS,
    _TEXTS,
    _TEXTS,
    st.booleans(),
)


_WRONG = [
    *((name, value) for name in (b"port", b"mask") for value in (b"null", b"false", b"[]", b"1.0")),
    *((b"status", value) for value in (b"null", b"1", b'"so"')),
]


@given(st.lists(_WANTED, max_size=5))
def test_what_is_written_is_read_again(wanted: list[Wanted]) -> None:
    """In both forms, whatever the texts are."""
    aliases = [Alias(1, UUID(int=1), *one, NOW, NOW) for one in wanted]
    assert transfer.from_json(transfer.to_json(aliases), 5) == wanted
    assert transfer.from_csv(transfer.to_csv(aliases), 5) == wanted


def test_what_homer_leaves_out() -> None:
    """A host, every port, in force; empty cells as well as none, in the words of PostgreSQL."""
    expected = [Wanted("a", ip_network("192.0.2.1/32")), Wanted("b", ip_network("2001:db8::/64"))]
    expected[1] = expected[1]._replace(enabled=False)
    table = b"\xef\xbb\xbfalias,ip,mask,port,status\r\na,192.0.2.1,,,t\r\nb,2001:db8::1,64,0,f\r\n"
    assert transfer.from_csv(table, 2) == expected
    one = b'{"data": [{"alias": "a", "ip": "192.0.2.1"}]}'
    assert transfer.from_json(one, 2) == expected[:1]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"alias\r\nx\r\n", "bad_field", "line 2: ip: is empty"),
        (b"alias,ip\r\n\r\nx,10.0.0.1,7\r\n", "bad_field", "line 3: None: there is no such field"),
        (b"alias,ip,what\r\nx,10.0.0.1,7\r\n", "bad_field", "line 2: what: there is no such"),
        (b"alias,ip,mask\r\nx,10.0.0.1,33\r\n", "bad_field", "line 2: network: must be an addr"),
        (b"alias,ip,status\r\nx,10.0.0.1,so\r\n", "bad_field", "line 2: status: must be true or"),
        (b"alias,ip\r\nx\x00,10.0.0.1\r\n", "bad_field", "line 2: alias: has control characters"),
        (b"alias,ip\r\n\xff,10.0.0.1\r\n", "bad_csv", "the body is not CSV"),
        (b'alias,ip\r\n"x', "bad_csv", "the body is not CSV"),
        (b"alias,ip\r\n" + b"x,10.0.0.1\r\n" * 3, "too_many_aliases", "there may be 2"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, code: str, message: str) -> None:
    """With its line."""
    with pytest.raises(ApiError) as raised:
        transfer.from_csv(body, 2)
    assert (raised.value.code, str(raised.value)[: len(message)]) == (code, message)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"7", b"[]", b'{"data": {}}', b'{"data": [1]}', b'{"data": [], "x": 1}'),
        *(b'{"data": [{"alias": "a", "ip": "::1", "%s": %s}]}' % pair for pair in _WRONG),
    ],
)
def test_what_is_no_list_of_aliases(body: bytes) -> None:
    """Never more than an error."""
    with pytest.raises(ApiError):
        transfer.from_json(body, 2)
