# SPDX-License-Identifier: GPL-2.0-or-later
"""Dropping helps, or it stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from collector.retention.disk import FileSystem
from collector.retention.relief import HOLD, SETTLE, Relief

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GB = 1 << 30
SIZE = 100 * GB


class Disk:
    """A file system with 60 GB of others and 35 GB of messages, above its limit of 90 GB."""

    def __init__(self) -> None:
        self.relief = Relief()
        self.others = 60 * GB
        self.ours = 35 * GB
        self.now = NOW

    def allowed(self) -> int | None:
        """How many may go now."""
        return self.look()[0]

    def look(self) -> tuple[int | None, str]:
        """What the relief says."""
        used = self.others + self.ours
        disk = FileSystem("/var", 7, used, SIZE)
        return self.relief.drops_allowed(disk, self.ours, self.now, exceeded=used > 90 * GB)

    def drop(self, octets: int, *, helps: bool) -> None:
        """A partition goes, and its bytes are free or somebody else's at once."""
        self.ours -= octets
        if not helps:
            self.others += octets
        self.relief.dropped(7, octets, self.now)

    def wait(self, time: timedelta) -> None:
        """Time passes."""
        self.now += time


def test_drops_that_help_go_on_as_long_as_it_takes() -> None:
    """Under load that is as fast as they are."""
    disk = Disk()
    for _ in range(100):
        assert disk.look() == (None, "")
        disk.drop(3 * GB, helps=True)
        disk.wait(SETTLE)
        disk.ours += 3 * GB


def test_the_file_system_is_given_time() -> None:
    """Some show a moment later what is free."""
    disk = Disk()
    assert disk.allowed() is None
    disk.drop(GB, helps=False)
    disk.wait(SETTLE / 2)
    assert disk.look() == (0, "")
    disk.others -= GB
    assert disk.allowed() is None
    disk.drop(GB, helps=False)
    disk.wait(SETTLE)
    assert disk.allowed() is None


def test_drops_that_do_not_help_stop_soon_and_it_is_said() -> None:
    """A wrong path costs two hundredths of the disk, then one partition in ten minutes."""
    disk = Disk()
    dropped = 0
    for _ in range(360):
        allowed, finding = disk.look()
        if allowed is None or allowed > 0:
            disk.drop(GB, helps=False)
            dropped += 1
        elif dropped > 1:
            assert "did not fall" in finding
        disk.wait(timedelta(seconds=10))
    assert dropped == 2 + (3600 // HOLD.seconds) - 1


def test_it_goes_on_when_a_probe_has_helped() -> None:
    """Somebody had copied a large file; it is done."""
    disk = Disk()
    for _ in range(2):
        disk.allowed()
        disk.drop(GB, helps=False)
        disk.wait(SETTLE)
    assert disk.allowed() == 0
    disk.wait(HOLD)
    assert disk.allowed() == 1
    disk.drop(GB, helps=True)
    disk.wait(SETTLE)
    assert disk.look() == (None, "")


def test_small_drops_are_not_judged() -> None:
    """A write-ahead log grows by more than a small partition."""
    disk = Disk()
    for _ in range(20):
        assert disk.allowed() is None
        disk.drop(100 << 20, helps=False)
        disk.wait(SETTLE)


def test_below_the_limit_all_is_forgotten() -> None:
    """The next time is a new one."""
    disk = Disk()
    for _ in range(2):
        disk.allowed()
        disk.drop(GB, helps=False)
        disk.wait(SETTLE)
    assert disk.allowed() == 0
    disk.others -= 40 * GB
    assert disk.look() == (None, "")
    disk.others += 40 * GB
    assert disk.look() == (None, "")
