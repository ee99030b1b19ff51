# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses of other services, taken apart."""

from __future__ import annotations

import pytest

from collector.settings.url import Url, parse_url, url_of


def test_the_parts_of_an_address() -> None:
    """Scheme and host in lower case, IPv6 without brackets."""
    assert parse_url("HTTPS://SIP.example.com:8443/a/b?c=d#e") == Url(
        "https", "sip.example.com", 8443, "/a/b", "c=d", "e"
    )
    assert parse_url("ldap://[2001:DB8::1]") == Url("ldap", "2001:db8::1")


@pytest.mark.parametrize("text", ["http://h:x", "http://h:65536", "http://[::1", "http://[h]"])
def test_what_cannot_be_taken_apart(text: str) -> None:
    """It is an error, or nothing at all: never half of it."""
    with pytest.raises(ValueError):  # noqa: PT011 (the words are Python's)
        parse_url(text)
    assert url_of(text) == Url()
    assert not url_of(text).is_web


@pytest.mark.parametrize(
    ("text", "is_web", "is_bare"),
    [
        ("http://h", True, True),
        ("https://h:1/path", True, True),
        ("ftp://h", False, True),
        ("http://", False, True),
        ("h:80", False, True),
        ("http://h/?q", True, False),
        ("http://h/#f", True, False),
        ("http://u:p@h/", True, False),
        ("http://@h/", True, False),
    ],
)
def test_what_it_is(text: str, *, is_web: bool, is_bare: bool) -> None:
    """Both are questions that several rules ask."""
    assert (url_of(text).is_web, url_of(text).is_bare) == (is_web, is_bare)
