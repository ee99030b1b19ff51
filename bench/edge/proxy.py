# SPDX-License-Identifier: GPL-2.0-or-later
"""The example proxy with and without tracing, started, ruled and measured."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from bench import measure
from collector import trace_rule
from collector.trace_rule import TraceRule
from stack import proxy
from stack.errors import StackError
from stack.ports import free_port
from stack.service import ROOT, Service, system_python

HOST: Final = "127.0.0.1"
CALLS: Final = 1_000_000
"""As many as a rule may trace here: a cap would end the measurement."""
_RULE_S: Final = 3600
_TOKEN: Final = "bench"  # noqa: S105 (of a proxy on the loopback, for the length of a run)
_START_S: Final = 15.0
_POLL_S: Final = 0.05

# A transaction is kept for a moment instead of 5 s, so that freeing it falls into the same run.
_SHORT_LIVED: Final = 'modparam("tm", "wt_timer", 200)\n'
_OWN_MODULES: Final = "".join(f'loadmodule "{name}.so"\n' for name in ("pv", "textops", "siputils"))
_SIPTRACE: Final = """
loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_sl_acks", 0)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "duplicate_uri", TRACE_COLLECTOR)
"""
_INCLUDE: Final = re.compile(r'^include_file "trace.cfg".*\n', re.MULTILINE)
_HOOK: Final = re.compile(r"^ *route\(TRACE_REQUEST\);.*\n", re.MULTILINE)
_KEMI_HOOK: Final = re.compile(r"^ *trace\.ksr_route_trace_request\(msg\).*\n", re.MULTILINE)
_OTHERS: Final = re.compile(r"^.*# trace\n", re.MULTILINE)
_PATH: Final = re.compile(r"^sys\.path\.insert.*\n", re.MULTILINE)


class Tracing(StrEnum):
    """What the proxy has for it."""

    NONE = "no hooks"
    """The example proxy without the lines marked "trace"."""
    HOOKS = "hooks"
    """The example proxy."""
    SIPTRACE = "siptrace, trace_mode 1"
    """siptrace's own way: all messages, always."""
    SIPTRACE_T = 'siptrace, sip_trace_mode("t")'
    """siptrace's own way from a route: each request with its transaction."""


class Proxy:
    """A Kamailio with two UDP workers."""

    def __init__(
        self,
        directory: Path,
        tracing: Tracing,
        *,
        kemi: bool,
        collectors: int = 1,
        options: Sequence[str] = (),
    ) -> None:
        """``options`` are added to Kamailio's command line."""
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.callee_port = free_port()
        self.hep_ports = [free_port() for _ in range(collectors)]
        self._control_port = free_port()
        self._log = directory / "proxy.log"
        config = directory / "proxy.cfg"
        config.write_text(_config(proxy.NATIVE.read_text(), tracing))
        values: dict[str, str | int] = {
            **proxy.sockets(HOST, self.port),
            **proxy.control(self._control_port, _TOKEN),
            **proxy.collector(HOST, self.hep_ports[0]),
            "CALLEE_PORT": self.callee_port,
            "TRACE_MAX_CALLS": CALLS,
        }
        if collectors > 1:
            addresses = [f"{HOST}:{port}" for port in self.hep_ports]
            values |= proxy.collectors(addresses, "spread", kemi=kemi)
        if kemi:
            script = directory / "proxy.py"
            source = proxy.KEMI.with_name("proxy.py").read_text()
            script.write_text(_script(source, tracing))
            values |= {"WITH_KEMI": "", "KEMI_SCRIPT": f'"{script}"'}
        command = proxy.command(directory, values, config=config)
        self._service = Service(
            "proxy",
            [*command, *options],
            directory=directory,
            environment=system_python(os.environ),
        )
        self._ids = 0
        self._items: list[str] = []

    def start(self) -> None:
        """Start it and wait until it answers. Raises StackError."""
        with self._log.open("ab") as log:
            process = self._service.start(log)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"the proxy does not start: see {self._log}"
                raise StackError(message)
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it."""
        self._service.stop(timeout_s=5)

    def cpu_s(self) -> float:
        """Processor seconds of all its processes."""
        process = self._service.process
        return measure.cpu_s(measure.tree(process.pid)) if process else 0.0

    def rules(self, *rules: TraceRule) -> None:
        """Have these rules in force, and no others."""
        for name in self._items:
            self._rpc("htable.delete", trace_rule.RULES, name)
        self._items.clear()
        slot = 0
        for rule in rules:
            slot += rule.kind == "source"
            self._items.append(rule.item_name(slot))
            item = (self._items[-1], rule.item_value())
            self._rpc("htable.setxs", trace_rule.RULES, *item, _RULE_S)
        bits = trace_rule.kinds_of(rules)
        self._rpc("htable.setxi", trace_rule.RULES, trace_rule.KINDS_ITEM, bits, _RULE_S)

    def _rpc(self, method: str, *params: str | int) -> None:
        self._ids += 1
        body = json.dumps(
            {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": list(params)},
            separators=(",", ":"),
        )
        with closing(HTTPConnection(HOST, self._control_port, timeout=5)) as connection:
            connection.request("POST", "/trace", body, {"Authorization": f"Bearer {_TOKEN}"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        if answer.status != 200:
            message = f"the proxy refuses {body}: {answer.status} {text}"
            raise StackError(message)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.settimeout(_POLL_S)
            probe.connect((HOST, self.port))
            try:
                probe.send(
                    b"OPTIONS sip:bench SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;"
                    b"branch=z9hG4bKstart\r\nFrom: <sip:a@bench>;tag=a\r\nTo: <sip:b@bench>\r\n"
                    b"Call-ID: start@bench\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\n"
                    b"Content-Length: 0\r\n\r\n"
                )
                return probe.recv(2048).startswith(b"SIP/2.0 483")
            except OSError:
                return False


def _config(text: str, tracing: Tracing) -> str:
    """proxy.cfg, with what it includes by its full name and the lines for tracing replaced."""
    if tracing is Tracing.HOOKS:
        include = f'include_file "{proxy.NATIVE.with_name("trace.cfg")}"\n'
        return _replaced(_INCLUDE, include, text) + _SHORT_LIVED
    modules = _OWN_MODULES
    hook = ""
    if tracing in (Tracing.SIPTRACE, Tracing.SIPTRACE_T):
        modules += _SIPTRACE
    if tracing is Tracing.SIPTRACE:
        modules += 'modparam("siptrace", "trace_mode", 1)\n'
    if tracing is Tracing.SIPTRACE_T:
        hook = '    sip_trace_mode("t");\n'
    text = _replaced(_INCLUDE, modules, text)
    text = _replaced(_HOOK, hook, text)
    return _OTHERS.sub("", text) + _SHORT_LIVED


def _script(text: str, tracing: Tracing) -> str:
    """proxy.py at another place, with the lines for tracing replaced."""
    text = _replaced(_PATH, f"sys.path.insert(0, {str(ROOT)!r})\n", text)
    if tracing is Tracing.HOOKS:
        return text
    hook = '        KSR.siptrace.sip_trace_mode("t")\n' if tracing is Tracing.SIPTRACE_T else ""
    return _OTHERS.sub("", _replaced(_KEMI_HOOK, hook, text))


def _replaced(pattern: re.Pattern[str], new: str, text: str) -> str:
    text, count = pattern.subn(lambda _: new, text)
    if count != 1:
        message = f"the example proxy has {count} lines of {pattern.pattern}"
        raise StackError(message)
    return text
