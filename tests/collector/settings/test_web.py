# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the web API that do not go together."""

from __future__ import annotations

import os

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.settings import Settings
from collector.settings.web import certificate_of, local_host_port


def load(**environment: str) -> Settings:
    """Settings of these variables alone, without the prefix KEMISCOPE_."""
    variables = {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    return settings.load(None, {"KEMISCOPE_CONFIG": os.devnull} | variables)


TLS = {"WEB_CERTIFICATE": "/c.pem", "WEB_KEY": "/k.pem"}
PROXIES = {"WEB_REVERSE_PROXIES": "10.0.0.0/8"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WEB_LISTEN": "0.0.0.0:9080"}, "web.listen: 0.0.0.0 is not a loopback address, and with"),
        ({"WEB_LISTEN": "[::]:9080", **TLS}, "web.listen: :: is not a loopback address"),
        (
            {"WEB_LISTEN": "192.0.2.1:80", "WEB_SIGN_IN": "off", **PROXIES},
            "web.listen: 192.0.2.1 is not a loopback address, and web.sign_in is off",
        ),
        (
            {"WEB_TLS_LISTEN": "0.0.0.0:443", "WEB_SIGN_IN": "off", **TLS},
            "web.tls_listen: 0.0.0.0 is not a loopback address, and web.sign_in is off",
        ),
        ({"WEB_TLS_LISTEN": "0.0.0.0:443"}, "web.certificate: must name a file"),
        ({"WEB_TLS_LISTEN": "0.0.0.0:443"}, "web.key: must name a file"),
        ({"WEB_TLS_LISTEN": "0.0.0.0:443", "WEB_KEY": "/k"}, "web.certificate: must name a file"),
        ({"WEB_TLS_LISTEN": "here"}, "web.tls_listen: 'here' does not have the form"),
        ({"WEB_LISTEN": ""}, "web.listen: '' does not have the form"),
        ({"WEB_REVERSE_PROXIES": "proxy"}, "web.reverse_proxies: 'proxy' is not an address"),
        ({"WEB_HOSTS": "a b"}, "web.hosts: 'a b' is not the name of a host"),
        ({"WEB_HOSTS": "http://x"}, "web.hosts: 'http://x' is not"),
        ({"WEB_SIGN_IN": ""}, "web.sign_in: "),
        ({"WEB_SIGN_IN": "none"}, "web.sign_in: "),
    ],
)
def test_what_does_not_go_together(environment: dict[str, str], message: str) -> None:
    """The start ends with the name of the setting: nobody is exposed by mistake."""
    with pytest.raises(SettingsError) as caught:
        load(**environment)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "environment",
    [
        {"WEB_SIGN_IN": "off"},
        {"WEB_LISTEN": "0.0.0.0:9080", **PROXIES},
        {"WEB_TLS_LISTEN": "0.0.0.0:443", **TLS},
        {"WEB_TLS_LISTEN": "[::]:443", "TLS_CERTIFICATE": "/c", "TLS_KEY": "/k"},
        {"WEB_TLS_LISTEN": "127.0.0.1:443", "WEB_SIGN_IN": "off", **TLS},
    ],
)
def test_what_does(environment: dict[str, str]) -> None:
    """Sign-in with TLS or behind a reverse proxy, or loopback."""
    loaded = load(**environment)
    assert loaded.web.listen == environment.get("WEB_LISTEN", "127.0.0.1:9080")


def test_sign_in_is_on_from_the_start() -> None:
    """Nobody has to think of it."""
    assert Settings().web.sign_in == "internal"


def test_where_commands_of_this_host_go() -> None:
    """All addresses include loopback."""
    assert local_host_port(load(WEB_LISTEN="0.0.0.0:1", **PROXIES).web) == ("127.0.0.1", 1)
    assert local_host_port(load(WEB_LISTEN="[::]:1", **PROXIES).web) == ("::1", 1)
    assert local_host_port(load(WEB_LISTEN="192.0.2.1:1", **PROXIES).web) == ("192.0.2.1", 1)


def test_whose_certificate() -> None:
    """Its own, or that of the HEP sockets; browsers are never asked for one."""
    hep = {"TLS_CERTIFICATE": "/h.pem", "TLS_KEY": "/h.key", "TLS_CLIENT_CA": "/ca.pem"}
    shared, own = load(**hep), load(**hep, **TLS)
    found = certificate_of(shared.web, shared.tls)
    assert (found.certificate, found.key, found.client_ca) == ("/h.pem", "/h.key", "")
    found = certificate_of(own.web, own.tls)
    assert (found.certificate, found.key, found.client_ca) == ("/c.pem", "/k.pem", "")
