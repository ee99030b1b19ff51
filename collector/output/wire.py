# SPDX-License-Identifier: GPL-2.0-or-later
"""Journal records as the HEP packets that a relay target gets. Bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from collector import forms, hep, protobuf
from collector.causes import Cause
from collector.compiled import sources
from collector.hep import MAGICS, MAX_PACKET, VERSION_PROTOBUF, Hep
from collector.journal.record import Record
from collector.output.fate import Fate

MAX_DATAGRAM: Final = 65_507
"""Largest UDP payload over IPv4, bytes; the header's length field has 16 bits."""

_compiled: Final = sources.load(sources.RECORDS).module
"""Knows the packets that go as they are; the others are looked at one by one."""
_AUTH_KEY: Final = b"\0\0\0\x0e"
"""Vendor and number of the chunk with the capture password."""


class Wire:
    """How packets look to one target.

    A HEP3 packet goes byte for byte, but for the capture password: it was meant for this node, so
    it is taken out, or replaced by the target's own. Over UDP HEPv1 and v2 go as they came, and
    Protobuf stays Protobuf; over a stream, where only HEP3 has a length to frame by, they become
    HEP3.
    """

    def __init__(
        self,
        *,
        stream: bool,
        types: Collection[int] = (),
        password: bytes = b"",
        pass_on_password: bool = False,
        accepts: Callable[[Hep], bool] | None = None,
    ) -> None:
        """``types`` are the HEP types wanted, all when empty; ``accepts`` says who may send."""
        self._stream = stream
        self._types = types
        self._password = password
        self._chunk = _AUTH_KEY + (len(password) + 6).to_bytes(2) + password if password else b""
        self._strips = not pass_on_password
        self._accepts = accepts
        self._looks = bool(types) or accepts is not None
        self._largest = MAX_PACKET if stream else MAX_DATAGRAM

    def encode(self, found: Record) -> bytes | Fate:
        """The bytes for the target, or why there are none."""
        packet = found.packet
        is_hep3 = packet[:4] in MAGICS
        if is_hep3 and not self._looks:
            if len(packet) < 6 or (packet[4] << 8 | packet[5]) != len(packet):
                return Fate.MALFORMED
        else:
            decoded = forms.decode(packet)
            if isinstance(decoded, Cause):
                return Fate.MALFORMED
            fate = self._refuse(decoded) if self._looks else None
            if fate:
                return fate
            if not is_hep3 and self._stream:
                return self._encode_hep3(found, decoded)
            if decoded.version == VERSION_PROTOBUF and self._strips:
                packet = protobuf.encode(decoded._replace(auth_key=self._password))
        if is_hep3 and self._strips and (self._chunk or _AUTH_KEY in packet):
            changed = self._change_password(packet)
            if changed is None:
                return Fate.MALFORMED
            packet = changed
        return packet if len(packet) <= self._largest else Fate.TOO_LARGE

    def encode_all(self, records: list[Record]) -> tuple[list[bytes], dict[int, Fate]]:
        """The packets, empty for those that are not sent; and why, by their places in order."""
        if _compiled and not self._looks and not self._strips:
            whole = _compiled.packets(records, self._largest)
            if whole is not None:
                return whole, {}
        packets = []
        unsent: dict[int, Fate] = {}
        for place, found in enumerate(records):
            packet = self.encode(found)
            if isinstance(packet, Fate):
                unsent[place] = packet
                packet = b""
            packets.append(packet)
        return packets, unsent

    def _refuse(self, packet: Hep) -> Fate | None:
        if self._accepts and not self._accepts(packet):
            return Fate.PASSWORD
        return Fate.TYPE if self._types and packet.type not in self._types else None

    def _encode_hep3(self, found: Record, packet: Hep) -> bytes | Fate:
        """HEPv1 has no time: that of arrival is nearer than what a receiver would put there."""
        if not (packet.seconds or packet.microseconds):
            seconds, microseconds = divmod(found.id // 1000, 1_000_000)
            packet = packet._replace(seconds=seconds, microseconds=microseconds)
        if self._strips:
            packet = packet._replace(auth_key=self._password)
        if packet.src_ip and packet.dst_ip and len(packet.src_ip) != len(packet.dst_ip):
            return Fate.MALFORMED  # Protobuf could say so, HEP3 has one family
        try:
            return hep.encode(packet._replace(version=3))
        except ValueError:
            return Fate.TOO_LARGE

    def _change_password(self, packet: bytes) -> bytes | None:
        """The packet with its password chunks replaced; None when its chunks cannot be followed."""
        size = len(packet)
        parts = []
        position = 6
        while position < size:
            length = int.from_bytes(packet[position + 4 : position + 6])
            end = position + length
            if length < 6 or end > size:
                return None
            if packet[position : position + 4] != _AUTH_KEY:
                parts.append(packet[position:end])
            position = end
        # Before the payload, which many senders have last, and some receivers expect there.
        parts.insert(max(len(parts) - 1, 0), self._chunk)
        body = b"".join(parts)
        length = len(body) + 6
        # One that has become too large is seen to be so by its size.
        return packet[:4] + min(length, MAX_PACKET).to_bytes(2) + body
