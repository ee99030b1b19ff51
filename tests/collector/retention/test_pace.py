# SPDX-License-Identifier: GPL-2.0-or-later
"""Growth of tables, file systems and partitions."""

from __future__ import annotations

from datetime import timedelta

from collector.retention.disk import FileSystem
from collector.retention.measure import Measured, Part
from collector.retention.pace import Pace
from tests.collector.retention.test_plan import MB, NOW, part


def _measured(seconds: float, used: int, *parts: Part) -> Measured:
    disk = FileSystem("/var", 1, used * MB, 1000 * MB)
    return Measured(NOW + timedelta(seconds=seconds), list(parts), [disk], "")


def test_growth_does_not_mind_what_is_dropped() -> None:
    """Partitions that go, shrink or come do not hide how fast the others grow."""
    pace = Pace()
    pace.learn(_measured(0, 500, part("call", 0, 10), part("call", 9, 300)), dropped=False)
    assert (pace.octets, pace.disk(1), pace.partitions()) == (0, 0, {})
    pace.learn(_measured(10, 240, part("call", 0, 30), part("other", 0, 10)), dropped=True)
    assert pace.octets == 3 * MB
    assert pace.disk(1) == 3 * MB
    assert pace.partitions() == {"call_0": 2 * MB}


def test_the_use_of_a_disk_grows_by_others_too() -> None:
    """As long as no drop blurs the picture."""
    pace = Pace()
    pace.learn(_measured(0, 500, part("call", 0, 10)), dropped=False)
    pace.learn(_measured(10, 600, part("call", 0, 30)), dropped=False)
    assert (pace.octets, pace.disk(1), pace.disk(2)) == (2 * MB, 10 * MB, 0)


def test_the_fastest_of_the_last_minute_counts_and_then_is_forgotten() -> None:
    """For what is kept free; partitions go by the mean."""
    pace = Pace()
    size = 0
    for seconds in range(0, 200, 10):
        size += 100 if seconds == 50 else 10
        pace.learn(_measured(seconds, 500, part("call", 0, size)), dropped=False)
        if 50 <= seconds <= 100:
            assert pace.octets == 10 * MB
    assert pace.octets == MB
    assert pace.partitions() == {"call_0": MB}
