# SPDX-License-Identifier: GPL-2.0-or-later
"""The control of a proxy without the proxy: tables in memory, and the same checks of a request."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from stack.service import ROOT

TOKEN: Final = "the-token-of-the-proxies"


def patterns() -> list[re.Pattern[bytes]]:
    """What kemi/edge/trace-control.cfg compares the body with; POSIX, here as Python has it."""
    text = (ROOT / "kemi" / "edge" / "trace-control.cfg").read_text()
    found = re.findall(r"\$rb =~ '([^']+)'", text)
    assert len(found) == 4
    return [re.compile(_as_python(pattern).encode()) for pattern in found]


def _as_python(pattern: str) -> str:
    # In a POSIX bracket expression a backslash is a character like any other.
    return pattern.replace(r'[^"\[:cntrl:]]', r'[^"\\\x00-\x1f\x7f]').replace(r'["\]', r'["\\]')


class FakeControl:
    """Start it with ``server``; ``tables`` is what it has."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, str | int]] = {
            "trace_rule": {},
            "trace_call": {},
            "trace_count": {},
        }
        self.on = False
        self.bodies: list[bytes] = []
        """All requests."""
        app = web.Application()
        app.router.add_post("/trace", self._answer)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        """As in the settings."""
        return f"http://127.0.0.1:{self.server.port}"

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, text="TRACE_TOKEN is another one, or empty\n")
        if not any(pattern.match(body) for pattern in patterns()):
            return web.Response(status=403, text="not a request of the web API\n")
        asked = json.loads(body)
        try:
            answer = {"result": self._do(asked["method"], *asked["params"])}
            status = 200
        except KeyError:
            answer, status = {"error": {"code": 404, "message": "Key not found in htable."}}, 404
        answer |= {"jsonrpc": "2.0", "id": asked["id"]}
        return web.Response(status=status, text=json.dumps(answer), content_type="text/html")

    def _do(self, method: str, *parameters: Any) -> Any:
        if method == "siptrace.status":
            self.on = {"on": True, "off": False}.get(parameters[0], self.on)
            return "Enabled" if self.on else "Disabled"
        if method == "htable.stats":
            return [
                {"name": name, "slots": 8, "all": len(items), "min": 0, "max": 1}
                for name, items in self.tables.items()
            ]
        table = self.tables[parameters[0]]
        if method == "htable.dump":
            items = [{"name": name, "value": value} for name, value in table.items()]
            return [{"entry": 0, "size": len(items), "slot": items}] if items else []
        if method == "htable.delete":
            del table[parameters[1]]
            return "Ok. Key deleted."
        assert method == ("htable.setxi" if isinstance(parameters[2], int) else "htable.setxs")
        table[parameters[1]] = parameters[2]
        return "Ok. Key set to new value."
