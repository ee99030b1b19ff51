# SPDX-License-Identifier: GPL-2.0-or-later
"""Attempts to sign in: how many a user name and an address have before they must wait.

Names that nobody has are locked like any other. The counts are in memory: a restart forgets them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from typing import Final

from collector.settings.web import Web
from webapi.access.principal import Address
from webapi.errors import ApiError

ADDRESS_FACTOR: Final = 4
"""Attempts of an address for each of a user name: an office has one address."""
ROOM: Final = 10_000
"""Names and addresses that are remembered, each; then the one whose last attempt is longest ago is
forgotten."""
_NETWORK: Final = 64
"""Bits of an IPv6 address that count: one host has the rest to itself."""


class Throttle:
    """Counts attempts from when they begin, so that many at the same time are no way around it."""

    def __init__(self, web: Web, clock: Callable[[], float] = time.monotonic) -> None:
        self._users = _Counts(web.sign_in_failures, web.lock_out, clock)
        self._addresses = _Counts(ADDRESS_FACTOR * web.sign_in_failures, web.lock_out, clock)

    def begin(self, username: str, address: Address) -> Attempt:
        """Count it. Raises ApiError 429 that says how long to wait."""
        attempt = Attempt(self._users, self._addresses, username.casefold(), _key(address))
        _check(max(self._users.left(attempt.user), self._addresses.left(attempt.address)))
        self._users.add(attempt.user)
        self._addresses.add(attempt.address)
        return attempt


class Attempt:
    """One attempt; it has failed unless something else is said."""

    def __init__(self, users: _Counts, addresses: _Counts, user: str, address: str) -> None:
        self._users = users
        self._addresses = addresses
        self.user = user
        self.address = address

    def succeeded(self) -> None:
        """The user has nothing to wait for; the address may still be guessing others' passwords."""
        self._users.forget(self.user)
        self._addresses.take_back(self.address)

    def withdraw(self) -> None:
        """It came to nothing: there was no database, for example."""
        self._users.take_back(self.user)
        self._addresses.take_back(self.address)


class Guesses:
    """Attempts of an address to show a token that it may have made up."""

    def __init__(self, web: Web, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = _Counts(ADDRESS_FACTOR * web.sign_in_failures, web.lock_out, clock)

    def begin(self, address: Address) -> None:
        """Count it. Raises ApiError 429 that says how long to wait."""
        _check(self._addresses.left(_key(address)))
        self._addresses.add(_key(address))

    def withdraw(self, address: Address) -> None:
        """It was right, or there was nobody who could tell."""
        self._addresses.take_back(_key(address))


def _check(left_s: float) -> None:
    if left_s > 0:
        message = f"too many failed attempts; wait {math.ceil(left_s)} s"
        raise ApiError(429, "too_many_attempts", message, retry_after_s=math.ceil(left_s))


class _Counts:
    """Attempts by name, the one longest ago first."""

    def __init__(self, most: int, wait_s: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._wait_s = wait_s
        self._clock = clock
        self._found: dict[str, tuple[int, float]] = {}
        """How many, and when they are forgotten."""

    def left(self, name: str) -> float:
        """Seconds to wait; 0 if one more is allowed."""
        count, until = self._found.get(name, (0, 0.0))
        return max(0.0, until - self._clock()) if count >= self._most else 0.0

    def add(self, name: str) -> None:
        count, until = self._found.pop(name, (0, 0.0))
        now = self._clock()
        if len(self._found) >= ROOM:
            del self._found[next(iter(self._found))]
        self._found[name] = (count + 1 if until > now else 1, now + self._wait_s)

    def take_back(self, name: str) -> None:
        count, until = self._found.get(name, (0, 0.0))
        if count > 1:
            self._found[name] = (count - 1, until)
        else:
            self.forget(name)

    def forget(self, name: str) -> None:
        self._found.pop(name, None)


def _key(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _NETWORK), strict=False))
    return str(address)
