# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of passwords that others check: LDAP, and a service asked over HTTP."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Any, Final

from collector.settings.section import PATH, Section, setting
from collector.settings.url import url_of

NO_ROLE: Final = "none"
ROLES: Final = r"^(none|user|support|admin)$"
CA: Final = "PEM file with the certificates to trust; empty: those of the system."
TIMEOUT: Final[dict[str, Any]] = {"unit": "s", "ge": 0.1, "le": 60}


class Ldap(Section, frozen=True):
    """Users of a directory, with web.sign_in = ldap."""

    servers: Annotated[
        tuple[str, ...],
        setting(
            "Servers, as ldaps://host or ldap://host, with :port if it is not 636 or 389. The "
            "first that answers is taken."
        ),
    ] = ()
    start_tls: Annotated[
        bool,
        setting("Ask ldap:// servers for TLS first. Off: passwords go in clear; for loopback."),
    ] = True
    tls_verify: Annotated[
        bool, setting("Check certificate and name of the servers. Off only for a test.")
    ] = True
    tls_ca: Annotated[str, setting(CA, unit=PATH)] = ""
    server_name: Annotated[
        str, setting("Name that certificates must have; empty: the host of the address.")
    ] = ""
    timeout: Annotated[float, setting("Longest wait for one answer of a server.", **TIMEOUT)] = 5.0
    bind_dn: Annotated[
        str, setting("Whose entry looks for people and groups: a service account.")
    ] = ""
    bind_password: Annotated[str, setting("Its password.", secret=True)] = ""
    anonymous: Annotated[
        bool, setting("Look for people and groups without bind_dn, if the directory allows it.")
    ] = False
    user_dn: Annotated[
        str,
        setting(
            "Instead of looking for people: their DN, %s is the user name, like "
            "uid=%s,ou=people,dc=example,dc=com. Groups are then looked for as this person."
        ),
    ] = ""
    base: Annotated[str, setting("Where people are looked for, like dc=example,dc=com.")] = ""
    scope: Annotated[str, setting("How deep below base.", pattern=r"^(subtree|level|base)$")] = (
        "subtree"
    )
    dereference: Annotated[
        str, setting("Which aliases are followed.", pattern=r"^(never|search|base|always)$")
    ] = "never"
    user_filter: Annotated[
        str,
        setting(
            "Finds the one entry of a person, %s is the user name, escaped. Active Directory: "
            "(&(objectClass=user)(sAMAccountName=%s))."
        ),
    ] = "(uid=%s)"
    username_attribute: Annotated[
        str,
        setting(
            "Attribute with the user name that is shown here, when people sign in with another "
            "one, like their address; empty: as typed."
        ),
    ] = ""
    email_attribute: Annotated[str, setting("Attribute with the e-mail address.")] = "mail"
    name_attribute: Annotated[str, setting("Attribute with the full name.")] = "cn"
    group_base: Annotated[str, setting("Where groups are looked for; empty: base.")] = ""
    group_filter: Annotated[
        str,
        setting(
            "Finds the groups of a person, %s is the DN. Groups with names for members: "
            "(memberUid=%s), and name for group_by. Groups of groups in Active Directory: "
            "(member:1.2.840.113556.1.4.1941:=%s). Empty: no groups."
        ),
    ] = "(|(member=%s)(uniqueMember=%s))"
    group_by: Annotated[str, setting("What %s is in group_filter.", pattern=r"^(dn|name)$")] = "dn"
    nested_groups: Annotated[
        bool, setting("Look for the groups of groups as well, five deep. Needs dn for group_by.")
    ] = False
    max_groups: Annotated[
        int, setting("Most groups of a person that are looked at.", ge=1, le=10_000)
    ] = 500
    admin_groups: Annotated[
        tuple[str, ...],
        setting(
            "Whose members have the role admin: DN or cn. A DN has commas: in the environment, "
            "write the list as in TOML."
        ),
    ] = ()
    support_groups: Annotated[tuple[str, ...], setting("Whose members have the role support.")] = ()
    user_groups: Annotated[tuple[str, ...], setting("Whose members have the role user.")] = ()
    default_role: Annotated[
        str,
        setting(
            "Role of people in none of these groups; none: they may not sign in.", pattern=ROLES
        ),
    ] = NO_ROLE


class HttpAuth(Section, frozen=True):
    """A service that checks passwords, with web.sign_in = http."""

    url: Annotated[
        str,
        setting(
            'Gets {"username", "password"} by POST and answers 200 with {"auth": true, '
            '"data": {"username", "enabled", "usergroup", …}}. https, or on this host.'
        ),
    ] = ""
    token: Annotated[
        str,
        setting("Sent as Authorization: Bearer; empty: no such header.", secret=True),
    ] = ""
    tls_verify: Annotated[
        bool, setting("Check certificate and name of the service. Off only for a test.")
    ] = True
    tls_ca: Annotated[str, setting(CA, unit=PATH)] = ""
    timeout: Annotated[float, setting("Longest wait for the answer.", **TIMEOUT)] = 5.0
    admin_groups: Annotated[
        tuple[str, ...], setting("Values of usergroup that mean the role admin.")
    ] = ("admin",)
    support_groups: Annotated[
        tuple[str, ...], setting("Values of usergroup that mean the role support.")
    ] = ("support",)
    user_groups: Annotated[
        tuple[str, ...], setting("Values of usergroup that mean the role user.")
    ] = ("user",)
    default_role: Annotated[
        str,
        setting(
            "Role of people with another usergroup; none: they may not sign in.", pattern=ROLES
        ),
    ] = NO_ROLE


def is_secure_url(text: str) -> bool:
    """Whether nobody on the way reads what is sent there: https, or http on this host."""
    url = url_of(text)
    if not url.is_web or url.has_user or url.fragment:
        return False
    return url.scheme == "https" or is_here(url.host)


def is_here(host: str) -> bool:
    """Whether it names loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ldap_server(text: str) -> tuple[bool, str, int]:
    """Whether it begins with TLS, host and port. Raises ValueError that says what is wrong."""
    url = url_of(text)
    is_plain = url.is_bare and not url.path.strip("/")
    if url.scheme not in ("ldap", "ldaps") or not url.host or not is_plain:
        message = f"{text!r} does not have the form ldaps://host or ldap://host:port"
        raise ValueError(message)
    is_tls = url.scheme == "ldaps"
    return is_tls, url.host, url.port or (636 if is_tls else 389)


def conflicts(way: str, ldap: Ldap, http_auth: HttpAuth) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``.

    ``way`` is ``web.sign_in``: what is not used is not looked at.
    """
    if way == "ldap":
        yield from _ldap_conflicts(ldap)
    elif way == "http" and not is_secure_url(http_auth.url):
        yield "http_auth.url: must be https://…, or http:// on this host, for web.sign_in = http"


def _ldap_conflicts(ldap: Ldap) -> Iterator[str]:
    if not ldap.servers:
        yield "ldap.servers: must name one, because web.sign_in is ldap"
    for server in ldap.servers:
        try:
            is_tls, host, _ = ldap_server(server)
        except ValueError as error:
            yield f"ldap.servers: {error}"
            continue
        if not (is_tls or ldap.start_tls or is_here(host)):
            yield f"ldap.start_tls: is off, and passwords would go to {server} in clear"
    if ldap.user_dn:
        yield from _one_name("user_dn", ldap.user_dn)
    else:
        yield from _one_name("user_filter", ldap.user_filter)
        if not ldap.base:
            yield "ldap.base: must say where people are, unless ldap.user_dn does"
        if not (ldap.bind_dn or ldap.anonymous):
            yield "ldap.bind_dn: must name an entry, unless ldap.anonymous or ldap.user_dn is set"
    if ldap.bind_dn and not ldap.bind_password:
        yield "ldap.bind_password: is empty; a directory takes that for nobody, and agrees"
    if ldap.bind_dn and ldap.anonymous:
        yield "ldap.anonymous: is instead of ldap.bind_dn, not beside it"
    has_groups = ldap.admin_groups or ldap.support_groups or ldap.user_groups
    if ldap.default_role == NO_ROLE and not has_groups:
        yield "ldap.default_role: is none, and no group has a role: nobody could sign in"
    if has_groups and "%s" not in ldap.group_filter:
        yield "ldap.group_filter: must have %s in it, because groups have roles"
    if has_groups and not (ldap.group_base or ldap.base):
        yield "ldap.group_base: must say where groups are, because groups have roles"
    if ldap.nested_groups and ldap.group_by != "dn":
        yield "ldap.nested_groups: needs ldap.group_by = dn"


def _one_name(name: str, text: str) -> Iterator[str]:
    if "%s" not in text:
        yield f"ldap.{name}: must have %s in it, where the user name comes"
