# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the web API."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Final

from collector.settings.endpoint import TCP, parse_host_port
from collector.settings.network import parse_network
from collector.settings.receiving import Tls
from collector.settings.section import DAY, LONGEST, PATH, Section, setting
from collector.settings.target import is_host_name, parse_target
from collector.settings.trace import is_token, token_rule

SIGN_IN_OFF: Final = "off"


class Web(Section, frozen=True):
    """The web API."""

    listen: Annotated[
        str,
        setting(
            "Address and port for HTTP without TLS. Other than loopback only with reverse_proxies; "
            "commands on this host use it, too."
        ),
    ] = "127.0.0.1:9080"
    tls_listen: Annotated[
        str,
        setting(
            "Address and port for HTTPS, like 0.0.0.0:9443; empty for none. Needs certificate and "
            "key."
        ),
    ] = ""
    certificate: Annotated[
        str,
        setting(
            "Certificate for tls_listen and its chain, a PEM file, which is read again when it "
            "changes. Empty: tls.certificate and tls.key.",
            unit=PATH,
        ),
    ] = ""
    key: Annotated[
        str, setting("Its private key, a PEM file without a pass phrase.", unit=PATH)
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        setting(
            "Names by which browsers reach this service, like sip.example.com, beside localhost "
            "and its addresses; requests with another Host header are refused."
        ),
    ] = ()
    reverse_proxies: Annotated[
        tuple[str, ...],
        setting(
            "Addresses and networks of reverse proxies, which speak TLS with the clients. Theirs "
            "are the only requests without TLS that are taken from other hosts, and the only "
            "X-Forwarded-For and X-Forwarded-Proto that are believed."
        ),
    ] = ()
    sign_in: Annotated[
        str,
        setting(
            "Who checks passwords: internal, the database of this service; ldap or http, a system "
            "that [ldap] or [http_auth] names, for all but internal users. [oauth2] is beside it. "
            "off: everybody who reaches it may read and export, changes need an API token; on "
            "loopback only.",
            pattern=r"^(internal|ldap|http|off)$",
        ),
    ] = "internal"
    homer: Annotated[
        bool,
        setting(
            "Whether HOMER's API is served below /api/v3, for its user interface and for scripts."
        ),
    ] = True
    session_idle: Annotated[
        float, setting("A session that is not used for so long ends.", unit="s", ge=60, le=30 * DAY)
    ] = 4 * 3600.0
    session_lifetime: Annotated[
        float, setting("A session ends after so long in any case.", unit="s", ge=60, le=365 * DAY)
    ] = 1.0 * DAY
    sessions_per_user: Annotated[
        int, setting("Sessions of one user; one more ends the oldest.", ge=1, le=1000)
    ] = 10
    sign_in_failures: Annotated[
        int,
        setting(
            "Failed attempts to sign in with one user name, after which it is locked for lock_out. "
            "One address has four times as many, for all names together.",
            ge=1,
            le=1000,
        ),
    ] = 5
    lock_out: Annotated[float, setting("See sign_in_failures.", unit="s", ge=1, le=DAY)] = 300.0
    token_lifetime: Annotated[
        float, setting("Longest that an API token may be valid.", unit="s", ge=60, le=3650 * DAY)
    ] = 365.0 * DAY
    metrics_token: Annotated[
        str,
        setting(
            "What Prometheus must show as Authorization: Bearer to read /metrics. Empty: it is "
            "read from this host without, and from others with an API token.",
            secret=True,
        ),
    ] = ""
    max_rows: Annotated[int, setting("Most rows in one answer.", unit="rows", ge=1, le=100_000)] = (
        1000
    )
    max_call_messages: Annotated[
        int,
        setting(
            "Most messages shown or exported of one call, and most reports and events.",
            unit="messages",
            ge=1,
            le=1_000_000,
        ),
    ] = 10_000
    max_export_messages: Annotated[
        int,
        setting(
            "Most rows in an export of what a search finds; such a file says where to go on.",
            unit="rows",
            ge=1,
            le=1_000_000_000,
        ),
    ] = 1_000_000
    exports: Annotated[
        int,
        setting(
            "Exports that may run at the same time. Each has 500 rows in memory and, while it "
            "reads them, one of web.connections.",
            ge=1,
            le=100,
        ),
    ] = 2
    export_stall: Annotated[
        float,
        setting(
            "An export whose client takes nothing for so long is ended.", unit="s", ge=1, le=3600
        ),
    ] = 60.0
    max_import_bytes: Annotated[
        int,
        setting(
            "Largest capture file that can be imported, as it comes and unpacked. It lies in the "
            "folder for temporary files (TMPDIR) meanwhile.",
            unit="bytes",
            ge=1024,
            le=1 << 40,
        ),
    ] = 1 << 30
    import_timeout: Annotated[
        float,
        setting(
            "An import, from the first byte of its file to the last message, is ended after this "
            "long.",
            unit="s",
            ge=1,
            le=DAY,
        ),
    ] = 600.0
    concurrent_imports: Annotated[
        int, setting("Capture files that are imported at a time; more are refused.", ge=1, le=16)
    ] = 1
    import_target: Annotated[
        str,
        setting(
            "Where the messages of imported files go: HEP of a capture node, as tcp:address:port. "
            "Empty: the first tcp socket of hep.listen, on this machine."
        ),
    ] = ""
    import_capture_id: Annotated[
        int,
        setting(
            "Capture id of imported messages. When senders.passwords has one for it, they carry "
            "that.",
            ge=1,
            le=0xFFFF_FFFE,
        ),
    ] = 2003
    max_range: Annotated[
        float,
        setting(
            "Longest time range of a search, an export of it, or figures; 0: any. What an index "
            "finds at any time, such as a Call-ID, is not limited.",
            unit="s",
            ge=0,
            le=LONGEST,
        ),
    ] = 0.0
    query_timeout: Annotated[
        float,
        setting(
            "A query, or one page of an export, that takes longer is ended with a clear answer.",
            unit="s",
            ge=0.1,
            le=3600,
        ),
    ] = 10.0
    connections: Annotated[int, setting("Database connections of the web API.", ge=1, le=100)] = 4
    live_clients: Annotated[
        int, setting("Clients of the live streams at the same time.", ge=1, le=1000)
    ] = 50
    live_max_rows: Annotated[
        int,
        setting(
            "Most rows that a live stream shows in a second; it counts the others.",
            unit="rows",
            ge=1,
            le=10_000,
        ),
    ] = 200
    live_lookback: Annotated[
        float,
        setting(
            "A live stream shows what was captured at most so long before it was stored, by the "
            "sender's clock. All of that is looked at every second.",
            unit="s",
            ge=1,
            le=3600,
        ),
    ] = 10.0
    max_aliases: Annotated[
        int,
        setting(
            "Most names of addresses; every process of the web API has them in memory.",
            unit="aliases",
            ge=1,
            le=100_000,
        ),
    ] = 10_000
    tshark: Annotated[
        str,
        setting(
            "The program that decodes a message, a path or a name in PATH. Empty: nothing is "
            "decoded."
        ),
    ] = "tshark"
    tshark_timeout: Annotated[
        float, setting("A decoding that takes longer is ended.", unit="s", ge=0.5, le=60)
    ] = 10.0


def local_host_port(web: Web) -> tuple[str, int]:
    """Where commands of this host reach it: the address of ``listen``, loopback if that is all."""
    host, port = parse_host_port(web.listen)
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "::1" if address.version == 6 else "127.0.0.1"
    return host, port


def certificate_of(web: Web, tls: Tls) -> Tls:
    """What ``tls_listen`` shows: its own certificate, or that of the HEP sockets. No client needs
    a certificate."""
    own = bool(web.certificate or web.key)
    return Tls(
        certificate=web.certificate if own else tls.certificate,
        key=web.key if own else tls.key,
        min_version=tls.min_version,
    )


def conflicts(web: Web, tls: Tls) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    for name in ("listen", "tls_listen"):
        text = getattr(web, name)
        if text or name == "listen":
            try:
                host, _ = parse_host_port(text)
            except ValueError as error:
                yield f"web.{name}: {error}"
            else:
                yield from _exposed(web, name, host)
    if web.tls_listen:
        shown = certificate_of(web, tls)
        for name in ("certificate", "key"):
            if not getattr(shown, name):
                yield f"web.{name}: must name a file, because web.tls_listen is set"
    for network in web.reverse_proxies:
        try:
            parse_network(network)
        except ValueError as error:
            yield f"web.reverse_proxies: {error}"
    for host in web.hosts:
        if not is_host_name(host):
            yield f"web.hosts: {host!r} is not the name of a host"
    yield from _import_conflicts(web)
    if web.metrics_token and not is_token(web.metrics_token):
        yield f"web.metrics_token: {token_rule()}"


def _import_conflicts(web: Web) -> Iterator[str]:
    try:
        if web.import_target and parse_target(web.import_target).protocol != TCP:
            yield f"web.import_target: must begin with {TCP}:"
    except ValueError as error:
        yield f"web.import_target: {error}"


def _exposed(web: Web, name: str, host: str) -> Iterator[str]:
    if ipaddress.ip_address(host).is_loopback:
        return
    if web.sign_in == SIGN_IN_OFF:
        yield f"web.{name}: {host} is not a loopback address, and web.sign_in is off"
    if name == "listen" and not web.reverse_proxies:
        yield (
            f"web.listen: {host} is not a loopback address, and without TLS everybody on the way "
            "can read passwords: use web.tls_listen, or name the proxies in web.reverse_proxies"
        )
