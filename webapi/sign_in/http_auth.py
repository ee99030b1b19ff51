# SPDX-License-Identifier: GPL-2.0-or-later
"""A service that checks passwords, in the form that homer-app asks it: JSON by POST."""

from __future__ import annotations

from typing import Any, Final

from collector.log import LOGGER, one_line
from collector.settings.sign_in import HttpAuth
from webapi.errors import ApiError
from webapi.sign_in.fetch import Fetcher, FetchError
from webapi.sign_in.person import Person
from webapi.sign_in.role import Rules

HTTP: Final = "http"
_REFUSED: Final = frozenset({401, 403, 404})
"""Answers that say of name and password what ``"auth": false`` does."""


class Service:
    """The one of ``http_auth.url``."""

    def __init__(self, settings: HttpAuth) -> None:
        """Raises OSError for a file with certificates that cannot be read."""
        self._url = settings.url
        self._headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        self._fetcher = Fetcher(settings.timeout, settings.tls_ca, verify=settings.tls_verify)
        self._rules = Rules.of(settings)

    async def check(self, username: str, password: str) -> Person | None:
        """As ``Backend`` says."""
        if not username or not password:
            return None
        try:
            status, found = await self._fetcher.ask(
                "POST",
                self._url,
                json={"username": username, "password": password},
                headers=self._headers,
            )
        except FetchError as error:
            raise _unavailable(str(error)) from error
        if status in _REFUSED:
            return None
        if status != 200 or not isinstance(found, dict):
            text = f"answered {status}, or no JSON object"
            raise _unavailable(text)
        data = found.get("data")
        # Nothing but true is: a text like "false" would be, otherwise.
        if found.get("auth") is not True or not isinstance(data, dict):
            return None
        if data.get("enabled") is not True:
            return None
        return self._person(data, username)

    async def close(self) -> None:
        """As ``Backend`` says."""
        await self._fetcher.close()

    def _person(self, data: dict[str, Any], username: str) -> Person | None:
        group = _text(data, "usergroup")
        role = self._rules.role([group] if group else [])
        if role is None:
            LOGGER.info("http_auth: %s has no usergroup with a role", one_line(username))
            return None
        names = (_text(data, "firstname"), _text(data, "lastname"))
        return Person(
            *(HTTP, _text(data, "username") or username, role, self._rules.knows),
            *(_text(data, "email"), " ".join(filter(None, names))),
        )


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _unavailable(text: str) -> ApiError:
    LOGGER.warning("http_auth: %s", one_line(text))
    return ApiError(503, "sign_in_unavailable", "the service that checks passwords does not answer")
