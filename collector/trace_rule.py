# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules: which calls a proxy traces, and the form that a rule has in the proxy's htable.

kemi/edge/ reads the items. Names and values of them, bits and limits are defined here; a test
compares the numbers in the proxy's files with these.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from collector.errors import TraceRuleError
from collector.settings.network import parse_network

KINDS: Final[Mapping[str, int]] = {
    "from_user": 1,
    "to_user": 2,
    "request_user": 4,
    "from_prefix": 8,
    "to_prefix": 16,
    "request_prefix": 32,
    "from_domain": 64,
    "to_domain": 128,
    "request_domain": 256,
    "source": 512,
    "call_id": 1024,
    "all": 2048,
}
"""What a rule can look at, and its bit in the item ``kinds``."""

INCLUDE: Final = "include"
EXCLUDE: Final = "exclude"
ACTIONS: Final = (INCLUDE, EXCLUDE)
"""An exclude that matches wins over every include."""

RULES: Final = "trace_rule"
CALLS: Final = "trace_call"
COUNTS: Final = "trace_count"
TABLES: Final = (RULES, CALLS, COUNTS)
"""The proxy's htables: rules; Call-ID → rule id, negative once answered; rule id → calls traced."""

FULL_COUNT: Final = "full"
"""Counts calls that were not traced because the proxy traces as many as it may."""
KINDS_ITEM: Final = "kinds"
"""The item with the bits of all kinds in force; without it a proxy looks no further."""
ALL_VALUE: Final = "*"
"""Value of a rule of the kind ``all``."""
ANY_METHOD: Final = "*"
SHARES: Final = 65_536
"""A Call-ID's hash is below this; a rule takes those below its share of it."""
MAX_NETWORKS: Final = 16
"""Rules of the kind ``source`` at a time: the proxy goes through them one by one."""
MAX_PREFIX: Final = 20
MAX_USER: Final = 128
MAX_DOMAIN: Final = 253
MAX_CALL_ID: Final = 255
MAX_METHODS: Final = 8
ROUTE_ID: Final = (1 << 31) - 1
"""Stands for calls that route(TRACE_CALL) of the proxy traces, whatever the rules say."""
MAX_ID: Final = ROUTE_ID - 1
"""Integers of an htable have 32 bits, and a traced call's may be negative."""
ENDED_S: Final = 14_400
"""Longest that a traced call is remembered without a message: so long it may have to be stopped."""

_ALL_ITEM: Final = "all"
_NETWORK: Final = "network"
_ENDED: Final = "ended"
_SIP_METHOD: Final = re.compile(r"[A-Z]{3,16}\Z")
_WITHIN: Final = frozenset({"ACK", "BYE", "CANCEL", "PRACK"})
# RFC 3261 §25.1, user; the # of service codes is seen unescaped everywhere.
_USER: Final = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/%#-]+\Z")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?|\[[0-9a-f:.]+\])\Z")
# Wider than word ["@" word]: what comes in Call-IDs goes beyond the grammar.
_CALL_ID: Final = re.compile(r"[!-~]+\Z")
_ITEM_VALUE: Final = re.compile(
    r"([1-9][0-9]{0,9});(?:include|exclude);[0-9]{1,5};[0-9]{1,10};(?:[A-Z,]+|\*)"
    r"(?:;([0-9a-f.:/]+))?\Z"
)
_ENDED_NAME: Final = re.compile(r"ended:([1-9][0-9]{0,9})\Z")


class TraceRule(NamedTuple):
    """One rule, as it was asked for."""

    id: int
    kind: str
    value: str
    action: str
    percent: float
    """Share of the calls that match, 0.01 … 100, chosen by a hash of the Call-ID."""
    calls: int
    """Most calls that a proxy traces because of it; 0 for an exclude."""
    methods: tuple[str, ...]
    """Methods of the first request; empty for all."""
    expires_at: datetime

    @property
    def share(self) -> int:
        """``percent`` in parts of ``SHARES``; at least one."""
        return max(1, round(self.percent * SHARES / 100))

    def item_value(self) -> str:
        """The text that the proxy reads."""
        methods = ",".join(self.methods) or ANY_METHOD
        value = f"{self.id};{self.action};{self.share};{self.calls};{methods}"
        return f"{value};{self.value}" if self.kind == "source" else value

    def item_name(self, slot: int = 0) -> str:
        """Name of its item. ``slot`` is 1 … ``MAX_NETWORKS`` for the kind ``source``."""
        if self.kind == "source":
            return network_name(slot)
        return _ALL_ITEM if self.kind == "all" else f"{self.kind}:{self.value}"


class Item(NamedTuple):
    """An item of ``trace_rule`` as a proxy shows it, understood."""

    id: int
    """The rule's; 0 for ``kinds``."""
    slot: int
    """1 … ``MAX_NETWORKS`` for the item of a network, else 0."""
    ended: bool
    """Whether it says that running calls of this rule must not be traced any longer."""


def kinds_of(rules: Iterable[TraceRule]) -> int:
    """The bits of all their kinds."""
    bits = 0
    for rule in rules:
        bits |= KINDS[rule.kind]
    return bits


def network_name(slot: int) -> str:
    """Name of the item of a ``source`` rule."""
    return f"{_NETWORK}:{slot}"


def ended_name(rule_id: int) -> str:
    """Name of the item that ends the running calls of a rule."""
    return f"{_ENDED}:{rule_id}"


def parse_item(name: str, value: str | int) -> Item | None:
    """What an item of ``trace_rule`` is; None for one that we do not write."""
    if isinstance(value, int):
        if name == KINDS_ITEM:
            return Item(0, 0, ended=False)
        found = _ENDED_NAME.match(name)
        return Item(int(found[1]), 0, ended=True) if found else None
    found = _ITEM_VALUE.match(value)
    if not found or int(found[1]) > MAX_ID:
        return None
    kind, colon, rest = name.partition(":")
    slot = 0
    if kind == _NETWORK and found[2]:
        if rest not in map(str, range(1, MAX_NETWORKS + 1)):
            return None
        slot = int(rest)
    elif found[2] or not (name == _ALL_ITEM or (colon and rest and kind in KINDS)):
        return None
    return Item(int(found[1]), slot, ended=False)


def check_value(kind: str, value: str) -> str:
    """The value as it is kept: domains in lower case, networks in their usual spelling.

    Raises TraceRuleError that names the field and the rule that it breaks.
    """
    if kind not in KINDS:
        raise TraceRuleError("kind", f"must be one of {', '.join(KINDS)}")
    if kind == "all":
        if value != ALL_VALUE:
            raise TraceRuleError("value", f"is {ALL_VALUE} for the kind all")
        return value
    if kind == "source":
        return _source(value)
    if kind == "call_id":
        if len(value) > MAX_CALL_ID or not _CALL_ID.match(value):
            message = f"a Call-ID has 1 … {MAX_CALL_ID} printable ASCII characters and no blank"
            raise TraceRuleError("value", message)
        return value
    if kind.endswith("_domain"):
        value = value.lower()
        if len(value) > MAX_DOMAIN or not _DOMAIN.match(value):
            message = "must be a host name or an address as it stands in the URI, IPv6 in brackets"
            raise TraceRuleError("value", message)
        return value
    longest = MAX_PREFIX if kind.endswith("_prefix") else MAX_USER
    if len(value) > longest or not _USER.match(value):
        message = (
            f"must be 1 … {longest} characters of the user part of a SIP URI: letters, digits "
            "and -_.!~*'()&=+$,;?/%#"
        )
        raise TraceRuleError("value", message)
    return value


def _source(value: str) -> str:
    try:
        network = parse_network(value)
    except ValueError as error:
        raise TraceRuleError("value", str(error)) from None
    if "%" in value:
        raise TraceRuleError("value", "an address with a zone is not an address of a packet")
    if network.prefixlen == 0:
        raise TraceRuleError("value", "the whole Internet is the kind all")
    address = network.network_address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise TraceRuleError("value", f"write {address.ipv4_mapped} for an address of IPv4")
    return str(network)


def check_action(action: str) -> str:
    """``include`` or ``exclude``; raises TraceRuleError."""
    if action not in ACTIONS:
        raise TraceRuleError("action", f"must be {' or '.join(ACTIONS)}")
    return action


def check_percent(percent: float) -> float:
    """0.01 … 100 in steps of 0.01; raises TraceRuleError."""
    if not 0.01 <= percent <= 100 or round(percent, 2) != percent:
        raise TraceRuleError("percent", "must be 0.01 … 100 with at most two decimals")
    return percent


def check_calls(calls: int, action: str, most: int) -> int:
    """1 … ``most``; 0 for an exclude, which traces none. Raises TraceRuleError."""
    low, high = (0, 0) if action == EXCLUDE else (1, most)
    if not low <= calls <= high:
        message = f"must be {low} … {high}" if high else "an exclude traces none: leave it out"
        raise TraceRuleError("calls", message)
    return calls


def check_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Methods that begin a dialog or stand alone, each once; empty for all of them.

    Raises TraceRuleError.
    """
    found = tuple(dict.fromkeys(methods))
    if ANY_METHOD in found:
        if len(found) > 1:
            raise TraceRuleError("methods", f"{ANY_METHOD} stands alone")
        return ()
    if not 1 <= len(found) <= MAX_METHODS:
        raise TraceRuleError("methods", f"must be 1 … {MAX_METHODS} methods, or {ANY_METHOD}")
    for method in found:
        if method in _WITHIN:
            raise TraceRuleError("methods", f"{method} never begins anything")
        if not _SIP_METHOD.match(method):
            raise TraceRuleError("methods", f"{method!r} is no method in upper case")
    return found


def check_duration(seconds: float, longest: float) -> float:
    """2 s, since expiries at a proxy are in whole seconds, … ``longest``; raises TraceRuleError."""
    if not 2 <= seconds <= longest:
        raise TraceRuleError("duration", f"must be 2 … {longest:.0f} s (trace.max_duration)")
    return seconds


def check_text(field: str, text: str, longest: int) -> str:
    """Who asked, or why: 1 … ``longest`` characters for people. Raises TraceRuleError.

    Control characters, line breaks and those that change the direction of writing are refused.
    """
    stripped = text.strip(" ")
    if not 1 <= len(stripped) <= longest or not stripped.isprintable():
        message = f"must be 1 … {longest} characters without line breaks and control characters"
        raise TraceRuleError(field, message)
    return stripped
