# SPDX-License-Identifier: GPL-2.0-or-later
"""A part of a portion: whatever its length, delivered and the rest are everything, once each."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.journal.counters import Counters, Role
from collector.journal.writer import Writer
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.shipment import Shipment
from tests.fix_journal import append


def _open_writer(journal: Path) -> Writer:
    return Writer(
        *(journal, Role.UDP),
        segment_bytes=600,
        segment_seconds=3600,
        max_bytes=1 << 30,
        min_free_bytes=0,
        outputs={"a": 1 << 30},
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=20),
)
def test_parts_leave_out_and_repeat_nothing(
    writes: list[tuple[int, int]], cuts: list[tuple[int, bool]]
) -> None:
    """Several writers, several segments; after each part it is read again from there."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Path(directory) / "journal"
        counters = Counters(journal)
        writers = [_open_writer(journal) for _ in range(3)]
        made = 0
        for number, count in writes:
            for _ in range(count):
                append(writers[number], b"%06d" % made + bytes(100))
                made += 1
        backlog = Backlog(journal, "a", counters)
        delivered: list[int] = []
        pending = list(cuts)
        while (portion := backlog.read()) is not None:
            count, forget = pending.pop() if pending else (len(portion.records), False)
            numbers = [int(found.packet[:6]) for found in portion.records[:count]]
            if forget:
                portion.forget()
            part = portion.prefix(count)
            backlog.commit(part, {Fate.DELIVERED: len(numbers)})
            delivered += numbers
            if part is not portion:
                backlog.rewind()
        backlog.save()
        assert sorted(delivered) == list(range(made))
        assert backlog.state.fates == {Fate.DELIVERED: made}
        backlog.close()
        for writer in writers:
            writer.close()
        counters.close()


def test_a_shipment_is_delivered_as_far_as_it_arrived(tmp_path: Path) -> None:
    """Whole records only; those that are not sent belong to what is before them."""
    counters = Counters(tmp_path)
    writer = _open_writer(tmp_path)
    append(writer, b"a", b"b", b"c", b"d")
    backlog = Backlog(tmp_path, "a", counters)
    portion = backlog.read()
    assert portion
    shipment = Shipment(portion, {1: Fate.TYPE}, [10, 10, 30, 40])
    assert shipment.size == 40
    for arrived, delivered, skipped in ((0, 0, 0), (9, 0, 0), (10, 1, 1), (29, 1, 1), (40, 3, 1)):
        part, fates = shipment.part(arrived)
        assert (fates[Fate.DELIVERED], fates[Fate.TYPE]) == (delivered, skipped)
        position = part.slots.get(0)
        assert (position.number if position else 0) == delivered + skipped
    backlog.close()
    writer.close()
    counters.close()
