# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m collector explain``: from the rows in a real database to what is printed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.__main__ import main
from tests import flow
from tests.fix_api import store
from tests.fix_calls import Ingests
from tests.fix_database import Database
from tests.sip_text import packet, request

Command = Callable[..., "asyncio.Future[int]"]


@pytest.fixture
def command(database: Database, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command, which has an event loop of its own, in a thread."""
    monkeypatch.setenv("KEMISCOPE_DATABASE_DSN", database.dsn)

    def run(*arguments: str) -> asyncio.Future[int]:
        return asyncio.ensure_future(asyncio.to_thread(main, ["explain", *arguments]))

    return run


async def test_a_refused_call(
    ingests: Ingests, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Headline, statements with times and the numbers of their messages, the messages."""
    ingesting = await ingests.open()
    read = flow.load("busy")
    await ingesting.store(read.messages)
    await ingesting.write()
    call_id = next(iter(read.legs.values()))

    assert await command(call_id) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[:2]) == (
        "alice called bob: 192.0.2.201:5060 says that bob is busy: 486 Busy Here; "
        "Reason: Q.850 cause 17, user busy."
    )
    assert f"Call-ID  {call_id}" in lines
    assert (
        "     +50.0 - 192.0.2.201:5060 says that bob is busy: 486 Busy Here; Reason: Q.850 cause 17"
        in "\n".join(lines)
    )
    assert any(line.endswith("[6, 8, 10]") for line in lines)
    assert any(line.split()[:2] == ["6", "+50.0"] for line in lines)


async def test_links_and_json(
    ingests: Ingests, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other leg is named; ids are text and in the database."""
    ingesting = await ingests.open()
    read = flow.load("b2bua-header")
    await ingesting.store(read.messages)
    await ingesting.write()

    assert await command(read.legs["B"], "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["call_id"] == read.legs["B"]
    assert told["code"] == "completed"
    linked = [s for s in told["statements"] if s["code"] == "linked"]
    assert read.legs["A"] in linked[0]["text"]
    ids = {str(message.id) for message in read.of_leg("B")}
    assert set(told["messages"]) < ids


async def test_an_unknown_call(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, one line, and nothing that the terminal would act on."""
    assert await command("no\x1b[31m\udcffbody@example") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "no message with the Call-ID no [31m?body@example is stored\n"


async def test_hostile_text_is_harmless(
    connection: AsyncConnection[TupleRow], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences in every field that is shown."""
    message = request(headers="User-Agent: \x1b]0;owned\x07\x9b31m\r\n")
    message = message.replace(b"sip:bob@", b"sip:b\x1b[2Job@").replace(b"alice", b"a\x08lice")
    busy = message.replace(message.split(b"\r\n")[0], b"SIP/2.0 486 Bu\x1b[31msy \xe2\x80\xae")
    busy = busy.replace(b"User-Agent", b'Reason: X;text="\x1b[5m"\r\nUser-Agent')
    await store(connection, [packet(message), packet(busy)])
    assert await command("call@example") == 0
    assert await command("call@example", "--json") == 0
    text = capsys.readouterr().out
    assert all(character.isprintable() for line in text.split("\n") for character in line)
    assert "486" in text


async def test_a_limit_is_told(
    connection: AsyncConnection[TupleRow],
    command: Command,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was not read cannot be explained."""
    monkeypatch.setenv("KEMISCOPE_WEB_MAX_CALL_MESSAGES", "2")
    await store(connection, [packet(request(number=number)) for number in (1, 2, 3)])
    assert await command("call@example") == 0
    page = capsys.readouterr().out
    assert "There are more messages than were looked at" in page
    assert "\n   2 " in page
    assert "\n   3 " not in page
