# SPDX-License-Identifier: GPL-2.0-or-later
"""Push to something that speaks Loki's API and checks it strictly."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator

import pytest

from collector.output import loki as module
from collector.output.fate import Fate
from collector.output.loki import push_url
from stack.ports import free_port
from tests.fix_output import OutputTrial, until
from tests.loki_server import LokiServer
from tests.sip_text import packet, request


@pytest.fixture
def server() -> Iterator[LokiServer]:
    """Started."""
    made = LokiServer(free_port())
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.3)


def _configure(trial: OutputTrial, server: LokiServer, **more: str) -> None:
    trial.configure(
        1 << 16, LOKI_URL=f"http://127.0.0.1:{server.port}", LOKI_INTERVAL="100ms", **more
    )


async def test_every_message_is_a_line_in_a_stream_of_its_kind(
    output_trial: OutputTrial, server: LokiServer
) -> None:
    """With the labels that users of heplify-server know; the line is the message."""
    _configure(output_trial, server, NODE_NAME="collector-1")
    output_trial.send(1300)
    output_trial.append(packet(b"a line of a log", type=100))
    output_trial.append(packet(b'{"type":200}', type=5))
    async with output_trial.running() as (output,):
        await until(lambda: len(server.lines) == 1302, "the lines")
    assert server.faults == []
    assert server.numbers.total() == 1300
    labels = [dict(stream) for stream in server.streams]
    assert {stream["job"] for stream in labels} == {"kemiscope"}
    assert {stream["hostname"] for stream in labels} == {"collector-1"}
    assert {stream["node"] for stream in labels} >= {"2001"}
    assert {stream["type"] for stream in labels} == {"sip", "log", "rtcp"}
    assert {(s["method"], s["response"]) for s in labels if s["type"] == "sip"} == {
        *((name, name) for name in ("INVITE", "ACK", "BYE", "REGISTER", "OPTIONS")),
        *(("INVITE", code) for code in ("100", "180", "200")),
        *(("BYE", "200"), ("REGISTER", "401"), ("REGISTER", "200"), ("OPTIONS", "200")),
    }
    assert {stream.get("protocol") for stream in labels} == {"udp", None}
    assert "a line of a log" in server.lines
    assert output.backlog.state.fates == {Fate.DELIVERED: 1302}


async def test_batches_by_size_and_by_time(output_trial: OutputTrial, server: LokiServer) -> None:
    """A flood goes in pushes of the size that is set, a drop soon."""
    _configure(output_trial, server, LOKI_BATCH_BYTES="50KiB")
    output_trial.send(1000)
    async with output_trial.running():
        await until(lambda: len(server.lines) == 1000, "the lines")
        assert 10 < len(server.pushes) < 40
        assert max(server.pushes) < 100
        output_trial.send(1)
        await until(lambda: len(server.lines) == 1001, "the line", 2)


async def test_loki_away_busy_or_broken_keeps_everything(
    output_trial: OutputTrial, server: LokiServer
) -> None:
    """Refused connections, 429, 5xx, a wrong tenant: each line once when it is well again."""
    _configure(output_trial, server)
    server.answers = [429, 500, 503, 401, 404, 302]
    output_trial.send(300)
    async with output_trial.running() as (output,):
        await until(lambda: "302" in output.backlog.state.last_error, "the last of the answers")
        await until(lambda: len(server.lines) == 300, "the lines")
        await until(lambda: output.backlog.state.connected, "the answer")
        await asyncio.to_thread(server.stop)
        output_trial.send(300)
        await until(lambda: not output.backlog.state.connected, "the failure")
        assert output.backlog.state.last_error
        await asyncio.sleep(0.5)
        server.start()
        await until(lambda: len(server.lines) == 600, "the lines")
    assert server.numbers.total() == 600
    assert set(server.numbers) == set(range(600))


async def test_lines_that_loki_refuses_are_isolated_and_counted(
    output_trial: OutputTrial, server: LokiServer
) -> None:
    """The others of their batch get in."""
    server.poison = "poison"
    _configure(output_trial, server)
    for number in range(400):
        name = "poison" if number in (0, 57, 58, 399) else "good"
        output_trial.append(packet(request(call_id=f"{name}-{number}")))
    async with output_trial.running() as (output,):
        await until(lambda: output.backlog.state.fates.get(Fate.REFUSED) == 4, "the refusals")
    good = {line for line in server.lines if "good-" in line}
    assert len(good) == 396
    assert output.backlog.state.fates == {Fate.DELIVERED: 396, Fate.REFUSED: 4}


async def test_a_loki_that_refuses_everything_is_not_taken_at_its_word(
    output_trial: OutputTrial, server: LokiServer
) -> None:
    """Not one line is given up: the URL or Loki's settings are wrong, not the lines."""
    server.poison = ""
    _configure(output_trial, server)
    output_trial.send(20)
    async with output_trial.running() as (output,):
        await until(
            lambda: "every line is refused" in output.backlog.state.last_error, "the failure"
        )
        assert output.backlog.state.fates == {}
        server.poison = "\0never\0"
        await until(lambda: len(server.numbers) == 20, "the lines")
    assert output.backlog.state.fates == {Fate.DELIVERED: 20}


async def test_what_is_not_pushed_is_counted(output_trial: OutputTrial, server: LokiServer) -> None:
    """By type, by filter, keepalives, what is not HEP, a wrong password."""
    _configure(
        output_trial,
        server,
        LOKI_TYPES="1",
        FILTER_DISCARD_METHODS="OPTIONS",
        SENDERS_PASSWORDS="2001:right",
    )
    options = request().replace(b"INVITE", b"OPTIONS")
    for data in (
        packet(request(), auth_key=b"right"),
        packet(request(), auth_key=b"wrong"),
        packet(options, auth_key=b"right"),
        packet(b"a line", type=100, auth_key=b"right"),
        packet(b"\r\n\r\n", auth_key=b"right"),
        packet(b"", type=0, auth_key=b"right"),
        b"not HEP",
    ):
        output_trial.append(data)
    async with output_trial.running() as (output,):
        await until(lambda: sum(output.backlog.state.fates.values()) == 7, "the counts")
    assert len(server.lines) == 1
    assert output.backlog.state.fates == {
        Fate.DELIVERED: 1,
        Fate.PASSWORD: 1,
        Fate.FILTERED: 1,
        Fate.TYPE: 1,
        Fate.KEEPALIVE: 2,
        Fate.MALFORMED: 1,
    }


async def test_bodies_are_censored_as_in_the_database(
    output_trial: OutputTrial, server: LokiServer
) -> None:
    """What must not be stored must not be pushed."""
    _configure(output_trial, server, FILTER_CENSOR_METHODS="INVITE")
    output_trial.append(packet(request(body=b"a secret")))
    async with output_trial.running():
        await until(lambda: len(server.lines) == 1, "the line")
    assert "a secret" not in server.lines[0]
    assert server.lines[0].endswith("x" * len("a secret"))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"LOKI_USER": "u", "LOKI_PASSWORD": "p"}, "Basic " + base64.b64encode(b"u:p").decode()),
        ({"LOKI_TOKEN": "t0ken"}, "Bearer t0ken"),
        ({}, None),
    ],
)
async def test_who_pushes(
    output_trial: OutputTrial,
    server: LokiServer,
    setting: dict[str, str],
    expected: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By user and password, token, or not at all; with a tenant where one is set."""
    _configure(output_trial, server, LOKI_ORG_ID="tenant-1", **setting)
    server.answers = [401]
    output_trial.send(1)
    async with output_trial.running():
        await until(lambda: len(server.lines) == 1, "the line")
    assert server.headers[0].get("Authorization") == expected
    assert server.headers[0]["X-Scope-OrgID"] == "tenant-1"
    assert "t0ken" not in caplog.text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://loki:3100", "http://loki:3100/loki/api/v1/push"),
        ("http://loki:3100/", "http://loki:3100/loki/api/v1/push"),
        ("http://loki:3100/api/prom/push", "http://loki:3100/loki/api/v1/push"),
        ("https://logs.example.com/a/push?x=1", "https://logs.example.com/a/push?x=1"),
    ],
)
def test_the_path_is_added_when_there_is_none(url: str, expected: str) -> None:
    """Behind a gateway it may be another."""
    assert push_url(url) == expected
