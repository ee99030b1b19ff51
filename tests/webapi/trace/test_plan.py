# SPDX-License-Identifier: GPL-2.0-or-later
"""The plan, carried out on a model of the proxy's htables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.trace_rule import (
    CALLS,
    COUNTS,
    EXCLUDE,
    INCLUDE,
    KINDS,
    KINDS_ITEM,
    MAX_NETWORKS,
    RULES,
    TraceRule,
    ended_name,
    kinds_of,
    parse_item,
)
from webapi.trace.plan import OFF_ITEM, Active, Memory, Operation, Plan, Snapshot, Wanted, make_plan

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule(number: int, kind: str = "from_user", value: str = "", **fields: object) -> TraceRule:
    """A rule for an hour."""
    base = TraceRule(
        number, kind, value or f"user{number}", INCLUDE, 100, 10, ("INVITE",), NOW + HOUR
    )
    return base._replace(**fields)  # type: ignore[arg-type]


def wanted(
    *rules: TraceRule,
    removed: Iterable[TraceRule] = (),
    age: timedelta = HOUR,
    complete: bool = True,
    later: timedelta = timedelta(),
) -> Wanted:
    """These rules, made ``age`` ago; ``removed`` were ended a minute ago."""
    ended = [(one, NOW - timedelta(minutes=1)) for one in removed]
    return Wanted(
        [Active(one, NOW - age) for one in rules],
        ended,
        frozenset(one.id for one, _ in ended),
        NOW + later,
        complete,
    )


class Proxy:
    """The htables of a proxy, with what Kamailio 5.6 does to an expiry."""

    def __init__(self, items: Mapping[str, str | int] | None = None) -> None:
        self.tables: dict[str, dict[str, str | int]] = {RULES: {}, CALLS: {}, COUNTS: {}}
        self.tables[RULES] |= items or {}
        self.seconds: dict[tuple[str, str], int] = {}
        self.on = False

    def snapshot(self) -> Snapshot:
        """What the web API reads."""
        tables = self.tables
        return Snapshot(dict(tables[RULES]), dict(tables[COUNTS]), len(tables[CALLS]), self.on)

    def apply(self, plan: Plan) -> None:
        """Carry it out."""
        for operation in plan.operations:
            self._apply(operation)

    def _apply(self, operation: Operation) -> None:
        table, name, value, seconds = operation
        if not table:
            self.on = True
        elif value is None:
            assert name in self.tables[table], f"{name} is deleted and was not there"
            del self.tables[table][name]
        else:
            assert seconds >= 1
            old = self.tables[table].get(name)
            if isinstance(value, str) and old is not None:
                # src/modules/htable/ht_api.c, ht_set_cell_ex: a new cell without the new expiry.
                assert isinstance(old, str), "a number is replaced by text in place"
                assert len(old) >= len(value), "the expiry is lost"
            self.tables[table][name] = value
            self.seconds[table, name] = seconds


_KINDS = [kind for kind in KINDS if kind not in ("all", "source")]
_RULES = st.lists(
    st.builds(
        lambda number, kind, is_excluded, hours: rule(
            number,
            kind,
            f"10.0.0.{number}/32" if kind == "source" else "",
            action=EXCLUDE if is_excluded else INCLUDE,
            expires_at=NOW + hours * HOUR,
        ),
        st.integers(1, 60),
        st.sampled_from([*_KINDS, "source"]),
        st.booleans(),
        st.integers(1, 48),
    ),
    max_size=12,
    unique_by=lambda one: one.id,
)
_FOREIGN = st.dictionaries(
    st.one_of(
        st.sampled_from(["kinds", "network:1", "network:3", "from_user:user7", "all", "ended:x"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=1000), max_size=9),
    ).filter(str.isprintable),
    st.one_of(
        st.integers(0, 5000),
        st.sampled_from(["", "7;include;65536;10;INVITE", "7;include;1;1;*;10.0.0.7/32"]),
        st.text(max_size=60),
    ),
    max_size=5,
)


def _in_force(proxy: Proxy) -> dict[str, str | int]:
    return {
        name: value
        for name, value in proxy.tables[RULES].items()
        if not ((item := parse_item(name, value)) and item.ended)
    }


@given(_RULES, _FOREIGN, _RULES, st.lists(st.integers(0, 20), max_size=4))
def test_a_proxy_has_the_rules_when_the_plan_is_done(
    first: list[TraceRule], foreign: dict[str, str | int], second: list[TraceRule], cut: list[int]
) -> None:
    """From whatever it had, through changes by us and by others; then there is nothing to do."""
    proxy = Proxy(foreign)
    memory = Memory()
    for rules in (first, second):
        for _ in range(2):
            plan = make_plan(wanted(*rules), proxy.snapshot(), memory)
            proxy.apply(plan)
            memory = plan.memory
        assert plan.operations == ()
        assert plan.drift == ()
        assert plan.in_force == {one.id for one in rules}
        found = _in_force(proxy)
        assert found.pop(KINDS_ITEM, 0) == kinds_of(rules)
        assert sorted(map(str, found.values())) == sorted(one.item_value() for one in rules)
        for one in rules:
            if one.kind != "source":
                assert found[one.item_name()] == one.item_value()
        names = sorted(proxy.tables[RULES])
        for name in {names[n % len(names)] for n in cut if names}:
            del proxy.tables[RULES][name]


@given(_RULES)
def test_nothing_expires_later_than_its_rule(rules: list[TraceRule]) -> None:
    """Only ``kinds`` may, by as little as an expiry can be off."""
    proxy = Proxy()
    proxy.apply(make_plan(wanted(*rules), proxy.snapshot(), Memory()))
    values = {one.item_value(): one for one in rules}
    for (table, name), seconds in proxy.seconds.items():
        value = proxy.tables[table][name]
        if name == KINDS_ITEM:
            left = max(one.expires_at for one in rules) - NOW
            assert 0 <= seconds - left.total_seconds() <= 2
        elif table == RULES:
            assert seconds == (values[str(value)].expires_at - NOW).total_seconds()


def test_excludes_come_first_and_what_went_goes_last() -> None:
    """No call is traced in between that must not be."""
    old, new, exclude = rule(1), rule(2), rule(3, action=EXCLUDE)
    proxy = Proxy({old.item_name(): old.item_value(), KINDS_ITEM: 1})
    plan = make_plan(wanted(new, exclude), proxy.snapshot(), Memory())
    assert [one.name for one in plan.operations] == [
        exclude.item_name(),
        new.item_name(),
        KINDS_ITEM,
        old.item_name(),
    ]


def test_the_longest_expiry_of_kinds_follows_the_rules() -> None:
    """A longer rule of the same kind needs it longer; a shorter one changes nothing."""
    one = rule(1)
    first = make_plan(wanted(one), Snapshot({}, {}, 0, on=False), Memory())
    proxy = Proxy()
    proxy.apply(first)
    shorter = rule(2, expires_at=NOW + HOUR / 2)
    plan = make_plan(wanted(one, shorter), proxy.snapshot(), first.memory)
    assert [item.name for item in plan.operations] == [shorter.item_name()]
    proxy.apply(plan)
    longer = rule(3, expires_at=NOW + 2 * HOUR)
    plan = make_plan(wanted(one, shorter, longer), proxy.snapshot(), plan.memory)
    assert [item.name for item in plan.operations] == [longer.item_name(), KINDS_ITEM]
    assert plan.operations[-1].seconds == 7202


def test_what_is_known_before_the_first_look_is_nothing() -> None:
    """Every expiry is set anew, in place, and that is no drift."""
    one = rule(1)
    found = Snapshot({one.item_name(): one.item_value(), KINDS_ITEM: 1}, {}, 0, on=False)
    plan = make_plan(wanted(one), found, Memory())
    assert [item.name for item in plan.operations] == [one.item_name(), KINDS_ITEM]
    assert all(item.value is not None for item in plan.operations)
    assert plan.drift == ()


def test_rules_that_were_read_too_early_delete_nothing() -> None:
    """Without PostgreSQL nobody knows whether an item is a new rule."""
    found = Snapshot({"all": "99;include;65536;1;*"}, {"99": 5}, 0, on=False)
    plan = make_plan(wanted(rule(1), complete=False), found, Memory())
    assert [item.name for item in plan.operations] == ["from_user:user1", KINDS_ITEM]
    assert plan.drift == ()
    kinds = Snapshot({KINDS_ITEM: 2049}, {}, 0, on=False)
    for rules, names in (([], []), ([rule(1)], ["from_user:user1"])):
        plan = make_plan(wanted(*rules, complete=False), kinds, Memory())
        assert [item.name for item in plan.operations] == names


def test_a_proxy_that_another_web_api_has_emptied_was_not_restarted() -> None:
    """The last rule was removed there, and perhaps another of the kind is on its way."""
    gone, new = rule(1), rule(2)
    proxy = Proxy()
    first = make_plan(wanted(gone), proxy.snapshot(), Memory())
    for rules in ([], [new]):
        plan = make_plan(wanted(*rules, removed=[gone]), proxy.snapshot(), first.memory)
        assert (plan.emptied, plan.drift) == (False, ())


def test_a_rule_in_its_last_second_is_left_alone() -> None:
    """It ends by itself; its item may be gone a moment before."""
    one = rule(1)
    memory = Memory(confirmed={one.item_name(): one.item_value()}, kinds_until=one.expires_at)
    later = HOUR - timedelta(seconds=0.5)
    foreign: dict[str, str | int] = {"all": "9;include;1;1;*"}
    for items in (foreign, foreign | {one.item_name(): one.item_value()}):
        found = Snapshot(items, {}, 0, on=False)
        plan = make_plan(wanted(one, later=later), found, memory)
        assert [item.name for item in plan.operations] == ["all"]
        assert plan.drift == ("all is not ours",)


def test_a_rule_of_another_web_api_is_no_drift() -> None:
    """It has just been brought there; and one that has just ended is taken away."""
    one, other, gone = rule(1), rule(2), rule(3)
    memory = Memory(confirmed={one.item_name(): one.item_value()}, kinds_until=one.expires_at)
    items: dict[str, str | int] = {
        item.item_name(): item.item_value() for item in (one, other, gone)
    }
    items[KINDS_ITEM] = 1
    plan = make_plan(wanted(one, other, removed=[gone]), Snapshot(items, {}, 0, on=False), memory)
    assert plan.drift == ()
    assert [item.name for item in plan.operations if item.value is None] == [gone.item_name()]


def test_seventeen_networks_are_one_too_many() -> None:
    """The rest waits; nothing that is in force loses its place."""
    rules = [rule(n, "source", f"10.0.0.{n}/32") for n in range(1, MAX_NETWORKS + 3)]
    proxy = Proxy()
    plan = make_plan(wanted(*rules), proxy.snapshot(), Memory())
    proxy.apply(plan)
    assert plan.in_force == set(range(1, MAX_NETWORKS + 1))
    plan = make_plan(wanted(*rules[1:]), proxy.snapshot(), plan.memory)
    proxy.apply(plan)
    assert proxy.tables[RULES]["network:1"] == rules[16].item_value()
    assert proxy.tables[RULES]["network:2"] == rules[1].item_value()


def test_a_call_id_is_traced_from_now_on() -> None:
    """Into the table of traced calls before the rule, so that the rule says that it was done; not
    again while the rule is there, not for an exclude or a share."""
    one = rule(5, "call_id", "a@b")
    plan = make_plan(wanted(one), Snapshot({}, {}, 0, on=False), Memory())
    assert plan.operations[:3] == (
        Operation(CALLS, "a@b", -5, 3600),
        Operation(),
        Operation(RULES, "call_id:a@b", one.item_value(), 3600),
    )
    there = Snapshot({"call_id:a@b": one.item_value(), KINDS_ITEM: 1024}, {}, 1, on=True)
    again = make_plan(wanted(one), there, Memory())
    assert CALLS not in {operation.table for operation in again.operations}
    for other in (one._replace(action=EXCLUDE), one._replace(percent=50.0)):
        plan = make_plan(wanted(other), Snapshot({}, {}, 0, on=False), Memory())
        assert CALLS not in {operation.table for operation in plan.operations}


def test_calls_of_a_removed_rule_are_ended() -> None:
    """By a mark for the tap, for as long as a call may be remembered, and only while there are
    calls; a Call-ID that was traced by its own rule at once."""
    gone, call = rule(1), rule(2, "call_id", "a@b")
    asked = wanted(removed=[gone, call])
    idle = Snapshot({}, {}, 0, on=False)
    assert make_plan(asked, idle, Memory()).operations == ()
    plan = make_plan(asked, Snapshot({}, {}, 3, on=True), Memory())
    assert plan.operations == (
        Operation(RULES, ended_name(1), 1, 14_340),
        Operation(RULES, ended_name(2), 1, 14_340),
        Operation(CALLS, "a@b", -2, 1),
    )
    marked = Snapshot({ended_name(1): 1, ended_name(2): 1}, {}, 3, on=True)
    plan = make_plan(asked, marked, Memory())
    assert (plan.operations, plan.drift) == ((), ())


def test_counts_come_back_after_a_restart() -> None:
    """The cap of a rule holds for its whole life, as far as the web API has seen it."""
    one = rule(1)
    counts: dict[str, str | int] = {"1": 7, "full": 2, "2147483647": 4}
    items: dict[str, str | int] = {one.item_name(): one.item_value(), KINDS_ITEM: 1}
    memory = make_plan(wanted(one), Snapshot(items, counts, 0, on=False), Memory()).memory
    assert memory.counts == {1: 7}
    plan = make_plan(wanted(one), Snapshot({}, {}, 0, on=False), memory)
    assert plan.emptied
    assert plan.drift == ()
    assert Operation(COUNTS, "1", 7, 3600) in plan.operations
    assert plan.memory.counts == {1: 7}


def test_counts_of_another_life_are_removed() -> None:
    """A new rule with a number that an older database has used begins at none; counts that no
    rule has go, the proxy's own stay."""
    counts: dict[str, str | int] = {
        "1": 7,
        "44": 1,
        "full": 2,
        "2147483647": 4,
        "x": 1,
        "٣": 1,
        "07": 1,
    }
    found = Snapshot({}, counts, 0, on=False)
    plan = make_plan(wanted(rule(1), age=timedelta(seconds=1)), found, Memory())
    deleted = [one.name for one in plan.operations if one.table == COUNTS and one.value is None]
    assert deleted == ["1", "44"]
    older = make_plan(wanted(rule(1)), found, Memory())
    assert "1" not in [one.name for one in older.operations if one.table == COUNTS]


def test_siptrace_is_switched_off_by_the_proxy() -> None:
    """A call that expires at once lets it do so; it is asked only once."""
    found = Snapshot({}, {}, 0, on=True)
    plan = make_plan(wanted(), found, Memory())
    assert plan.operations == (Operation(CALLS, OFF_ITEM, 1, 1),)
    for traced in (1, 0, 0):
        plan = make_plan(wanted(), found._replace(traced=traced), plan.memory)
        assert plan.operations == ()
    plan = make_plan(wanted(), found._replace(on=False), plan.memory)
    assert make_plan(wanted(), found, plan.memory).operations != ()


def test_siptrace_is_switched_on_for_traced_calls() -> None:
    """When it is off twice in a row; once may be the moment in which a call begins or ends."""
    found = Snapshot({}, {}, 2, on=False)
    plan = make_plan(wanted(), found, Memory())
    assert (plan.operations, plan.drift) == ((), ())
    plan = make_plan(wanted(), found, plan.memory)
    assert plan.operations == (Operation(),)
    assert plan.drift == ("siptrace was off",)


@pytest.mark.parametrize("name", ["new\nline", "\x7f", "\x00"])
def test_a_name_that_no_request_can_carry_stays(name: str) -> None:
    """The proxy would refuse the request, and nothing after it would be done."""
    found = Snapshot({name: "1;include;1;1;*"}, {}, 0, on=False)
    assert make_plan(wanted(), found, Memory()).operations == ()
