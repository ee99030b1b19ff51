# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace rules: what may be asked for, and the form that a proxy reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import trace_rule
from collector.errors import TraceRuleError
from collector.trace_rule import ACTIONS, EXCLUDE, INCLUDE, KINDS, Item, TraceRule

_NOW = datetime(2026, 11, 23, tzinfo=UTC)
_PERCENTS = st.integers(1, 10_000).map(lambda hundredth: hundredth / 100)
_METHODS = st.sampled_from([(), ("INVITE",), ("INVITE", "REGISTER", "MESSAGE")])
_USERS = st.text("0123456789+*#abcXYZ.-_", min_size=1, max_size=20)
_VALUES = st.one_of(
    st.tuples(
        st.sampled_from([kind for kind in KINDS if "user" in kind or "prefix" in kind]), _USERS
    ),
    st.tuples(st.sampled_from([kind for kind in KINDS if "domain" in kind]), st.just("a.example")),
    st.tuples(st.just("source"), st.sampled_from(["192.0.2.0/24", "2001:db8::1/128"])),
    st.tuples(
        st.just("call_id"), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
    ),
    st.just(("all", "*")),
)


def rule(
    kind: str = "from_user",
    value: str = "4711",
    *,
    action: str = INCLUDE,
    percent: float = 100.0,
    methods: tuple[str, ...] = ("INVITE",),
) -> TraceRule:
    """A rule with the number 17."""
    return TraceRule(17, kind, value, action, percent, 100, methods, _NOW)


@pytest.mark.parametrize(
    ("asked", "name", "value"),
    [
        (rule(), "from_user:4711", "17;include;65536;100;INVITE"),
        (rule("to_prefix", "+4930"), "to_prefix:+4930", "17;include;65536;100;INVITE"),
        (rule("all", "*", percent=10.0, methods=()), "all", "17;include;6554;100;*"),
        (
            rule("source", "192.0.2.0/24", methods=("INVITE", "OPTIONS")),
            "network:3",
            "17;include;65536;100;INVITE,OPTIONS;192.0.2.0/24",
        ),
        (
            rule("source", "2001:db8::1/128", action=EXCLUDE),
            "network:3",
            "17;exclude;65536;100;INVITE;2001:db8::1/128",
        ),
        (rule("call_id", "a:b;c@[::1]"), "call_id:a:b;c@[::1]", "17;include;65536;100;INVITE"),
    ],
)
def test_the_form_that_a_proxy_reads(asked: TraceRule, name: str, value: str) -> None:
    """As kemi/edge/ looks it up and takes it apart."""
    assert (asked.item_name(3), asked.item_value()) == (name, value)


@given(_VALUES, st.integers(1, trace_rule.MAX_ID), st.sampled_from(ACTIONS), _PERCENTS, _METHODS)
def test_every_item_that_is_written_is_understood_again(
    kind_value: tuple[str, str], rule_id: int, action: str, percent: float, methods: tuple[str, ...]
) -> None:
    """Whatever a dump shows of ours is told from what is not ours."""
    kind, value = kind_value
    assert trace_rule.check_value(kind, value) == value
    asked = TraceRule(rule_id, kind, value, action, percent, 100, methods, _NOW)
    slot = 5 if kind == "source" else 0
    found = trace_rule.parse_item(asked.item_name(slot), asked.item_value())
    assert found == Item(rule_id, slot, ended=False)
    ended = trace_rule.parse_item(trace_rule.ended_name(rule_id), 1)
    assert ended == Item(rule_id, 0, ended=True)


@given(st.text(), st.one_of(st.text(), st.integers()))
def test_items_of_others_never_raise(name: str, value: str | int) -> None:
    """Anybody may have written to the table."""
    found = trace_rule.parse_item(name, value)
    assert found is None or 0 <= found.id <= trace_rule.MAX_ID


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from_user:4711", "include"),
        ("from_user:4711", "0;include;1;1;*"),
        ("from_user:4711", "99999999999;include;1;1;*"),
        ("from_user:4711", "9999999999;include;1;1;*"),
        ("from_user:4711", "17;include;1;1;INVITE;192.0.2.1/32"),
        ("from_user:4711", "17;include;1;1;INVITE\n"),
        ("from_user:4711", 17),
        ("from_user:", "17;include;1;1;INVITE"),
        ("colour:red", "17;include;1;1;INVITE"),
        ("network:0", "17;include;1;1;INVITE;192.0.2.1/32"),
        ("network:17", "17;include;1;1;INVITE;192.0.2.1/32"),
        ("network:01", "17;include;1;1;INVITE;192.0.2.1/32"),
        ("network:1", "17;include;1;1;INVITE"),
        ("kinds", "4"),
        ("ended:0", 1),
        ("ended:1x", 1),
    ],
)
def test_what_we_do_not_write(name: str, value: str | int) -> None:
    """Told from ours, so that it can be removed."""
    assert trace_rule.parse_item(name, value) is None


@given(_PERCENTS, _PERCENTS, st.integers(0, trace_rule.SHARES - 1))
def test_a_smaller_share_is_inside_a_larger_one(one: float, other: float, call_hash: int) -> None:
    """A call of the 10 % is also one of the 20 %, and all calls are the 100 %."""
    small, large = sorted((one, other))
    if call_hash < rule(percent=small).share:
        assert call_hash < rule(percent=large).share
    assert call_hash < rule(percent=100.0).share == trace_rule.SHARES
    assert rule(percent=small).share >= 1


def test_the_bits_of_the_kinds() -> None:
    """One each, so that a proxy can tell by one number what to look up."""
    assert [1 << n for n in range(len(KINDS))] == list(KINDS.values())
    assert trace_rule.kinds_of([]) == 0
    assert trace_rule.kinds_of([rule(), rule("source", "192.0.2.0/24"), rule()]) == 1 + 512


@pytest.mark.parametrize(
    ("kind", "given_value", "kept"),
    [
        ("from_user", "*21*4711#", "*21*4711#"),
        ("from_user", "Anna.Example", "Anna.Example"),
        ("request_prefix", "+49", "+49"),
        ("to_domain", "SIP.Example.COM", "sip.example.com"),
        ("to_domain", "[2001:DB8::1]", "[2001:db8::1]"),
        ("to_domain", "192.0.2.1", "192.0.2.1"),
        ("source", "192.0.2.5", "192.0.2.5/32"),
        ("source", "2001:DB8:0:0::1", "2001:db8::1/128"),
        ("source", "10.0.0.0/8", "10.0.0.0/8"),
        ("call_id", 'x"\\y@host', 'x"\\y@host'),
        ("all", "*", "*"),
    ],
)
def test_values_that_are_taken(kind: str, given_value: str, kept: str) -> None:
    """In the form in which they are kept and compared."""
    assert trace_rule.check_value(kind, given_value) == kept


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("colour", "red", "must be one of from_user, "),
        ("from_user", "", "1 … 128 characters"),
        ("from_user", "47 11", "1 … 128 characters"),
        ("from_user", "4711\n", "1 … 128 characters"),
        ("from_user", 'x"', "1 … 128 characters"),
        ("from_user", "4711@example.com", "1 … 128 characters"),
        ("from_user", "x" * 129, "1 … 128 characters"),
        ("from_prefix", "1" * 21, "1 … 20 characters"),
        ("from_domain", "-x", "host name"),
        ("from_domain", "2001:db8::1", "brackets"),
        ("from_domain", "a" * 254, "host name"),
        ("source", "192.0.2.5/24", "has host bits set"),
        ("source", "example.com", "not an address or a network"),
        ("source", "0.0.0.0/0", "is the kind all"),
        ("source", "::ffff:192.0.2.1", "write 192.0.2.1"),
        ("source", "fe80::1%eth0", "with a zone"),
        ("call_id", "", "printable ASCII"),
        ("call_id", "a b", "printable ASCII"),
        ("call_id", "a\x00", "printable ASCII"),
        ("call_id", "ü", "printable ASCII"),
        ("call_id", "x" * 256, "printable ASCII"),
        ("all", "4711", "is \\* for the kind all"),
    ],
)
def test_values_that_are_refused(kind: str, value: str, says: str) -> None:
    """With what would be right."""
    with pytest.raises(TraceRuleError, match=says) as caught:
        trace_rule.check_value(kind, value)
    assert caught.value.field == ("value" if kind in KINDS else "kind")


@given(st.sampled_from([*KINDS]), st.text())
def test_a_value_can_always_be_written_for_the_proxy(kind: str, value: str) -> None:
    """What is taken is printable ASCII without a blank, short enough for an item's name."""
    try:
        kept = trace_rule.check_value(kind, value)
    except TraceRuleError:
        return
    assert kept.isascii()
    assert kept.isprintable()
    assert " " not in kept
    assert 1 <= len(kept) <= 255
    assert trace_rule.check_value(kind, kept) == kept


@pytest.mark.parametrize("percent", [0.0, 0.001, 10.005, 100.01, -1.0, float("nan"), float("inf")])
def test_percentages_that_are_refused(percent: float) -> None:
    """A share of nothing, and finer than is kept."""
    with pytest.raises(TraceRuleError) as caught:
        trace_rule.check_percent(percent)
    assert caught.value.field == "percent"


@given(_PERCENTS)
def test_percentages_that_are_taken(percent: float) -> None:
    """Every hundredth."""
    assert trace_rule.check_percent(percent) == percent


def test_actions() -> None:
    """Two."""
    assert trace_rule.check_action("exclude") == EXCLUDE
    with pytest.raises(TraceRuleError, match="include or exclude"):
        trace_rule.check_action("Include")


@pytest.mark.parametrize(("calls", "action"), [(1, INCLUDE), (50, INCLUDE), (0, EXCLUDE)])
def test_caps_that_are_taken(calls: int, action: str) -> None:
    """An include has one, an exclude none."""
    assert trace_rule.check_calls(calls, action, 50) == calls


@pytest.mark.parametrize(("calls", "action"), [(0, INCLUDE), (51, INCLUDE), (1, EXCLUDE)])
def test_caps_that_are_refused(calls: int, action: str) -> None:
    """Without end, beyond the setting, and where none has a meaning."""
    with pytest.raises(TraceRuleError) as caught:
        trace_rule.check_calls(calls, action, 50)
    assert caught.value.field == "calls"


@pytest.mark.parametrize(
    ("methods", "kept"),
    [(["INVITE"], ("INVITE",)), (["*"], ()), (["OPTIONS", "OPTIONS"], ("OPTIONS",))],
)
def test_methods_that_are_taken(methods: list[str], kept: tuple[str, ...]) -> None:
    """Each once."""
    assert trace_rule.check_methods(methods) == kept


@pytest.mark.parametrize(
    "methods",
    [
        [],
        ["invite"],
        ["BYE"],
        ["ACK"],
        ["*", "INVITE"],
        ["INVITE;"],
        [f"M{c}X" for c in "ABCDEFGHI"],
    ],
)
def test_methods_that_are_refused(methods: list[str]) -> None:
    """In-dialog ones among them: the whole call follows its first request."""
    with pytest.raises(TraceRuleError) as caught:
        trace_rule.check_methods(methods)
    assert caught.value.field == "methods"


@pytest.mark.parametrize("seconds", [0.0, 1.9, 61.0, float("nan"), float("inf")])
def test_durations_that_are_refused(seconds: float) -> None:
    """Every rule ends by itself."""
    with pytest.raises(TraceRuleError, match=r"2 … 60 s \(trace\.max_duration\)"):
        trace_rule.check_duration(seconds, 60)


def test_durations_that_are_taken() -> None:
    """Both ends included."""
    assert trace_rule.check_duration(2, 60) == 2
    assert trace_rule.check_duration(60, 60) == 60


def test_who_and_why() -> None:
    """Any language, one line."""
    assert trace_rule.check_text("reason", " Störung 4711 ", 20) == "Störung 4711"


@pytest.mark.parametrize(
    "text", ["", "  ", "a\nb", "\x1b[2J", "x" * 21, "a\u202eb", "a\u2028b", "a\0"]
)
def test_text_that_is_refused(text: str) -> None:
    """It is shown in terminals and logs."""
    with pytest.raises(TraceRuleError, match="1 … 20 characters") as caught:
        trace_rule.check_text("reason", text, 20)
    assert caught.value.field == "reason"
