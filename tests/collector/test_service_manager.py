# SPDX-License-Identifier: GPL-2.0-or-later
"""What systemd is told, at a socket as it makes one."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from collector import service_manager
from collector.service_manager import ALIVE, READY, STOPPING, keep_alive, ping_interval, tell


@pytest.fixture(params=["file", "abstract"])
def told(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], str]]:
    """Gives what came next; empty when nothing did."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@{secrets.token_hex(8)}"
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        manager.setblocking(False)

        def take() -> str:
            with suppress(BlockingIOError):
                return manager.recv(4096).decode()
            return ""

        yield take


def test_states_are_lines_of_one_datagram(told: Callable[[], str]) -> None:
    """sd_notify(3)."""
    assert tell(READY, ALIVE)
    assert told() == "READY=1\nWATCHDOG=1"
    assert tell(STOPPING)
    assert told() == "STOPPING=1"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither where there is none, nor where it is gone."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not tell(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not tell(READY)


@pytest.mark.parametrize(
    ("text", "seconds"), [("60000000", 20.0), ("", None), ("0", None), ("soon", None)]
)
def test_pings_come_three_times_as_often_as_they_must(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    """Microseconds, as systemd gives them; nothing where it does not ask."""
    monkeypatch.setenv("WATCHDOG_USEC", text)
    assert ping_interval() == seconds


async def test_a_loop_that_turns_pings(
    told: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready first, then again and again."""
    monkeypatch.setattr(service_manager, "ping_interval", lambda: 0.001)
    task = asyncio.create_task(keep_alive())
    said: list[str] = []
    while len(said) < 3:
        await asyncio.sleep(0.002)
        said += filter(None, [told()])
    task.cancel()
    assert said == [READY, ALIVE, ALIVE]
