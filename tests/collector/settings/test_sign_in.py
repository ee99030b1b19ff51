# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of LDAP and HTTP authentication that do not go together."""

from __future__ import annotations

import pytest

from collector.errors import SettingsError
from collector.settings.sign_in import is_here, is_secure_url, ldap_server
from tests.collector.settings.test_web import load

LDAP = {
    "WEB_SIGN_IN": "ldap",
    "LDAP_SERVERS": "ldaps://ldap.example.com",
    "LDAP_BASE": "dc=example,dc=com",
    "LDAP_BIND_DN": "cn=kemiscope",
    "LDAP_BIND_PASSWORD": "secret",
    "LDAP_ADMIN_GROUPS": "voip-admins",
}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"LDAP_SERVERS": ""}, "ldap.servers: must name one"),
        ({"LDAP_SERVERS": "ldap.example.com"}, "does not have the form ldaps://host"),
        ({"LDAP_SERVERS": "ldap://h/dc=x"}, "does not have the form ldaps://host"),
        ({"LDAP_SERVERS": "ldap://h", "LDAP_START_TLS": "false"}, "would go to ldap://h in clear"),
        ({"LDAP_BASE": ""}, "ldap.base: must say where people are"),
        ({"LDAP_BIND_DN": ""}, "ldap.bind_dn: must name an entry"),
        ({"LDAP_BIND_PASSWORD": ""}, "ldap.bind_password: is empty"),
        ({"LDAP_ANONYMOUS": "true"}, "ldap.anonymous: is instead of ldap.bind_dn"),
        ({"LDAP_USER_FILTER": "(uid=anna)"}, "ldap.user_filter: must have %s in it"),
        ({"LDAP_USER_DN": "uid=anna"}, "ldap.user_dn: must have %s in it"),
        ({"LDAP_GROUP_FILTER": ""}, "ldap.group_filter: must have %s in it"),
        ({"LDAP_ADMIN_GROUPS": ""}, "ldap.default_role: is none, and no group has a role"),
        ({"LDAP_NESTED_GROUPS": "1", "LDAP_GROUP_BY": "name"}, "ldap.nested_groups: needs"),
        ({"WEB_SIGN_IN": "http"}, "http_auth.url: must be https://"),
        (
            {"WEB_SIGN_IN": "http", "HTTP_AUTH_URL": "http://check.example.com"},
            "http_auth.url: must be https://",
        ),
    ],
)
def test_what_does_not_go_together(changed: dict[str, str], message: str) -> None:
    """The start ends with the name of the setting, before a password goes anywhere."""
    with pytest.raises(SettingsError) as caught:
        load(**LDAP | changed)
    assert message in str(caught.value)


def test_what_goes_together() -> None:
    """And the rest is not looked at where it is not used."""
    load(**LDAP)
    load(**LDAP | {"WEB_SIGN_IN": "internal", "LDAP_SERVERS": "nonsense"})
    plain = {"LDAP_SERVERS": "ldap://127.0.0.1:389", "LDAP_START_TLS": "false"}
    load(**LDAP | plain)
    load(WEB_SIGN_IN="http", HTTP_AUTH_URL="http://[::1]:8080/check")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ldaps://h", (True, "h", 636)),
        ("ldap://h", (False, "h", 389)),
        ("ldap://[::1]:3389/", (False, "::1", 3389)),
    ],
)
def test_servers(url: str, found: tuple[bool, str, int]) -> None:
    """With the ports of the scheme (RFC 4516 §2)."""
    assert ldap_server(url) == found


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://sso.example.com/x", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1", True),
        ("http://127.evil.example.com", False),
        ("http://localhost.evil.example.com", False),
        ("http://sso.example.com", False),
        ("https://user:password@sso.example.com", False),
        ("https://sso.example.com/#x", False),
        ("https://", False),
        ("https://h:x", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_addresses_that_nobody_listens_to_on_the_way(url: str, secure: bool) -> None:
    """https, or this host by a name that nobody else can have."""
    assert is_secure_url(url) is secure
    assert not is_here("sso.example.com")
