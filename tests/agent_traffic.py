# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes through a whole agent, and how its answers are read."""

from __future__ import annotations

import re
import time
from typing import Final

from collector import hep
from collector.hep import Hep
from tests.fix_agent import PATIENCE_S
from tests.receivers import Receiver

_REQUEST: Final = (
    "{method} sip:bob@example.org SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} 192.0.2.1:5060;branch=z9hG4bK-{number:016}\r\n"
    "From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.org>\r\n"
    "Call-ID: {number}@test\r\nCSeq: 1 {method}\r\nContent-Length: {length}\r\n\r\n{body}"
)


def sip_request(
    number: int, method: str = "OPTIONS", transport: str = "UDP", body: str = ""
) -> bytes:
    """A SIP request with a Call-ID of its own."""
    return _REQUEST.format(
        method=method, transport=transport, number=number, length=len(body), body=body
    ).encode()


def decoded(server: Receiver) -> list[Hep]:
    """All that has arrived."""
    found = [hep.decode(packet) for packet in list(server.packets)]
    assert all(isinstance(one, Hep) for one in found)
    return [one for one in found if isinstance(one, Hep)]


def wait_packets(server: Receiver, packets: int) -> list[Hep]:
    """What has arrived once it is so many, or the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while len(server.packets) < packets and time.monotonic() < deadline:
        time.sleep(0.02)
    return decoded(server)


def number_of(line: str, what: str) -> int:
    """The number before a word of the exit line."""
    found = re.search(rf"(\d+) {what}\b", line)
    assert found, f"no {what!r} in {line!r}"
    return int(found[1])


def assert_balanced(line: str) -> None:
    """Both balances of the exit line (``agent.count``), as a reader would check them."""
    frames, messages, *_ = line.partition("frames: ")[2].split("; ")
    for part, total in ((frames, "captured"), (messages, "found")):
        numbers = [int(number) for number in re.findall(r"(\d+) [a-z]", part)]
        assert number_of(part, total) == numbers[0] == sum(numbers[1:]), part
