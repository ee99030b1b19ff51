# SPDX-License-Identifier: GPL-2.0-or-later
"""The forms of tracing that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bench.edge.proxy import CALLS, Tracing
from bench.edge.user_agents import Collector
from collector import trace_rule
from collector.trace_rule import KINDS, TraceRule


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls through a proxy that runs already."""

    name: str
    rules: Sequence[TraceRule] | None = None
    """To be put in force before, in place of what there was; None for no change."""
    collector: Collector = Collector.READ


@dataclass(frozen=True, slots=True)
class Setting:
    """A proxy, and what is measured on it, in this order: each phase traces more than the last."""

    tracing: Tracing
    phases: Sequence[Phase]
    collectors: int = 1
    """More than one: the proxy spreads calls over them, in Python."""


def _rule(number: int, kind: str, value: str, percent: float = 100) -> TraceRule:
    methods = ("INVITE",)
    expires_at = datetime.max.replace(tzinfo=UTC)  # the item's own expiry counts
    return TraceRule(
        *(number, kind, value, trace_rule.INCLUDE, percent, CALLS, methods, expires_at)
    )


_ELSEWHERE: Final = {
    **dict.fromkeys(("from_user", "to_user", "request_user"), "nobody"),
    **dict.fromkeys(("from_prefix", "to_prefix", "request_prefix"), "0049"),
    **dict.fromkeys(("from_domain", "to_domain", "request_domain"), "elsewhere.example"),
    "source": "192.0.2.0/24",
    "call_id": "nobody@elsewhere.example",
}
"""A value of each kind that no call here has."""

NO_HOOKS: Final = Phase(Tracing.NONE)
NO_RULE: Final = Phase("hooks, no rule")

BARE: Final = Setting(Tracing.NONE, (NO_HOOKS,))
HOOKS: Final = Setting(
    Tracing.HOOKS,
    (
        NO_RULE,
        Phase("one rule, matches nothing", [_rule(1, "request_user", "nobody")]),
        Phase(
            f"{len(_ELSEWHERE)} rules, match nothing",
            [_rule(KINDS[kind], kind, value) for kind, value in _ELSEWHERE.items()],
        ),
        Phase("10 % sampled", [_rule(1, "all", trace_rule.ALL_VALUE, 10)]),
        Phase("all traced", [_rule(1, "all", trace_rule.ALL_VALUE)]),
        Phase("all traced, collector's port closed", collector=Collector.CLOSED),
        Phase("all traced, collector swallows", collector=Collector.DEAF),
    ),
)
TWO_COLLECTORS: Final = Setting(
    Tracing.HOOKS,
    (
        Phase("all traced, spread over two collectors", HOOKS.phases[4].rules),
        Phase("the same, both ports closed", collector=Collector.CLOSED),
    ),
    collectors=2,
)
OWN: Final = tuple(
    Setting(tracing, (Phase(tracing),)) for tracing in (Tracing.SIPTRACE, Tracing.SIPTRACE_T)
)
