# SPDX-License-Identifier: GPL-2.0-or-later
"""What the proxy's control lets through: tables and switch of tracing, for who has the token."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.proxy import NATIVE
from tests.system.edge import TOKEN, V4, Edge, RefusedError
from tests.trace_requests import ALLOWED, REFUSED


@pytest.fixture(scope="module")
def config() -> Path:
    """The route is native in both configurations: one is enough."""
    return NATIVE


def test_what_the_web_api_writes_is_done(edge: Edge) -> None:
    """Each command that it needs; what comes back is JSON-RPC."""
    for request_body in ALLOWED:
        edge.put("from_user:x", "1;include;65536;10;*")
        edge.rpc("htable.setxi", "trace_call", "a@b", 1, 60)
        assert "result" in json.loads(edge.control(request_body)), request_body


def test_everything_else_is_refused(edge: Edge) -> None:
    """Even with the token: who steals it can switch tracing and nothing else."""
    edge.put("from_user:x", "1;include;65536;10;*")
    before = edge.table("trace_rule")
    for request_body in REFUSED:
        with pytest.raises(RefusedError) as refused:
            edge.control(request_body)
        assert refused.value.status == 403, request_body
    assert edge.table("trace_rule") == before


@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN),
        *(f"bearer {TOKEN}", f"Basic {TOKEN}", f"Bearer  {TOKEN}", f"Bearer x, Bearer {TOKEN}"),
    ],
)
def test_without_the_token_nothing_is_done(edge: Edge, authorization: str) -> None:
    """401, whatever is asked."""
    for request_body in (ALLOWED[0], REFUSED[5]):
        with pytest.raises(RefusedError) as refused:
            edge.control(request_body, authorization=authorization)
        assert refused.value.status == 401
        assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "path", ["/", "/RPC", "/trace/", "/trace?x", "//trace", "/TRACE", "/%74race"]
)
def test_there_is_one_path(edge: Edge, path: str) -> None:
    """404 for every other, with the token as well."""
    with pytest.raises(RefusedError) as refused:
        edge.control(ALLOWED[0], path=path)
    assert refused.value.status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "post"])
def test_there_is_one_method(edge: Edge, method: str) -> None:
    """A body with another method is not a request of the web API."""
    answer = edge.raw(
        f"{method} /trace HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {len(ALLOWED[0])}\r\n\r\n{ALLOWED[0]}"
    )
    assert "200 OK" not in answer


def test_the_token_is_never_traced(edge: Edge) -> None:
    """Not even when its request names the Call-ID of a traced call."""
    edge.rpc("htable.setxi", "trace_call", "mine@x", 1, 60)
    edge.rpc("htable.setxi", "trace_call", "<null>", 1, 60)
    edge.rpc("siptrace.status", "on")
    answer = edge.raw(
        f"POST /trace HTTP/1.1\r\nCall-ID: mine@x\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {len(ALLOWED[0])}\r\n\r\n{ALLOWED[0]}"
    )
    assert "200" in answer.partition("\r\n")[0]
    assert edge.collector.packets() == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A proxy that takes control requests on another port than SIP only."""
    edge = Edge(tmp_path_factory.mktemp("guarded"))
    edge.define("TRACE_CONTROL_PORT", edge.control_port)
    with edge:
        yield edge


def test_control_on_one_port_only(guarded: Edge) -> None:
    """TRACE_CONTROL_PORT: the port of SIP, which the world can reach, answers 404."""
    assert "result" in json.loads(guarded.control(ALLOWED[0]))
    guarded.control_port, other = guarded.port, guarded.control_port
    try:
        with pytest.raises(RefusedError) as refused:
            guarded.control(ALLOWED[0])
        assert refused.value.status == 404
    finally:
        guarded.control_port = other
    with socket.create_connection((V4, guarded.control_port), 5):
        assert guarded.is_running()
