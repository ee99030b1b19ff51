# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to other systems: answers of bounded size and time, mostly JSON, and no redirects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, DummyCookieJar, TCPConnector
from yarl import URL

MAX_ANSWER: Final = 1 << 20
"""Bytes."""


class FetchError(Exception):
    """No answer, or none that can be used; without what was sent."""


class Fetcher:
    """Of one system."""

    def __init__(
        self, timeout_s: float, ca: str = "", *, verify: bool = True, most: int = MAX_ANSWER
    ) -> None:
        """Answers have ``most`` bytes. Raises OSError when ``ca``, a PEM file, cannot be read."""
        self._timeout_s = timeout_s
        self._most = most
        self._tls = ssl.create_default_context(cafile=ca) if ca and verify else verify
        self._session: ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The object at ``url``. Raises FetchError unless the answer is 200."""
        status, found = await self.ask("GET", url, headers=headers)
        return _expect(status, found)

    async def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """The object that a form brings. Raises FetchError unless the answer is 200."""
        status, found = await self.ask("POST", url, data=dict(form), headers=headers)
        return _expect(status, found)

    async def ask(self, method: str, url: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON, None if it is none; ``options`` as aiohttp has them.

        Raises FetchError without an answer.
        """
        status, body = await self.fetch(method, url, **options)
        try:
            return status, orjson.loads(body)
        except orjson.JSONDecodeError:
            return status, None

    async def fetch(self, method: str, url: str | URL, **options: Any) -> tuple[int, bytes]:
        """Status and body. Raises FetchError as ``ask``."""
        headers = {"Accept": "application/json", **(options.pop("headers", None) or {})}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._opened().request(
                    method, url, headers=headers, allow_redirects=False, **options
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > self._most:
                        message = f"the answer has more than {self._most} bytes"
                        raise FetchError(message)
        except TimeoutError:
            message = f"no answer within {self._timeout_s:g} s"
            raise FetchError(message) from None
        except (ClientError, OSError, ValueError) as error:
            raise FetchError(str(error) or type(error).__name__) from error
        return response.status, bytes(body)

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    def _opened(self) -> ClientSession:
        # Not before there is an event loop.
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(ssl=self._tls, limit=10), cookie_jar=DummyCookieJar()
            )
        return self._session


def _expect(status: int, found: Any) -> dict[str, Any]:
    if status != 200 or not isinstance(found, dict):
        code = found.get("error") if isinstance(found, dict) else None
        message = f"answered {status}" + (f" {code}" if isinstance(code, str) else "")
        raise FetchError(message)
    return found
