# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the journal of an agent is, who may have it, what it holds and what becomes of the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.flags.options import Options, read_options
from agent.sending import place
from agent.sending.journal import MEMORY_BYTES, Journal
from collector.journal import links, segment
from collector.journal.counters import Counters
from collector.journal.record import OTHER_PEER
from collector.output.backlog import Backlog
from collector.output.fate import Fate

SERVER = "127.0.0.1:9060"
NAME = "relay-udp-127.0.0.1-9060"


@pytest.fixture(autouse=True)
def _memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is a directory of the test."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()


@pytest.fixture
def opened() -> Iterator[list[Journal]]:
    """Journals that are left at the end of the test."""
    journals: list[Journal] = []
    yield journals
    for journal in journals:
        journal.close()


def _options(*flags: str) -> Options:
    return read_options(["-hs", SERVER, *flags])


def _on_disk(tmp_path: Path, *flags: str) -> Options:
    file = str(tmp_path / "HEP-Buffer.dump")
    return _options("-hep-buffer-activate", "-hep-buffer-file", file, *flags)


def _append(journal: Journal, *packets: bytes) -> None:
    writer = journal.writer()
    for packet in packets:
        assert writer.append(packet, OTHER_PEER, 0, 0) is None
    writer.close()


def _read(journal: Journal, name: str = NAME) -> list[bytes]:
    counters = Counters(journal.directory)
    backlog = Backlog(journal.directory, name, counters)
    packets: list[bytes] = []
    while (portion := backlog.read()) is not None:
        packets += [found.packet for found in portion.records]
        backlog.commit(portion, {Fate.DELIVERED: len(portion.records)})
    backlog.save()
    backlog.close()
    counters.close()
    return packets


def test_without_the_spool_it_is_in_memory_and_gone_at_the_end(tmp_path: Path) -> None:
    """In RUNTIME_DIRECTORY, where the service manager gives one."""
    journal = Journal(_options())
    assert journal.directory == tmp_path / "run" / "journal"
    assert journal.max_bytes == MEMORY_BYTES
    assert journal.directory.stat().st_mode & 0o777 == 0o700
    _append(journal, b"x")
    journal.close()
    assert not journal.directory.exists()


def test_the_next_place_is_the_memory_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then the directory for temporary files; the name says whose it is."""
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    name = f"hepagent-{os.geteuid()}.journal"
    assert place.in_memory() == Path("/dev/shm") / name  # noqa: S108
    monkeypatch.setattr(place, "free_bytes", lambda path: 0 if "shm" in str(path) else 1 << 40)
    assert place.in_memory().name == name
    assert place.in_memory().parent != Path("/dev/shm")  # noqa: S108


def test_the_spool_is_beside_the_file_that_heplify_would_have(tmp_path: Path) -> None:
    """It survives the end of the agent."""
    journal = Journal(_on_disk(tmp_path))
    assert journal.directory == tmp_path / "HEP-Buffer.dump.journal"
    _append(journal, b"one", b"two")
    journal.close()
    again = Journal(_on_disk(tmp_path))
    _append(again, b"three")
    assert _read(again) == [b"one", b"two", b"three"]
    again.close()


def test_two_agents_never_share_a_journal(tmp_path: Path, opened: list[Journal]) -> None:
    """The second has one beside it; whoever comes back finds that of the same servers."""
    options = _on_disk(tmp_path)
    file = str(options.hep_buffer_file)
    other = read_options(["-hs", "10.0.0.1:1", "-hep-buffer-activate", "-hep-buffer-file", file])
    first, second = Journal(options), Journal(other)
    assert first.directory != second.directory
    place_of_second = second.directory
    first.close()
    second.close()
    opened.append(Journal(other))
    assert opened[0].directory == place_of_second
    opened.append(Journal(options))
    assert opened[1].directory == first.directory


def test_the_memory_of_a_killed_agent_is_taken_over(tmp_path: Path, opened: list[Journal]) -> None:
    """With what it had not sent; the lock is that of its process and of those it forked."""
    script = (
        "import sys, time; from agent.flags.options import read_options;"
        "from agent.sending.journal import Journal;"
        f"journal = Journal(read_options(['-hs', '{SERVER}'])); writer = journal.writer();"
        "writer.append(b'left behind', bytes(16), 0, 0);"
        "print(journal.directory, flush=True); time.sleep(60)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    directory = Path(killed.stdout.readline().strip())
    assert Journal(_options()).directory != directory
    killed.kill()
    killed.communicate()
    opened.append(Journal(_options()))
    assert opened[0].directory == directory == tmp_path / "run" / "journal"
    assert _read(opened[0]) == [b"left behind"]


def test_memory_for_everybody_is_taken_over_by_an_agent_with_the_same_servers_only(
    tmp_path: Path, opened: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was meant for one server is not sent to another that somebody tries something with."""
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setattr(place, "_for_everybody", lambda: (tmp_path,))
    left = Journal(_options())
    _append(left, b"left behind")
    left.close(keep=True)
    opened.append(Journal(read_options(["-hs", "10.0.0.1:9061"])))
    assert opened[0].directory != left.directory
    opened.append(Journal(_options()))
    assert opened[1].directory == left.directory
    assert _read(opened[1]) == [b"left behind"]


def test_memory_that_nobody_takes_over_is_given_back(
    opened: list[Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour; one that has an agent stays."""
    opened.append(Journal(_options()))
    left = Journal(_options())
    _append(left, b"x")
    left.close(keep=True)
    assert left.directory.exists()
    monkeypatch.setattr(place, "OLD_S", -1.0)
    place.remove_old(opened[0].directory)
    assert not left.directory.exists()
    assert opened[0].directory.exists()


def test_only_a_rest_is_kept_for_the_next_agent() -> None:
    """After a failure with nothing unsent there is no reason to take memory."""
    journal = Journal(_options())
    _append(journal, b"x")
    assert _read(journal) == [b"x"]
    journal.close(keep=True)
    assert not journal.directory.exists()


def test_somebody_elses_directory_is_not_used(tmp_path: Path, opened: list[Journal]) -> None:
    """Memory is for everybody: a link or a file that stands in the way is left alone."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run" / "journal").symlink_to(tmp_path / "elsewhere")
    opened.append(Journal(_options()))
    assert opened[0].directory == tmp_path / "run" / "journal-1"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_change_of_servers_loses_nothing(tmp_path: Path, opened: list[Journal]) -> None:
    """What waits for one that is not in -hs any more goes to the one in its place."""
    journal = Journal(_on_disk(tmp_path))
    _append(journal, b"waits")
    journal.close()
    file = str(tmp_path / "HEP-Buffer.dump")
    changed = ["-nt", "tcp", "-hep-buffer-activate", "-hep-buffer-file", file]
    opened.append(Journal(read_options(["-hs", "10.0.0.1:9061", *changed])))
    _append(opened[0], b"fresh")
    assert _read(opened[0], "relay-tcp-10.0.0.1-9061") == [b"waits", b"fresh"]


def test_the_spool_limit_is_checked_before_the_append(
    tmp_path: Path, opened: list[Journal]
) -> None:
    """Never more on the disk than -hep-buffer-max-size; the oldest go, and are counted."""
    limit = 2 << 20
    options = _on_disk(tmp_path, "-hep-buffer-max-size", "2MB", "-fg", "1", "-fw", "3")
    journal = Journal(options)
    opened.append(journal)
    writers = [journal.writer() for _ in range(options.workers)]
    made = 0
    for turn in range(2000):
        for writer in writers:
            assert writer.append(b"%08d" % made + bytes(1000), OTHER_PEER, 0, 0) is None
            made += 1
        if turn % 20 == 0:
            files = {
                file.stat().st_ino: file.stat().st_size for file in journal.directory.rglob("*.seg")
            }
            assert sum(files.values()) <= limit
    for writer in writers:
        writer.close()
    kept = [int(packet[:8]) for packet in _read(journal)]
    assert len(kept) * 1048 > limit / 2
    assert sorted(kept)[-3:] == [made - 3, made - 2, made - 1], "the newest are there"
    counters = Counters(journal.directory)
    backlog = Backlog(journal.directory, NAME, counters)
    fates = backlog.state.fates
    assert fates[Fate.BACKLOG] == made - len(kept)
    assert fates[Fate.DELIVERED] == len(kept)
    backlog.close()
    counters.close()


def test_only_the_links_keep_what_has_ended(tmp_path: Path, opened: list[Journal]) -> None:
    """Also what a killed worker has left; nothing that an output still wants is lost."""
    journal = Journal(_on_disk(tmp_path, "-hep-buffer-max-size", "1MB"))
    opened.append(journal)
    packets = [b"%06d" % number + bytes(1000) for number in range(300)]
    _append(journal, *packets)
    slots = [segment.in_slot(one) for one in segment.slot_directories(journal.directory)]
    assert [found for found in slots if found] == []
    assert len(links.linked(journal.directory, NAME)) > 2
    assert _read(journal) == packets
    assert links.linked(journal.directory, NAME) == []


def test_a_file_waits_while_there_is_no_room(opened: list[Journal]) -> None:
    """A source that can wait need not lose anything."""
    journal = Journal(_options())
    opened.append(journal)
    assert journal.has_room()
    writer = journal.writer()
    while journal.has_room():
        for _ in range(1000):
            writer.append(bytes(1000), OTHER_PEER, 0, 0)
    used = sum(link.octets for link in links.linked(journal.directory, NAME))
    assert MEMORY_BYTES / 5 < used < MEMORY_BYTES / 2
    _read(journal)
    assert journal.has_room()
    writer.close()


def test_the_whole_agent_needs_no_database() -> None:
    """Nor a web server: a host with the agent has neither."""
    script = (
        "import importlib, pkgutil, sys, agent\n"
        "for found in pkgutil.walk_packages(agent.__path__, 'agent.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
        "assert 'agent.sending.sender' in sys.modules\n"
        "print([name for name in ('psycopg', 'psycopg_pool', 'aiohttp') if name in sys.modules])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == "[]"


def test_room_is_left_on_the_disk(tmp_path: Path) -> None:
    """A share of it, however large the spool may be."""
    space = os.statvfs(tmp_path)
    kept = place.kept_free(tmp_path)
    assert 0 < kept <= place.MOST_KEPT_FREE
    assert kept <= space.f_blocks * space.f_frsize / place.KEPT_FREE_SHARE
