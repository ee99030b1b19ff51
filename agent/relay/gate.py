# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a HEP packet that was received: left out, damaged, or into the journal."""

from __future__ import annotations

import time
from typing import Final

from agent.count import Count
from agent.counts import Counts
from agent.flags.options import Options
from agent.handover import Handover
from agent.selection import AddressFilter, ContentFilter, MethodFilter
from collector import hep
from collector.causes import Cause
from collector.hep import TYPE_SIP
from collector.journal.record import Record, Transport
from collector.output.fate import Fate
from collector.output.wire import Wire

_CAPTURED: Final = int(Count.CAPTURED)
_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)
_CONTENT: Final = int(Count.CONTENT)
_ADDRESS: Final = int(Count.ADDRESS)
_TYPE: Final = int(Count.TYPE)
_METHOD: Final = int(Count.METHOD)
_DAMAGED_HEP: Final = int(Count.DAMAGED_HEP)


class Gate:
    """The filters of -hin; the same for both transports."""

    def __init__(self, options: Options, handover: Handover, counts: Counts) -> None:
        self._handover = handover
        self._counts = counts
        self._only_sip = options.collectonlysip
        self._content = ContentFilter(options.fi, options.di)
        self._addresses = AddressFilter(options.diip, options.disip, options.didip)
        self._methods = MethodFilter(options.dim)
        # With a password of our own in place of the sender's, chunks that nobody knows stay.
        self._password = options.hp
        self._wire = Wire(stream=True, password=options.hp) if options.replacetoken else None

    def take(self, packet: bytes, peer: bytes, port: int, transport: Transport) -> None:
        """One packet, as received; never raises for what is in it.

        ``peer`` has 16 bytes (``collector.journal.record.pack_address``).
        """
        counts = self._counts
        counts[_CAPTURED] += 1
        decoded = hep.decode(packet)
        if isinstance(decoded, Cause):
            counts[_DAMAGED_HEP] += 1
        elif self._content and self._content.discards(packet):
            counts[_CONTENT] += 1
        elif self._only_sip and decoded.type != TYPE_SIP:
            counts[_TYPE] += 1
        elif self._addresses and self._addresses.discards(decoded.src_ip, decoded.dst_ip):
            counts[_ADDRESS] += 1
        else:
            counts[_USED] += 1
            counts[_FOUND] += 1
            is_sip = decoded.type == TYPE_SIP
            if self._methods and is_sip and self._methods.discards(decoded.payload):
                counts[_METHOD] += 1
                return
            if self._wire:
                decoded = decoded._replace(auth_key=self._password)
                received = Record(time.time_ns(), peer, port, transport, packet, 0)
                changed = self._wire.encode(received)
                if isinstance(changed, Fate):
                    self._handover.put(decoded)
                    self._handover.flush()
                    return
                packet = changed
            self._handover.pass_on(packet, decoded, peer, port, transport)

    def cut_off(self, *, inside: bool) -> None:
        """A connection ended inside of a packet, or (not ``inside``) at what is no HEP."""
        self._counts[_CAPTURED] += 1
        self._counts[Count.CUT_HEP if inside else Count.DAMAGED_HEP] += 1
