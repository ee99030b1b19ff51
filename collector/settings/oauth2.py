# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of sign-in at providers of OAuth2 and OpenID Connect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, NamedTuple

from collector.settings.section import PATH, Section, setting
from collector.settings.sign_in import CA, NO_ROLE, ROLES, TIMEOUT, is_secure_url
from collector.settings.url import url_of

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures with a public key. HS256 and none are not among them: who knows the public key, or
nothing, could sign."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z")
_DOMAIN: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\Z")


class OAuth2(Section, frozen=True):
    """Providers of OAuth2 and OpenID Connect, beside sign-in with a password."""

    providers: Annotated[
        tuple[str, ...],
        setting(
            "Names of providers, like google: lower case letters, digits, - and _. The settings "
            'below say what each is, as "name=value", or "value" for all of them. Empty: none.'
        ),
    ] = ()
    base_url: Annotated[
        str,
        setting(
            "How browsers reach this service, like https://sip.example.com. The redirect URI that "
            "a provider must know is this and /api/v1/oauth2/NAME/callback; for HOMER's pages "
            "/api/v3/oauth2/auth/NAME."
        ),
    ] = ""
    title: Annotated[tuple[str, ...], setting("What the button says; otherwise the name.")] = ()
    image: Annotated[tuple[str, ...], setting("Address of the button's picture.")] = ()
    at_once: Annotated[
        tuple[str, ...],
        setting("Name of the provider where a page goes without being asked; empty: none."),
    ] = ()
    issuer: Annotated[
        tuple[str, ...],
        setting(
            "Of an OpenID provider, exactly as it calls itself, like https://accounts.google.com; "
            "all else is found there."
        ),
    ] = ()
    authorization_url: Annotated[
        tuple[str, ...],
        setting("Of a provider without OpenID, as are the next two: where people sign in."),
    ] = ()
    token_url: Annotated[tuple[str, ...], setting("Where it gives tokens.")] = ()
    profile_url: Annotated[tuple[str, ...], setting("Where it tells who somebody is.")] = ()
    client_id: Annotated[tuple[str, ...], setting("What the provider calls this service.")] = ()
    client_secret: Annotated[
        tuple[str, ...],
        setting("Given by the provider; none for a public client.", secret=True),
    ] = ()
    client_authentication: Annotated[
        tuple[str, ...],
        setting("How the secret is sent: header (client_secret_basic) or form."),
    ] = ("header",)
    scopes: Annotated[tuple[str, ...], setting("What is asked for, separated by blanks.")] = (
        "openid email profile",
    )
    algorithms: Annotated[
        tuple[str, ...],
        setting(f"Signatures of id_token that are taken, of {', '.join(ALGORITHMS)}."),
    ] = ("RS256", "PS256", "ES256", "EdDSA")
    subject_claim: Annotated[
        tuple[str, ...],
        setting("What a provider without OpenID calls people for ever: often id."),
    ] = ("sub",)
    username_claim: Annotated[tuple[str, ...], setting("What is the user name here.")] = ("email",)
    groups_claim: Annotated[tuple[str, ...], setting("What lists the groups.")] = ("groups",)
    unverified_email: Annotated[
        tuple[str, ...],
        setting(
            "Names of providers whose email claim is right without email_verified, because nobody "
            "can choose it."
        ),
    ] = ()
    domains: Annotated[
        tuple[str, ...],
        setting("Domains of e-mail addresses that may sign in; empty: not looked at."),
    ] = ()
    admin_groups: Annotated[
        tuple[str, ...], setting("Groups whose members have the role admin.")
    ] = ()
    support_groups: Annotated[
        tuple[str, ...], setting("Groups whose members have the role support.")
    ] = ()
    user_groups: Annotated[
        tuple[str, ...], setting("Groups whose members have the role user.")
    ] = ()
    default_role: Annotated[
        str,
        setting(
            "Role of people in none of these groups; none: they may not sign in.", pattern=ROLES
        ),
    ] = NO_ROLE
    timeout: Annotated[float, setting("Longest wait for an answer.", **TIMEOUT)] = 10.0
    tls_ca: Annotated[str, setting(CA, unit=PATH)] = ""


class Provider(NamedTuple):
    """What the settings say of one."""

    name: str
    title: str
    image: str
    at_once: bool
    issuer: str
    """Empty: it is no OpenID provider, and the three addresses are set."""
    authorization_url: str
    token_url: str
    profile_url: str
    client_id: str
    client_secret: str
    client_authentication: str
    scopes: str
    subject_claim: str
    username_claim: str
    groups_claim: str
    unverified_email: bool
    domains: tuple[str, ...]
    """In lower case."""
    admin_groups: tuple[str, ...]
    support_groups: tuple[str, ...]
    user_groups: tuple[str, ...]


def parse_providers(oauth2: OAuth2) -> Iterator[Provider]:
    """In the order of ``providers``. Rules are the business of ``conflicts``."""
    for name in oauth2.providers:
        one = {
            field: _one(oauth2, field, name)
            for field in Provider._fields
            if field not in ("name", *_LISTS, *_NAMES)
        }
        lists = {field: tuple(_all(oauth2, field, name)) for field in _LISTS}
        lists["domains"] = tuple(domain.lower() for domain in lists["domains"])
        flags = {field: name in getattr(oauth2, field) for field in _NAMES}
        values = {"name": name, **one, **lists, **flags}
        values["title"] = values["title"] or name
        yield Provider(**values)  # type: ignore[arg-type]


_LISTS: Final = ("domains", "admin_groups", "support_groups", "user_groups")
_NAMES: Final = ("at_once", "unverified_email")
_URLS: Final = ("authorization_url", "token_url", "profile_url")


def _all(oauth2: OAuth2, field: str, name: str) -> Iterator[str]:
    """The values of this provider, and then those of all."""
    entries: Sequence[str] = getattr(oauth2, field)
    for entry in entries:
        if entry.startswith(f"{name}="):
            yield entry.removeprefix(f"{name}=")
    for entry in entries:
        if entry.partition("=")[0] not in oauth2.providers:
            yield entry


def _one(oauth2: OAuth2, field: str, name: str) -> str:
    return next(_all(oauth2, field, name), "")


def conflicts(oauth2: OAuth2) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    for name in oauth2.providers:
        if not _NAME.match(name) or oauth2.providers.count(name) > 1:
            yield f"oauth2.providers: {name!r} is no name, or is there twice"
    for field in _NAMES:
        for name in getattr(oauth2, field):
            if name not in oauth2.providers:
                yield f"oauth2.{field}: {name!r} is not in oauth2.providers"
    for algorithm in oauth2.algorithms:
        if algorithm not in ALGORITHMS:
            yield f"oauth2.algorithms: {algorithm!r} is none of {', '.join(ALGORITHMS)}"
    if not oauth2.algorithms:
        yield "oauth2.algorithms: is empty: no id_token would be taken"
    if not oauth2.providers:
        return
    if not is_secure_url(oauth2.base_url) or url_of(oauth2.base_url).path.strip("/"):
        yield "oauth2.base_url: must be like https://sip.example.com, without a path"
    for provider in parse_providers(oauth2):
        yield from _provider_conflicts(provider, oauth2.default_role)


def _provider_conflicts(provider: Provider, default_role: str) -> Iterator[str]:
    name = provider.name
    if not provider.client_id:
        yield f"oauth2.client_id: there is none for {name}"
    urls = [field for field in _URLS if getattr(provider, field)]
    if provider.issuer and urls:
        yield f"oauth2.{urls[0]}: {name} has an issuer, which tells it"
    if not provider.issuer and len(urls) < len(_URLS):
        yield f"oauth2.issuer: {name} has neither that nor the three addresses"
    for field in ("issuer", *urls):
        value = getattr(provider, field)
        if value and not is_secure_url(value):
            yield f"oauth2.{field}: {value!r} must be https://…, or http:// on this host"
    if provider.client_authentication not in ("header", "form"):
        yield f"oauth2.client_authentication: {name} has neither header nor form"
    if provider.issuer and "openid" not in provider.scopes.split():
        yield f"oauth2.scopes: {name} has no openid, and gives no id_token without"
    for domain in provider.domains:
        if not _DOMAIN.match(domain):
            yield f"oauth2.domains: {domain!r} is no domain"
    groups = provider.admin_groups or provider.support_groups or provider.user_groups
    if default_role == NO_ROLE and not groups:
        yield f"oauth2.default_role: is none, and {name} has no group with a role"
