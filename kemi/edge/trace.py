# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes of trace.cfg for a configuration in Python: same names, same order, same decisions.

trace.cfg is included as well: it has modules, tables and the tap, which runs as a native event
route, so that no Python runs per message. docs/kamailio.md shows the lines to add.

A fault in here is logged, at most once a minute, and is the end of tracing that one call.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import KSR

from collector.log import LimitedLog
from kemi.edge import collectors
from kemi.edge.definition import definition

_USERS: Final = (
    (1, "from_user", "$fU"),
    (2, "to_user", "$tU"),
    (4, "request_user", "$rU"),
)
_PREFIXES: Final = (
    (8, "from_prefix", "$fU"),
    (16, "to_prefix", "$tU"),
    (32, "request_prefix", "$rU"),
)
_DOMAINS: Final = (
    (64, "from_domain", "$fd"),
    (128, "to_domain", "$td"),
    (256, "request_domain", "$rd"),
)
_NETWORK: Final = 512
_CALL_ID: Final = 1024
_ALL: Final = 2048
_LONGEST_PREFIX: Final = 20
_NETWORKS: Final = 16

_LARGEST: Final = 2_147_483_647
"""Also id and number of calls of what route TRACE_CALL begins."""
_LONGEST_CALL_ID: Final = 512
_CALL_ID_TEXT: Final = re.compile(r"[!-~]+")
_LONGEST_LOG: Final = 4000

_VALUE: Final = re.compile(
    r"([1-9][0-9]{0,9});(include|exclude);([0-9]{1,5});([0-9]{1,10});([A-Z,]+|\*)(?:;(.*))?\Z",
    re.ASCII | re.DOTALL,
)
_SWITCH_ON: Final = '{"jsonrpc":"2.0","id":1,"method":"siptrace.status","params":["on"]}'
_PARAMETER: Final = r'(-?[0-9]{1,10}|"([^"\\\x00-\x1f\x7f]|\\["\\])*")'
_REQUESTS: Final = tuple(
    re.compile(r'\{"jsonrpc":"2\.0","id":[0-9]{1,9},"method":' + rest, re.ASCII)
    for rest in (
        r'"htable\.(dump|get|delete|setxs|setxi)","params":\["trace_(rule|call|count)"(,'
        + _PARAMETER
        + r")*\]\}",
        r'"htable\.(dump|get)","params":\["trace_collector"(,"[a-z]{4,7}:[0-9]{1,2}")?\]\}',
        r'"htable\.stats","params":\[\]\}',
        r'"siptrace\.status","params":\["(on|off|check)"\]\}',
    )
)
_LOG: Final = LimitedLog()


class _Rule(NamedTuple):
    id: int
    excludes: bool
    calls: int
    network: str


def _guarded(route: Callable[..., None]) -> Callable[..., int]:
    """A route that whatever goes wrong does not stop, and that goes on with the next line."""

    @functools.wraps(route)
    def guarded(*arguments: object) -> int:
        try:
            route(*arguments)
        except Exception as error:  # noqa: BLE001 (a fault here must not stop routing)
            _LOG.warn("trace", f"{route.__name__}: {type(error).__name__}: {error}")
        return 1

    return guarded


@_guarded
def ksr_route_trace_request(_msg: object) -> None:
    """At the top of ``ksr_request_route``: does a rule want this call? Without one: one lookup."""
    kinds = KSR.htable.sht_get("trace_rule", "kinds")
    if not isinstance(kinds, int) or _is_everything_traced() or KSR.siputils.has_totag() > 0:
        return
    method = _text("$rm")
    call_id = _text("$ci")
    if method in ("ACK", "CANCEL") or not _can_be_traced(call_id) or _is_known(call_id):
        return
    chosen: _Rule | None = None
    for rule in _matches(kinds, call_id, method):
        if rule.excludes:
            return
        if chosen is None and _count(rule.id) < rule.calls:
            chosen = rule
    if chosen:
        _begin(call_id, method, chosen.id, chosen.calls)


@_guarded
def ksr_route_trace_call(_msg: object) -> None:
    """From anywhere in ``ksr_request_route``: trace this call, whatever the rules say."""
    call_id = _text("$ci")
    if _can_be_traced(call_id) and not _is_everything_traced() and not _is_known(call_id):
        _begin(call_id, _text("$rm"), _LARGEST, _LARGEST)


@_guarded
def ksr_route_trace_log(_msg: object, text: str) -> None:
    """Send ``text`` as a log line of this call, if the call is traced."""
    call_id = _text("$ci")
    if call_id and (_is_everything_traced() or _is_known(call_id)):
        if definition("TRACE_COLLECTORS"):
            collectors.send_log(text[:_LONGEST_LOG])
        else:
            KSR.siptrace.hlog(text[:_LONGEST_LOG])


@_guarded
def ksr_route_trace_control(_msg: object) -> None:
    """A request of the web API, for who serves HTTP in Python (xhttp's ``event_callback``).

    The whole body is compared with what the web API writes, so no parser can see anything else.
    """
    token = definition("TRACE_TOKEN")
    port = definition("TRACE_CONTROL_PORT")
    if (port and str(KSR.pv.get("$Rp")) != port) or _text("$hu") != "/trace":
        KSR.xhttp.xhttp_reply(404, "Not Found", "text/plain", "not found\n")
    elif not token or _text("$hdr(Authorization)") != f"Bearer {token}":
        reason = "TRACE_TOKEN is another one, or empty\n"
        KSR.xhttp.xhttp_reply(401, "Unauthorized", "text/plain", reason)
    elif _text("$rm") == "POST" and any(map(_whole(_text("$rb")), _REQUESTS)):
        KSR.jsonrpcs.dispatch()
    else:
        reason = "not a request of the web API\n"
        KSR.xhttp.xhttp_reply(403, "Forbidden", "text/plain", reason)


def _whole(body: str) -> Callable[[re.Pattern[str]], bool]:
    return lambda pattern: pattern.fullmatch(body) is not None


def _matches(kinds: int, call_id: str, method: str) -> Iterator[_Rule]:
    """The rules that this request meets, in the order of trace.cfg."""
    position = int(KSR.pv.get("$(ci{s.corehash,65536})") or 0)
    for name, place in _names(kinds, call_id):
        value = KSR.htable.sht_get("trace_rule", name)
        found = _VALUE.match(value) if isinstance(value, str) else None
        # Kamailio's integers have 32 bits.
        if found is None or max(int(found[1]), int(found[4])) > _LARGEST:
            continue
        identifier, action, share, calls, methods, network = found.groups("")
        if (
            position < int(share)
            and (methods == "*" or method in methods.split(","))
            and (not place or KSR.ipops.is_in_subnet(_text("$si"), network) > 0)
        ):
            yield _Rule(int(identifier), action == "exclude", int(calls), network)


def _names(kinds: int, call_id: str) -> Iterator[tuple[str, bool]]:
    """Names of the items to look at, and whether it is a network's."""
    for bit, kind, variable in _USERS:
        if kinds & bit:
            yield f"{kind}:{_text(variable)}", False
    for bit, kind, variable in _PREFIXES:
        if kinds & bit:
            user = _text(variable)[:_LONGEST_PREFIX]
            for length in range(len(user), 0, -1):
                yield f"{kind}:{user[:length]}", False
    for bit, kind, variable in _DOMAINS:
        if kinds & bit:
            yield f"{kind}:{_text(variable).lower()}", False
    if kinds & _NETWORK:
        for place in range(1, _NETWORKS + 1):
            yield f"network:{place}", True
    if kinds & _CALL_ID:
        yield f"call_id:{call_id}", False
    if kinds & _ALL:
        yield "all", False


def _begin(call_id: str, method: str, rule: int, calls: int) -> None:
    """Remember the call, and send this request, which came through the tap too early."""
    if int(KSR.pv.get("$shtcn(trace_call=>**)") or 0) >= int(definition("TRACE_MAX_CALLS")):
        KSR.htable.sht_inc("trace_count", "full")
        return
    if KSR.htable.sht_inc("trace_count", str(rule)) > calls:
        KSR.htable.sht_dec("trace_count", str(rule))
        return
    if KSR.siputils.has_totag() > 0:
        rule, seconds = -rule, "TRACE_ANSWERED_S"
    else:
        seconds = "TRACE_RINGING_S" if method == "INVITE" else "TRACE_ENDED_S"
    KSR.htable.sht_setxi("trace_call", call_id, rule, int(definition(seconds)))
    if _is_known(call_id):
        KSR.jsonrpcs.exec(_SWITCH_ON)
        if definition("TRACE_COLLECTORS"):
            collectors.send_first()
        else:
            KSR.siptrace.sip_trace()


def _can_be_traced(call_id: str) -> bool:
    return len(call_id) <= _LONGEST_CALL_ID and _CALL_ID_TEXT.fullmatch(call_id) is not None


def _is_known(call_id: str) -> bool:
    return KSR.htable.sht_get("trace_call", call_id) is not None


def _count(rule: int) -> int:
    value = KSR.htable.sht_get("trace_count", str(rule))
    return value if isinstance(value, int) else 0


def _text(variable: str) -> str:
    """The value of a pseudo-variable; ``""`` for none, and for what is not UTF-8."""
    try:
        value = KSR.pv.get(variable)
    except UnicodeDecodeError:
        return ""
    return "" if value is None else str(value)


def _is_everything_traced() -> bool:
    return definition("TRACE_BY_RULE") == "no"
