# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be changed at a proxy so that it has the rules: a pure function.

Kamailio 5.6 loses the expiry of an item whose new text is longer than the old one: such an item is
deleted first. A text that is not longer, and a number, are replaced in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from collector.trace_rule import (
    CALLS,
    COUNTS,
    ENDED_S,
    EXCLUDE,
    KINDS_ITEM,
    MAX_ID,
    MAX_NETWORKS,
    RULES,
    SHARES,
    TraceRule,
    ended_name,
    kinds_of,
    network_name,
    parse_item,
)

OFF_ITEM: Final = "kemiscope-off"
"""A traced call that expires at once: with the last one the proxy itself switches siptrace off, and
sees to it that no call that comes in between is lost."""
_RULE_ID: Final = re.compile(r"[1-9][0-9]{0,9}\Z")
_YOUNG: Final = timedelta(seconds=10)
_SLACK: Final = timedelta(seconds=2)
"""Expiries at the proxy are in whole seconds."""


class Snapshot(NamedTuple):
    """What a proxy has."""

    items: Mapping[str, str | int]
    """Of ``trace_rule``."""
    counts: Mapping[str, str | int]
    """Of ``trace_count``."""
    traced: int
    """Calls in ``trace_call``."""
    on: bool
    """Whether siptrace works."""


class Active(NamedTuple):
    """A rule in force, and since when."""

    rule: TraceRule
    created_at: datetime


class Wanted(NamedTuple):
    """What it should have."""

    active: Sequence[Active]
    removed: Sequence[tuple[TraceRule, datetime]]
    """Rules that somebody has ended early, and when, as long as calls of them may go on."""
    recent: frozenset[int]
    """Ids of all rules that ended a short while ago."""
    now: datetime
    complete: bool
    """Whether the rules were read after the snapshot was taken: what is not known then is wrong."""


class Memory(NamedTuple):
    """What is remembered of a proxy from one comparison to the next."""

    confirmed: Mapping[str, str | int] = {}
    """Items that it had when the last comparison was over."""
    kinds_until: datetime | None = None
    """Expiry of the item ``kinds``; None when somebody else may have set it."""
    counts: Mapping[int, int] = {}
    """Calls by rule."""
    nudged: bool = False
    """Whether it was asked to switch siptrace off, and has not done so yet."""
    off: bool = False
    """Whether siptrace was off although calls were traced, which may be a matter of a moment."""


class Operation(NamedTuple):
    """One change; without a table siptrace is switched on."""

    table: str = ""
    name: str = ""
    value: str | int | None = None
    """None: delete."""
    seconds: int = 0


class Plan(NamedTuple):
    """What to do, in this order, what was not as it should be, and what to remember when done."""

    operations: tuple[Operation, ...]
    drift: tuple[str, ...]
    emptied: bool
    """Whether all items are gone: the proxy was restarted."""
    in_force: frozenset[int]
    memory: Memory


_SWITCH_ON: Final = Operation()


def make_plan(wanted: Wanted, found: Snapshot, memory: Memory) -> Plan:
    """Compare; ``memory`` is ``Memory()`` when nothing is known: every expiry is set anew then."""
    live = [one for one in wanted.active if _seconds(one.rule.expires_at, wanted.now)]
    named = dict(_names([one.rule for one in live], found.items))
    created = {one.rule.id: one.created_at for one in live}
    expected = {
        name: rule
        for name, rule in named.items()
        if memory.confirmed.get(name) == rule.item_value()
    }
    emptied = bool(expected) and not found.items
    excludes_first = sorted(named.items(), key=lambda item: (item[1].action != EXCLUDE, item[1].id))
    operations: list[Operation] = []
    for name, rule in excludes_first:
        is_young = wanted.now - created[rule.id] < _YOUNG
        operations += _put(name, rule, wanted.now, found, memory, is_young=is_young)
    rules = [rule for _, rule in excludes_first]
    kinds, kinds_until = _kinds(rules, wanted, found, memory)
    operations += kinds
    operations += (Operation(RULES, name) for name in _deletions(wanted, found, named))
    operations += _endings(wanted, found)
    counted = _counted(found)
    kept = wanted.recent.union(rule.id for rule in rules)
    if wanted.complete:
        operations += (Operation(COUNTS, str(number)) for number in counted if number not in kept)
    off = bool(found.traced) and not found.on
    if off and memory.off:
        operations.append(_SWITCH_ON)
    idle = found.on and not found.traced and _SWITCH_ON not in operations
    if idle and not memory.nudged:
        operations.append(Operation(CALLS, OFF_ITEM, 1, 1))
    seen = {number: count for number, count in counted.items() if number in kept}
    confirmed: dict[str, str | int] = {name: rule.item_value() for name, rule in named.items()}
    return Plan(
        tuple(operations),
        () if emptied else tuple(_drift(wanted, found, memory, named, expected)),
        emptied,
        frozenset(rule.id for rule in rules),
        Memory(
            confirmed | ({KINDS_ITEM: kinds_of(rules)} if rules else {}),
            kinds_until,
            {**memory.counts, **seen} if emptied else seen,
            nudged=found.on and (memory.nudged or idle),
            off=off,
        ),
    )


def _names(
    rules: Iterable[TraceRule], items: Mapping[str, str | int]
) -> Iterator[tuple[str, TraceRule]]:
    """Each rule with its item's name; networks stay where they are, others get what is free."""
    networks = sorted((rule for rule in rules if rule.kind == "source"), key=lambda rule: rule.id)
    yield from ((rule.item_name(), rule) for rule in rules if rule.kind != "source")
    values = {rule.item_value(): rule for rule in networks}
    free = []
    for name in map(network_name, range(1, MAX_NETWORKS + 1)):
        rule = values.pop(str(items.get(name)), None)
        if rule:
            yield name, rule
        else:
            free.append(name)
    yield from zip(free, sorted(values.values(), key=lambda rule: rule.id), strict=False)


def _put(
    name: str, rule: TraceRule, now: datetime, found: Snapshot, memory: Memory, *, is_young: bool
) -> Iterator[Operation]:
    """Nothing if the proxy has the rule and its expiry is known to be right."""
    value, present = rule.item_value(), found.items.get(name)
    if present == value and memory.confirmed.get(name) == value:
        return
    seconds = _seconds(rule.expires_at, now)
    if present != value:
        yield from _count(rule, found, memory, seconds, is_young=is_young)
        if rule.kind == "call_id" and rule.action != EXCLUDE and rule.share == SHARES:
            # Before the item: once that is there, this is known to be done.
            yield Operation(CALLS, rule.value, -rule.id, seconds)
            yield _SWITCH_ON
    if present is not None and (isinstance(present, int) or len(present) < len(value)):
        yield Operation(RULES, name)
    yield Operation(RULES, name, value, seconds)


def _count(
    rule: TraceRule, found: Snapshot, memory: Memory, seconds: int, *, is_young: bool
) -> Iterator[Operation]:
    """A rule that is new begins at none; at a proxy that has forgotten, at what is known."""
    seen, count = memory.counts.get(rule.id, 0), _counted(found).get(rule.id, 0)
    if seen > count:
        yield Operation(COUNTS, str(rule.id), seen, seconds)
    elif count and is_young and not seen:
        yield Operation(COUNTS, str(rule.id))


def _kinds(
    rules: Sequence[TraceRule], wanted: Wanted, found: Snapshot, memory: Memory
) -> tuple[list[Operation], datetime | None]:
    """The item without which the proxy looks no further, as long as the longest rule."""
    present = found.items.get(KINDS_ITEM)
    if not rules:
        delete = present is not None and wanted.complete
        return [Operation(RULES, KINDS_ITEM)] if delete else [], None
    bits, until = kinds_of(rules), max(rule.expires_at for rule in rules)
    if isinstance(present, int) and not wanted.complete:
        # There may be rules that we do not know.
        if present & bits == bits:
            return [], None
        bits |= present
    known = memory.kinds_until
    if present == bits and known is not None and until - known < _SLACK:
        return [], known
    seconds = _seconds(until, wanted.now) + int(_SLACK.total_seconds())
    text = [Operation(RULES, KINDS_ITEM)] if isinstance(present, str) else []
    return [*text, Operation(RULES, KINDS_ITEM, bits, seconds)], until


def _deletions(wanted: Wanted, found: Snapshot, named: Mapping[str, TraceRule]) -> Iterator[str]:
    """Items of rules that have ended, and what nobody knows of.

    A rule that is about to expire ends by itself. A name that no request can carry stays.
    """
    if not wanted.complete:
        return
    expiring = {one.rule.id for one in wanted.active} - {rule.id for rule in named.values()}
    for name, value in found.items.items():
        item = parse_item(name, value)
        if name in named or name == KINDS_ITEM or (item and item.ended):
            continue
        if (item is None or item.id not in expiring) and name.isprintable():
            yield name


def _endings(wanted: Wanted, found: Snapshot) -> Iterator[Operation]:
    """Calls that go on although somebody has ended their rule; without calls there is nothing."""
    if not found.traced:
        return
    for rule, removed_at in wanted.removed:
        name = ended_name(rule.id)
        seconds = _seconds(removed_at + timedelta(seconds=ENDED_S), wanted.now)
        if seconds and found.items.get(name) != 1:
            yield Operation(RULES, name, 1, seconds)
            if rule.kind == "call_id":
                # Not deleted: the expiry of the last call is what switches siptrace off.
                yield Operation(CALLS, rule.value, -rule.id, 1)


def _drift(
    wanted: Wanted,
    found: Snapshot,
    memory: Memory,
    named: Mapping[str, TraceRule],
    expected: Mapping[str, TraceRule],
) -> Iterator[str]:
    """What somebody else has changed: not what is new to us or has just ended."""
    should: dict[str, str | int] = {name: rule.item_value() for name, rule in expected.items()}
    kinds = kinds_of(named.values())
    if expected and memory.confirmed.get(KINDS_ITEM) == kinds:
        should[KINDS_ITEM] = kinds
    for name, value in should.items():
        if found.items.get(name) != value:
            yield f"{name} was {'changed' if name in found.items else 'missing'}"
    known = wanted.recent.union(one.rule.id for one in wanted.active)
    ours = {rule.id for rule in named.values()}
    for name, value in found.items.items() if wanted.complete else ():
        item = parse_item(name, value)
        if name in named or name == KINDS_ITEM or (item and item.ended):
            continue
        if item is None or item.id not in known or (item.id in ours and not item.slot):
            yield f"{name} is not ours"
    if memory.off and found.traced and not found.on:
        yield "siptrace was off"


def _counted(found: Snapshot) -> dict[int, int]:
    """Calls by rule; other counts are the proxy's own."""
    return {
        int(name): count
        for name, count in found.counts.items()
        if isinstance(count, int) and _RULE_ID.match(name) and int(name) <= MAX_ID
    }


def _seconds(until: datetime, now: datetime) -> int:
    """Whole seconds left; 0 when there is not one."""
    return max(0, int((until - now).total_seconds()))
