# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a webapp_config.json that say who may sign in → settings."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from collector.import_config.document import Document
from collector.import_config.imported import Imported, stock_secret

_TYPE: Final = "auth_settings.type"
_WAYS: Final = {"internal": "internal", "ldap": "ldap", "http_auth": "http"}
_SCOPES: Final = ("base", "level", "subtree")
_DEREFERENCE: Final = ("never", "search", "base", "always")
_CHECKED: Final = (
    "certificates were not checked; here they are. Name the authority's file in {} if it is none "
    "that the system knows"
)

LDAP_UNMAPPED: Final = {
    "attributes": "ldap.email_attribute, name_attribute and username_attribute say what is read",
    "group_attributes": "a group is known by its DN and its cn",
    "short_group": "a group is known by its DN and its cn",
    "short_dn_group": "a group is known by its DN and its cn",
    "groupattribute": "a group is known by its DN and its cn",
    "searchlimit": "had no effect; a person must be one entry",
}
OAUTH2_UNMAPPED: Final = {
    "auth_provider_x509_cert_url": "had no effect; with oauth2.issuer keys are found there",
    "service_redirect": "redirects go to this service only",
    "service_root": "redirects go to this service only",
    "grant_type": "it is always authorization_code",
    "response_type": "it is always code",
    "use_pkce": "PKCE is always used, with S256",
    "user_token": "each sign-in has a verifier of its own",
    "state_value": "each sign-in has a state of its own",
    "method": "a profile is read with GET",
    "expire_sso": "the code for HOMER's pages is good once, for a minute",
    "gravatar": "no avatar is fetched from other hosts",
    "gravatar_url": "no avatar is fetched from other hosts",
}
"""Option → why it has no equivalent."""


def take(document: Document, result: Imported) -> None:
    """What ``auth_settings.type`` says, and OAuth2 beside it."""
    kind = document.text(_TYPE, "internal")
    if kind not in _WAYS:
        result.remark(_TYPE, f"{kind}: is none of {', '.join(_WAYS)}: set web.sign_in")
    else:
        result.set("web.sign_in", _WAYS[kind], _TYPE)
    for section, part in (("ldap", _ldap), ("http_auth", _http)):
        name = "ldap_config" if section == "ldap" else section
        if kind == section:
            part(document, result)
        elif document.drop(name):
            result.remark(name, f"was not used ({_TYPE})")
    if document.flag("oauth2.enable"):
        _oauth2(document, result)
    elif document.drop("oauth2"):
        result.remark("oauth2", "is off (oauth2.enable)")


def _ldap(document: Document, result: Imported) -> None:
    _servers(document, result)
    anonymous = document.flag("ldap_config.anonymous")
    password = document.text("ldap_config.bindpassword")
    user_dn = document.text("ldap_config.userdn")
    bind_dn = document.text("ldap_config.binddn")
    if anonymous:
        result.set("ldap.user_dn", user_dn, "ldap_config.anonymous, ldap_config.userdn")
    else:
        result.set("ldap.bind_dn", bind_dn, "ldap_config.anonymous, ldap_config.binddn")
        kept = stock_secret(result, "ldap_config.bindpassword", password)
        result.set("ldap.bind_password", kept, "ldap_config.bindpassword")
    unused = ("binddn", "bindpassword") if anonymous else ("userdn",)
    result.remark(
        ", ".join(f"ldap_config.{name}" for name in unused), "not used (ldap_config.anonymous)"
    )
    for option, name, default in (
        ("base", "base", ""),
        ("userfilter", "user_filter", "(uid=%s)"),
        ("groupfilter", "group_filter", "(memberUid=%s)"),
    ):
        text = document.text(f"ldap_config.{option}", default)
        result.set(f"ldap.{name}", text, f"ldap_config.{option}")
    for option, name, words in (
        ("scope", "scope", _SCOPES),
        ("deref", "dereference", _DEREFERENCE),
    ):
        number = document.whole(f"ldap_config.{option}", 2 if option == "scope" else 0)
        if number < len(words):
            result.set(f"ldap.{name}", words[number], f"ldap_config.{option}")
    _groups(document, result)
    for option, reason in LDAP_UNMAPPED.items():
        if document.drop(f"ldap_config.{option}"):
            result.remark(f"ldap_config.{option}", reason)


def _servers(document: Document, result: Imported) -> None:
    usessl = document.flag("ldap_config.usessl")
    skips_tls = document.flag("ldap_config.skiptls", default=not usessl)
    port = document.whole("ldap_config.port", 389)
    scheme = "ldaps" if usessl else "ldap"
    result.set(
        "ldap.servers",
        tuple(f"{scheme}://{host}:{port}" for host in document.words("ldap_config.host")),
        "ldap_config.host, ldap_config.port, ldap_config.usessl, ldap_config.skiptls",
    )
    if skips_tls and not usessl:
        result.remark(
            "ldap_config.skiptls",
            "passwords went to the directory in clear; ldap.start_tls stays on. A server that has "
            "no TLS is reached on loopback only",
        )
    result.set("ldap.tls_verify", True, "ldap_config.skipverify")
    if document.flag("ldap_config.skipverify", default=True):
        result.remark("ldap_config.skipverify", _CHECKED.format("ldap.tls_ca"))
    if name := document.text("ldap_config.servername"):
        result.set("ldap.server_name", name, "ldap_config.servername")


def _groups(document: Document, result: Imported) -> None:
    by_dn = document.flag("ldap_config.usednforgroupsearch", default=True)
    result.set("ldap.group_by", "dn" if by_dn else "name", "ldap_config.UseDNForGroupSearch")
    for option, name in (("admingroup", "admin_groups"), ("usergroup", "user_groups")):
        group = document.text(f"ldap_config.{option}")
        if group:
            result.set(f"ldap.{name}", (group,), f"ldap_config.{option}")
    nested = document.flag("ldap_config.nested_group")
    if nested and by_dn:
        result.set("ldap.nested_groups", nested, "ldap_config.nested_group")
    elif nested:
        result.remark("ldap_config.nested_group", "needs ldap.group_by = dn")
    if limit := document.whole("ldap_config.grouplimit"):
        result.set("ldap.max_groups", min(limit, 10_000), "ldap_config.grouplimit")
    everybody_is_admin = document.flag("ldap_config.adminmode")
    everybody_is_user = document.flag("ldap_config.usermode")
    if everybody_is_admin or everybody_is_user:
        result.set("ldap.default_role", "user", "ldap_config.adminmode, ldap_config.usermode")
    if everybody_is_admin:
        result.remark(
            "ldap_config.adminmode",
            "everybody in the directory was an administrator; here a user. Name administrators in "
            "ldap.admin_groups",
        )


def _http(document: Document, result: Imported) -> None:
    result.set("http_auth.url", document.text("http_auth.url"), "http_auth.url")
    if document.flag("http_auth.skipverify"):
        result.remark("http_auth.skipverify", _CHECKED.format("http_auth.tls_ca"))


def _oauth2(document: Document, result: Imported) -> None:
    given = document.text("oauth2.provider_name")
    name = re.sub(r"[^a-z0-9_-]", "-", given.lower()).lstrip("-_")[:32] or "provider"
    result.set("oauth2.providers", (name,), "oauth2.enable, oauth2.provider_name")
    for option, setting in (
        ("project_id", "title"),
        ("provider_image", "image"),
        ("auth_uri", "authorization_url"),
        ("token_uri", "token_url"),
        ("profile_url", "profile_url"),
        ("client_id", "client_id"),
    ):
        if text := document.text(f"oauth2.{option}"):
            result.set(f"oauth2.{setting}", (f"{name}={text}",), f"oauth2.{option}")
    secret = document.text("oauth2.client_secret")
    if secret := stock_secret(result, "oauth2.client_secret", secret):
        result.set("oauth2.client_secret", (f"{name}={secret}",), "oauth2.client_secret")
    if document.whole("oauth2.auth_style") == 1:
        result.set("oauth2.client_authentication", (f"{name}=form",), "oauth2.auth_style")
    if scopes := document.words("oauth2.scope"):
        result.set("oauth2.scopes", (f"{name}={' '.join(scopes)}",), "oauth2.scope")
    if document.flag("oauth2.auto_redirect"):
        result.set("oauth2.at_once", (name,), "oauth2.auto_redirect")
    _address(document, result, name)
    result.set("oauth2.subject_claim", (f"{name}=id",), "oauth2.profile_url")
    result.set("oauth2.default_role", "user", "oauth2.enable")
    result.remark(
        "oauth2",
        "everybody whom the provider knows was a user, and still is: oauth2.domains and "
        "oauth2.default_role = none narrow that. Administrators are named in oauth2.admin_groups. "
        "Of an OpenID provider set oauth2.issuer instead of the three addresses. One that says no "
        "email_verified belongs in oauth2.unverified_email, if nobody can choose an address there",
    )
    for option, reason in OAUTH2_UNMAPPED.items():
        if document.drop(f"oauth2.{option}"):
            result.remark(f"oauth2.{option}", reason)


def _address(document: Document, result: Imported, name: str) -> None:
    uri = document.text("oauth2.redirect_uri")
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme and parts.netloc:
        result.set("oauth2.base_url", f"{parts.scheme}://{parts.netloc}", "oauth2.redirect_uri")
    result.remark(
        "oauth2.redirect_uri",
        f"tell the provider /api/v1/oauth2/{name}/callback and, for HOMER's pages, "
        f"/api/v3/oauth2/auth/{name} below oauth2.base_url",
    )
