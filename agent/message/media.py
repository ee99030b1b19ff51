# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call an RTCP packet belongs to: the addresses in SDP, remembered by Call-ID.

Memory is bounded by the number of entries; the oldest goes first and is counted. Time is that of
the capture, so a file is read at any speed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from agent.count import Count
from agent.message.sdp import rtcp_targets
from agent.message.share import Learnt, Share
from collector.sip import find_headers

ADDRESS_US: Final = 20 * 60 * 1_000_000
"""How long an address is remembered from the last SDP that names it, unless RTCP came."""
STREAM_US: Final = 12 * 3_600 * 1_000_000
"""How long a stream of RTCP keeps the call that it was found to belong to."""
MAX_ADDRESSES: Final = 200_000
"""Addresses remembered by a worker: 50,000 calls at once, each with four, 60 MB."""
MAX_STREAMS: Final = 100_000
"""Streams of RTCP remembered by a worker, 30 MB."""
MAX_CALL_ID: Final = 512
"""Bytes; what has a longer Call-ID is not remembered."""

_EVICTED: Final = int(Count.ADDRESS_EVICTED)
_UNSHARED: Final = int(Count.ADDRESS_UNSHARED)
_CALL_ID: Final = b"call-id"
_WANTED: Final = frozenset((_CALL_ID,))


class Media:
    """The calls that RTCP can belong to, as one worker knows them."""

    def __init__(self, counts: memoryview[int], share: Share | None = None) -> None:
        """``share`` is the worker's end of the pipes to its siblings; None when it has none."""
        self._counts = counts
        self._share = share
        self._addresses: OrderedDict[bytes, tuple[int, bytes, bool]] = OrderedDict()
        """Address and port → expiry, Call-ID, named in SDP; the next to expire first."""
        self._streams: OrderedDict[bytes, tuple[int, int, bytes]] = OrderedDict()
        """Source address, port and SSRC → expiry, that of the address it came by, Call-ID."""
        self.changes = 0
        """Grows with each SDP that was learnt, here or by a sibling."""

    def fileno(self) -> int:
        """Readable when a sibling has learnt something; -1 without siblings."""
        return self._share.fileno() if self._share else -1

    def poll(self) -> None:
        """Take over what siblings have learnt; never waits."""
        if self._share:
            for learnt in self._share.receive():
                self._remember(learnt, learnt.expires - ADDRESS_US)

    def learn(self, time: int, src_ip: bytes, message: bytes) -> None:
        """Remember the addresses in the SDP of a SIP message, request or response.

        ``src_ip`` is where it came from: behind an address translation RTCP comes from there, not
        from the private address in SDP. A message without audio costs one search.
        """
        if message.find(b"\nm=audio ") < 0:
            return
        call_id = find_call_id(message)
        if not 0 < len(call_id) <= MAX_CALL_ID:
            return
        named, guessed = [], []
        for ip, ports in rtcp_targets(message):
            for port in ports:
                number = port.to_bytes(2)
                if ip:
                    named.append(ip + number)
                if ip != src_ip:
                    guessed.append(src_ip + number)
        if named or guessed:
            learnt = Learnt(time + ADDRESS_US, call_id, tuple(named), tuple(guessed))
            self._remember(learnt, time)
            if self._share:
                self._counts[_UNSHARED] += self._share.tell(learnt)

    def find(self, time: int, src: bytes, dst: bytes, ssrc: bytes) -> bytes:
        """Call-ID for RTCP between two addresses, each with its port behind; ``b""`` if unknown.

        A stream keeps its call, unless a later SDP gives its source address to another one.
        """
        key = src + ssrc
        stream = self._streams.get(key)
        address = self._addresses.get(src)
        if address and address[0] <= time:
            address = None
        if stream and stream[0] > time and (not address or address[0] <= stream[1]):
            return stream[2]
        if not address:
            address = self._addresses.get(dst)
            if not address or address[0] <= time:
                return b""
        expires, call_id, _ = address
        self._streams[key] = (time + STREAM_US, expires, call_id)
        self._streams.move_to_end(key)
        if len(self._streams) > MAX_STREAMS:
            self._streams.popitem(last=False)
            self._counts[_EVICTED] += 1
        return call_id

    def _remember(self, learnt: Learnt, time: int) -> None:
        expires, call_id, named, guessed = learnt
        addresses = self._addresses
        for key in named:
            addresses[key] = (expires, call_id, True)
            addresses.move_to_end(key)
        for key in guessed:
            known = addresses.get(key)
            # What an SDP names is certain, this is not.
            if not known or not known[2] or known[0] <= time:
                addresses[key] = (expires, call_id, False)
                addresses.move_to_end(key)
        while addresses:
            oldest, (until, _, _) = next(iter(addresses.items()))
            if until > time:
                if len(addresses) <= MAX_ADDRESSES:
                    break
                self._counts[_EVICTED] += 1
            del addresses[oldest]
        self.changes += 1


def find_call_id(message: bytes) -> bytes:
    """The Call-ID of a SIP message in any spelling; ``b""`` when it has none."""
    begin = message.find(b"\nCall-ID:", 0, message.find(b"\r\n\r\n"))
    if begin >= 0:
        begin += 9
        call_id = message[begin : message.find(b"\n", begin)].strip()
        if call_id:
            return call_id
    return find_headers(message, _WANTED).get(_CALL_ID, b"")
