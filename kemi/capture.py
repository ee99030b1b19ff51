# SPDX-License-Identifier: GPL-2.0-or-later
"""The KEMI script of the capture Kamailio, loaded by kamailio.cfg.

Each function is the counterpart of a route. UDP workers only append to the journal: Kamailio holds
the interpreter's lock there while it waits for packets, so they can have no threads. Ingest,
listener and outputs run in processes of their own that ``rtimer`` starts; their function does not
return.
"""

from __future__ import annotations

import json
import os
import site
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import KSR

ROOT = Path(__file__).resolve().parent.parent
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Kamailio embeds the system's interpreter; the libraries are in our virtual environment.
site.addsitedir(str(ROOT / ".venv" / "lib" / _VERSION / "site-packages"))
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from collector import settings  # noqa: E402
from collector.admission.door import Door, rate_table  # noqa: E402
from collector.admission.refused import RefusedPeers  # noqa: E402
from collector.causes import Cause  # noqa: E402
from collector.errors import KemiscopeError  # noqa: E402
from collector.journal import record  # noqa: E402
from collector.journal.counters import Counters, Role  # noqa: E402
from collector.journal.writer import Writer  # noqa: E402
from collector.log import LOGGER, LimitedLog  # noqa: E402
from collector.output import configured  # noqa: E402
from collector.priority import go_first  # noqa: E402
from collector.selection import Selection  # noqa: E402
from kemi import log, packet  # noqa: E402

if TYPE_CHECKING:
    from collector.watchdog import Watchdog

_MAX_PEERS = 10_000


def mod_init() -> kamailio:
    """Called once, before Kamailio forks. A mistake in the settings ends the start here."""
    log.start()
    try:
        return kamailio()
    except KemiscopeError as error:
        for line in str(error).splitlines():
            KSR.crit(f"{line}\n")
        raise SystemExit(1) from None


class kamailio:  # noqa: N801 (Kamailio's name)
    """The routes, by the names that kamailio.cfg uses."""

    def __init__(self) -> None:
        self._settings = settings.load()
        Selection(self._settings)  # says what is wrong before anything starts
        # Made before Kamailio forks: all processes share it.
        self._rates = rate_table(self._settings.senders)
        self._writer: Writer | None = None
        self._door: Door | None = None
        self._refused: RefusedPeers | None = None
        self._watchdog: Watchdog | None = None
        self._peers: dict[str, bytes] = {}
        self._limited = LimitedLog()

    def child_init(self, rank: int) -> int:
        """Called in every process; SIP worker processes have a positive rank."""
        if rank > 0:
            try:
                self._writer = self._open_journal(Role.UDP)
                self._open_door(self._writer.slot)
                if not go_first(self._settings.hep.nice):
                    KSR.notice(f"hep.nice = {self._settings.hep.nice} is not permitted\n")
            except KemiscopeError as error:
                KSR.crit(f"{error}\n")
                return -1
        return 0

    def ksr_request_route(self, _msg: object) -> int:
        """A SIP request at the HEP socket: journaled like any packet, and rejected as not HEP."""
        return self._receive(packet.read_large)

    def ksr_reply_route(self, _msg: object) -> int:
        """A SIP response at the HEP socket."""
        return self._receive(packet.read_large)

    def ksr_hep(self, _msg: object) -> int:
        """event_route[nosip:msg], packets of up to 32,767 bytes."""
        return self._receive(packet.read)

    def ksr_hep_large(self, _msg: object) -> int:
        """event_route[nosip:msg], larger packets."""
        return self._receive(packet.read_large)

    def ksr_ingest(self, _msg: object, _timer: str = "") -> int:
        """Run one ingest process; never returns."""
        from collector import ingest  # noqa: PLC0415 (UDP workers do without the driver)

        self._run_for_ever("ingest", lambda: ingest.run(self._settings))
        return 1

    def ksr_listener(self, _msg: object, _timer: str = "") -> int:
        """Run the listener for HEP over TCP, TLS and WebSocket; never returns."""
        from collector import listener  # noqa: PLC0415

        self._run_for_ever(
            "listener",
            lambda: listener.run(self._settings, self._open_journal(Role.LISTENER), self._rates),
        )
        return 1

    def ksr_output(self, _msg: object, _timer: str = "") -> int:
        """Run all outputs beside PostgreSQL; never returns."""
        from collector.output import process  # noqa: PLC0415

        self._run_for_ever("output", lambda: process.run(self._settings))
        return 1

    def ksr_watchdog(self, _msg: object, _timer: str = "") -> int:
        """Tell the service manager that this node works, as long as it does; every few seconds."""
        from collector import service_manager, watchdog  # noqa: PLC0415

        hung = ""
        try:
            if self._watchdog is None:
                journal = Path(self._settings.journal.directory)
                self._watchdog = watchdog.Watchdog(self._settings, Counters(journal))
            hung = self._watchdog.hung()
        except Exception as error:  # noqa: BLE001 (a fault here is no fault of the node)
            self._limited.warn("watchdog", f"not looked: {type(error).__name__}: {error}")
        if hung:
            self._limited.warn("hung", f"hangs: {hung}")
        else:
            service_manager.tell(service_manager.READY, service_manager.ALIVE)
        return 1

    def ksr_pause(self, _msg: object, _event: str = "") -> int:
        """By RPC ``evrexec.run``, like the four below: stop storing; the journal keeps all."""
        return self._control("pause")

    def ksr_resume(self, _msg: object, _event: str = "") -> int:
        """Store again."""
        return self._control("resume")

    def ksr_rotate(self, _msg: object, _event: str = "") -> int:
        """Begin new journal segments."""
        return self._control("rotate")

    def ksr_reload(self, _msg: object, _event: str = "") -> int:
        """Make ingest read the settings again."""
        return self._control("reload")

    def ksr_balance(self, _msg: object, _event: str = "") -> int:
        """What was received, and what became of it."""
        return self._control("balance")

    def _control(self, name: str) -> int:
        """Do it and leave the answer as JSON in ``$shv(answer)``, for RPC ``pv.shvGet``."""
        from collector import control  # noqa: PLC0415 (UDP workers do without the driver)

        try:
            answer = control.COMMANDS[name](Path(self._settings.journal.directory))
        except (KemiscopeError, OSError) as error:
            answer = {"error": str(error)}
        KSR.pv.sets("$shv(answer)", json.dumps({"command": name, **answer}))
        return 1

    def _open_journal(self, role: Role) -> Writer:
        journal = self._settings.journal
        return Writer(
            Path(journal.directory),
            role,
            segment_bytes=journal.segment_bytes,
            segment_seconds=journal.segment_seconds,
            max_bytes=journal.max_bytes,
            min_free_bytes=journal.min_free_bytes,
            outputs=configured.limits(self._settings),
        )

    def _open_door(self, slot: int) -> None:
        """Without a rule for senders there is no door, and nothing to pay for."""
        senders = self._settings.senders
        if senders.networks or self._rates:
            self._refused = RefusedPeers(Path(self._settings.journal.directory), slot)
            self._door = Door(senders.networks, self._rates)

    def _receive(self, read: Callable[[], bytes | None]) -> int:
        """Journal the current packet; whatever goes wrong is counted and never reaches Kamailio."""
        writer = self._writer
        if writer is None:
            return 1
        try:
            host = packet.text_of("$si")
            peer = self._peers.get(host) or self._learn_peer(host)
            if self._door and self._refuses(self._door, peer, host):
                return 1
            data = read()
            if data is None:
                writer.drop(Cause.UNREADABLE)
                return 1
            cause = writer.append(data, peer, packet.number_of("$sp"), record.Transport.UDP)
            if cause is not None:
                self._limited.warn(cause.label, f"{cause.label}: {writer.last_error}")
        except Exception as error:  # noqa: BLE001 (a fault here must not stop reception)
            writer.drop(Cause.KEMI_FAULT)
            self._limited.warn("hook", f"packet dropped: {type(error).__name__}: {error}")
        return 1

    def _refuses(self, door: Door, peer: bytes, host: str) -> bool:
        cause = door.refuse(peer)
        if cause is None:
            return False
        if self._writer and self._refused:
            self._writer.drop(cause)
            self._refused.count(peer, cause)
        self._limited.warn(f"{cause.label} {host}", f"{host} is refused: {cause.help}")
        return True

    def _learn_peer(self, host: str) -> bytes:
        if len(self._peers) >= _MAX_PEERS:
            self._peers.clear()
        peer = self._peers[host] = record.pack_address(host)
        return peer

    def _run_for_ever(self, name: str, work: Callable[[], None]) -> None:
        """Run ``work`` as the rest of this process's life; Kamailio ends when a process does."""
        status = 0
        try:
            work()
        except (KemiscopeError, OSError) as error:
            LOGGER.error("%s cannot run: %s", name, error)
            status = 1
        except Exception:  # noqa: BLE001 (the process ends; the log must say why)
            LOGGER.exception("%s ended", name)
            status = 1
        os._exit(status)
