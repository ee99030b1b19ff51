# SPDX-License-Identifier: GPL-2.0-or-later
"""What is answered about capture nodes, proxies and their trace rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from collector.causes import CAUSES, Outcome
from collector.output.fate import Fate
from collector.retention import history
from collector.retention.history import Growth
from collector.settings.origin import Origin
from collector.tables import KINDS
from collector.trace_rule import TraceRule
from webapi.openapi.shape import BOOLEAN, INTEGER, NUMBER, STRING, of_type
from webapi.openapi.site import STATES
from webapi.schema import TIME, Schema, array, by_name, one_of, optional, record, ref
from webapi.trace.proxy import State
from webapi.trace.rules import StoredRule


def _all(names: Iterable[str], schema: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names, schema)


_HELP: Final = by_name(record({"outcome": STRING, "help": STRING}))
_NODE: Final[Mapping[str, Schema]] = {
    "journal_id": STRING,
    **_all(("name", "version"), STRING),
    "alive": BOOLEAN,
    "heartbeat_at": TIME,
    **_all(("oldest_waiting_at", "last_packet_at", "last_commit_at", "paused_at"), optional(TIME)),
    **_all(("received", "waiting", "waiting_octets", "unaccounted"), INTEGER),
    **_all(("hook_faults", "calls_refused", "plain_hops"), INTEGER),
    "outcomes": record(_all(Outcome, INTEGER)),
    "causes": record(_all((cause.label for cause in CAUSES), INTEGER)),
    "outputs": array(
        record(
            {
                **_all(("output", "target", "last_error"), STRING),
                **_all(("running", "connected"), BOOLEAN),
                **_all(("waiting", "waiting_octets"), INTEGER),
                **_all(("last_success_at", "last_failure_at"), optional(TIME)),
                "fates": record(_all(Fate, INTEGER)),
            }
        )
    ),
}
_SENDER: Final[Mapping[str, Schema]] = {
    **_all(("capture_node", "peer", "node"), STRING),
    **_all(("hep_version", "packets", "rejected", "clock_offset_us"), INTEGER),
    **_all(("first_seen", "last_seen"), TIME),
}
_REFUSED: Final[Mapping[str, Schema]] = {
    **_all(("capture_node", "peer", "cause"), STRING),
    "packets": INTEGER,
    "last_seen": TIME,
}
_KEPT: Final[Mapping[str, Schema]] = {
    **_all(("capture_node", "disk"), STRING),
    "looked_at": TIME,
    **_all(("octets", "octets_limit", "disk_used", "disk_size", "disk_limit"), INTEGER),
    "findings": array(STRING),
    "growth": record(_all(history.SPANS, optional(of_type(Growth)))),
}
_KIND: Final[Mapping[str, Schema]] = {
    "kind": one_of(KINDS),
    **_all(("partitions", "rows"), INTEGER),
    "begin": optional(TIME),
    "kept_s": NUMBER,
    **_all(("octets", "octets_expected"), optional(INTEGER)),
}
_DROPPED: Final[Mapping[str, Schema]] = {
    **_all(("kind", "reason"), STRING),
    **_all(("partitions", "messages", "octets"), INTEGER),
}
_PARTITION: Final[Mapping[str, Schema]] = {
    **_all(("kind", "partition", "reason", "capture_node"), STRING),
    **_all(("dropped_at", "range_begin", "range_end"), TIME),
    **_all(("messages", "octets"), INTEGER),
}
_RETENTION: Final[Mapping[str, Schema]] = {
    "nodes": array(record(_KEPT)),
    "kinds": array(record(_KIND)),
    "dropped": array(record(_DROPPED)),
    "last": array(record(_PARTITION)),
}
_SETTING: Final[Mapping[str, Schema]] = {
    **_all(("key", "variable", "text", "default", "unit", "help"), STRING),
    "value": {
        "type": ["string", "number", "boolean", "array"],
        "items": {"type": ["string", "number"]},
    },
    "origin": one_of(Origin),
    "secret": BOOLEAN,
}
NODES: Final[Mapping[str, Schema]] = {
    "Settings": record({"file": optional(STRING), "settings": array(record(_SETTING))}),
    "Retention": record(
        {
            "time": TIME,
            **_RETENTION,
            **_all(("precious", "failed_only"), array(STRING)),
            "failed_only_s": NUMBER,
            "step": INTEGER,
            "history": array(
                record({"time": TIME, "octets": record(_all(KINDS, optional(INTEGER)))})
            ),
        }
    ),
    "Drop": record({"id": INTEGER, **_PARTITION}),
    "Status": record(
        {
            "time": TIME,
            "sign_in": STRING,
            "causes": _HELP,
            "fates": _HELP,
            "nodes": array(record(_NODE)),
            "senders": array(record(_SENDER)),
            "retention": record(_RETENTION),
            "refused": array(record(_REFUSED)),
            "sites": STATES,
        }
    ),
}

_RULE: Final[Mapping[str, Schema]] = {
    **of_type(TraceRule)["properties"],
    **of_type(StoredRule, but=("rule",))["properties"],
    "in_force_on": array(STRING),
    "traced": by_name(INTEGER),
}
_STATE: Final[Mapping[str, Schema]] = {
    "proxies": array(ref("Proxy")),
    "database": record({"reachable": BOOLEAN, "since": TIME, "last_error": optional(STRING)}),
}
TRACE: Final[Mapping[str, Schema]] = {
    "Proxy": record(
        {
            **_all(("name", "url"), STRING),
            "state": one_of(State),
            "since": TIME,
            **_all(("looked_at", "last_error_at"), optional(TIME)),
            "last_error": optional(STRING),
            "in_force": array(INTEGER),
            **_all(("calls_now", "not_traced", "changes", "drift", "restarts"), INTEGER),
            "siptrace": one_of(("on", "off")),
            "last_drift": array(record({"at": TIME, "what": STRING})),
        }
    ),
    "TraceRule": record(_RULE),
    "TraceRuleAndState": record({**_RULE, **_STATE}),
    "TraceRules": record({"trace_rules": array(ref("TraceRule")), "complete": BOOLEAN, **_STATE}),
}
