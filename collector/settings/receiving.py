# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of receiving: who this node is, its sockets, the journal."""

from __future__ import annotations

import socket
from typing import Annotated

from collector.settings.section import DAY, PATH, Section, setting


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
            "Sockets, as protocol:address:port; the protocols are udp, tcp, tls, ws and wss, IPv6 "
            "addresses stand in brackets. Use udp:0.0.0.0:9060 to receive from other hosts.",
            min_length=1,
        ),
    ] = ("udp:127.0.0.1:9060", "tcp:127.0.0.1:9060")
    workers: Annotated[
        int,
        setting(
            "Kamailio processes that read each UDP socket. One costs less (a sixth of all "
            "processor time at 20,000 packets/s on two cores), two lose less at 100,000/s.",
            ge=1,
            le=32,
        ),
    ] = 2
    nice: Annotated[
        int,
        setting(
            "How much the UDP workers go before everything else where processors are short, as "
            "nice(1); 0 leaves it as it is. It needs root or a limit that permits it (LimitNICE= "
            "of systemd); without, they run like the rest.",
            ge=-20,
            le=0,
        ),
    ] = -10
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
        int,
        setting(
            "Connections (TCP, TLS, WebSocket) served at a time; more are refused. One takes up to "
            "0.3 MiB of memory, with TLS up to 0.8 MiB.",
            ge=1,
            le=65_536,
        ),
    ] = 2000
    max_peer_connections: Annotated[
        int, setting("The same for the connections of one address.", ge=1, le=65_536)
    ] = 1000
    handshake_timeout: Annotated[
        float,
        setting(
            "A connection whose TLS or WebSocket handshake is not complete after this time is "
            "closed.",
            unit="s",
            ge=0.1,
            le=3600,
        ),
    ] = 10.0
    packet_timeout: Annotated[
        float,
        setting(
            "A connection is closed when a packet that has begun is not complete after this time.",
            unit="s",
            ge=0.1,
            le=DAY,
        ),
    ] = 30.0
    idle_timeout: Annotated[
        float,
        setting(
            "A connection that is silent for this long is closed.", unit="s", ge=1, le=30 * DAY
        ),
    ] = 3600.0


class Tls(Section, frozen=True):
    """What the tls and wss sockets of hep.listen need. A file that changes is read again."""

    certificate: Annotated[
        str, setting("Certificate of this node and its chain, a PEM file.", unit=PATH)
    ] = ""
    key: Annotated[
        str, setting("Its private key, a PEM file without a pass phrase.", unit=PATH)
    ] = ""
    client_ca: Annotated[
        str,
        setting(
            "Certificates of the authorities that sign the senders' certificates, a PEM file. When "
            "set, a sender must show a certificate; when empty, none is asked for.",
            unit=PATH,
        ),
    ] = ""
    min_version: Annotated[
        str, setting("Lowest version of TLS that is spoken, 1.2 or 1.3.", pattern=r"^1\.[23]$")
    ] = "1.2"


class Senders(Section, frozen=True):
    """Who may send. What is refused is counted, in all and by peer."""

    networks: Annotated[
        tuple[str, ...],
        setting(
            "Addresses and networks (CIDR) that may send, as 192.0.2.0/24 or 2001:db8::7; empty "
            "for everybody. Packets of others are rejected, their connections are refused."
        ),
    ] = ()
    max_rate: Annotated[
        int,
        setting(
            "Packets that one address may send per second, all sockets together; 0 for any number. "
            "A second's worth may come at once. More are rejected over UDP; a connection is read "
            "more slowly instead. Workers share the count without a lock, so it is not exact.",
            unit="packets/s",
            ge=0,
            le=10_000_000,
        ),
    ] = 0
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
            unit=PATH,
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
