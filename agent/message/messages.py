# SPDX-License-Identifier: GPL-2.0-or-later
"""What a payload is, and the HEP packet that it becomes.

Who counts what: a frame is counted by the worker. ``read`` counts none, but where it returns None,
``outcome`` is what the frame counts as if nothing else in it is used. A message is counted as found
by whoever gets it from here; those that get lost here are counted here, both as found and by cause.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.count import Count
from agent.message import dns, syslog
from agent.message.held import HOLD_US, Held, Report
from agent.message.media import Media
from agent.message.rtcp import is_rtcp, to_json
from agent.message.script import Script
from agent.packet.packet import Packet
from agent.stream import sip
from collector.hep import PROTOCOL_TCP, PROTOCOL_UDP, TYPE_DNS, TYPE_LOG, TYPE_RTCP, TYPE_SIP, Hep

MODE_SIP: Final = "SIP"
MODE_DNS: Final = "SIPDNS"
MODE_LOG: Final = "SIPLOG"
"""Of -m; any other text means SIPRTCP, as with heplify. Each but SIP has RTCP, too."""

MIN_UDP: Final = 16
"""Bytes; what is shorter is a keep-alive."""

_USED: Final = int(Count.USED)
_FOUND: Final = int(Count.FOUND)
_TOO_SHORT: Final = int(Count.TOO_SHORT)
_UNKNOWN: Final = int(Count.UNKNOWN)
_RTP: Final = int(Count.RTP)
_RTCP_EMPTY: Final = int(Count.RTCP_EMPTY)
_RTCP_NO_CALL: Final = int(Count.RTCP_NO_CALL)
_LOG_EMPTY: Final = int(Count.LOG_EMPTY)
_DNS_MALFORMED: Final = int(Count.DNS_MALFORMED)
_SCRIPT_DISCARDED: Final = int(Count.SCRIPT_DISCARDED)

_NO_EXTRA: Final[dict[int, bytes]] = {}
_new = tuple.__new__


class Messages:
    """Reads the packets of one worker."""

    def __init__(
        self,
        counts: memoryview[int],
        media: Media,
        *,
        mode: str = "SIPRTCP",
        capture_id: int = 2002,
        node_name: bytes = b"",
        auth_key: bytes = b"",
        script: Script | None = None,
    ) -> None:
        """``mode`` is -m, the next three are -hi, -hn and -hp; ``script`` may change messages."""
        self._counts = counts
        self._media = media
        self._has_media = mode != MODE_SIP
        self._capture_id = capture_id
        self._node_name = node_name
        self._auth_key = auth_key
        self._script = script
        self._held = Held()
        self._cookies = syslog.Cookies()
        self._seen = 0
        """Of ``media.changes``, when held reports last looked for their calls."""
        self.outcome = _USED
        """What the frame of the last packet counts as that gave no message: a ``Count``."""
        self._sources: dict[int, Callable[[Packet], Hep | None]] = {}
        self._targets: dict[int, Callable[[Packet], Hep | None]] = {}
        """UDP readers by port."""
        readers = {dns.PORT: self._dns, syslog.PORT: self._log, syslog.NG_PORT: self._ng}
        for found, ports in zip((self._sources, self._targets), udp_ports(mode), strict=True):
            found.update((port, readers[port]) for port in ports)

    def read(self, packet: Packet) -> Hep | None:
        """The HEP packet for a UDP datagram, the data of an SCTP chunk, or a message from TCP.

        None when there is nothing to send, or not yet: RTCP may come out of ``expire``.
        """
        payload = packet.payload
        protocol = packet.protocol
        if protocol == PROTOCOL_UDP:
            if len(payload) < MIN_UDP:
                return self._nothing(_TOO_SHORT)
            if self._targets:
                reader = self._targets.get(packet.dst_port) or self._sources.get(packet.src_port)
                if reader:
                    return reader(packet)
            if self._has_media and payload[0] & 0xC0 == 0x80:
                return self._rtcp(packet) if is_rtcp(payload) else self._nothing(_RTP)
        if protocol != PROTOCOL_TCP:  # There the streams look for SIP.
            begin = sip.find(payload)
            if begin < 0:
                return self._nothing(_UNKNOWN)
            if begin:
                payload = payload[begin:]
        if self._has_media:
            self._media.learn(packet.time, packet.src_ip, payload)
        return self._hep(packet, TYPE_SIP, payload, b"")

    def expire(self, now: int) -> list[Hep]:
        """Reports whose call has become known; those that have waited long enough are given up.

        To be called about every second, and with a time far ahead at the end; ``now`` in µs.
        """
        self._media.poll()
        if not self._held:
            return []
        found: list[Hep] = []
        is_news = self._seen != self._media.changes
        self._seen = self._media.changes
        for report in self._held.take():
            call_id = self._find(report.packet, report.ssrc) if is_news else b""
            if call_id:
                message = self._hep(report.packet, TYPE_RTCP, report.payload, call_id)
                if message:
                    found.append(message)
            elif report.packet.time + HOLD_US > now:
                self._held.add(report)
            else:
                self._give_up()
        return found

    def _nothing(self, outcome: int) -> Hep | None:
        self.outcome = outcome
        return None

    def _give_up(self) -> None:
        self._counts[_FOUND] += 1
        self._counts[_RTCP_NO_CALL] += 1

    def _hep(self, packet: Packet, kind: int, payload: bytes, correlation_id: bytes) -> Hep | None:
        time, protocol, src_ip, dst_ip, src_port, dst_port, vlan, _, _, _ = packet
        seconds, microseconds = divmod(time, 1_000_000)
        message = _new(
            Hep,
            (
                3,
                protocol,
                src_ip,
                dst_ip,
                src_port,
                dst_port,
                seconds,
                microseconds,
                kind,
                self._capture_id,
                payload,
                correlation_id,
                self._node_name,
                self._auth_key,
                vlan,
                _NO_EXTRA,
            ),
        )
        return self._run(self._script, message) if self._script else message

    def _run(self, script: Script, message: Hep) -> Hep | None:
        changed = script.run(message)
        if changed is None:
            self._counts[_FOUND] += 1
            self._counts[_SCRIPT_DISCARDED] += 1
            return self._nothing(_USED)
        return changed

    def _find(self, packet: Packet, ssrc: bytes) -> bytes:
        """The Call-ID for RTCP, or none."""
        src = packet.src_ip + packet.src_port.to_bytes(2)
        return self._media.find(packet.time, src, packet.dst_ip + packet.dst_port.to_bytes(2), ssrc)

    def _rtcp(self, packet: Packet) -> Hep | None:
        payload = to_json(packet.payload)
        if payload is None:
            return self._nothing(_RTCP_EMPTY)
        ssrc = packet.payload[4:8]
        call_id = self._find(packet, ssrc)
        if not call_id:
            self._media.poll()
            call_id = self._find(packet, ssrc)
        if call_id:
            return self._hep(packet, TYPE_RTCP, payload, call_id)
        if self._held.add(Report(packet, payload, ssrc)):
            self._give_up()
        return self._nothing(_USED)

    def _dns(self, packet: Packet) -> Hep | None:
        """Without correlation id, as from heplify: a look-up belongs to no call."""
        payload = dns.to_json(packet.payload)
        if payload is None:
            return self._nothing(_DNS_MALFORMED)
        return self._hep(packet, TYPE_DNS, payload, b"")

    def _log(self, packet: Packet) -> Hep | None:
        return self._line(packet, syslog.call_id(packet.payload))

    def _ng(self, packet: Packet) -> Hep | None:
        return self._line(packet, self._cookies.call_id(packet.payload))

    def _line(self, packet: Packet, call_id: bytes) -> Hep | None:
        if not call_id:
            return self._nothing(_LOG_EMPTY)
        return self._hep(packet, TYPE_LOG, packet.payload, call_id)


def udp_ports(mode: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Source and destination ports of datagrams that are not looked at for SIP."""
    if mode == MODE_DNS:
        return (dns.PORT,), (dns.PORT,)
    if mode == MODE_LOG:
        return (syslog.NG_PORT,), (syslog.NG_PORT, syslog.PORT)
    return (), ()
