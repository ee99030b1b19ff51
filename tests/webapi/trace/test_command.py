# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi trace``: what it sends and shows. tests/system runs it against a real API."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

import pytest

from webapi.__main__ import main

RULE: Final[dict[str, Any]] = {
    "id": 17,
    "kind": "from_user",
    "value": "4711",
    "action": "include",
    "percent": 12.5,
    "calls": 5,
    "methods": ["INVITE"],
    "expires_at": "2026-11-23T12:00:00.000000Z",
    "requested_by": "anna",
    "reason": "red \x1b[31m\n\u202eend",
    "ended": None,
    "in_force_on": ["edge1", "edge2"],
    "traced": {"edge1": 2, "edge2": 1},
}
PROXY: Final[dict[str, Any]] = {
    "name": "edge1",
    "state": "ready",
    "since": "2026-11-23T12:00:00.000000Z",
    "in_force": [17],
    "calls_now": 1,
    "drift": 0,
    "restarts": 0,
    "last_error": None,
}


class Api:
    """Gives one answer, and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = {
            **RULE,
            "trace_rules": [RULE],
            "proxies": [PROXY],
            "database": {"reachable": True, "last_error": None},
        }
        self.asked: list[tuple[str, str, str | None, Any]] = []


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A web API that the settings name."""
    found = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("Authorization")
            found.asked.append((self.command, self.path, authorization, body))
            data = json.dumps(found.answer).encode()
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (the names that http.server looks for)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("KEMISCOPE_CONFIG", os.devnull)
    monkeypatch.setenv("KEMISCOPE_WEB_LISTEN", f"127.0.0.1:{server.server_port}")
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_add(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what was given is sent; the API knows the rest."""
    arguments = ["trace", "add", "from_user", "4711", "--by", "anna", "--reason", "x"]
    assert main(arguments) == 0
    body = {"kind": "from_user", "value": "4711", "action": "include"}
    who = {"requested_by": "anna", "reason": "x"}
    path = "/api/v1/trace-rules"
    assert api.asked == [("POST", path, None, body | who)]
    assert "rule 17 is in force until 2026-11-23T12:00:00" in capsys.readouterr().out
    more = [
        "--exclude",
        "--for",
        "10m",
        "--percent",
        "5",
        "--method",
        "INVITE",
        "--method",
        "REFER",
    ]
    assert main([*arguments, *more]) == 0
    methods = {"methods": ["INVITE", "REFER"]}
    wanted = body | who | methods | {"action": "exclude", "duration": "10m", "percent": 5.0}
    assert api.asked[1][3] == wanted
    assert main(["trace", "add", "all", "--calls", "7", "--by", "a", "--reason", "x"]) == 0
    assert (api.asked[2][3]["value"], api.asked[2][3]["calls"]) == ("*", 7)


def test_remove(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """The rule must be gone from the proxies."""
    api.answer["proxies"] = [PROXY | {"in_force": []}, PROXY | {"name": "edge2"}]
    assert main(["trace", "remove", "17", "--by", "ben & co"]) == 3
    assert api.asked[0][:2] == ("DELETE", "/api/v1/trace-rules/17?requested_by=ben+%26+co")
    assert capsys.readouterr().out.splitlines() == [
        "rule 17 has ended",
        "  edge1: done",
        "  edge2: not yet, ready",
    ]


def test_what_others_have_written_does_not_reach_the_terminal(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters, line breaks and changes of direction are blanks."""
    api.answer["proxies"][0] = PROXY | {"state": "garbage", "last_error": "\x1b]0;title\x07\n"}
    for arguments in (["list"], ["status"], ["show", "17"], ["list", "--json"], ["add", "all"]):
        main(["trace", *arguments, *(["--reason", "x"] if arguments[0] == "add" else [])])
        shown = capsys.readouterr().out
        assert all(line.isprintable() for line in shown.splitlines())
        assert "\u202e" not in shown


def test_list(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """Columns below their heads."""
    assert main(["trace", "list", "--state", "all"]) == 0
    assert api.asked[0][1] == "/api/v1/trace-rules?state=all"
    head, line = capsys.readouterr().out.splitlines()
    for name, value in (
        ("kind", "from_user"),
        ("%", "12.5"),
        ("traced", "3"),
        ("on", "edge1,edge2"),
    ):
        assert line[head.index(f"  {name}") + 2 :].startswith(value)


@pytest.mark.parametrize(
    ("state", "reachable", "status"),
    [("ready", True, 0), ("unreachable", True, 3), ("ready", False, 3)],
)
def test_status(api: Api, state: str, reachable: bool, status: int) -> None:
    """For a script that watches."""
    api.answer["proxies"] = [PROXY | {"state": state}]
    api.answer["database"] = {"reachable": reachable, "last_error": None}
    assert main(["trace", "status"]) == status


def test_a_refusal_is_shown_on_one_line(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with status 1."""
    api.status, api.answer = 422, {"error": {"message": "value: is\nwrong"}}
    assert main(["trace", "add", "from_user", "", "--by", "a", "--reason", "x"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "422: value: is wrong\n")


@pytest.mark.parametrize("answer", [[], "x", {"error": 5}, {}])
def test_another_service_is_not_taken_for_the_api(
    api: Api, answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else listens there."""
    api.status, api.answer = 500, answer
    assert main(["trace", "list"]) == 1
    assert "500" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["add"], ["add", "colour", "x", "--reason", "x"], ["add", "all"], ["remove"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Status 2, as of every command."""
    with pytest.raises(SystemExit) as caught:
        main(["trace", *arguments])
    assert caught.value.code == 2
