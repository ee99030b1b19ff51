# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON-RPC of a real capture Kamailio: what an operator can do without a restart."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from collector.journal.counters import Counters, Field, Role
from stack.trial import Trial
from tests.sip_text import packet, request
from tests.system.counts import node, wait_until_all_stored


def _rpc(trial: Trial, method: str, *parameters: str) -> Any:
    """One call at the node's socket; returns its result."""
    path = Path(trial.run)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        own = path / "client.sock"
        client.bind(str(own))
        try:
            client.settimeout(15)
            call = {"jsonrpc": "2.0", "method": method, "params": parameters, "id": 1}
            client.sendto(json.dumps(call).encode(), str(path / "rpc.sock"))
            return json.loads(client.recv(1 << 16))["result"]
        finally:
            own.unlink()


def _command(trial: Trial, name: str) -> dict[str, Any]:
    _rpc(trial, "evrexec.run", f"ksr_{name}")
    answer: dict[str, Any] = json.loads(_rpc(trial, "pv.shvGet", "answer")["value"])
    assert answer.pop("command") == name
    return answer


def _paused_at(trial: Trial) -> str | None:
    """As the API tells it."""
    with urlopen(f"http://127.0.0.1:{trial.web_port}/api/v1/status", timeout=5) as answer:
        (only,) = json.load(answer)["nodes"]
    since: str | None = only["paused_at"]
    return since


def _send(trial: Trial, name: str, count: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(count):
            data = packet(request(call_id=f"{number}@{name}", number=number + 1))
            sender.sendto(data, ("127.0.0.1", trial.hep_port))


def test_receiving_goes_before_ingest(running: Trial) -> None:
    """By the niceness that is set; a node that was started with more or less keeps that."""
    counters = Counters(Path(running.settings.journal.directory))
    slots = [counters.slot(number).tolist() for number in counters.used_slots()]
    counters.close()
    nice = {
        role: {
            os.getpriority(os.PRIO_PROCESS, s[Field.PID]) for s in slots if s[Field.ROLE] == role
        }
        for role in (Role.UDP, Role.INGEST)
    }
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nice[Role.UDP] == {min(own, running.settings.hep.nice)}
    assert nice[Role.INGEST] == {max(own, running.settings.ingest.nice)}


def test_pause_rotate_reload_balance_resume(running: Trial) -> None:
    """All of them while packets come; in the end each is stored once."""
    assert (Path(running.run) / "rpc.sock").stat().st_mode & 0o777 == 0o600
    before = node(running)["received"]
    assert _command(running, "pause")["paused_since"] > time.time() - 60
    time.sleep(0.5)  # of the transactions under way, and until the next look
    _send(running, "paused", 300)
    running.wait(
        lambda: _command(running, "balance")["received"] == before + 300, "the packets to arrive"
    )
    assert _command(running, "rotate")["rotated_at"] > time.time() - 60
    _send(running, "rotated", 300)
    running.wait(
        lambda: _command(running, "balance")["received"] == before + 600, "the packets to arrive"
    )
    sheet = _command(running, "balance")
    assert sheet["paused_since"]
    assert sheet["received"] == sheet["waiting"] + sheet["processed"] + sum(
        sheet["causes"].values()
    )
    assert sheet["waiting"] == 600
    journal = Path(running.settings.journal.directory)
    assert list(journal.glob("*/*.end")), "segments that were ended"
    running.wait(lambda: _paused_at(running) is not None, "the status to say so")
    assert _command(running, "reload") == {"ingest_processes": 2}
    assert _command(running, "resume")["was_paused_since"]
    wait_until_all_stored(running, before + 600)
    assert node(running)["unaccounted"] == 0
    running.wait(lambda: _paused_at(running) is None, "the status to say so")
    with running.connect() as connection:
        stored = connection.execute(
            "SELECT count(*), count(DISTINCT call_id) FROM sip_message"
            " WHERE call_id LIKE '%@paused' OR call_id LIKE '%@rotated'"
        ).fetchone()
    assert stored == (600, 600)
