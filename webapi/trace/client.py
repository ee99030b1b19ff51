# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON-RPC with one proxy: route(TRACE_CONTROL) of kemi/edge/, which takes exactly this form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import orjson
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ServerDisconnectedError,
)

from collector.log import one_line

PATH: Final = "/trace"
MAX_ANSWER: Final = 4 << 20
"""Most bytes of an answer; a thousand rules take 200 KB."""
_SHOWN: Final = 200
_RPC_VERSION: Final = "2.0"
_MAX_NUMBER: Final = 999_999_999
_NOT_FOUND: Final = 404


class Fault(StrEnum):
    """What is wrong with a proxy."""

    UNREACHABLE = "unreachable"
    """No connection, or no answer in time."""
    REFUSED = "refused"
    """It answers, but does not take our requests: token, path, or form."""
    GARBAGE = "garbage"
    """What it answers is not JSON-RPC."""
    FAILED = "failed"
    """It has understood the request and cannot do it."""


class ProxyError(Exception):
    """A request that did not do what it should."""

    def __init__(self, fault: Fault, message: str, code: int = 0) -> None:
        """``code`` is that of the JSON-RPC error, if it is one."""
        super().__init__(one_line(message)[:_SHOWN])
        self.fault = fault
        self.code = code


class Client:
    """Requests to one proxy, one at a time."""

    def __init__(self, session: ClientSession, url: str, token: str, timeout_s: float) -> None:
        """``url`` is as in ``trace.proxies``."""
        self._session = session
        self._url = url + PATH
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._timeout_s = timeout_s
        self._number = 0

    async def table(self, name: str) -> dict[str, str | int]:
        """All items of an htable; of those that have expired, some may still be among them."""
        items: dict[str, str | int] = {}
        for entry in _objects(await self._call("htable.dump", name)):
            for item in _objects(entry.get("slot")):
                key, value = item.get("name"), item.get("value")
                if not isinstance(key, str) or not isinstance(value, str | int):
                    raise ProxyError(Fault.GARBAGE, f"an item of {name} is not one of an htable")
                items[key] = value
        return items

    async def size(self, name: str) -> int:
        """How many items an htable has."""
        for table in _objects(await self._call("htable.stats")):
            count = table.get("all")
            if table.get("name") == name and isinstance(count, int):
                return count
        raise ProxyError(Fault.FAILED, f"there is no htable {name}: kemi/edge/ is not included")

    async def set(self, table: str, name: str, value: str | int, seconds: int) -> None:
        """Set an item that expires by itself."""
        method = "htable.setxi" if isinstance(value, int) else "htable.setxs"
        await self._call(method, table, name, value, seconds)

    async def delete(self, table: str, name: str) -> None:
        """Delete an item; one that is not there is no error."""
        try:
            await self._call("htable.delete", table, name)
        except ProxyError as error:
            if error.code != _NOT_FOUND:
                raise

    async def is_on(self) -> bool:
        """Whether siptrace works."""
        answer = await self._call("siptrace.status", "check")
        if answer not in ("Enabled", "Disabled"):
            raise ProxyError(Fault.GARBAGE, f"siptrace.status says {answer}")
        return bool(answer == "Enabled")

    async def switch_on(self) -> None:
        """Let siptrace work; it goes off by itself with the last call."""
        await self._call("siptrace.status", "on")

    async def _call(self, method: str, *parameters: str | int) -> Any:
        self._number = self._number % _MAX_NUMBER + 1
        body = request_body(self._number, method, parameters)
        try:
            return _result(*await self._post(body), self._number)
        except TimeoutError:
            message = f"no answer within {self._timeout_s:g} s (trace.request_timeout)"
            raise ProxyError(Fault.UNREACHABLE, message) from None
        except (ClientError, OSError, ValueError) as error:
            text = str(error) or type(error).__name__
            raise ProxyError(Fault.UNREACHABLE, text) from error

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        async with asyncio.timeout(self._timeout_s):
            try:
                return await self._post_once(body)
            except ServerDisconnectedError:
                # The proxy has closed the connection that was kept; all requests may come twice.
                return await self._post_once(body)

    async def _post_once(self, body: bytes) -> tuple[int, bytes]:
        async with self._session.post(
            self._url,
            data=body,
            headers=self._headers,
            allow_redirects=False,
        ) as response:
            return response.status, await _bounded(response)


def request_body(number: int, method: str, parameters: tuple[str | int, ...]) -> bytes:
    """The one form in which a proxy takes a request: no blanks, this order, no needless escapes."""
    request: Mapping[str, Any] = {
        "jsonrpc": _RPC_VERSION,
        "id": number,
        "method": method,
        "params": parameters,
    }
    return json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()


async def _bounded(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ProxyError(Fault.GARBAGE, f"an answer has more than {MAX_ANSWER} bytes")
    return bytes(body)


def _result(status: int, body: bytes, number: int) -> Any:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("jsonrpc") == _RPC_VERSION:
        error = answer.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            number_of_error = code if isinstance(code, int) else 0
            raise ProxyError(Fault.FAILED, f"{error.get('message')}", number_of_error)
        if "result" in answer and answer.get("id") == number:
            return answer["result"]
    text = body[:_SHOWN].decode(errors="replace").strip()
    if status in (401, 403, 404):
        raise ProxyError(Fault.REFUSED, f"{status}: {text or _REMEDIES[status]}")
    raise ProxyError(Fault.GARBAGE, f"{status}: no answer of JSON-RPC: {text}")


_REMEDIES: Final = {
    401: "trace.token is not the proxy's TRACE_TOKEN",
    403: "the proxy does not take this request",
    404: "the proxy has no /trace: WITH_TRACE_CONTROL is not defined there",
}


def _objects(value: Any) -> list[dict[str, Any]]:
    """A list of objects; an empty one may come as nothing or as an empty object."""
    if not value:
        return []
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise ProxyError(Fault.GARBAGE, "an answer is not a list of objects")
    return value
