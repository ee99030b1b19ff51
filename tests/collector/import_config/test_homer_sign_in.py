# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may sign in, by a webapp_config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.import_config import homer_app
from collector.import_config.imported import Imported

SAMPLE = json.loads((Path(__file__).parents[2] / "data" / "webapp_config.json").read_text())
LDAP = SAMPLE["LDAP_config"]
OAUTH2 = SAMPLE["oauth2"]


def _read(section: str, values: dict[str, Any], kind: str = "internal") -> Imported:
    document = {"auth_settings": {"type": kind}, section: values}
    found = homer_app.read(json.dumps(document), "webapp_config.json")
    told = {name for origin in found.origins.values() for name in origin.split(", ")}
    told |= {name for names, _ in found.remarks for name in names.split(", ")}
    lower = {name.lower() for name in told}
    for option in values:
        assert f"{section}.{option}".lower() in lower, "passed over in silence"
    return found


def _of(section: str, found: Imported) -> dict[str, Any]:
    return {
        key.removeprefix(f"{section}."): value
        for key, value in found.values.items()
        if key.startswith(f"{section}.")
    }


def test_ldap() -> None:
    """Value by value; certificates are checked whatever was set."""
    found = _read("ldap_config", {**LDAP, "skipverify": True}, "ldap")
    assert found.values["web.sign_in"] == "ldap"
    assert _of("ldap", found) == {
        "servers": ("ldap://ldap.example.com:389",),
        "server_name": "ldap.example.com",
        "bind_dn": "uid=reader,ou=People,dc=example,dc=com",
        "bind_password": "ldap s3cret",
        "base": "dc=example,dc=com",
        "scope": "subtree",
        "dereference": "never",
        "user_filter": "(uid=%s)",
        "group_filter": "(memberUid=%s)",
        "group_by": "dn",
        "admin_groups": ("admins",),
        "user_groups": ("users",),
        "nested_groups": True,
        "max_groups": 100,
        "tls_verify": True,
        "default_role": "user",
    }
    assert "ldap.tls_ca" in dict(found.remarks)["ldap_config.skipverify"]


def test_ldap_without_a_service_account() -> None:
    """People bind with their own DN; several servers stay several."""
    found = _read(
        "ldap_config",
        {
            "anonymous": True,
            "userdn": "uid=%s,dc=x",
            "host": "a b",
            "port": 636,
            "usessl": True,
            "binddn": "cn=x",
            "bindpassword": "s3cret",
        },
        "ldap",
    )
    values = _of("ldap", found)
    assert values["servers"] == ("ldaps://a:636", "ldaps://b:636")
    assert values["user_dn"] == "uid=%s,dc=x"
    assert "bind_password" not in values


def test_nobody_becomes_administrator_by_default() -> None:
    """HOMER's sample makes everybody in the directory one."""
    found = _read("ldap_config", {"adminmode": True, "usermode": True}, "ldap")
    assert found.values["ldap.default_role"] == "user"
    assert "administrator" in dict(found.remarks)["ldap_config.adminmode"]


def test_passwords_do_not_go_in_clear() -> None:
    """TLS stays on where HOMER did without."""
    found = _read("ldap_config", {"skiptls": True, "usessl": False}, "ldap")
    assert "ldap.start_tls" not in found.values
    assert "in clear" in dict(found.remarks)["ldap_config.skiptls"]


def test_http() -> None:
    """Its address, and no unchecked certificate."""
    found = _read("http_auth", {"url": "https://192.0.2.14/auth", "skipverify": True}, "http_auth")
    assert found.values["web.sign_in"] == "http"
    assert _of("http_auth", found) == {"url": "https://192.0.2.14/auth"}
    assert "http_auth.tls_ca" in dict(found.remarks)["http_auth.skipverify"]


def test_oauth2() -> None:
    """Beside the passwords; as values of the one provider."""
    found = _read("oauth2", {**OAUTH2, "enable": True, "auto_redirect": True})
    assert found.values["web.sign_in"] == "internal"
    assert _of("oauth2", found) == {
        "providers": ("example",),
        "base_url": "https://sip.example.com",
        "title": ("example=Sign in",),
        "image": ("example=x.png",),
        "at_once": ("example",),
        "authorization_url": ("example=https://id.example.com/auth",),
        "token_url": ("example=https://id.example.com/token",),
        "profile_url": ("example=https://id.example.com/userinfo",),
        "client_id": ("example=kemi",),
        "client_secret": ("example=oauth s3cret",),
        "client_authentication": ("example=form",),
        "scopes": ("example=email openid",),
        "subject_claim": ("example=id",),
        "default_role": "user",
    }


@pytest.mark.parametrize("kind", ["ldap", "http_auth", "internal"])
def test_what_was_not_used_is_told(kind: str) -> None:
    """In one line each, and no secret of it is taken over."""
    document = {**SAMPLE, "auth_settings": {"type": kind}}
    found = homer_app.read(json.dumps(document), "webapp_config.json")
    unused = {names for names, text in found.remarks if "was not used" in text}
    assert unused == {"ldap_config", "http_auth"} - {kind, f"{kind}_config"}
    assert bool(_of("ldap", found)) is (kind == "ldap")
    assert _of("oauth2", found) == {}


def test_a_type_that_does_not_exist() -> None:
    """Nobody is let in by mistake: the default stays."""
    found = _read("swagger", {}, "ldpa")
    assert "web.sign_in" not in found.values
    assert "ldpa" in dict(found.remarks)["auth_settings.type"]
