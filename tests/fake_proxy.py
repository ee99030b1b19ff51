# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for KSR in a proxy: one request, htables, and what the routes did."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final

from tests.fake_ksr import KsrModule, loggers

Value = str | int
_YES: Final = 1
_NO: Final = -1
_DONE: Final = (
    *("jsonrpcs.dispatch", "jsonrpcs.exec", "siptrace.hlog", "siptrace.sip_trace", "pv.sets"),
    *("xhttp.xhttp_reply", "sl.sl_send_reply", "sl.sl_reply_error", "rr.record_route"),
    "auth.auth_challenge",
)
"""What routes do to the world; each call is kept."""
_ANSWERS: Final = (
    *("maxfwd.process_maxfwd", "tm.t_check_trans", "tm.t_relay", "rr.loose_route"),
    "auth.pv_auth_check",
)
"""What routes ask; 1 unless the test says something else. Each call is kept as well."""


class FakeProxy:
    """The state behind the module."""

    def __init__(self) -> None:
        self.variables: dict[str, Value | None] = {}
        """Pseudo-variables as KEMI gives them; a test sets those of its request."""
        self.tables: dict[str, dict[str, Value]] = {
            name: {} for name in ("trace_rule", "trace_call", "trace_count")
        }
        self.seconds: dict[str, int] = {}
        """Call-ID → how long trace_call keeps it."""
        self.definitions: dict[str, str] = {
            "TRACE_MAX_CALLS": "5000",
            "TRACE_RINGING_S": "200",
            "TRACE_ANSWERED_S": "14400",
            "TRACE_ENDED_S": "64",
            "TRACE_BY_RULE": "yes",
            "TRACE_TOKEN": '"secret-of-the-test"',
            "CALLEE_PORT": "5080",
        }
        self.answers: dict[str, int] = {}
        self.done: list[tuple[Any, ...]] = []
        """Functions that were called, with their arguments."""
        self.logged: list[tuple[str, str]] = []
        self.is_full = False
        """No shared memory: nothing new is stored."""
        functions: dict[str, Callable[..., Any]] = {
            "pv.get": self._get,
            "htable.sht_get": lambda table, name: self.tables[table].get(name),
            "htable.sht_setxi": self._set,
            "htable.sht_inc": lambda table, name: self._add(table, name, 1),
            "htable.sht_dec": lambda table, name: self._add(table, name, -1),
            "ipops.is_in_subnet": _is_in_subnet,
            "siputils.has_totag": lambda: _YES if self.variables.get("$tt") else _NO,
            "is_IPv6": lambda: ":" in str(self.variables.get("$Ri")),
        }
        for method in ("ACK", "CANCEL", "INVITE", "REGISTER"):
            functions[f"is_{method}"] = self._is_method(method)
        for name in _DONE:
            functions[name] = self._doer(name, lambda _name: _YES)
        for name in _ANSWERS:
            functions[name] = self._doer(name, lambda name: self.answers.get(name, _YES))
        self.module = KsrModule("edge", functions | loggers(self.logged))

    def request(self, method: str = "INVITE", **fields: Value | None) -> None:
        """The request that routes see; ``fields`` are variables without their $."""
        base: dict[str, Value | None] = {
            "rm": method,
            "ci": "call@test",
            "fU": "alice",
            "tU": "bob",
            "rU": "4010",
            "fd": "a.example",
            "td": "b.example",
            "rd": "c.example",
            "si": "192.0.2.1",
            "tt": None,
            "Ri": "192.0.2.9",
            "proto": "udp",
            "(ci{s.corehash,65536})": "1000",
        }
        self.variables = {f"${name}": value for name, value in (base | fields).items()}

    def did(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a function."""
        return [tuple(arguments) for called, *arguments in self.done if called == name]

    def _get(self, name: str) -> Value | None:
        if name.startswith("$def("):
            return self.definitions.get(name[5:-1])
        if name == "$shtcn(trace_call=>**)":
            return len(self.tables["trace_call"])
        value = self.variables[name]
        if value == "not UTF-8":
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        return value

    def _set(self, table: str, name: str, value: int, seconds: int) -> int:
        if self.is_full:
            return _NO
        self.tables[table][name] = value
        self.seconds[name] = seconds
        return _YES

    def _add(self, table: str, name: str, number: int) -> int:
        value = int(self.tables[table].get(name, 0)) + number
        self.tables[table][name] = value
        return value

    def _is_method(self, method: str) -> Callable[[], bool]:
        return lambda: self.variables.get("$rm") == method

    def _doer(self, name: str, answer: Callable[[str], int]) -> Callable[..., int]:
        def do(*arguments: Any) -> int:
            self.done.append((name, *arguments))
            return answer(name)

        return do


def _is_in_subnet(address: str, network: str) -> int:
    try:
        inside = ipaddress.ip_address(address) in ipaddress.ip_network(network)
    except ValueError:
        return _NO
    return _YES if inside else _NO
