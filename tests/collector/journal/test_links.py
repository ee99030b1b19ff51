# SPDX-License-Identifier: GPL-2.0-or-later
"""Links of segments: complete, bounded, and never in the way of reception."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.causes import Cause
from collector.journal import links, record, segment
from collector.journal.links import output_directory, read_origin
from collector.journal.writer import RETRY_NS, journal_bytes
from tests.fix_journal import PEER, OpenWriter, append, kill, packets_of
from tests.fix_mounts import Mount

PACKET = b"p" * 1000
RECORD = len(PACKET) + record.HEADER_BYTES
SEGMENT = 3 * RECORD
SMALL = {"segment_bytes": SEGMENT}
WIDE = 1 << 30


def _names(journal: Path, output: str) -> list[int]:
    return [link.segment.first_record for link in links.linked(journal, output)]


def _ingest(journal: Path, keep: int = 0) -> None:
    """PostgreSQL has all ended segments but the last ``keep``."""
    ended = [found for found in segment.in_slot(journal / "00") if found.records is not None]
    for found in ended[: len(ended) - keep]:
        found.path.unlink()


def test_every_segment_is_linked_for_every_output(open_writer: OpenWriter, journal: Path) -> None:
    """From the first record on, the growing one too; the bytes are on disk once."""
    writer = open_writer(**SMALL, outputs={"a": WIDE, "b": WIDE})
    append(writer, *[b"%04d" % n + PACKET[4:] for n in range(8)])
    for name in ("a", "b"):
        directory = output_directory(journal, name)
        assert packets_of(directory) == packets_of(journal)
        assert [link.links for link in links.linked(journal, name)] == [3, 3, 3]
        assert read_origin(directory / "00") == 0


def test_without_outputs_nothing_is_linked(open_writer: OpenWriter, journal: Path) -> None:
    """Nor is there a directory for it."""
    append(open_writer(**SMALL, outputs={}), *[PACKET] * 8)
    assert not (journal / links.DIRECTORY).exists()


def test_ingest_and_outputs_remove_their_own_links(open_writer: OpenWriter, journal: Path) -> None:
    """What one has finished is still there for the others."""
    append(open_writer(**SMALL, outputs={"a": WIDE, "b": WIDE}), *[PACKET] * 8)
    _ingest(journal)
    assert _names(journal, "a") == _names(journal, "b") == [0, 3, 6]
    for link in links.linked(journal, "a"):
        link.segment.path.unlink()
    assert packets_of(output_directory(journal, "b")) == [PACKET] * 8


def test_a_backlog_is_bounded_and_loses_its_oldest(open_writer: OpenWriter, journal: Path) -> None:
    """Its own limit: others keep theirs, and PostgreSQL's segments are not touched."""
    limit = 4 * (SEGMENT + segment.HEADER_BYTES)
    append(open_writer(**SMALL, outputs={"away": limit, "slow": WIDE}), *[PACKET] * 30)
    assert _names(journal, "away") == [18, 21, 24, 27]
    assert _names(journal, "slow") == [*range(0, 30, 3)]
    assert sum(link.octets for link in links.linked(journal, "away")) <= limit
    assert len(packets_of(journal)) == 30


def test_a_backlog_does_not_count_towards_the_journals_limit(
    open_writer: OpenWriter, journal: Path
) -> None:
    """Reception goes on though an output keeps far more than journal.max_bytes."""
    writer = open_writer(**SMALL, max_bytes=3 * SEGMENT, outputs={"away": WIDE})
    for _ in range(40):
        append(writer, PACKET)
        _ingest(journal)
    assert journal_bytes(journal) <= 2 * SEGMENT
    assert sum(link.octets for link in links.linked(journal, "away")) > 12 * SEGMENT


def test_an_output_that_is_no_more_leaves_nothing(open_writer: OpenWriter, journal: Path) -> None:
    """The next writer that knows the settings removes it; one that does not touches nothing."""
    writer = open_writer(**SMALL, outputs={"gone": WIDE, "kept": WIDE})
    append(writer, *[PACKET] * 4)
    writer.close()
    open_writer(**SMALL).close()
    assert _names(journal, "gone") == [0, 3]
    open_writer(**SMALL, outputs={"kept": WIDE}).close()
    assert [path.name for path in (journal / links.DIRECTORY).iterdir()] == ["kept"]
    open_writer(**SMALL, outputs={}).close()
    assert list((journal / links.DIRECTORY).iterdir()) == []


def test_a_link_that_cannot_be_made_is_logged_and_reception_goes_on(
    open_writer: OpenWriter,
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The output sees the gap in the numbers."""
    writer = open_writer(**SMALL, outputs={"a": WIDE})
    append(writer, *[PACKET] * 3)

    def refuse(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refuse)
        append(writer, *[PACKET] * 6)
    append(writer, *[PACKET] * 3)
    assert len(packets_of(journal)) == 12
    assert _names(journal, "a") == [0, 9]
    assert caplog.text.count("a misses a segment") == 1


def test_an_output_that_comes_later_begins_with_the_next_segment(
    open_writer: OpenWriter, journal: Path
) -> None:
    """And knows where that was, whatever is cut before it is read."""
    writer = open_writer(**SMALL, outputs={"old": WIDE})
    append(writer, *[PACKET] * 4)
    kill(writer)
    append(open_writer(**SMALL, outputs={"old": WIDE, "new": 2 * SEGMENT}), *[PACKET] * 30)
    assert _names(journal, "old")[0] == 0
    assert _names(journal, "new")[0] > 4
    assert read_origin(output_directory(journal, "new") / "00") == 4


@pytest.fixture
def small_disk(mount: Mount, journal: Path) -> Path:
    """The journal on a file system of 1 MiB."""
    journal.mkdir()
    mount(journal, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    return journal


def test_the_backlog_goes_before_reception_drops_a_packet(
    small_disk: Path, open_writer: OpenWriter
) -> None:
    """On a disk that is too small for its max_bytes: oldest first, as much as is needed."""
    writer = open_writer(segment_bytes=65_536, min_free_bytes=300_000, outputs={"away": WIDE})
    for _ in range(3000):
        append(writer, PACKET)
        _ingest(small_disk)
    kept = links.linked(small_disk, "away")
    assert len(kept) >= 5
    assert kept[0].segment.first_record > 2000
    assert kept[-1].segment.first_record > 2900
    writer.close()


def test_a_backlog_is_not_thrown_away_for_nothing(
    small_disk: Path, open_writer: OpenWriter
) -> None:
    """While PostgreSQL still needs the same segments, removing links would free no byte."""
    writer = open_writer(segment_bytes=65_536, min_free_bytes=300_000, outputs={"away": WIDE})
    causes = [writer.append(PACKET, PEER, 1, 0) for _ in range(1500)]
    assert causes[-1] is Cause.DISK_FULL
    linked = len(links.linked(small_disk, "away"))
    assert linked == len(segment.in_slot(small_disk / "00"))
    _ingest(small_disk, keep=1)
    writer._retry_at_ns -= RETRY_NS
    append(writer, PACKET)
    assert 0 < len(links.linked(small_disk, "away")) < linked
    writer.close()


def test_a_segment_that_several_outputs_keep_goes_for_all_of_them(
    small_disk: Path, open_writer: OpenWriter
) -> None:
    """Only the last link frees the disk."""
    outputs = {"a": WIDE, "b": WIDE}
    writer = open_writer(segment_bytes=65_536, min_free_bytes=300_000, outputs=outputs)
    for _ in range(3000):
        append(writer, PACKET)
        _ingest(small_disk)
    assert _names(small_disk, "a") == _names(small_disk, "b")
    writer.close()
