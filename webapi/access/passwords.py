# SPDX-License-Identifier: GPL-2.0-or-later
"""Passwords: argon2id (RFC 9106), off the event loop, a few at a time."""

from __future__ import annotations

import base64
import secrets
import unicodedata
from typing import Final, NamedTuple

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from webapi.access.threads import Threads
from webapi.errors import ApiError


class Cost(NamedTuple):
    """What a hash takes."""

    memory_kib: int
    passes: int
    """Over the memory."""


COST: Final = Cost(64 << 10, 3)
"""The second recommendation of RFC 9106 §4."""
PARALLELISM: Final = 1
"""Lanes. One thread a hash: more would only take the cores from others."""
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
AT_ONCE: Final = 2
"""Hashes at the same time: so many cores and times the memory of ``COST`` they take at most."""
WAITING: Final = 16
"""More than so many that wait are turned away."""
SHORTEST: Final = 12
"""Characters (NIST SP 800-63B asks for length instead of kinds of characters)."""
LONGEST: Final = 256


class Passwords:
    """Hashes and compares for all requests together."""

    def __init__(
        self, at_once: int = AT_ONCE, waiting: int = WAITING, *, cost: Cost = COST
    ) -> None:
        self._hasher = PasswordHasher(
            cost.passes, cost.memory_kib, PARALLELISM, HASH_BYTES, SALT_BYTES, type=Type.ID
        )
        self._nobodys = _nobodys(cost)
        self._threads = Threads("password", at_once, waiting)

    async def hash(self, password: str) -> str:
        """In the PHC string format: parameters and salt are in it. Raises ApiError 503 if busy."""
        return await self._threads.run(lambda: self._hasher.hash(normal(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether it is this one. Raises ApiError 503 if busy.

        None, for a user who is not there or has no password, is never right and takes as long;
        neither is what is longer than ``LONGEST``.
        """
        if len(password) > LONGEST:
            stored, password = None, ""
        found = await self._threads.run(lambda: self._verify(stored or self._nobodys, password))
        return found and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than ours."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """End the threads."""
        self._threads.close()

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, normal(password))
        except (VerificationError, InvalidHashError):
            return False


def normal(password: str) -> str:
    """The same text however the keyboard composes it (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def generate() -> str:
    """A password for somebody to copy: 120 random bits."""
    return secrets.token_urlsafe(15)


def check_new(password: str, username: str, field: str = "password") -> str:
    """The password, if it may become one. Raises ApiError 422 that says the rule."""
    if not SHORTEST <= len(password) <= LONGEST:
        message = f"must have {SHORTEST} to {LONGEST} characters"
    elif username.casefold() in password.casefold() and len(password) < 2 * len(username):
        message = "is the user name with a little more"
    elif not password.isprintable():
        message = "has control characters"
    elif len(set(password)) < _MIN_DIFFERENT:
        message = f"has fewer than {_MIN_DIFFERENT} different characters"
    else:
        return password
    raise ApiError(422, "bad_password", f"{field}: {message}", field)


def _nobodys(cost: Cost) -> str:
    """A hash that no password has: it costs as much to compare with as others."""
    salt, value = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()
        for size in (SALT_BYTES, HASH_BYTES)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={PARALLELISM}${salt}${value}"


_MIN_DIFFERENT: Final = 5
