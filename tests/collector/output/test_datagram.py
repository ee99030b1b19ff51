# SPDX-License-Identifier: GPL-2.0-or-later
"""What is sent again when datagrams are refused, and how fast a backlog goes."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections import Counter
from uuid import uuid4

import pytest

from bench import mix
from collector.hep import Hep, encode
from collector.journal.counters import Counters
from collector.output import burst, datagram
from collector.output.datagram import HEAD_BYTES, DatagramRelay
from collector.output.fate import Fate
from collector.output.output import Output
from collector.output.portion import Portion
from collector.output.refusal import (
    RefusalError,
    Report,
    ask_for_reports,
    raise_refusal,
    read_reports,
)
from collector.output.state import Position
from stack.ports import free_port
from tests.fix_output import OutputTrial, until
from tests.receivers import DatagramReceiver


def _refused(sender: socket.socket) -> list[Report]:
    deadline = time.monotonic() + 5
    while not (reports := read_reports(sender)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return reports


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_refusal_quotes_the_datagram(host: str) -> None:
    """As much of it as is kept to know it again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        ask_for_reports(sender)
        sender.connect((host, free_port(socket.SOCK_DGRAM)))
        packet = os.urandom(1000)
        sender.send(packet)
        (report,) = _refused(sender)
        assert report.number == errno.ECONNREFUSED
        assert not report.nobody_answers
        assert len(report.quote) >= HEAD_BYTES
        assert packet.startswith(report.quote)
        with pytest.raises(RefusalError, match="refused"):
            raise_refusal([report])
        assert read_reports(sender) == []


def test_a_smaller_mtu_is_no_refusal() -> None:
    """The kernel cuts into smaller fragments from then on."""
    raise_refusal([Report(errno.EMSGSIZE, nobody_answers=False, quote=b"x")])


@pytest.fixture(params=["compiled", "plain"])
def _burst_form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is built, and one datagram after the other."""
    if request.param == "plain":
        monkeypatch.setattr(burst, "send", burst.send_plain)
        monkeypatch.setattr(burst, "MOST", 1)
    assert (burst.MOST > 1) == (request.param == "compiled")


def _relay(trial: OutputTrial, port: int) -> DatagramRelay:
    trial.configure(RELAY_TARGETS=f"udp:127.0.0.1:{port}", segment_bytes=1 << 20)
    (relay,) = trial.make()
    assert isinstance(relay, DatagramRelay)
    return relay


def _send(trial: OutputTrial, relay: DatagramRelay, portions: int, of: int) -> list[Portion]:
    """Portions that the relay has sent and that have not settled."""
    sent = []
    for _ in range(portions):
        trial.send(of)
        portion = relay.backlog.read()
        assert portion
        known = datagram._Sent(portion)
        known.heads += [found.packet[:HEAD_BYTES] for found in portion.records]
        relay._unsettled.append(known)
        sent.append(portion)
    return sent


@pytest.mark.parametrize("quoted", [100, 200, HEAD_BYTES, 400])
def test_exactly_what_came_before_the_first_refused_one_is_delivered(
    output_trial: OutputTrial, quoted: int
) -> None:
    """Of several reports the earliest counts, whatever their order and length."""
    relay = _relay(output_trial, 9)
    portions = _send(output_trial, relay, 3, 50)
    # Of the mix only what carries the number can be told apart.
    packets = [found.packet for found in portions[1].records]
    first = 10 if quoted >= 200 else 0
    reports = [
        Report(errno.ECONNREFUSED, nobody_answers=False, quote=packets[n][:quoted])
        for n in (first + 20, first, first + 7)
    ]
    relay._commit_before(reports)
    delivered = relay.backlog.state.fates.get(Fate.DELIVERED, 0)
    assert delivered == 50 + first if quoted >= 200 else delivered <= 60
    relay.backlog.rewind()
    again = relay.backlog.read()
    assert again
    assert again.records[0].packet == mix.fill(mix.packets(), delivered)
    relay.backlog.close()


@pytest.mark.parametrize(
    ("quote", "nobody_answers"), [(b"", False), (b"HEP3 of long ago", False), (None, True)]
)
def test_everything_unsettled_is_sent_again_when_nobody_can_tell(
    output_trial: OutputTrial, quote: bytes | None, nobody_answers: bool
) -> None:
    """Nothing quoted, something older, or a host that is not there at all."""
    relay = _relay(output_trial, 9)
    (portion, _) = _send(output_trial, relay, 2, 50)
    quote = portion.records[30].packet if quote is None else quote
    report = Report(errno.EHOSTUNREACH, nobody_answers=nobody_answers, quote=quote)
    relay._commit_before([report])
    assert relay.backlog.state.fates.get(Fate.DELIVERED, 0) == 0
    relay.backlog.close()


@pytest.mark.usefixtures("_burst_form")
async def test_a_large_datagram_goes_in_fragments(output_trial: OutputTrial) -> None:
    """65,507 bytes are more than any network takes at once."""
    receiver = DatagramReceiver(free_port(socket.SOCK_DGRAM))
    receiver.keep = True
    receiver.start()
    output_trial.configure(1 << 20, RELAY_TARGETS=f"udp:127.0.0.1:{receiver.port}")
    message = Hep(3, 17, bytes(4), bytes(4), 5060, 5060, 1, 2, 1, 2001, b"")
    payload = bytes(65_507 - len(encode(message)))
    output_trial.append(encode(message._replace(payload=payload)))
    output_trial.append(encode(message._replace(payload=payload + b"x")))
    try:
        async with output_trial.running() as (output,):
            await until(lambda: len(receiver.packets) == 1, "the datagram")
        assert output.backlog.state.fates == {Fate.DELIVERED: 1, Fate.TOO_LARGE: 1}
    finally:
        receiver.stop()


async def test_what_was_not_held_up_is_not_paced(
    output_trial: OutputTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rate is for a backlog, and even that goes faster than it came."""
    relay = _relay(output_trial, 9)
    output_trial.send(1000)
    portion = relay.backlog.read()
    assert portion
    assert relay._backlog_rate(portion) == 0
    monkeypatch.setattr(datagram, "BACKLOG_NS", 0)
    first, last = portion.records[0].id, portion.records[-1].id
    came = 1e9 * len(portion.records) / (last - first)
    assert relay._backlog_rate(portion) == max(20_000, 2 * came)
    relay.backlog.close()


def test_the_sum_of_what_was_handed_over() -> None:
    """The same as portion by portion, whichever of them are committed by then."""
    positions = [Position(uuid4(), 100 * n, n) for n in range(4)]
    portions = [
        (Portion([], {1: positions[0]}, {1: Counter({Fate.BACKLOG: 7})}), {Fate.DELIVERED: 3}),
        (Portion([], {2: positions[1]}, {}), {Fate.DELIVERED: 4, Fate.MALFORMED: 1}),
        (Portion([], {1: positions[2]}, {}), {Fate.DELIVERED: 5}),
    ]
    total = datagram._Sum()
    for one in portions:
        total.add(*one)
    found, fates = total.whole()
    assert found.slots == {1: positions[2], 2: positions[1]}
    assert +Counter(fates) == {Fate.DELIVERED: 12, Fate.MALFORMED: 1, Fate.BACKLOG: 7}
    total.remove(*portions[0])
    total.remove(*portions[1])
    found, fates = total.whole()
    assert found.slots[1] == positions[2]
    assert +Counter(fates) == {Fate.DELIVERED: 5}
    total.remove(*portions[2])
    found, fates = total.whole()
    assert (found.slots, +Counter(fates)) == ({}, {})


def _kill(output: Output) -> None:
    """What a kill leaves of an output: the last state that was written."""
    output.backlog.close()


@pytest.mark.usefixtures("_burst_form")
@pytest.mark.parametrize("refused", [False, True])
async def test_a_kill_repeats_only_what_was_not_noted(
    output_trial: OutputTrial, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    """What was sent counts as delivered at the next start, unless it was refused meanwhile."""
    monkeypatch.setattr(datagram, "PROBE_S", 0.01)
    receiver = DatagramReceiver(free_port(socket.SOCK_DGRAM))
    receiver.start()
    relay = _relay(output_trial, receiver.port)
    output_trial.send(100)
    task = asyncio.create_task(relay.session())
    await until(lambda: len(receiver.numbers) == 100, "the packets")
    relay.backlog.save(relay.handed())
    assert relay.backlog.state.fates == {}, "nothing has settled yet"
    if refused:
        relay.backlog.rewind()
    task.cancel()
    await asyncio.wait((task,))
    _kill(relay)
    receiver.stop()
    counters = Counters(output_trial.journal)
    (again,) = output_trial.make()
    delivered = again.backlog.state.fates.get(Fate.DELIVERED, 0)
    portion = again.backlog.read()
    assert (delivered, len(portion.records) if portion else 0) == (
        (0, 100) if refused else (100, 0)
    )
    again.backlog.close()
    counters.close()
