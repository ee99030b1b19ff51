# SPDX-License-Identifier: GPL-2.0-or-later
"""``-hs ""``: every message becomes a line of the log, and nothing is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Final

from collector import forms
from collector.causes import Cause
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_TLS, PROTOCOL_UDP, Hep
from collector.journal.record import Record
from collector.log import LOGGER
from collector.output.fate import Fate
from collector.output.label import type_name
from collector.output.output import POLL_S, Output

NAME: Final = "log"
_PROTOCOLS: Final = {
    PROTOCOL_TCP: "tcp",
    PROTOCOL_UDP: "udp",
    PROTOCOL_TLS: "tls",
    PROTOCOL_SCTP: "sctp",
}


class MessageLog(Output):
    """Writes the log."""

    async def session(self) -> None:
        """Read and write for ever."""
        self.connected()
        while not self.stopping.is_set():
            portion = self.backlog.read()
            if portion is None:
                await self.wait(POLL_S)
                continue
            self.backlog.commit(portion, Counter(map(_write, portion.records)))
            await asyncio.sleep(0)


def _write(found: Record) -> Fate:
    packet = forms.decode(found.packet)
    if isinstance(packet, Cause):
        return Fate.MALFORMED
    LOGGER.info("%s", line(packet))
    return Fate.DELIVERED


def line(packet: Hep) -> str:
    """One line, whatever is in the packet: only printable characters, the rest escaped."""
    at = datetime.fromtimestamp(packet.seconds, UTC)
    protocol = _PROTOCOLS.get(packet.protocol, str(packet.protocol))
    source = _place(packet.src_ip, packet.src_port)
    destination = _place(packet.dst_ip, packet.dst_port)
    parts = [
        f"{at:%Y-%m-%dT%H:%M:%S}.{packet.microseconds:06}Z {type_name(packet.type)}",
        f"{protocol} {source} -> {destination} node {_escape(packet.node)}",
    ]
    if packet.vlan:
        parts.append(f"vlan {packet.vlan}")
    if packet.correlation_id:
        parts.append(f"cid {_escape(packet.correlation_id)}")
    return f"{' '.join(parts)}: {_escape(packet.payload)}"


def _place(address: bytes, port: int) -> str:
    text = str(ip_address(address)) if address else "-"
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


def _escape(data: bytes) -> str:
    r"""Text with ``\r\n`` and the like as in Python's own form."""
    return repr(data.decode("utf-8", "backslashreplace"))[1:-1]
