# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL, capture node, web API and agent, started in every order and killed for five minutes
under load: nothing lost, nothing twice, and nobody ends because another is away."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import cycle, permutations
from pathlib import Path
from typing import Final

import pytest

from bench import measure
from bench.load import Load
from collector.journal.counters import Counters, Field
from stack import api
from stack.trial import Trial
from tests.fix_agent import Agent
from tests.fix_network import MakeNetwork, Network
from tests.sip_text import request
from tests.system.counts import node, wait_until_all_stored
from tests.system.numbered_sip import NumberedSip
from tests.system.victims import journaled, kill, restart_if_ended

SECONDS: Final = 300
SIP_RATE: Final = 300
"""SIP messages/s on the cable, for the agent."""
HEP_RATE: Final = 700
"""HEP packets/s over UDP, for the capture node itself."""
FIRST_HEP: Final = 10**9
AGENT_ID: Final = 2002
SIP_PORT: Final = 5060
DATABASE, CAPTURE, API, AGENT = PARTS = ("database", "capture", "api", "agent")
PATIENCE_S: Final = 60.0
SEED: Final = int.from_bytes(os.urandom(4))


class Parts:
    """The four parts on the left host, each started and killed by its name."""

    def __init__(self, trial: Trial, directory: Path, network: Network, phone: socket.socket):
        self.trial = trial
        self.lives = 0
        """Of the agent."""
        self.running: list[str] = []
        self._directory = directory
        self._phone = phone
        self._host = network.left
        self._agent: Agent | None = None
        self._markers = 0

    def start(self, name: str) -> None:
        """Start a part that is away, and wait until it takes what it is for."""
        if name == DATABASE:
            self.trial.start_database(migrate=False)
        elif name == CAPTURE:
            if self.trial.kamailio:
                restart_if_ended(self.trial)
            else:
                self.trial.start_capture()
        elif name == API:
            self.trial.start_webapi()
        else:
            flags = ("-i", self._host.interface, "-m", "SIP", "-hi", str(AGENT_ID), "-nt", "tcp")
            server = ("-hs", f"127.0.0.1:{self.trial.hep_port}")
            spool = ("-hep-buffer-activate", "-hep-buffer-file", str(self._directory / "spool"))
            self._agent = Agent(self._directory, *flags, *server, *spool)
            self._agent.wait_for("capturing")
            self.lives += 1
        self.running.append(name)
        if API in self.running:
            self._ask("/api/v1/status")

    def kill(self, name: str) -> None:
        """``kill -9`` of all processes of a part, which must be running."""
        self.running.remove(name)
        parent = self._pid(name)
        status = Path(f"/proc/{parent}/stat").read_text().rpartition(") ")[2]
        assert not status.startswith("Z"), f"{name} had ended by itself"
        for pid in measure.tree(parent):
            with suppress(ProcessLookupError):  # a backend whose client has gone
                os.kill(pid, signal.SIGKILL)
        if name == DATABASE:
            self.trial.cluster.stop()
        elif name == CAPTURE:
            kill(self.trial, "kamailio")
        elif name == API:
            assert self.trial.webapi
            self.trial.webapi.kill()
        else:
            assert self._agent
            self._agent.kill()

    def wait_until_all_works(self) -> None:
        """A message that is on the cable now is found through the API."""
        self._markers += 1
        call_id = f"{self._markers}@order"
        self._phone.sendto(
            request("OPTIONS", call_id, number=self._markers), (self._host.ipv4, SIP_PORT)
        )
        self.trial.wait(
            lambda: self._ask(f"/api/v1/messages?call_id={call_id}") == 1,
            f"the API to find message {self._markers}; seed {SEED}",
            timeout_s=PATIENCE_S,
        )

    def stop_agent(self) -> int:
        """Let it send what waits, and end; returns what it has journaled in all its lives."""
        assert self._agent
        assert self._agent.stop() == 0
        self.running.remove(AGENT)
        counters = Counters(self._directory / "spool.journal")
        try:
            return sum(counters.slot(n)[Field.JOURNALED] for n in counters.used_slots())
        finally:
            counters.close()

    def close(self) -> None:
        """End the agent; the rest is the trial's."""
        if self._agent:
            self._agent.kill()

    def _ask(self, path: str) -> int:
        """Messages that the API finds; it answers whatever is away."""
        status, answer = api.get(self.trial.settings, path, {})
        if DATABASE in self.running:
            assert status in {200, 503}, answer
        else:
            assert status == 503, answer
        return len(answer.get("messages", ()))

    def _pid(self, name: str) -> int:
        if name == DATABASE:
            return self.trial.cluster.pid
        part = {CAPTURE: self.trial.kamailio, API: self.trial.webapi, AGENT: self._agent}[name]
        assert part
        assert part.process
        return part.process.pid


@pytest.fixture
def parts(tmp_path: Path, make_network: MakeNetwork) -> Iterator[Parts]:
    """Their host is connected to one with phones; nothing runs yet, and the schema is there."""
    network = make_network()
    with ExitStack() as stack:
        with network.right.inside():
            phone = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        stack.enter_context(network.left.inside())
        called = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        called.bind((network.left.ipv4, SIP_PORT))
        trial = Trial(
            tmp_path / "stack",
            {"database": {"connect_timeout": 1.0}, "filter": {"duplicate_window": 60.0}},
        )
        stack.callback(trial.stop)
        trial.start_database()
        trial.cluster.stop()
        made = Parts(trial, tmp_path, network, phone)
        stack.callback(made.close)
        load = NumberedSip(phone, (network.left.ipv4, SIP_PORT), SIP_RATE)
        load.start()
        stack.callback(load.stop)
        yield made


@pytest.mark.timeout(4 * SECONDS)
def test_every_order_of_start_and_kill_for_five_minutes(parts: Parts) -> None:
    """Each order of the four; meanwhile each is killed alone and with the others, by kill -9."""
    chance = random.Random(SEED)
    trial = parts.trial
    began = time.monotonic()
    load = Load(trial.hep_port, 4 * SECONDS * HEP_RATE, HEP_RATE, first=FIRST_HEP)
    try:
        orders = list(permutations(PARTS))
        chance.shuffle(orders)
        for number, order in enumerate(cycle(orders)):
            for name in order:
                parts.start(name)
                time.sleep(chance.uniform(0, 0.5))
            parts.wait_until_all_works()
            if number >= len(orders) - 1 and time.monotonic() - began > SECONDS:
                break
            alone = PARTS[number % len(PARTS)]
            parts.kill(alone)
            time.sleep(chance.uniform(0, 1))
            parts.start(alone)
            parts.wait_until_all_works()
            for name in chance.sample(PARTS, len(PARTS)):
                parts.kill(name)
    finally:
        load.stop()
    _check(parts, parts.stop_agent())


def _check(parts: Parts, captured: int) -> None:
    """Every journaled message is one row: the agent's, and those of the capture node itself."""
    trial = parts.trial

    def stored() -> bool:
        with trial.connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM sip_message WHERE node = %s", (str(AGENT_ID),)
            ).fetchone()
        return row is not None and row[0] >= captured

    trial.wait(stored, f"{captured} messages of the agent", timeout_s=PATIENCE_S)
    wait_until_all_stored(trial, journaled(trial))
    counts = node(trial)
    assert counts["unaccounted"] == 0, f"seed {SEED}"
    assert counts["journal_damaged"] == 0
    assert counts["stored"] + counts["duplicate"] == journaled(trial)
    with trial.connect() as connection:
        rows = connection.execute(
            "SELECT count(*), count(DISTINCT (node, via_branch)),"
            " count(*) FILTER (WHERE node = %s) FROM sip_message",
            (str(AGENT_ID),),
        ).fetchone()
        assert rows == (counts["stored"], counts["stored"], captured), f"seed {SEED}"
        # What passes while no agent is there is not captured: between two lives is one gap.
        gaps = connection.execute(
            """
            SELECT count(*) FROM (
                SELECT number - lag(number) OVER (ORDER BY number) AS step FROM (
                    SELECT right(via_branch, 16)::bigint AS number FROM sip_message
                     WHERE node = %s AND call_id NOT LIKE '%%@order') AS numbers) AS steps
             WHERE step > 1
            """,
            (str(AGENT_ID),),
        ).fetchone()
    assert gaps is not None
    assert gaps[0] < parts.lives, f"seed {SEED}"
