# SPDX-License-Identifier: GPL-2.0-or-later
"""What a provider says of somebody → who that is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collector.settings.oauth2 import Provider
from webapi.errors import ApiError
from webapi.sign_in.person import Person
from webapi.sign_in.role import Rules

OAUTH2: Final = "oauth2"
"""Source of these users."""
_MAX_SUBJECT: Final = 255


def person_of(claims: Mapping[str, Any], provider: Provider, default_role: str) -> Person:
    """Raises ApiError 403 for somebody who may not use this service, or cannot be told apart."""
    subject = _subject(claims, "sub" if provider.issuer else provider.subject_claim)
    email = _email(claims, provider)
    if provider.domains and email.rpartition("@")[2].lower() not in provider.domains:
        message = "only people with a verified e-mail address of certain domains may sign in"
        raise ApiError(403, "domain_not_allowed", message)
    username = (
        email if provider.username_claim == "email" else _text(claims, provider.username_claim)
    )
    if not username:
        message = f"{provider.title} tells no {provider.username_claim}, or has not verified it"
        raise ApiError(403, "bad_username", message)
    groups = (provider.admin_groups, provider.support_groups, provider.user_groups)
    rules = Rules(*groups, default_role)
    role = rules.role(_texts(claims, provider.groups_claim))
    if role is None:
        message = "you are in no group that may use this service"
        raise ApiError(403, "no_role", message)
    names = (_text(claims, "given_name"), _text(claims, "family_name"))
    return Person(
        *(OAUTH2, username, role, rules.knows, email),
        _text(claims, "name") or " ".join(filter(None, names)),
        *(provider.issuer or provider.token_url, subject),
    )


def _subject(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_SUBJECT or not value.isprintable():
        raise ApiError(403, "no_subject", "the provider does not say who this is")
    return value


def _email(claims: Mapping[str, Any], provider: Provider) -> str:
    """Empty unless it is proven: at some providers people write any address there."""
    email = _text(claims, "email")
    is_verified = claims.get("email_verified") in (True, "true")
    is_trusted = provider.unverified_email and "email_verified" not in claims
    return email if is_verified or is_trusted else ""


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _texts(claims: Mapping[str, Any], name: str) -> list[str]:
    value = claims.get(name)
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
