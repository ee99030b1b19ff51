# SPDX-License-Identifier: GPL-2.0-or-later
"""What somebody asks for: the fields of a new rule, with what holds for those that are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from collector import trace_rule
from collector.errors import TraceRuleError
from collector.log import one_line
from collector.settings.quantity import parse_quantity
from collector.settings.trace import Trace
from collector.trace_rule import EXCLUDE, INCLUDE

MAX_NAME: Final = 64
MAX_REASON: Final = 200
DEFAULT_CALLS: Final = 100
DEFAULT_DURATION_S: Final = 3600
_TEXTS: Final = ("kind", "value", "action", "requested_by", "reason")
FIELDS: Final = (*_TEXTS, "percent", "calls", "methods", "duration")
"""Of a request for a rule."""
REQUIRED: Final = ("kind", "reason")
"""Those that nothing stands for when they are left out."""


class Asked(NamedTuple):
    """A rule that somebody wants, checked."""

    kind: str
    value: str
    action: str
    percent: float
    calls: int
    methods: tuple[str, ...]
    duration_s: float
    requested_by: str
    reason: str


def parse(asked: Mapping[str, Any], settings: Trace) -> Asked:
    """The fields of a JSON object. Raises TraceRuleError that names the first wrong one."""
    for name in asked:
        if name not in FIELDS:
            shown = one_line(name)[:MAX_NAME]
            raise TraceRuleError(shown, f"there is no such field; there are {', '.join(FIELDS)}")
    texts = {"action": INCLUDE, **asked}
    if asked.get("kind") == "all":
        texts.setdefault("value", trace_rule.ALL_VALUE)
    kind, value, action, requested_by, reason = (_text(name, texts.get(name)) for name in _TEXTS)
    action = trace_rule.check_action(action)
    calls = 0 if action == EXCLUDE else min(DEFAULT_CALLS, settings.max_calls)
    return Asked(
        kind,
        trace_rule.check_value(kind, value),
        action,
        trace_rule.check_percent(_number("percent", asked.get("percent", 100))),
        trace_rule.check_calls(
            _whole("calls", asked.get("calls", calls)), action, settings.max_calls
        ),
        trace_rule.check_methods(_list("methods", asked.get("methods", ["INVITE"]))),
        trace_rule.check_duration(
            _duration(asked.get("duration", min(DEFAULT_DURATION_S, settings.max_duration))),
            settings.max_duration,
        ),
        trace_rule.check_text("requested_by", requested_by, MAX_NAME),
        trace_rule.check_text("reason", reason, MAX_REASON),
    )


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TraceRuleError(field, "is missing" if value is None else "must be text")
    return value


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TraceRuleError(field, "must be a number")
    return float(value)


def _whole(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TraceRuleError(field, "must be a whole number")
    return value


def _list(field: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TraceRuleError(field, "must be a list of texts")
    return value


def _duration(value: Any) -> float:
    if not isinstance(value, str):
        return _number("duration", value)
    try:
        return parse_quantity(value, "s")
    except ValueError as error:
        raise TraceRuleError("duration", str(error)) from None
