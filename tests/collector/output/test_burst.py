# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams at once: all in their order, and an error only when none went."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from collector.compiled import sources
from collector.output import burst
from collector.output.refusal import ask_for_reports, read_reports
from stack.ports import free_port

Send = Callable[[int, list[bytes], int, int], int]


@pytest.fixture(params=["plain", "compiled"])
def send(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Send:
    """One of the two forms, which takes ``burst.MOST`` at once."""
    if request.param == "plain":
        monkeypatch.setattr(burst, "MOST", 1)
        return burst.send_plain
    found = sources.load(sources.BURST)
    assert found.module, f"{found.reason}: `make install-dev` compiles it"
    assert burst.MOST > 1
    compiled: Send = found.module.send
    return compiled


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """A socket as the relay has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as made:
        ask_for_reports(made)
        yield made


@pytest.fixture
def receiver(sender: socket.socket) -> Iterator[socket.socket]:
    """Connected to that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(10)
        sender.connect(made.getsockname())
        yield made


def test_all_in_their_order(send: Send, sender: socket.socket, receiver: socket.socket) -> None:
    """As many as fit a call, from the first on, of any size."""
    packets = [os.urandom(size) for size in (0, 1, 900, 65_507, 10, 2000, 7)]
    begin = 1
    while begin < len(packets) - 1:
        end = min(begin + burst.MOST, len(packets) - 1)
        sent = send(sender.fileno(), packets, begin, end)
        assert sent == end - begin
        assert [receiver.recv(70_000) for _ in range(sent)] == packets[begin:end]
        begin = end
    assert sender.fileno() >= 0


def test_one_that_is_too_large(send: Send, sender: socket.socket, receiver: socket.socket) -> None:
    """What stands before it goes; then it is the first, and the error its own."""
    packets = [b"1", b"2", bytes(70_000), b"3"]
    begin = 0
    while begin < 2:
        begin += send(sender.fileno(), packets, begin, min(begin + burst.MOST, 4))
    assert begin == 2
    with pytest.raises(OSError, match="too long") as raised:
        send(sender.fileno(), packets, begin, min(begin + burst.MOST, 4))
    assert raised.value.errno == errno.EMSGSIZE
    assert send(sender.fileno(), packets, 3, 4) == 1
    assert [receiver.recv(10) for _ in range(3)] == [b"1", b"2", b"3"]


def test_a_refusal_is_in_the_queue(send: Send, sender: socket.socket) -> None:
    """Whether the kernel tells it or not: it is not known which datagram an error is about."""
    sender.connect(("127.0.0.1", free_port(socket.SOCK_DGRAM)))
    packets = [b"%d" % number for number in range(burst.MOST + 1)]
    assert send(sender.fileno(), packets, 0, burst.MOST) >= 1
    reports = read_reports(sender)
    assert reports[0].number == errno.ECONNREFUSED
    assert reports[0].quote == b"0"


def test_no_room(send: Send) -> None:
    """A socket that is full takes none, and says so as Python's own does."""
    descriptor, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with descriptor, peer:
        descriptor.setblocking(False)
        with pytest.raises(BlockingIOError):
            _send_for_ever(send, descriptor)


def _send_for_ever(send: Send, sender: socket.socket) -> None:
    while True:
        send(sender.fileno(), [bytes(1000)], 0, 1)


@pytest.mark.parametrize(("begin", "end"), [(-1, 0), (0, 0), (0, 100), (2, 1)])
@pytest.mark.usefixtures("receiver")
def test_places_that_are_not_there(send: Send, sender: socket.socket, begin: int, end: int) -> None:
    """Nothing is sent."""
    with pytest.raises(ValueError, match="datagrams"):
        send(sender.fileno(), [b"x"], begin, end)
