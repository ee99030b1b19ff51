# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to Prometheus, Loki and Grafana: to the configured base and below it, nowhere else.

No redirect is followed, no proxy of the environment is used, and an answer has a bounded size. What
a client says stands in the query, percent-encoded, or in a path as a checked word.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import encode_basic_auth, web
from yarl import URL

from collector.log import LOGGER, one_line
from collector.settings.backends import Backends as Settings
from webapi.change import JSON
from webapi.errors import ApiError
from webapi.sign_in.fetch import Fetcher, FetchError

PROMETHEUS: Final = "Prometheus"
LOKI: Final = "Loki"
GRAFANA: Final = "Grafana"
WORD: Final = re.compile(r"[A-Za-z0-9_:-]{1,128}\Z")
"""What may stand in a path: no dots, no slashes, no percent signs."""
_AGENT: Final = "the agent"
_SHOWN: Final = 200

Query = Sequence[tuple[str, str]]


class RefusedError(ApiError):
    """The other side has answered with an error."""

    def __init__(self, name: str, status: int, body: bytes) -> None:
        text = one_line(body[:_SHOWN].decode(errors="replace"))
        super().__init__(400, "backend_refused", f"{name} says {status}: {text}")
        self.answered = status


class Backends:
    """Of one application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bases = {
            PROMETHEUS: settings.prometheus,
            LOKI: settings.loki,
            GRAFANA: settings.grafana,
        }
        self._fetcher = Fetcher(settings.timeout, most=settings.max_bytes)

    def is_there(self, name: str) -> bool:
        """Whether it is configured."""
        return bool(self._bases[name])

    async def get(self, name: str, path: Sequence[str], query: Query = ()) -> Any:
        """What it answers at this path below its base, as JSON.

        Raises ApiError 400 without such a service, for a path of other words and when it refuses,
        and 502 when it cannot be reached, takes too long, or answers with something else.
        """
        base = self._bases[name]
        if not base:
            verb = "configured" if name == GRAFANA else "enabled"
            raise ApiError(400, "no_backend", f"{name} service is not {verb}")
        if not all(map(WORD.match, path)):
            raise ApiError(400, "bad_parameter", "only letters, digits, _ - and : in a path")
        url = URL(base.rstrip("/") + "/" + "/".join(path))
        return document(name, await self._ask(name, "GET", url, params=list(query)))

    async def ask_agent(self, place: str, path: str, question: bytes) -> bytes:
        """What the agent at ``place`` answers to this JSON; ``place`` is scheme, host and port.

        Raises ApiError 400 unless it is one of ``backends.agents``, and 502 as ``get``.
        """
        if place not in self._settings.agents:
            message = f"{place} is none of backends.agents, so it is not asked"
            raise ApiError(400, "no_backend", message)
        return await self._ask(_AGENT, "POST", URL(place).with_path(path), data=question)

    async def close(self) -> None:
        """Close the connections."""
        await self._fetcher.close()

    async def _ask(self, name: str, method: str, url: URL, **options: Any) -> bytes:
        try:
            status, body = await self._fetcher.fetch(
                method, url, headers=self._headers(name), **options
            )
        except FetchError as error:
            LOGGER.warning("%s: %s", name, one_line(str(error)))
            message = f"{name} does not answer as it should; the log has more"
            raise ApiError(502, "backend_failed", message) from error
        if 300 <= status < 400:
            raise ApiError(502, "backend_failed", f"{name} answers with a redirect ({status})")
        if status != web.HTTPOk.status_code:
            raise RefusedError(name, status, body)
        return body

    def _headers(self, name: str) -> Mapping[str, str]:
        settings = self._settings
        if name == _AGENT:
            return {"Content-Type": JSON}
        if name == GRAFANA:
            token = settings.grafana_token
            return {"Authorization": f"Bearer {token}"} if token else {}
        user, password = {
            PROMETHEUS: (settings.prometheus_user, settings.prometheus_password),
            LOKI: (settings.loki_user, settings.loki_password),
        }[name]
        return {"Authorization": encode_basic_auth(user, password)} if user else {}


def document(name: str, body: bytes) -> Any:
    """An answer as JSON. Raises ApiError 502."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ApiError(502, "backend_failed", f"{name} does not answer with JSON") from None


def data_of(found: Any) -> list[Any]:
    """The list ``data`` of an answer of Prometheus or Loki; empty for anything else."""
    data = found.get("data") if isinstance(found, dict) else None
    return data if isinstance(data, list) else []


BACKENDS: Final = web.AppKey("backends", Backends)


async def keep(app: web.Application) -> AsyncIterator[None]:
    """For ``cleanup_ctx``."""
    yield
    await app[BACKENDS].close()
