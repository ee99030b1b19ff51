# SPDX-License-Identifier: GPL-2.0-or-later
"""Several collectors at the proxy: fail-over, or spread by Call-ID.

siptrace has one destination, so the tap of trace.cfg hands the messages of traced calls, and no
others, to ``ksr_trace_send``. A message is sent or dropped at once: the call path never waits. A
proxy in the native language loads this file; a script in Python has its class inherit
``TraceCollectors``.
"""

from __future__ import annotations

import functools
import socket
import sys
import time
from binascii import unhexlify
from pathlib import Path
from typing import Final

import KSR

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from collector import hep
from collector.hep import Hep
from collector.log import LimitedLog
from collector.trace_collectors import (
    Collector,
    Mode,
    Socket,
    in_turn,
    parse_collectors,
    parse_mode,
    parse_socket,
    ranking,
)
from collector.trace_probe import Probe
from kemi import log, packet
from kemi.edge.definition import definition

TABLE: Final = "trace_collector"
"""``sent:<n>``, ``dropped:<n>``: packets; ``down:<n>``: 1 with an expiry. n counts from 1."""
REFUSED_S: Final = 5
"""How long a collector is left alone after an error; then one packet finds out."""
GONE_S: Final = 4
"""The same after a probe that failed: longer than until the next one."""

_LOOK_S: Final = 0.25
"""How often a worker looks at what the others have found out."""
_MAX_SOCKETS: Final = 10_000
_MAX_CALLS: Final = 4_096
_LOG: Final = LimitedLog()


class Sender:
    """The sockets of one process, and what it knows of the collectors."""

    def __init__(
        self, collectors: tuple[Collector, ...], mode: Mode, capture_id: int, password: bytes
    ) -> None:
        self._collectors = collectors
        self._capture_id = capture_id
        self._password = password
        self._sockets: dict[int, socket.socket] = {}
        self._down: set[int] = set()
        self._look_at = 0.0
        self._known: dict[str, Socket] = {}
        # The messages of a call come close together.
        self._ranking = functools.lru_cache(_MAX_CALLS)(
            lambda call_id: ranking(mode, collectors, call_id)
        )

    def send(self, type_: int, source: str, destination: str, payload: bytes) -> None:
        """Send ``payload``, of HEP type ``type_``, to the collector of the current call.

        ``source`` and ``destination`` are written as siptrace writes them.
        """
        call_id = unhexlify(packet.text_of("$(ci{s.encode.hexa})"))
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        src, dst = self._socket_of(source), self._socket_of(destination)
        data = hep.encode(
            Hep(
                *(3, src.protocol, src.ip, dst.ip, src.port, dst.port),
                *(seconds, nanoseconds // 1000, type_, self._capture_id, payload),
                *(b"" if type_ == hep.TYPE_SIP else call_id, b"", self._password),
            )
        )
        if time.monotonic() >= self._look_at:
            self._look()
        ranked = self._ranking(call_id)
        for n in in_turn(ranked, self._down):
            if self._deliver(n, data):
                return
        self.drop(ranked[0])

    def drop(self, n: int = 0) -> None:
        """Count a packet that was not sent."""
        KSR.htable.sht_inc(TABLE, f"dropped:{n + 1}")

    def _deliver(self, n: int, data: bytes) -> bool:
        """False when another collector should have it."""
        try:
            self._connected(n).send(data)
        except BlockingIOError:
            self.drop(n)
        except OSError as error:
            # Of this packet or an earlier one: ICMP says that nobody listens, or no way there.
            self._down.add(n)
            KSR.htable.sht_setxi(TABLE, f"down:{n + 1}", 1, REFUSED_S)
            host, port = self._collectors[n]
            _LOG.warn(f"down {n}", f"the collector {host}, port {port}, is away: {error.strerror}")
            return False
        else:
            KSR.htable.sht_inc(TABLE, f"sent:{n + 1}")
        return True

    def _connected(self, n: int) -> socket.socket:
        """Connected, so that the kernel hands over ICMP errors. Raises OSError."""
        found = self._sockets.get(n)
        if found is None:
            collector = self._collectors[n]
            family = socket.AF_INET6 if ":" in collector.host else socket.AF_INET
            found = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            try:
                found.connect(collector)
            except OSError:
                found.close()
                raise
            self._sockets[n] = found
        return found

    def _look(self) -> None:
        self._look_at = time.monotonic() + _LOOK_S
        self._down = {
            n for n in range(len(self._collectors)) if KSR.htable.sht_get(TABLE, f"down:{n + 1}")
        }

    def _socket_of(self, text: str) -> Socket:
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MAX_SOCKETS:
                self._known.clear()
            found = self._known[text] = parse_socket(text)
        return found


class TraceCollectors:
    """The routes that trace.cfg calls when there is a list of collectors."""

    def ksr_trace_send(self, _msg: object) -> int:
        """A message of a traced call, from the tap: on its way in or out."""
        source, destination = packet.text_of("$siptrace(src_addr)"), "$siptrace(dst_addr)"
        return _send(hep.TYPE_SIP, None, source, packet.text_of(destination))

    def ksr_trace_first(self, _msg: object) -> int:
        """The request that has just been found to belong to a traced call."""
        return send_first()

    def ksr_trace_log(self, _msg: object, text: str = "") -> int:
        """A log line of a traced call."""
        return send_log(text)

    def ksr_trace_probe(self, _msg: object, _timer: str = "") -> int:
        """Once a second, in a process of its own: are the collectors there at all?"""
        try:
            for n in _probe().missing():
                KSR.htable.sht_setxi(TABLE, f"down:{n + 1}", 1, GONE_S)
        except Exception as error:  # noqa: BLE001 (the next second has another try)
            _LOG.warn("probe", f"collectors: {type(error).__name__}: {error}")
        return 1


class kamailio(TraceCollectors):  # noqa: N801 (Kamailio's name)
    """All that a proxy in the native language needs of Python."""

    def child_init(self, _rank: int) -> int:
        """Called in every process; sockets are made when the first packet is sent."""
        return 0


def mod_init() -> kamailio:
    """Called once, before Kamailio forks."""
    log.start()
    return kamailio()


def send_first() -> int:
    """Send the current request as it was received."""
    return _send(hep.TYPE_SIP, None, *_ways())


def send_log(text: str) -> int:
    """Send ``text`` as a log line (HEP type 100) of the current call."""
    return _send(hep.TYPE_LOG, text.encode(), *_ways())


def _ways() -> tuple[str, str]:
    """Where the current message came from and to."""
    get = KSR.pv.get
    protocol = get("$proto")
    return f"{protocol}:{get('$si')}:{get('$sp')}", f"{protocol}:{get('$Ri')}:{get('$Rp')}"


def _send(type_: int, payload: bytes | None, source: str, destination: str) -> int:
    """Send the current message, or ``payload``. Whatever goes wrong, the message goes its way."""
    try:
        sender = _sender()
        if payload is None and packet.number_of("$ml") <= packet.MAX_BASE64_BYTES:
            payload = packet.read_large()
        if payload is None:
            sender.drop()
        else:
            sender.send(type_, source, destination, payload)
    except Exception as error:  # noqa: BLE001 (a fault here must not stop routing)
        _LOG.warn("send", f"message not traced: {type(error).__name__}: {error}")
        KSR.htable.sht_inc(TABLE, "dropped:1")
    return 1


@functools.cache
def _collectors() -> tuple[Collector, ...]:
    return parse_collectors(definition("TRACE_COLLECTORS"))


@functools.cache
def _sender() -> Sender:
    """This process's own."""
    return Sender(
        _collectors(),
        parse_mode(definition("TRACE_COLLECTOR_MODE")),
        int(definition("TRACE_CAPTURE_ID")),
        definition("TRACE_PASSWORD").encode(),
    )


@functools.cache
def _probe() -> Probe:
    return Probe(_collectors())
