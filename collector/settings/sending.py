# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the outputs beside PostgreSQL: relay, Loki, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from collector.settings.endpoint import parse_host_port
from collector.settings.section import DAY, PATH, Section, setting
from collector.settings.target import parse_peers, parse_target
from collector.settings.url import url_of

LOKI_FIELDS: Final = (
    *("job", "hostname", "node", "type", "method", "response", "protocol"),
    *("src_ip", "src_port", "dst_ip", "dst_port", "from", "to", "call_id"),
)
"""What can be a label or structured metadata of a line."""

_MAX_BYTES: Final = setting(
    "Most bytes of journal segments that wait for one output of this kind; beyond it the oldest "
    "are dropped and counted as backlog. At 1 KB a packet, 1 GiB hold 3.5 minutes at 5,000 "
    "packets/s. They share the disk with the journal as long as PostgreSQL needs them too.",
    unit="bytes",
    ge=1 << 20,
    le=1 << 50,
)
_CA: Final = "PEM file with the certificates to trust; empty: those of the system."


class Output(Section, frozen=True):
    """The process in which all outputs run."""

    processes: Annotated[
        int,
        setting(
            "With 1 the outputs run inside Kamailio if any is configured; 0 when "
            "`python -m collector output` runs apart.",
            ge=0,
            le=1,
        ),
    ] = 1


class Relay(Section, frozen=True):
    """HEP to further collectors, each an output of its own."""

    targets: Annotated[
        tuple[str, ...],
        setting(
            "Collectors that get every packet in the journal, as udp:host:port, tcp:host:port or "
            "tls:host:port; names or addresses, IPv6 in brackets. Filters do not apply."
        ),
    ] = ()
    types: Annotated[
        tuple[int, ...],
        setting("HEP types that are relayed, e.g. [1, 5]; empty: all of them."),
    ] = ()
    max_bytes: Annotated[int, _MAX_BYTES] = 1 << 30
    password: Annotated[
        str,
        setting(
            "Capture password (HEP3 chunk 14) that the targets want to see. Empty: the sender's "
            "is taken out, since it is meant for this node.",
            secret=True,
        ),
    ] = ""
    pass_on_password: Annotated[
        bool, setting("Leave the sender's password in: every HEP3 packet goes byte for byte.")
    ] = False
    udp_rate: Annotated[
        int,
        setting(
            "Most packets/s of a backlog to one udp target: after an outage it would overrun the "
            "receiver's socket buffer. What was not held up goes as fast as it came.",
            unit="packets/s",
            ge=100,
            le=1_000_000,
        ),
    ] = 20_000
    tls_ca: Annotated[str, setting(f"For tls targets: {_CA}", unit=PATH)] = ""
    tls_verify: Annotated[
        bool, setting("Check certificate and name of tls targets. Off only for a test.")
    ] = True
    tls_certificate: Annotated[
        str,
        setting(
            "PEM file with a client certificate and its key, for targets that ask for it.",
            unit=PATH,
        ),
    ] = ""


class Loki(Section, frozen=True):
    """Messages as log lines."""

    url: Annotated[
        str,
        setting(
            "Loki's address, http://host:3100 or https://…; /loki/api/v1/push is added when there "
            "is no path. Empty: off."
        ),
    ] = ""
    types: Annotated[
        tuple[int, ...], setting("HEP types that are pushed; the payload is the line.")
    ] = (1, 5, 100)
    labels: Annotated[
        tuple[str, ...],
        setting(
            "Labels of a stream: job, hostname (this capture node), node (the sender), type; for "
            "SIP method, response, protocol. Also known: src_ip, src_port, dst_ip, dst_port, from, "
            "to, call_id; each of these makes very many streams, `metadata` does not."
        ),
    ] = LOKI_FIELDS[:7]
    metadata: Annotated[
        tuple[str, ...],
        setting("The same names as structured metadata of each line (Loki 3, or 2.9 if allowed)."),
    ] = ()
    max_streams: Annotated[
        int,
        setting(
            "Most streams within an hour. Beyond it node, method and the like are left out.",
            unit="streams",
            ge=10,
            le=100_000,
        ),
    ] = 1000
    out_of_order: Annotated[
        float,
        setting(
            "How much older than the newest line of its stream a line may be; an older one gets "
            "that time. Loki 2.4 and later take half of max_chunk_age, 1 h. 0 for strict order.",
            unit="s",
            ge=0,
            le=DAY,
        ),
    ] = 1800.0
    batch_bytes: Annotated[
        int,
        setting("Most bytes of lines in one push.", unit="bytes", ge=1 << 10, le=16 << 20),
    ] = 1 << 20
    interval: Annotated[
        float, setting("Most time until a line is pushed.", unit="s", ge=0.05, le=60)
    ] = 1.0
    max_bytes: Annotated[int, _MAX_BYTES] = 1 << 30
    org_id: Annotated[str, setting("Tenant (X-Scope-OrgID); empty: none.")] = ""
    user: Annotated[str, setting("User name, with `password`; empty: no basic authentication.")] = (
        ""
    )
    password: Annotated[str, setting("Password of `user`.", secret=True)] = ""
    token: Annotated[str, setting("Bearer token; instead of `user`.", secret=True)] = ""
    tls_ca: Annotated[str, setting(f"For https: {_CA}", unit=PATH)] = ""


class Metrics(Section, frozen=True):
    """Prometheus metrics of what the packets say, served by the output process."""

    listen: Annotated[
        str,
        setting(
            "Address and port of /metrics, e.g. 127.0.0.1:9096; empty: off. Whoever can reach it "
            "can read it."
        ),
    ] = ""
    peers: Annotated[
        tuple[str, ...],
        setting(
            "Names for addresses and networks of SIP peers, e.g. "
            '["carrier=192.0.2.1,198.51.100.0/24", "pbx=10.0.0.5"]. The longest match counts; '
            "everybody else is `other`."
        ),
    ] = ()
    max_series: Annotated[
        int,
        setting(
            "Most label combinations of one metric; further ones are counted as `other`.",
            unit="series",
            ge=100,
            le=1_000_000,
        ),
    ] = 10_000
    max_bytes: Annotated[int, _MAX_BYTES] = 256 << 20


def conflicts(relay: Relay, loki: Loki, metrics: Metrics, segment_bytes: int) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    targets = set()
    for text in relay.targets:
        try:
            target = parse_target(text)
        except ValueError as error:
            yield f"relay.targets: {error}"
            continue
        if target in targets:
            yield f"relay.targets: {text} is there twice"
        targets.add(target)
    if relay.password and relay.pass_on_password:
        yield "relay.pass_on_password: the sender's password and relay.password exclude each other"
    if loki.url:
        yield from _loki_conflicts(loki)
    if metrics.listen:
        try:
            parse_host_port(metrics.listen)
        except ValueError as error:
            yield f"metrics.listen: {error}"
    try:
        tuple(parse_peers(metrics.peers))
    except ValueError as error:
        yield f"metrics.peers: {error}"
    for name, section, is_on in (
        ("relay", relay, bool(relay.targets)),
        ("loki", loki, bool(loki.url)),
        ("metrics", metrics, bool(metrics.listen)),
    ):
        if is_on and section.max_bytes < 2 * segment_bytes:
            yield f"{name}.max_bytes: must hold at least two segments (journal.segment_bytes)"


def _loki_conflicts(loki: Loki) -> Iterator[str]:
    url = url_of(loki.url)
    if not url.is_web or url.port == 0:
        yield "loki.url: must be like http://host:3100 or https://host"
    elif url.has_user:
        yield "loki.url: user and password have settings of their own"
    for name, fields in (("labels", loki.labels), ("metadata", loki.metadata)):
        for field in fields:
            if field not in LOKI_FIELDS:
                yield f"loki.{name}: {field!r} is none of {', '.join(LOKI_FIELDS)}"
    if not loki.labels:
        yield "loki.labels: Loki wants at least one"
    if loki.token and loki.user:
        yield "loki.token: is instead of loki.user, not beside it"
