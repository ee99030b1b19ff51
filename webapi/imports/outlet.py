# SPDX-License-Identifier: GPL-2.0-or-later
"""The last step: messages as HEP3 over TCP to the capture node, and what there was of them."""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Final

from agent.count import Count
from agent.handover import encode
from agent.message.media import find_call_id
from agent.selection import cseq_method
from collector import hep
from collector.hep import TYPE_RTCP, TYPE_SIP, Hep
from collector.kernel import unacknowledged
from collector.sip import kind_of
from webapi.imports.job import ImportFault, Job

MAX_CALL_IDS: Final = 100
"""Named in the answer."""
MAX_COUNTED: Final = 100_000
"""Call-IDs that are told apart."""
STALLED_S: Final = 60.0
"""How long the capture node may take nothing: while its journal is full it does not."""
_MAX_CALL_ID: Final = 512
_READ_BYTES: Final = 4096

_JOURNALED: Final = int(Count.JOURNALED)
_TOO_LARGE: Final = int(Count.TOO_LARGE)


class Outlet:
    """A connection to the capture node. The worker's ``Handover``."""

    def __init__(self, job: Job, counts: memoryview[int]) -> None:
        """Raises ImportFault when the capture node does not answer."""
        self._job = job
        self._counts = counts
        self._waiting: list[bytes] = []
        self.kinds: Counter[str] = Counter()
        """Messages sent, by kind of the row that they become."""
        self.call_ids: dict[bytes, None] = {}
        self.first: int | None = None
        self.last: int | None = None
        """Times of the messages, µs since 1970."""
        self.by_arrival = 0
        """Messages that the node files by time of arrival: their own is too far off."""
        try:
            self._socket = socket.create_connection((job.host, job.port), STALLED_S)
        except OSError as error:
            raise self._fault(str(error)) from error

    def put(self, message: Hep) -> None:
        """Send one message with the next ``flush``."""
        data = encode(message, hep.MAX_PACKET)
        if data is None:
            self._counts[_TOO_LARGE] += 1
            return
        self._waiting.append(data)
        at = message.seconds * 1_000_000 + message.microseconds
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        kind = "report"
        if message.type == TYPE_SIP:
            kind = kind_of(cseq_method(message.payload)).label
            call_id = find_call_id(message.payload)
            if call_id and len(self.call_ids) < MAX_COUNTED:
                self.call_ids[call_id[:_MAX_CALL_ID]] = None
        self.kinds[_name(message.type, kind)] += 1
        self.by_arrival += not is_filed(self._job, kind, at / 1e6)

    def flush(self) -> None:
        """Send what was put; waits while the node takes nothing. Raises ImportFault."""
        if not self._waiting:
            return
        packets, self._waiting = self._waiting, []
        left = memoryview(b"".join(packets))
        try:
            while left:
                # Patience begins anew each time: senders.max_rate may make it slow.
                left = left[self._socket.send(left) :]
        except OSError as error:
            raise self._fault(str(error)) from error
        self._counts[_JOURNALED] += len(packets)

    def finish(self) -> None:
        """Wait until the node has taken all: it closes the connection then. Raises ImportFault."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while self._receive():
                pass
            if unacknowledged(self._socket):
                reason = "it has closed the connection: look at senders.networks"
                raise self._fault(reason)
        except OSError as error:
            raise self._fault(str(error)) from error
        finally:
            self._socket.close()

    def _receive(self) -> bytes:
        """What the node says, which means nothing; empty when it has closed. Raises OSError."""
        before = unacknowledged(self._socket)
        while True:
            try:
                return self._socket.recv(_READ_BYTES)
            except TimeoutError:
                left = unacknowledged(self._socket)
                if left >= before:
                    raise
                before = left

    @property
    def shown_call_ids(self) -> list[str]:
        """The first of them, as text."""
        return [name.decode(errors="replace") for name in [*self.call_ids][:MAX_CALL_IDS]]

    def _fault(self, reason: str) -> ImportFault:
        message = (
            f"the capture node at {self._job.host}:{self._job.port} does not take the messages: "
            f"{reason}; after {self._counts[_JOURNALED]} messages"
        )
        return ImportFault("import_target_unavailable", message, 503)


def is_filed(job: Job, kind: str, at_s: float) -> bool:
    """Whether the node files a message of this time, s since 1970, by it (``collector.hop``)."""
    age = time.time() - at_s
    return -job.accept_future_s <= age <= max(job.accept_past_s, job.kept_s[kind])


def _name(hep_type: int, kind: str) -> str:
    if hep_type == TYPE_SIP:
        return kind
    return "rtcp" if hep_type == TYPE_RTCP else "rtp"
