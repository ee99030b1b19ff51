# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of trace rules: which proxies have them, and how much they may trace."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, NamedTuple

from collector.settings.section import DAY, PATH, Section, setting
from collector.settings.target import is_host_name
from collector.settings.url import url_of

MAX_PROXIES: Final = 100
MAX_DURATION_S: Final = 7 * DAY
"""The counts of calls expire after that, at the proxy."""
MIN_TOKEN: Final = 16
"""Shortest token, in characters: it is all that stands between a network and a proxy's tracing."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.~+/=-]+\Z")  # RFC 6750 §2.1


class Trace(Section, frozen=True):
    """Trace rules, which the web API brings to production proxies."""

    proxies: Annotated[
        tuple[str, ...],
        setting(
            "Proxies that get the trace rules, by name and the address of their JSON-RPC, e.g. "
            '["edge1=http://192.0.2.5:5071"]. Empty: there are no trace rules.'
        ),
    ] = ()
    token: Annotated[
        str,
        setting(
            "What the proxies want to see before they change anything: TRACE_TOKEN in their "
            "configuration. It is sent in clear unless the address is https.",
            secret=True,
        ),
    ] = ""
    tls_ca: Annotated[
        str,
        setting(
            "For https: PEM file with the certificates to trust; empty: those of the system.",
            unit=PATH,
        ),
    ] = ""
    poll_interval: Annotated[
        float,
        setting(
            "How often each proxy is compared with the rules: a proxy that was restarted has them "
            "again after this long.",
            unit="s",
            ge=0.2,
            le=60,
        ),
    ] = 2.0
    request_timeout: Annotated[
        float,
        setting("Longest wait for one answer of a proxy.", unit="s", ge=0.1, le=60),
    ] = 2.0
    max_rules: Annotated[
        int, setting("Most rules in force at a time.", unit="rules", ge=1, le=1000)
    ] = 50
    max_calls: Annotated[
        int,
        setting(
            "Most calls that all rules in force together may trace on one proxy: the sum of their "
            "caps.",
            unit="calls",
            ge=1,
            le=10_000_000,
        ),
    ] = 10_000
    max_duration: Annotated[
        float, setting("Longest that a rule may be in force.", unit="s", ge=2, le=MAX_DURATION_S)
    ] = 1.0 * DAY


class Proxy(NamedTuple):
    """One entry of ``trace.proxies``."""

    name: str
    url: str
    """``http://host:port`` or ``https://…``, without a path."""


def parse_proxies(entries: Iterable[str]) -> Iterator[Proxy]:
    """``name=http://host:port``. Raises ValueError that says what is wrong."""
    names = set()
    for entry in entries:
        name, equals, address = entry.partition("=")
        if not equals or not _NAME.match(name):
            message = f"{entry!r} does not have the form name=http://host:port"
            raise ValueError(message)
        if name in names:
            message = f"{name} is there twice"
            raise ValueError(message)
        names.add(name)
        yield Proxy(name, _parse_url(entry, address))
    if len(names) > MAX_PROXIES:
        message = f"names {len(names)} proxies; {MAX_PROXIES} are the most"
        raise ValueError(message)


def _parse_url(entry: str, address: str) -> str:
    url = url_of(address)
    is_plain = url.is_bare and url.path in ("", "/")
    if not (url.is_web and url.port and is_plain and _is_host(url.host)):
        message = (
            f"{entry!r} does not have the form name=http://host:port or name=https://host:port"
        )
        raise ValueError(message)
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{url.scheme}://{host}:{url.port}"


def _is_host(host: str) -> bool:
    if is_host_name(host):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def conflicts(trace: Trace) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    try:
        tuple(parse_proxies(trace.proxies))
    except ValueError as error:
        yield f"trace.proxies: {error}"
    if trace.proxies and not trace.token:
        yield "trace.token: is empty, and trace.proxies let nobody change anything without it"
    if trace.token and not is_token(trace.token):
        yield f"trace.token: {token_rule()}"


def is_token(text: str) -> bool:
    """Whether it can be a token in a header, and is long enough not to be guessed."""
    return len(text) >= MIN_TOKEN and bool(_TOKEN.match(text))


def token_rule() -> str:
    """What ``is_token`` asks for."""
    return f"must be at least {MIN_TOKEN} letters, digits and -._~+/="
