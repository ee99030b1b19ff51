# SPDX-License-Identifier: GPL-2.0-or-later
"""Relay to real sockets that come and go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.framing import Framer
from collector.output import datagram, flight
from collector.output.fate import Fate
from stack.ports import free_port
from tests.fix_output import OutputTrial, until
from tests.hep_bytes import SENDERS, hep1
from tests.receivers import (
    DatagramReceiver,
    Receiver,
    StreamReceiver,
    make_certificate,
    number_of,
)

KINDS = ("tcp", "tls", "udp")
EACH = pytest.mark.parametrize("receiver", KINDS, indirect=True)
STREAMS = pytest.mark.parametrize("receiver", ["tcp", "tls"], indirect=True)


@pytest.fixture
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    """A receiver of the kind that the test is parametrized with; not started."""
    made: Receiver
    if request.param == "udp":
        made = DatagramReceiver(free_port(socket.SOCK_DGRAM))
    else:
        pair = make_certificate(tmp_path) if request.param == "tls" else None
        made = StreamReceiver(free_port(), pair)
    yield made
    made.stop()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for seconds."""
    monkeypatch.setattr(flight, "SETTLE_S", 0.5)
    monkeypatch.setattr(datagram, "DATAGRAM_SETTLE_S", 0.5)
    monkeypatch.setattr(datagram, "REFUSED_PAUSE_S", 0.2)


def _configure(
    trial: OutputTrial, receiver: Receiver, tmp_path: Path, segment_bytes: int = 1 << 16
) -> None:
    trial.configure(
        segment_bytes,
        RELAY_TARGETS=f"{receiver.kind}:127.0.0.1:{receiver.port}",
        RELAY_TLS_CA=str(tmp_path / "certificate.pem") if receiver.kind == "tls" else "",
    )


@EACH
@pytest.mark.usefixtures("short")
async def test_everything_arrives_and_is_counted(
    receiver: Receiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """Once each; and the state says so when it has settled."""
    receiver.start()
    _configure(output_trial, receiver, tmp_path)
    output_trial.send(500)
    async with output_trial.running() as (output,):
        await until(lambda: len(receiver.numbers) == 500, "the packets")
        output_trial.send(500)
        await until(lambda: len(receiver.numbers) == 1000, "the packets")
        assert output.backlog.state.connected
        await until(lambda: output.backlog.state.fates.get(Fate.DELIVERED) == 1000, "the count")
        assert output.backlog.state.fates == {Fate.DELIVERED: 1000}
    assert receiver.numbers.total() == 1000
    assert receiver.faults == []


@EACH
async def test_an_orderly_end_leaves_nothing_to_repeat(
    receiver: Receiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """What was taken before it is delivered, though it has not settled."""
    receiver.start()
    _configure(output_trial, receiver, tmp_path)
    for _ in range(3):
        output_trial.send(300)
        async with output_trial.running():
            await until(lambda: len(receiver.numbers) == output_trial.sent, "the packets")
    assert receiver.numbers.total() == 900


@EACH
@pytest.mark.usefixtures("short")
async def test_a_target_that_comes_later_gets_everything(
    receiver: Receiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """From the first packet on."""
    _configure(output_trial, receiver, tmp_path)
    output_trial.send(3000)
    async with output_trial.running() as (output,):
        await until(lambda: bool(output.backlog.state.last_error), "the failure")
        assert output.backlog.state.last_error == "Connection refused"
        assert not output.backlog.state.connected
        await asyncio.sleep(0.5)
        receiver.start()
        await until(lambda: len(receiver.numbers) == 3000, "the packets")
    assert receiver.faults == []


@EACH
@pytest.mark.usefixtures("short")
async def test_a_target_that_is_killed_again_and_again_loses_nothing(
    receiver: Receiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """With whatever was in its socket buffers; some come twice."""
    _configure(output_trial, receiver, tmp_path)
    await _away_under_load(output_trial, receiver, receiver.stop)
    assert receiver.faults == []
    assert set(receiver.numbers) == set(range(output_trial.sent))


@EACH
@pytest.mark.usefixtures("short")
async def test_a_target_that_ends_in_an_orderly_way_gets_nothing_twice(
    receiver: Receiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """Again and again under load: what it has read is delivered, what came after its end is not."""
    _configure(output_trial, receiver, tmp_path)
    await _away_under_load(output_trial, receiver, receiver.end)
    assert receiver.faults == []
    assert receiver.numbers.total() == output_trial.sent


async def _away_under_load(
    output_trial: OutputTrial, receiver: Receiver, leave: Callable[[], None]
) -> None:
    """It is away for a moment, four times; until it has everything."""

    async def send() -> None:
        for _ in range(150):
            output_trial.send(40)
            await asyncio.sleep(0.02)

    receiver.start()
    async with output_trial.running():
        sending = asyncio.create_task(send())
        for _ in range(4):
            await asyncio.sleep(0.6)
            await asyncio.to_thread(leave)
            await asyncio.sleep(0.2)
            receiver.start()
        await sending
        await until(lambda: len(receiver.numbers) == output_trial.sent, "the packets", 40)
        await asyncio.sleep(0.5)  # whatever comes twice comes now


async def test_what_comes_after_the_end_of_a_connection_is_sent_again_and_nothing_else(
    output_trial: OutputTrial,
) -> None:
    """The target closes when it has read all; the kernel resets what comes then."""
    server = socket.create_server(("127.0.0.1", 0))
    output_trial.configure(RELAY_TARGETS=f"tcp:127.0.0.1:{server.getsockname()[1]}")
    server.setblocking(False)
    loop = asyncio.get_running_loop()
    got: list[list[bytes]] = []
    async with output_trial.running() as (output,):
        for round_number in range(3):
            connection, _ = await loop.sock_accept(server)
            framer = Framer()
            packets: list[bytes] = []
            output_trial.send(100)
            while len(packets) < 100 + 50 * bool(round_number):
                packets += framer.feed(await loop.sock_recv(connection, 65_536))
            got.append(packets)
            await until(lambda: list(output.handed()) != [], "the acknowledgement")
            connection.close()
            output_trial.send(50)
        server.close()
    numbers = [number_of(packet) for packets in got for packet in packets]
    assert numbers == list(range(400))


@STREAMS
@pytest.mark.usefixtures("short")
async def test_a_target_that_hangs_and_is_killed_then_loses_nothing(
    receiver: StreamReceiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """Its kernel has acknowledged much that it never reads."""
    receiver.start()
    _configure(output_trial, receiver, tmp_path, segment_bytes=1 << 22)
    async with output_trial.running():
        output_trial.send(200)
        await until(lambda: len(receiver.numbers) == 200, "the packets")
        receiver.hangs = True
        output_trial.send(20_000)
        await asyncio.sleep(3)
        assert len(receiver.numbers) < 10_000
        await asyncio.to_thread(receiver.stop)
        receiver.hangs = False
        receiver.start()
        await until(lambda: len(receiver.numbers) == output_trial.sent, "the packets", 40)
    assert set(receiver.numbers) == set(range(output_trial.sent))


@STREAMS
async def test_streams_carry_every_form_of_hep(
    receiver: StreamReceiver, output_trial: OutputTrial, tmp_path: Path
) -> None:
    """And nothing that would break their frames."""
    receiver.keep = True
    receiver.start()
    _configure(output_trial, receiver, tmp_path)
    for sender in SENDERS:
        output_trial.append(sender.data)
        output_trial.append(b"this is not HEP")
    output_trial.append(hep1())
    async with output_trial.running() as (output,):
        await until(lambda: len(receiver.packets) == len(SENDERS) + 1, "the packets")
    assert receiver.faults == []
    fates = output.backlog.state.fates
    assert fates == {Fate.DELIVERED: len(SENDERS) + 1, Fate.MALFORMED: len(SENDERS)}
    assert not any(b"secret" in packet for packet in receiver.packets)


@pytest.mark.parametrize("receiver", ["tls"], indirect=True)
async def test_a_certificate_that_is_not_trusted(
    receiver: StreamReceiver, output_trial: OutputTrial
) -> None:
    """Nothing is sent, the state says why; switched off, it is taken."""
    receiver.start()
    target = f"tls:127.0.0.1:{receiver.port}"
    output_trial.configure(RELAY_TARGETS=target)
    output_trial.send(10)
    async with output_trial.running() as (output,):
        await until(lambda: bool(output.backlog.state.last_error), "the failure")
        assert "certificate verify failed" in output.backlog.state.last_error
    assert not receiver.numbers
    output_trial.configure(RELAY_TARGETS=target, RELAY_TLS_VERIFY="false")
    async with output_trial.running():
        await until(lambda: len(receiver.numbers) == 10, "the packets")


async def test_one_target_that_is_away_does_not_hold_up_another(
    output_trial: OutputTrial,
) -> None:
    """Nor one whose name cannot be found."""
    there, away = StreamReceiver(free_port()), free_port()
    there.start()
    names = (f"tcp:127.0.0.1:{away}", "tcp:no-such-host.invalid:9060")
    output_trial.configure(RELAY_TARGETS=",".join((*names, f"tcp:127.0.0.1:{there.port}")))
    output_trial.send(2000)
    try:
        async with output_trial.running() as outputs:
            await until(lambda: len(there.numbers) == 2000, "the packets")
            await until(
                lambda: all(output.backlog.state.last_error for output in outputs[:2]), "failures"
            )
            assert [bool(output.backlog.state.fates) for output in outputs[:2]] == [False, False]
    finally:
        there.stop()


async def test_datagrams_keep_to_the_rate(
    output_trial: OutputTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog would overrun the receiver."""
    receiver = DatagramReceiver(free_port(socket.SOCK_DGRAM))
    receiver.start()
    output_trial.configure(
        RELAY_TARGETS=f"udp:127.0.0.1:{receiver.port}", RELAY_UDP_RATE="1000", segment_bytes=1 << 22
    )
    output_trial.send(3000)
    monkeypatch.setattr(datagram, "BACKLOG_NS", 0)
    monkeypatch.setattr(datagram, "_DRAIN_FACTOR", 0)
    try:
        async with output_trial.running():
            await asyncio.sleep(1.5)
            assert 0 < len(receiver.numbers) <= 2000
            await until(lambda: len(receiver.numbers) == 3000, "the packets")
    finally:
        receiver.stop()
