# SPDX-License-Identifier: GPL-2.0-or-later
"""What of an id_token is believed (OpenID Connect Core 1.0 §3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterable
from typing import Any, Final

import jwt

LEEWAY_S: Final = 60
"""Clocks differ by so much."""
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat"]
_MAX_SUBJECT: Final = 255


class TokenError(Exception):
    """It is not believed; says why, without the token."""


def key_id(token: str, algorithms: Collection[str]) -> str | None:
    """Which key has signed it. Raises TokenError for an algorithm that is not allowed."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenError(str(error)) from None
    if header.get("alg") not in algorithms:
        message = f"signed with {header.get('alg')!s:.20}, which oauth2.algorithms does not have"
        raise TokenError(message)
    found = header.get("kid")
    return found if isinstance(found, str) else None


def key_of(keys: Iterable[jwt.PyJWK], wanted: str | None) -> jwt.PyJWK | None:
    """The key with this id; without an id the only one."""
    usable = [key for key in keys if key.public_key_use in (None, "sig")]
    if wanted is None:
        return usable[0] if len(usable) == 1 else None
    return next((key for key in usable if key.key_id == wanted), None)


def claims(
    token: str,
    key: jwt.PyJWK,
    algorithms: Collection[str],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
) -> dict[str, Any]:
    """Its claims, if it was made by ``issuer`` for us, now, and in answer to this attempt.

    Raises TokenError.
    """
    try:
        found = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": _REQUIRED},
        )
    except jwt.PyJWTError as error:
        raise TokenError(str(error)) from None
    given = found.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        message = "the nonce is not that of this attempt"
        raise TokenError(message)
    several = isinstance(found["aud"], list) and len(found["aud"]) > 1
    if found.get("azp", None if several else client_id) != client_id:
        message = "azp names another client"
        raise TokenError(message)
    if not isinstance(found["sub"], str) or not 0 < len(found["sub"]) <= _MAX_SUBJECT:
        message = "sub is empty, too long, or no text"
        raise TokenError(message)
    return found
