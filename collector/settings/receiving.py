# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of receiving: who this node is, its sockets, the journal."""

from __future__ import annotations

import socket
from typing import Annotated

from collector.settings.section import DAY, Section, setting


class Node(Section, frozen=True):
    """Who this capture node is."""

    name: Annotated[
        str, setting("Name of this capture node in status, metrics and logs.", min_length=1)
    ] = socket.gethostname()


class HepSettings(Section, frozen=True):
    """Where HEP comes in."""

    listen: Annotated[
        tuple[str, ...],
        setting(
            "Sockets, as udp:address:port or tcp:address:port; IPv6 addresses in brackets. "
            "Use udp:0.0.0.0:9060 to receive from other hosts.",
            min_length=1,
        ),
    ] = ("udp:127.0.0.1:9060", "tcp:127.0.0.1:9060")
    workers: Annotated[
        int, setting("Kamailio processes that read each UDP socket.", ge=1, le=32)
    ] = 2
    socket_buffer: Annotated[
        int,
        setting(
            "Receive buffer asked for each UDP socket. The kernel grants at most "
            "net.core.rmem_max; `doctor` shows what was granted.",
            unit="bytes",
            ge=65_536,
            le=1 << 30,
        ),
    ] = 16 << 20
    max_connections: Annotated[
        int, setting("HEP/TCP connections served at a time; more are refused.", ge=1, le=65_536)
    ] = 1000
    idle_timeout: Annotated[
        float,
        setting(
            "A HEP/TCP connection that is silent for this long is closed.",
            unit="s",
            ge=1,
            le=30 * DAY,
        ),
    ] = 3600.0


class Senders(Section, frozen=True):
    """Who may send."""

    passwords: Annotated[
        tuple[str, ...],
        setting(
            "Capture passwords (HEP chunk 0x0e) as `capture id:password`, or `*:password` for "
            "all others. When there is one, packets without the right one are refused.",
            secret=True,
        ),
    ] = ()


class Journal(Section, frozen=True):
    """The buffer on disk between receiving and storing."""

    directory: Annotated[
        str,
        setting(
            "Where the journal lives; a local file system. One capture node per directory.",
            min_length=1,
        ),
    ] = "var/journal"
    segment_bytes: Annotated[
        int,
        setting("A segment file ends at this size.", unit="bytes", ge=1 << 16, le=1 << 30),
    ] = 16 << 20
    segment_seconds: Annotated[
        float,
        setting("A segment file ends at this age, even if small.", unit="s", ge=1, le=DAY),
    ] = 60.0
    max_bytes: Annotated[
        int,
        setting(
            "Limit of the whole journal. When it is reached the newest packets are dropped and "
            "counted as journal_full. At 1 KB a packet, 4 GiB hold an outage of the database of "
            "14 minutes at 5,000 packets/s.",
            unit="bytes",
            ge=1 << 20,
            le=1 << 50,
        ),
    ] = 4 << 30
    min_free_bytes: Annotated[
        int,
        setting(
            "The journal stops growing when its file system has less than this left; packets are "
            "dropped and counted as disk_full.",
            unit="bytes",
            ge=0,
            le=1 << 50,
        ),
    ] = 1 << 30
    sync_interval: Annotated[
        float,
        setting(
            "How often the journal is synced to disk. The end of any process loses nothing; a "
            "power cut loses at most this interval. 0 leaves it to the kernel (about 30 s).",
            unit="s",
            ge=0,
            le=3600,
        ),
    ] = 1.0
