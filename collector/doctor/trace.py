# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules: do the proxies have them? The web API knows; it is asked as anybody may ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any, Final

from collector.api_token import local_token
from collector.doctor.finding import Finding, Level
from collector.settings import Settings
from collector.settings.web import local_host_port

_TIMEOUT_S: Final = 5
_MAX_ANSWER: Final = 4 << 20
_READY: Final = "ready"


def check(settings: Settings) -> Iterator[Finding]:
    """A finding for each proxy; nothing when there is none in ``trace.proxies``."""
    if not settings.trace.proxies:
        return
    try:
        proxies = _ask(settings)
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        text = f"the web API at {settings.web.listen} does not say how the proxies do: {error}"
        advice = "start it; the proxies keep their rules meanwhile, and end them in time"
        yield Finding("trace", Level.WARN, text, advice)
        return
    for name, state, since, rules, last_error in proxies:
        if state == _READY:
            yield Finding("trace", Level.OK, f"{name} has the trace rules ({rules} in force)")
        else:
            text = f"{name} is {state} since {since}: {last_error or 'no error yet'}"
            yield Finding("trace", Level.WARN, text, "docs/trace.md says what the states mean")


def _ask(settings: Settings) -> list[tuple[str, str, str, int, str]]:
    host, port = local_host_port(settings.web)
    with (
        local_token(settings, ("read",)) as headers,
        closing(HTTPConnection(host, port, timeout=_TIMEOUT_S)) as connection,
    ):
        connection.request("GET", "/api/v1/trace-rules?limit=1", headers=headers)
        answer: Any = json.loads(connection.getresponse().read(_MAX_ANSWER))
    if "error" in answer:
        raise ValueError(answer["error"]["message"])
    return [
        (
            *(str(proxy["name"]), str(proxy["state"]), str(proxy["since"])),
            *(len(proxy["in_force"]), str(proxy["last_error"] or "")),
        )
        for proxy in answer["proxies"]
    ]
