# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be seen on this host: sockets, processes, kernel and journal."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector import balance, hop, kernel
from collector.admission import refused
from collector.causes import CAUSES, Cause
from collector.doctor.finding import Finding, Level, ago
from collector.hop import Batch, Options
from collector.journal import record, segment
from collector.journal.counters import Counters, Field, NodeField, Role, held
from collector.journal.writer import journal_bytes
from collector.output import configured, standing
from collector.output.fate import Fate
from collector.settings import Settings
from collector.settings.endpoint import parse_endpoint
from collector.settings.quantity import readable

RMEM_MAX: Final = Path("/proc/sys/net/core/rmem_max")
_FULL: Final = 0.9
_FILLING: Final = 0.5
_TAIL_BYTES: Final = 256 << 10
_RECENTLY_S: Final = 86_400
_REFUSED_SHOWN: Final = 20
_REFUSED_ADVICE: Final = {
    Cause.SENDER_NETWORK: "if it may send, add it to senders.networks",
    Cause.SENDER_RATE: "if it may send so much, raise senders.max_rate",
    Cause.STREAM_LIMIT: "raise hep.max_connections or hep.max_peer_connections",
    Cause.STREAM_PROTOCOL: "compare what it speaks (TLS, WebSocket) and its certificate with the "
    "socket that it connects to; the log says more",
    Cause.STREAM_INCOMPLETE: "the sender was restarted, or something on the way (load balancer, "
    "firewall) cuts its connections",
}


def check_sockets(settings: Settings) -> Iterator[Finding]:
    """Is somebody listening where HEP is expected, and with what buffer?"""
    endpoints = [parse_endpoint(listen) for listen in settings.hep.listen]
    for endpoint in endpoints:
        if kernel.listens(endpoint):
            yield Finding("sockets", Level.OK, f"{endpoint} listens")
        else:
            yield Finding(
                "sockets",
                Level.FAIL,
                f"{endpoint}: nobody listens",
                "start the capture Kamailio (`make run`), or correct hep.listen",
            )
    if all(ipaddress.ip_address(endpoint.host).is_loopback for endpoint in endpoints):
        yield Finding(
            "sockets",
            Level.NOTE,
            "only packets of this host are taken",
            "set hep.listen to udp:0.0.0.0:9060 to receive from other hosts",
        )
    if RMEM_MAX.exists():
        limit = int(RMEM_MAX.read_text())
        if limit < settings.hep.socket_buffer:
            yield Finding(
                "sockets",
                Level.NOTE,
                f"the kernel grants {readable(limit, 'bytes')} of the "
                f"{readable(settings.hep.socket_buffer, 'bytes')} buffer asked for",
                f"for bursts: sysctl net.core.rmem_max={settings.hep.socket_buffer}",
            )


def check_processes(settings: Settings, counters: Counters) -> Iterator[Finding]:
    """Do the processes of the capture node live?"""
    journal = Path(settings.journal.directory)
    alive = dict.fromkeys(Role, 0)
    plain = 0
    for number in counters.used_slots():
        with held(journal / f"{number:02d}") as is_free:
            if not is_free:
                slot = counters.slot(number)
                alive[Role(slot[Field.ROLE])] += 1
                plain += slot[Field.PLAIN_HOP]
    if alive[Role.UDP]:
        yield Finding("processes", Level.OK, f"{alive[Role.UDP]} UDP workers run")
    else:
        yield Finding(
            "processes",
            Level.FAIL,
            "no UDP worker runs on this journal",
            "start the capture Kamailio with the same settings (journal.directory)",
        )
    if alive[Role.INGEST]:
        yield Finding("processes", Level.OK, f"{alive[Role.INGEST]} ingest processes run")
        yield from _check_form(plain)
    else:
        yield Finding(
            "processes",
            Level.FAIL,
            "no ingest process runs: packets are kept in the journal and not stored",
            "set ingest.processes to 1 or more, or run `python -m collector ingest`",
        )


def _check_form(plain: int) -> Iterator[Finding]:
    """Is the hop compiled, in the processes that run and here?"""
    if not plain:
        yield Finding("processes", Level.OK, "the hop is compiled")
        return
    if hop.FORM.reason:
        advice = "install gcc and python3-dev, run `make install`, restart the capture node"
    else:
        advice = "it has been compiled since: restart the capture node"
    yield Finding(
        "processes",
        Level.NOTE,
        f"{plain} of them decode in plain Python, which takes many times as long"
        + (f": {hop.FORM.reason}" if hop.FORM.reason else ""),
        advice,
    )


def check_packets(counters: Counters) -> Iterator[Finding]:
    """Has anything arrived?"""
    slots = [counters.slot(number) for number in counters.used_slots()]
    last = max((slot[Field.LAST_PACKET] for slot in slots), default=0)
    if last:
        yield Finding("packets", Level.OK, f"the last one arrived {ago(time.time() - last / 1e9)}")
    else:
        yield Finding(
            "packets",
            Level.WARN,
            "none has ever arrived",
            "check the sender's address and port (siptrace duplicate_uri, heplify -hs), the "
            "firewall, and whether the sender speaks HEP over the transport in hep.listen",
        )
    received = balance.read_received(counters)
    for cause in CAUSES:
        count = received.causes.get(cause, 0)
        if count and cause is not Cause.KERNEL:
            yield Finding("packets", Level.WARN, f"{count:,} {cause.label}: {cause.help}")


def check_refused(settings: Settings) -> Iterator[Finding]:
    """Who is not let in, or was cut off, and why?"""
    now = time.time()
    for found in refused.read(Path(settings.journal.directory))[:_REFUSED_SHOWN]:
        silent = now - found.last_ns / 1e9
        who = "others" if found.peer == record.OTHER_PEER else record.format_address(found.peer)
        yield Finding(
            "refused",
            Level.WARN if silent < _RECENTLY_S else Level.NOTE,
            f"{who}: {found.packets:,} {found.cause.label}, last {ago(silent)}: {found.cause.help}",
            _REFUSED_ADVICE.get(found.cause, ""),
        )


def check_kernel(counters: Counters) -> Iterator[Finding]:
    """Did the kernel drop datagrams before Kamailio could read them?"""
    drops = counters.node[NodeField.KERNEL_DROPS]
    if drops:
        yield Finding(
            "kernel",
            Level.WARN,
            f"{drops:,} datagrams dropped because the socket buffer was full",
            "raise net.core.rmem_max and hep.socket_buffer, then hep.workers",
        )
    else:
        yield Finding("kernel", Level.OK, "dropped no datagram at our sockets")


def check_journal(settings: Settings, counters: Counters) -> Iterator[Finding]:
    """How much waits, and how full is it?"""
    journal = Path(settings.journal.directory)
    journaled = sum(balance.read_received(counters).journaled.values())
    waiting = max(0, journaled - counters.node[NodeField.PROCESSED])
    used = journal_bytes(journal)
    share = used / settings.journal.max_bytes
    level = Level.FAIL if share > _FULL else Level.WARN if share > _FILLING else Level.OK
    yield Finding(
        "journal",
        level,
        f"about {waiting:,} packets wait; {used / (1 << 20):,.1f} MiB in use of "
        f"{readable(settings.journal.max_bytes, 'bytes')}",
        "" if level is Level.OK else "the database does not keep up or is away; see below",
    )
    down_since = store_down_since(counters)
    if paused_at := counters.node[NodeField.PAUSED_AT]:
        text = f"storing was paused by an operator {ago(time.time() - paused_at / 1e9)}"
        advice = "`python -m collector resume`"
        yield Finding("journal", Level.WARN, text, advice)
    elif down_since and waiting:
        since = ago(time.time() - down_since / 1e9)
        yield Finding("journal", Level.WARN, f"storing has paused; it last worked {since}")
    damaged = len(list(journal.glob(f"*/*{segment.DAMAGED_SUFFIX}")))
    if damaged:
        yield Finding("journal", Level.WARN, f"{damaged} damaged segments are kept in {journal}")


def store_down_since(counters: Counters) -> int:
    """Since when an ingest process cannot store, ns since 1970; 0 while all can."""
    since = (counters.slot(number)[Field.STORE_DOWN_SINCE] for number in counters.used_slots())
    return min(filter(None, since), default=0)


def check_outputs(settings: Settings, counters: Counters) -> Iterator[Finding]:
    """Does every output deliver, and how much waits for it?"""
    wanted = configured.limits(settings)
    if not wanted:
        return
    found = {item.name: item for item in standing.read(Path(settings.journal.directory), counters)}
    if not any(item.running for item in found.values()):
        yield Finding(
            "outputs",
            Level.FAIL,
            "their process does not run",
            "set output.processes to 1 and restart, or run `python -m collector output`",
        )
    for name, limit in wanted.items():
        item = found.get(name)
        if item is None:
            advice = "the capture Kamailio has other settings: restart it"
            yield Finding("outputs", Level.WARN, f"{name}: nothing was linked yet", advice)
            continue
        state = item.state
        text = f"{name}: {state.fates.get(Fate.DELIVERED, 0):,} delivered, {item.waiting:,} wait"
        if state.last_success:
            text += f", the last {ago(time.time() - state.last_success / 1e9)}"
        if state.connected or not item.waiting:
            level = Level.WARN if item.octets > _FILLING * limit else Level.OK
            yield Finding("outputs", level, text)
        else:
            yield Finding("outputs", Level.WARN, text, state.last_error)
        for fate, count in state.fates.items():
            if count and fate.outcome in ("rejected", "dropped"):
                help_text = fate.help.replace("`", "")
                yield Finding("outputs", Level.WARN, f"{name}: {count:,} {fate}: {help_text}")


def recent_packets(settings: Settings) -> Batch:
    """The newest packets on disk, decoded: who sends, whatever the database does."""
    batch = Batch()
    options = Options(
        accept_past=int(settings.clock.accept_past * 1e6),
        accept_future=int(settings.clock.accept_future * 1e6),
        max_field_bytes=settings.sip.max_field_bytes,
        max_refused=0,
    )
    for directory in segment.slot_directories(Path(settings.journal.directory)):
        for found in segment.in_slot(directory)[-1:]:
            try:
                with found.path.open("rb") as file:
                    size = os.fstat(file.fileno()).st_size
                    file.seek(max(segment.HEADER_BYTES, size - _TAIL_BYTES))
                    tail = file.read(_TAIL_BYTES)
            except FileNotFoundError:
                continue  # ended or finished a moment ago
            begin = 0 if record.unpack(tail, 0) else record.find_next(tail, 0)
            if begin >= 0:
                hop.encode(tail[begin:], batch, options, _TAIL_BYTES)
    return batch
