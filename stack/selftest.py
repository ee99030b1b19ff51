# SPDX-License-Identifier: GPL-2.0-or-later
"""The end-to-end check: one HEP packet in, the same message out through the API."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from http import HTTPStatus
from http.client import HTTPException
from typing import Final
from urllib.parse import quote

from collector import hep
from collector.api_token import local_token
from collector.hep import Hep
from collector.settings import Settings
from collector.settings.endpoint import UDP, Endpoint, parse_endpoint
from stack import api
from stack.errors import StackError

TIMEOUT_S: Final = 30.0
NODE: Final = b"selftest"


def run(settings: Settings, timeout_s: float = TIMEOUT_S) -> float:
    """Send and read back; returns the seconds it took. Raises StackError that says what failed."""
    call_id = f"selftest-{os.urandom(8).hex()}@kemiscope"
    endpoints = map(parse_endpoint, settings.hep.listen)
    endpoint = next(endpoint for endpoint in endpoints if endpoint.protocol in (UDP, "tcp"))
    with local_token(settings, ("read",)) as headers:
        return _send_and_read(settings, endpoint, call_id, headers, timeout_s)


def _send_and_read(
    settings: Settings,
    endpoint: Endpoint,
    call_id: str,
    headers: dict[str, str],
    timeout_s: float,
) -> float:
    started = time.monotonic()
    last_error = ""
    while time.monotonic() - started < timeout_s:
        # Sent again as long as it is not there: Kamailio may still be starting.
        _send(endpoint, call_id)
        sent = time.monotonic()
        while time.monotonic() - sent < 2:
            try:
                if _stored(settings, call_id, headers):
                    return time.monotonic() - sent
            except (OSError, HTTPException, ValueError, LookupError) as error:
                last_error = str(error)
            time.sleep(0.05)
    message = (
        f"the test packet sent to {endpoint} did not come back through the API in "
        f"{timeout_s:.0f} s ({last_error or 'not stored'}); "
        "`make doctor` and the files in var/log say why"
    )
    raise StackError(message)


def _send(endpoint: Endpoint, call_id: str) -> None:
    address = ipaddress.ip_address(endpoint.host)
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    now = time.time_ns() // 1000
    message = (
        "OPTIONS sip:selftest@kemiscope.invalid SIP/2.0\r\n"
        "Via: SIP/2.0/UDP kemiscope.invalid;branch=z9hG4bK-selftest\r\n"
        "From: <sip:selftest@kemiscope.invalid>;tag=1\r\n"
        "To: <sip:selftest@kemiscope.invalid>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()
    packet = hep.encode(
        Hep(
            *(3, hep.PROTOCOL_UDP, address.packed, address.packed, 5060, endpoint.port),
            *(now // 1_000_000, now % 1_000_000, hep.TYPE_SIP, 0, message),
            node_name=NODE,
        )
    )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    if endpoint.protocol == UDP:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.sendto(packet, (str(address), endpoint.port))
    else:
        with socket.create_connection((str(address), endpoint.port), timeout=2) as stream:
            stream.sendall(packet)


def _stored(settings: Settings, call_id: str, headers: dict[str, str]) -> bool:
    status, found = api.get(settings, f"/api/v1/calls/{quote(call_id, safe='')}", headers)
    if status == HTTPStatus.NOT_FOUND:
        return False
    if status != HTTPStatus.OK:
        raise ValueError(found["error"]["message"])
    return any(message["call_id"] == call_id for message in found["messages"])
