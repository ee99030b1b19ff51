# SPDX-License-Identifier: GPL-2.0-or-later
"""An example proxy that traces by rule, the collector that it sends to, and its control."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from collector import hep, sip, trace_rule
from collector.hep import Hep
from collector.trace_rule import TraceRule
from stack import certificate, proxy
from stack.ports import free_block, free_port
from stack.service import Service, system_python
from tests.system.phone import Phone

V4: Final = "127.0.0.1"
V6: Final = "::1"
TOKEN: Final = "edge-token"
_START_S: Final = 15.0
_ARRIVE_S: Final = 5.0
QUIET_S: Final = 0.15
"""After so long without a packet, all that a call on this machine has caused has arrived."""


class Message(NamedTuple):
    """A SIP message that was traced, with the addresses in its HEP packet as ``host:port``."""

    what: str
    """Method, or status and method."""
    source: str
    destination: str
    call_id: str
    packet: Hep


class Collector:
    """Receives HEP on a UDP socket. What it does not decode fails the test."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind((V4, 0))
        self.port: int = self._socket.getsockname()[1]
        self.senders: set[tuple[str, int]] = set()
        """Addresses that packets have come from."""

    def close(self) -> None:
        """Be away; the port is closed."""
        self._socket.close()

    def packets(self, count: int = 0) -> list[Hep]:
        """What has arrived and what still comes, at least ``count`` packets if they come at all."""
        found: list[Hep] = []
        deadline = time.monotonic() + _ARRIVE_S
        while True:
            wait = QUIET_S if len(found) >= count else deadline - time.monotonic()
            self._socket.settimeout(max(wait, 0.001))
            try:
                data, sender = self._socket.recvfrom(65_535)
            except TimeoutError:
                return found
            decoded = hep.decode(data)
            assert isinstance(decoded, Hep), decoded
            self.senders.add(sender)
            found.append(decoded)

    def messages(self, count: int = 0) -> list[Message]:
        """The SIP messages among them."""
        return [
            read_message(packet) for packet in self.packets(count) if packet.type == hep.TYPE_SIP
        ]


def read_message(packet: Hep) -> Message:
    """The SIP message in a packet."""
    read = sip.extract(packet.payload)
    what = f"{read.status} {read.method.decode()}" if read.status else read.method.decode()
    return Message(
        what,
        _address(packet.src_ip, packet.src_port),
        _address(packet.dst_ip, packet.dst_port),
        read.call_id.decode(errors="replace"),
        packet,
    )


def _address(ip: bytes, port: int) -> str:
    return f"{ipaddress.ip_address(ip)}:{port}"


class RefusedError(Exception):
    """The proxy's control has answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class Edge:
    """A proxy with a collector. ``defines`` are added to those that give it its ports."""

    def __init__(
        self,
        directory: Path,
        *,
        config: Path = proxy.NATIVE,
        defines: Mapping[str, str | int] | None = None,
        arguments: Sequence[str] = (),
        callee_port: int = 0,
    ) -> None:
        """``arguments`` are Kamailio's; numbers go to ``callee_port`` plus their last digit."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.collector = Collector()
        self.port = free_port()
        self.tls_port = free_port()
        self.control_port = free_port()
        self.callee_port = callee_port or free_block()
        self._ids = 0
        made = certificate.make(directory / "certificates", "proxy")
        self.certificate = made
        values: dict[str, str | int] = {
            **proxy.sockets(V4, self.port),
            **proxy.control(self.control_port, TOKEN),
            **proxy.collector(V4, self.collector.port),
            "SIP_UDP6_SOCKET": f"udp:[{V6}]:{self.port}",
            "SIP_TCP6_SOCKET": f"tcp:[{V6}]:{self.port}",
            "WITH_TLS": "",
            "SIP_TLS_SOCKET": f"tls:{V4}:{self.tls_port}",
            "TLS_CERTIFICATE": f'"{made.certificate}"',
            "TLS_KEY": f'"{made.key}"',
            "CALLEE_PORT": self.callee_port,
            **(defines or {}),
        }
        self._values = values
        self._config = config
        self._arguments = arguments
        self._service = self._made()
        self.log = directory / "proxy.log"

    def define(self, name: str, value: str | int) -> None:
        """One more definition, before the start."""
        self._values[name] = value
        self._service = self._made()

    def _made(self) -> Service:
        command = proxy.command(self.directory, self._values, config=self._config)
        return Service(
            *("proxy", [*command, *self._arguments]),
            directory=self.directory,
            environment=system_python(os.environ),
        )

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            process = self._service.start(log)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            assert process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < deadline, f"the proxy does not answer: {self.log}"
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._service.stop(timeout_s=5)
        self.collector.close()

    def is_running(self) -> bool:
        """Whether Kamailio has survived."""
        process = self._service.process
        return process is not None and process.poll() is None

    def _answers(self) -> bool:
        """Whether SIP is answered: the workers start after the control's process."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.2)
            probe.sendto(
                b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKx\r\n"
                b"From: <sip:x@x>;tag=x\r\nTo: <sip:x@x>\r\nCall-ID: start@test\r\n"
                b"CSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n",
                (V4, self.port),
            )
            try:
                return probe.recv(2048).startswith(b"SIP/2.0 483")
            except OSError:
                return False

    # Control, as the web API writes it.

    def control(
        self, body: str | bytes, *, path: str = "/trace", authorization: str = f"Bearer {TOKEN}"
    ) -> str:
        """POST ``body``; returns the answer. Raises RefusedError for all but 200."""
        headers = {"Authorization": authorization} if authorization else {}
        with closing(HTTPConnection(V4, self.control_port, timeout=5)) as connection:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        if answer.status != HTTPStatus.OK:
            raise RefusedError(answer.status, text)
        return text

    def raw(self, request: str) -> str:
        """What the control answers to text that no HTTP library writes; ``""`` for nothing."""
        with socket.create_connection((V4, self.control_port), 5) as connection:
            connection.sendall(request.encode())
            connection.settimeout(1)
            try:
                return connection.recv(65_535).decode()
            except TimeoutError:
                return ""

    def rpc(self, method: str, *params: str | int) -> Any:
        """The result of an RPC command."""
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)},
            separators=(",", ":"),
            ensure_ascii=False,
        )
        return json.loads(self.control(body))["result"]

    def is_on(self) -> bool:
        """Whether siptrace looks at messages at all."""
        return bool(self.rpc("siptrace.status", "check") == "Enabled")

    def table(self, name: str) -> dict[str, str | int]:
        """All items of an htable."""
        return {
            item["name"]: item["value"]
            for slot in self.rpc("htable.dump", name)
            for item in slot["slot"]
        }

    def put(self, name: str, value: str, seconds: int = 60) -> None:
        """Write one item of ``trace_rule`` as text."""
        self._delete(trace_rule.RULES, name)
        self.rpc("htable.setxs", trace_rule.RULES, name, value, seconds)

    def set_kinds(self, kinds: int, seconds: int = 60) -> None:
        """Say which kinds of rules there are."""
        self.rpc("htable.setxi", trace_rule.RULES, trace_rule.KINDS_ITEM, kinds, seconds)

    def rule(self, *rules: TraceRule, seconds: int = 60) -> None:
        """Have these rules and no others, for ``seconds``."""
        self.clear()
        slot = 0
        for rule in rules:
            slot += rule.kind == "source"
            self.put(rule.item_name(slot), rule.item_value(), seconds)
            if rule.kind == "call_id":
                self.rpc("htable.setxi", trace_rule.CALLS, rule.value, -rule.id, seconds)
                self.rpc("siptrace.status", "on")
        self.set_kinds(trace_rule.kinds_of(rules), seconds)

    def clear(self) -> None:
        """No rule, and no call that is traced."""
        for table in trace_rule.TABLES:
            for name in self.table(table):
                self._delete(table, name)
        self.rpc("siptrace.status", "off")

    def _delete(self, table: str, name: str) -> None:
        with suppress(RefusedError):
            self.rpc("htable.delete", table, name)

    # Phones.

    def new_call_id(self) -> str:
        """One that this proxy has not seen."""
        self._ids += 1
        return f"{self._ids}-{os.urandom(3).hex()}@edge"

    def calls(self, transport: str = "UDP", host: str = V4) -> Phone:
        """A phone that is connected to the proxy."""
        phone = Phone(transport, host)
        phone.call(self.tls_port if transport == "TLS" else self.port)
        return phone

    def traced(self, requests: Sequence[str | bytes]) -> list[str]:
        """Send requests, wait for the answers; what was traced, as ``Message.what``, sorted.

        A worker sends HEP after the message itself, so another one may be faster.
        """
        self.answer(requests)
        return sorted(message.what for message in self.collector.messages())

    def traced_calls(self, requests: Sequence[str | bytes]) -> set[str]:
        """The same; the Call-IDs of what was traced."""
        self.answer(requests)
        return {message.call_id for message in self.collector.messages()}

    def answer(self, requests: Sequence[str | bytes], host: str = V4) -> None:
        """Send requests by UDP; each must be answered, whatever becomes of tracing."""
        with self.calls("UDP", host) as phone:
            for request in requests:
                phone.send(request)
                phone.receive("SIP/2.0")


def rules(*kinds_and_values: tuple[str, str], **fields: Any) -> Iterator[TraceRule]:
    """Rules with ids from 1; ``fields`` as in TraceRule, include of all INVITEs unless told."""
    base: dict[str, Any] = {
        "action": trace_rule.INCLUDE,
        "percent": 100,
        "calls": 1000,
        "methods": ("INVITE",),
        "expires_at": None,
    }
    for number, (kind, value) in enumerate(kinds_and_values, 1):
        yield TraceRule(**base | {"id": number, "kind": kind, "value": value} | fields)
