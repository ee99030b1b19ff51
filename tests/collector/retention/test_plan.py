# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes and what stays, for any set of partitions and limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from collector.columns import TABLES
from collector.partitions import Partition
from collector.retention.measure import BEGINNING, END, Part
from collector.retention.plan import AGE, PIECE, RELEASE, Drop, Limit, plan, splits

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MB = 1_000_000
KINDS = tuple(table.kind for table in TABLES)
TABLE_OF = {table.kind: table.name for table in TABLES}
PRECIOUS = ("other", "registration", "call")


def part(kind: str, hours_ago: int, megabytes: int = 10, device: int = 1) -> Part:
    """An hour's partition that began so many full hours before noon."""
    begin = NOW.replace(minute=0) - hours_ago * HOUR
    partition = Partition(f"{kind}_{-hours_ago}", begin, begin + HOUR)
    return Part(TABLE_OF[kind], kind, partition, megabytes * MB, megabytes > 0, 1, device)


def default(kind: str, megabytes: int, end: datetime) -> Part:
    """A default partition that has rows."""
    partition = Partition(f"{kind}_default", BEGINNING, end)
    return Part(TABLE_OF[kind], kind, partition, megabytes * MB, True, 1, 1)


def by_bytes(parts: Sequence[Part], most: int) -> Limit:
    """A limit of all bytes without reserve."""
    return Limit("max_bytes", None, sum(p.octets for p in parts), most * MB, 0, most * MB, "all")


def by_disk(used: int, most: int, last: int, *, device: int = 1, reserve: int = 0) -> Limit:
    """A limit of a file system, in megabytes."""
    return Limit("max_disk_percent", device, used * MB, most * MB, reserve, last * MB, "/var")


def names(drops: Sequence[Drop]) -> list[str]:
    """Names of what goes, in order."""
    return [drop.part.partition.name for drop in drops]


parts_of_three_days = st.lists(
    st.builds(
        part,
        st.sampled_from(KINDS),
        st.integers(-2, 72),
        st.integers(0, 50),
        st.sampled_from([1, 2]),
    ),
    unique_by=lambda item: item.partition.name,
    max_size=40,
)


@given(parts_of_three_days, st.integers(1, 500), st.permutations(KINDS), st.integers(0, 3))
def test_any_byte_limit(parts: list[Part], most: int, precious: list[str], named: int) -> None:
    """What goes is enough, not more than enough, the right ones, and never the newest."""
    order = precious[:named]
    decided = plan(parts, [by_bytes(parts, most)], NOW, {}, order)
    gone = [drop.part for drop in decided.drops]
    kept = [item for item in parts if item not in gone]
    assert len({item.partition.name for item in gone}) == len(gone)
    # Nothing that is being written, nor the newest rows of any table.
    assert all(item.partition.end <= NOW for item in gone)
    for kind in KINDS:
        filled = [item for item in parts if item.kind == kind and item.filled]
        if filled:
            assert max(filled, key=lambda item: item.partition.begin) in kept
    # By kind, then by age; the last complete one of each kind when nothing else is left.
    ranks = [
        (_is_last(item, parts), order.index(item.kind) if item.kind in order else -1)
        for item in gone
    ]
    assert ranks == sorted(ranks)
    for kind in KINDS:
        begins = [
            item.partition.begin for item in gone if item.kind == kind and not _is_last(item, parts)
        ]
        assert begins == sorted(begins)
    # As much as is needed, and no partition more.
    left = sum(item.octets for item in kept)
    if left > most * MB:
        assert decided.findings
        assert not [item for item in kept if item.filled and _may_go(item, parts)]
    else:
        assert not decided.findings
        if gone:
            assert left + gone[-1].octets > most * MB * (1 - RELEASE)


def _is_last(item: Part, parts: Sequence[Part]) -> bool:
    closed = [p for p in parts if p.table == item.table and p.filled and _may_go(p, parts)]
    return bool(closed) and item is max(closed, key=lambda p: p.partition.begin)


def _may_go(item: Part, parts: Sequence[Part]) -> bool:
    newest = max(
        (p for p in parts if p.table == item.table and p.filled),
        key=lambda p: p.partition.begin,
    )
    return item.partition.end <= NOW and item is not newest


def test_the_least_precious_kind_goes_first_and_its_oldest_before_the_others() -> None:
    """By range, whatever the names are."""
    parts = [part("other", age) for age in (2, 4, 3, 0)]
    parts += [part("registration", age) for age in (9, 2, 1)]
    parts += [part("call", age) for age in (5, 9, 1, 0)]
    order = ("other_-4", "other_-3", "registration_-9", "call_-9", "call_-5")
    last = ("other_-2", "registration_-2", "call_-1")
    for most in range(110, 0, -10):
        gone = names(plan(parts, [by_bytes(parts, most)], NOW, {}, PRECIOUS).drops)
        assert gone == [*order, *last][: (110 - most) // 10 + (most < 110)][: len(gone)]
    assert gone == [*order, *last]


def test_a_kind_that_is_not_named_goes_before_those_that_are() -> None:
    """An old list of settings and a new kind."""
    parts = [part("call", 5), part("call", 0), part("registration", 2), part("registration", 0)]
    assert names(plan(parts, [by_bytes(parts, 35)], NOW, {}, ["call"]).drops) == ["registration_-2"]


def test_age_goes_first_and_counts_for_the_limits() -> None:
    """What is too old goes whatever the limits say, and may be all that they need."""
    parts = [
        part("call", 30),
        part("call", 20),
        part("call", 0),
        part("other", 9),
        part("other", 0),
    ]
    cutoffs = {"call": NOW - 24 * HOUR}
    decided = plan(parts, [by_bytes(parts, 41)], NOW, cutoffs, PRECIOUS)
    assert [(drop.part.partition.name, drop.reason) for drop in decided.drops] == [
        ("call_-30", AGE)
    ]
    decided = plan(parts, [by_bytes(parts, 35)], NOW, cutoffs, PRECIOUS)
    assert [(drop.part.partition.name, drop.reason) for drop in decided.drops] == [
        *(("call_-30", AGE), ("other_-9", "max_bytes"))
    ]


def test_nothing_goes_below_the_start_and_the_reserve_is_kept_free() -> None:
    """The reserve is what may come before the next look."""
    parts = [part("call", 3), part("call", 2), part("call", 0)]
    limit = by_bytes(parts, 30)
    assert plan(parts, [limit], NOW, {}, PRECIOUS) == ([], [])
    assert names(plan(parts, [limit._replace(reserve=1)], NOW, {}, PRECIOUS).drops) == ["call_-3"]


def test_a_limit_too_small_for_the_load_drops_nothing_new_and_says_so() -> None:
    """What arrives now is kept."""
    parts = [part("call", 0, 100), part("call", 3)]
    decided = plan(parts, [by_bytes(parts, 50)], NOW, {}, PRECIOUS)
    assert names(decided.drops) == ["call_-3"]
    (finding,) = decided.findings
    assert "too small for what comes in" in finding


def test_only_partitions_on_the_full_file_system_go() -> None:
    """Others would not help."""
    parts = [part("other", 9, device=2), part("other", 0), part("call", 9), part("call", 0)]
    decided = plan(parts, [by_disk(101, 100, 150)], NOW, {}, PRECIOUS)
    assert names(decided.drops) == ["call_-9"]
    assert decided.findings == []


def test_when_others_fill_the_disk_nothing_goes_until_the_last_reserve() -> None:
    """Dropping all would not reach the limit: it is said, and done only to stay alive."""
    parts = [part("call", age) for age in (9, 8, 7, 0)]
    for used, gone in ((140, 0), (150, 0), (151, 1), (165, 2)):
        decided = plan(parts, [by_disk(used, 100, 150)], NOW, {}, PRECIOUS)
        assert len(decided.drops) == gone, used
        assert any("what else fills the file system" in finding for finding in decided.findings)
    decided = plan(parts, [by_disk(500, 100, 150)], NOW, {}, PRECIOUS)
    assert len(decided.drops) == 3
    assert "nothing is left to drop" in decided.findings[-1]


def test_a_file_system_may_be_given_few_drops_or_none() -> None:
    """When dropping has not helped."""
    parts = [part("call", age) for age in (9, 8, 7, 0)]
    limit = by_disk(130, 100, 150)
    assert len(plan(parts, [limit], NOW, {}, PRECIOUS).drops) == 3
    assert len(plan(parts, [limit._replace(drops=1)], NOW, {}, PRECIOUS).drops) == 1
    assert plan(parts, [limit._replace(drops=0)], NOW, {}, PRECIOUS) == ([], [])


def test_an_empty_partition_goes_only_when_it_is_older_than_all_rows() -> None:
    """It may have been made for rows that are on their way."""
    parts = [part("call", 9, 0), part("call", 8), part("call", 7, 0), part("call", 6)]
    parts += [part("call", 5, 0), part("other", 9, 0)]
    assert names(plan(parts, [by_bytes(parts, 1)], NOW, {}, PRECIOUS).drops) == [
        *("call_-9", "call_-8")
    ]


def test_a_partition_goes_once_for_two_limits() -> None:
    """What went for one counts for the other."""
    parts = [part("call", age) for age in (9, 8, 0)]
    limits = [by_bytes(parts, 25), by_disk(105, 100, 150)]
    decided = plan(parts, limits, NOW, {}, PRECIOUS)
    assert [(drop.part.partition.name, drop.reason) for drop in decided.drops] == [
        ("call_-9", "max_bytes")
    ]


def test_the_default_partition_is_the_oldest_unless_it_is_in_use() -> None:
    """Its rows came late, or for want of a partition."""
    parts = [part("call", 9), part("call", 0), default("call", 10, NOW - HOUR)]
    assert names(plan(parts, [by_bytes(parts, 25)], NOW, {}, PRECIOUS).drops) == ["call_default"]
    parts[-1] = default("call", 10, END)
    assert names(plan(parts, [by_bytes(parts, 25)], NOW, {}, PRECIOUS).drops) == ["call_-9"]
    assert plan(parts, [], NOW, {"call": NOW}, PRECIOUS).drops == [Drop(parts[0], AGE)]


def test_a_partition_that_outgrows_the_limit_ends_early() -> None:
    """Far enough ahead that no row behind the new end can be there already."""
    whole = part("call", 0)._replace(
        partition=Partition("call_0", NOW - HOUR, NOW + 23 * HOUR), octets=70 * MB
    )
    limit = by_bytes([whole], 1000)
    future = timedelta(minutes=5)
    (split,) = splits([whole], [limit], NOW, {"call_0": MB}, future)
    assert split.part == whole
    assert split.at >= NOW + future + timedelta(seconds=split.patience_s + 30)
    assert split.at.second == split.at.microsecond == 0
    assert split.at - NOW < timedelta(minutes=8)


def test_what_fits_does_not_end_early() -> None:
    """Small ones, slow ones, those that end soon anyway, empty ones, and without a limit."""
    whole = part("call", 0)._replace(
        partition=Partition("call_0", NOW - HOUR, NOW + 23 * HOUR), octets=70 * MB
    )
    limit = by_bytes([whole], 1000)
    future = timedelta(minutes=5)
    fast = {"call_0": float(MB)}
    small = whole._replace(octets=10)
    soon = whole._replace(partition=whole.partition._replace(end=NOW + timedelta(minutes=7)))
    assert splits([whole], [], NOW, fast, future) == []
    assert splits([small], [limit], NOW, {"call_0": 1000.0}, future) == []
    assert splits([whole], [limit], NOW, {"call_0": 100.0}, future) == []
    assert splits([soon], [limit], NOW, fast, future) == []
    assert splits([whole._replace(filled=False)], [limit], NOW, fast, future) == []
    assert splits([whole], [limit._replace(device=7)], NOW, fast, future) == []


@given(
    st.floats(0, 1e9),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.integers(1, 24),
    st.integers(0, 3600),
)
def test_any_early_end_is_within_the_partition_and_worth_it(
    rate: float, octets: int, most: int, hours: int, future_s: int
) -> None:
    """Both pieces last a minute at least; a partition that fits well is left alone."""
    partition = Partition("call_0", NOW - HOUR, NOW + hours * HOUR)
    whole = part("call", 0)._replace(partition=partition, octets=octets)
    limit = Limit("max_bytes", None, octets, most, 0, most)
    found = splits([whole], [limit], NOW, {"call_0": rate}, timedelta(seconds=future_s))
    for split in found:
        assert NOW + timedelta(seconds=future_s) < split.at
        assert split.at + timedelta(minutes=1) <= partition.end
    if octets + rate * hours * 3600 <= most * PIECE:
        assert found == []
