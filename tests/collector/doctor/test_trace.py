# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of trace rules."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from collector import settings
from collector.doctor import trace
from collector.doctor.finding import Level
from collector.settings import Settings
from stack.ports import free_port
from tests.answering import Answering

PROXY: dict[str, Any] = {
    "name": "edge1",
    "state": "ready",
    "since": "2026-11-23T12:00:00.000000Z",
    "in_force": [17, 18],
    "last_error": None,
}


def _settings(port: int) -> Settings:
    return settings.load(
        None,
        {
            "KEMISCOPE_CONFIG": os.devnull,
            "KEMISCOPE_WEB_LISTEN": f"127.0.0.1:{port}",
            "KEMISCOPE_TRACE_PROXIES": "edge1=http://192.0.2.5:5071",
            "KEMISCOPE_TRACE_TOKEN": "the-token-of-the-proxies",
        },
    )


@contextmanager
def _api(answer: Any) -> Iterator[Settings]:
    body = json.dumps(answer).encode()
    with Answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    ) as server:
        yield _settings(server.port)


def test_nothing_without_proxies() -> None:
    """Nobody traces by rule."""
    assert list(trace.check(Settings())) == []


def test_each_proxy() -> None:
    """What works, and what does not with its error."""
    other = PROXY | {"name": "edge2", "state": "refused", "last_error": "401: another token"}
    with _api({"proxies": [PROXY, other]}) as loaded:
        found = list(trace.check(loaded))
    assert [(one.level, one.text) for one in found] == [
        (Level.OK, "edge1 has the trace rules (2 in force)"),
        (
            Level.WARN,
            "edge2 is refused since 2026-11-23T12:00:00.000000Z: 401: another token",
        ),
    ]


def test_the_web_api_is_away() -> None:
    """A warning: capturing does not depend on it."""
    (found,) = trace.check(_settings(free_port()))
    assert found.level is Level.WARN
    assert "does not say how the proxies do: [Errno 111]" in found.text


@pytest.mark.parametrize("answer", [[], "x", {}, {"proxies": 5}, {"proxies": [{}]}, None])
def test_something_else_listens_there(answer: Any) -> None:
    """Nothing that it answers ends the report."""
    with _api(answer) as loaded:
        (found,) = trace.check(loaded)
    assert found.level is Level.WARN
