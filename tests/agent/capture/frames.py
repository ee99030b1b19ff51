# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames for the tests of this folder, and what is in those that were captured."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import dpkt

from agent.capture.source import Frame, Source

DEADLINE_S: Final = 10.0
_STEP_S: Final = 0.05


def read_until(source: Source, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
    """All frames until there are enough; waits as a worker does."""
    frames: list[Frame] = []
    end = time.monotonic() + DEADLINE_S
    while not enough(frames):
        assert time.monotonic() < end, f"{len(frames)} frames in {DEADLINE_S} s"
        due = source.due()
        select.select([source], [], [], _STEP_S if due is None else min(_STEP_S, due))
        frames += source.read(256)
    return frames


def read_count(source: Source, count: int) -> list[Frame]:
    """As many frames; fails after a deadline."""
    return read_until(source, lambda frames: len(frames) >= count)


def read_for(source: Source, seconds: float) -> list[Frame]:
    """What comes in that time."""
    end = time.monotonic() + seconds
    return read_until(source, lambda _: time.monotonic() >= end)


def read_all(source: Source) -> list[Frame]:
    """A file to its end."""
    return read_until(source, lambda _: source.ended)


def payload(frame: bytes) -> bytes:
    """Of the UDP datagram in an Ethernet frame."""
    data = dpkt.ethernet.Ethernet(frame).data.data
    assert isinstance(data, dpkt.udp.UDP), frame
    return bytes(data.data)


def send(source: str, target: str, payloads: list[bytes], port: int = 5060) -> None:
    """UDP datagrams from this thread's host."""
    family = socket.AF_INET6 if ip_address(target).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for data in payloads:
            sender.sendto(data, (target, port))


def numbered(count: int, size: int = 200) -> list[bytes]:
    """Payloads that can be told from each other."""
    return [b"%06d" % number + b"x" * (size - 6) for number in range(count)]
