# SPDX-License-Identifier: GPL-2.0-or-later
"""A service that checks passwords as homer-app asks it to.

``python -m tests.http_auth_server PORT`` runs it. What it answers to a name is in ``ANSWERS``; the
password of everybody is ``PASSWORD``.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

TOKEN: Final = "of the web API"
PASSWORD: Final = "what anna types"
_ANNA: Final = {
    "username": "anna",
    "email": "anna@example.com",
    "firstname": "Anna",
    "lastname": "A",
    "usergroup": "admin",
    "enabled": True,
}
ANSWERS: Final[dict[str, tuple[int, Any]]] = {
    "anna": (200, {"auth": True, "data": _ANNA}),
    "ben": (200, {"auth": True, "data": {"enabled": True, "usergroup": "User"}}),
    "nogroup": (200, {"auth": True, "data": {"enabled": True, "usergroup": "others"}}),
    "disabled": (200, {"auth": True, "data": {**_ANNA, "enabled": False}}),
    "unsaid": (200, {"auth": True, "data": {"usergroup": "admin"}}),
    "texts": (200, {"auth": "false", "data": _ANNA}),
    "enabledtext": (200, {"auth": True, "data": {**_ANNA, "enabled": "false"}}),
    "nodata": (200, {"auth": True}),
    "created": (201, {"auth": True, "data": _ANNA}),
    "forbidden": (403, {"auth": True, "data": _ANNA}),
    "redirect": (302, {"auth": True, "data": _ANNA}),
    "broken": (500, {"auth": True, "data": _ANNA}),
    "list": (200, [True]),
    "large": (200, {"auth": True, "data": {**_ANNA, "avatar": "x" * (2 << 20)}}),
}


class Handler(BaseHTTPRequestHandler):
    """POST with JSON."""

    def do_POST(self) -> None:
        """Whatever the path is."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = ANSWERS.get(given["username"], (200, {"auth": False}))
        if given["username"] == "slow":
            time.sleep(2)
        if given["password"] != PASSWORD:
            status, answer = 200, {"auth": False, "data": _ANNA}
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, answer = 401, {}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", self.path)
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
