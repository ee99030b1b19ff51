# SPDX-License-Identifier: GPL-2.0-or-later
"""Datagrams that are handed to the kernel at once.

``send`` is ``collector.compiled.burst`` where that is built, else the plain form here. Both tell an
error only when nothing was sent: what was in its way meets the next call, or is in the socket's
queue of errors (``collector.output.refusal``).
"""

from __future__ import annotations

import socket
from typing import Final

from collector.compiled import sources


def send_plain(descriptor: int, packets: list[bytes], begin: int, end: int) -> int:
    """Send packets from ``begin`` on and before ``end``, at most ``MOST``; returns how many went.

    The socket is connected and does not block. Raises OSError when not even the first was sent,
    and ValueError for places that are not there.
    """
    if begin < 0 or end != begin + 1 or end > len(packets):
        message = f"{begin} to {end} are no datagrams that go at once"
        raise ValueError(message)
    with socket.socket(fileno=descriptor) as sender:
        try:
            sender.send(packets[begin])
        finally:
            sender.detach()
    return 1


_compiled = sources.load(sources.BURST).module
send = _compiled.send if _compiled else send_plain
MOST: Final[int] = _compiled.MOST if _compiled else 1
"""Datagrams that one call takes."""
