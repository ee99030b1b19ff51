# SPDX-License-Identifier: GPL-2.0-or-later
"""One request to the web API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Final

from collector.settings import Settings
from collector.settings.web import local_host_port

_TIMEOUT_S: Final = 5


def get(settings: Settings, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    """Status and JSON. Raises OSError, HTTPException, and ValueError for what is no JSON."""
    host, port = local_host_port(settings.web)
    with closing(HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, json.load(answer)
