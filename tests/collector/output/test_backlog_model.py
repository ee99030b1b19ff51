# SPDX-License-Identifier: GPL-2.0-or-later
"""The backlog of two outputs against a plain list: writers and output processes come, die and go.

Whatever happens in whatever order: every accepted record is delivered or counted, and an output
that is not killed delivers nothing twice.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from collector.journal import links, record, segment
from collector.journal.counters import Counters, Field, Role
from collector.journal.links import Links
from collector.journal.writer import Writer
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from tests.fix_journal import PEER, kill

SEGMENT_BYTES = 600
LIMITS = {"whole": 1 << 30, "cut": 4 * SEGMENT_BYTES}
MAX_WRITERS = 3


class BacklogMachine(RuleBasedStateMachine):
    """One capture node with two outputs; ``cut`` may keep only a few segments."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="backlog-model-"))
        self.journal = self.directory / "journal"
        self.counters = Counters(self.journal)
        self.writers: list[Writer] = []
        self.made = 0
        self.accepted: list[bytes] = []
        self.damaged: set[bytes] = set()
        self.uncounted: set[bytes] = set()
        """Written by a writer that was killed before it counted them."""
        self.delivered: dict[str, list[bytes]] = {name: [] for name in LIMITS}
        self.killed: set[str] = set()
        self.backlogs = {name: self._open(name) for name in LIMITS}

    def _open(self, name: str) -> Backlog:
        return Backlog(self.journal, name, self.counters)

    def _writer(self, number: int) -> Writer:
        return self.writers[number % len(self.writers)]

    def _packet(self, writer: Writer, padding: int) -> bytes:
        self.made += 1
        return b"%02d %06d " % (writer.slot, self.made) + b"x" * padding

    @precondition(lambda self: len(self.writers) < MAX_WRITERS)
    @rule()
    def start_writer(self) -> None:
        """A worker process starts; it may find the slot of one that was killed."""
        self.writers.append(
            Writer(
                self.journal,
                Role.UDP,
                segment_bytes=SEGMENT_BYTES,
                segment_seconds=3600,
                max_bytes=1 << 30,
                min_free_bytes=0,
                outputs=LIMITS,
            )
        )

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9), paddings=st.lists(st.integers(0, 200), min_size=1, max_size=6))
    def append(self, number: int, paddings: list[int]) -> None:
        """Packets arrive."""
        writer = self._writer(number)
        for padding in paddings:
            packet = self._packet(writer, padding)
            assert writer.append(packet, PEER, 1, 0) is None
            self.accepted.append(packet)

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9))
    def stop_writer(self, number: int) -> None:
        """An orderly end."""
        writer = self._writer(number)
        self.writers.remove(writer)
        writer.close()

    @precondition(lambda self: self.writers)
    @rule(
        number=st.integers(0, 9),
        where=st.sampled_from(["idle", "torn", "written", "renamed", "linked once"]),
    )
    def kill_writer(self, number: int, where: str) -> None:
        """Within an append, or while it begins a segment and links it."""
        writer = self._writer(number)
        packet = self._packet(writer, 50)
        data = record.pack(record.make_id(0, writer.slot, writer._last_id), PEER, 1, 0, packet)
        if where == "torn":
            os.pwrite(writer._file, data[:-7], writer._offset)
        # One that is not counted beside one that cannot be read would be taken for it.
        damaged = any(packet[:2] == other[:2] for other in self.damaged)
        if where == "written" and not damaged:
            os.pwrite(writer._file, data, writer._offset)
            self.accepted.append(packet)
            self.uncounted.add(packet)
        if where in ("renamed", "linked once"):
            known = {} if where == "renamed" else {"cut": LIMITS["cut"]}
            writer._links = Links(self.journal, writer.slot, None, SEGMENT_BYTES)
            writer._links._limits = known
            writer._begin_segment(1)
        self.writers.remove(writer)
        kill(writer)

    @rule(number=st.integers(0, 99))
    def ingest_finishes(self, number: int) -> None:
        """PostgreSQL has a segment: its own link goes, those of the outputs stay."""
        ended = list(self.journal.glob(f"[0-9]*/*{segment.ENDED_SUFFIX}"))
        if ended:
            ended[number % len(ended)].unlink()

    @rule(name=st.sampled_from(list(LIMITS)), times=st.integers(1, 4), commit=st.booleans())
    def deliver(self, name: str, times: int, commit: bool) -> None:
        """An output reads; when its receiver breaks before it is sure, it reads again."""
        backlog = self.backlogs[name]
        for _ in range(times):
            portion = backlog.read()
            if portion is None:
                break
            if commit:
                backlog.commit(portion, {Fate.DELIVERED: len(portion.records)})
                self.delivered[name] += [item.packet for item in portion.records]
        if not commit:
            backlog.rewind()

    @rule(name=st.sampled_from(list(LIMITS)))
    def save(self, name: str) -> None:
        """The state is written, finished links go."""
        self.backlogs[name].save()

    @rule(name=st.sampled_from(list(LIMITS)), saved=st.booleans())
    def kill_output(self, name: str, saved: bool) -> None:
        """At any moment; also between writing the state and removing the links."""
        backlog = self.backlogs[name]
        if saved:
            directory = self.directory / "copy"
            shutil.copytree(backlog.directory, directory, copy_function=os.link)
            backlog.save()
            for path in directory.glob("*/*.seg"):
                back = backlog.directory / path.parent.name / path.name
                if not back.exists():
                    back.hardlink_to(path)
            shutil.rmtree(directory)
        backlog.close()
        self.killed.add(name)
        self.backlogs[name] = self._open(name)

    @precondition(lambda self: self._waiting())
    @rule(number=st.integers(0, 999), bit=st.integers(0, 9999))
    def flip_a_bit(self, number: int, bit: int) -> None:
        """In a record that neither output has delivered."""
        waiting = self._waiting()
        packet = waiting[number % len(waiting)]
        for backlog in self.backlogs.values():
            backlog.rewind()  # what is in memory is intact
        for path in links.output_directory(self.journal, "whole").glob(
            f"{packet[:2].decode()}/*.seg"
        ):
            data = bytearray(path.read_bytes())
            begin = data.find(packet) - record.HEADER_BYTES
            if begin >= 0:
                place = begin + bit // 8 % record.HEADER_BYTES
                data[place] ^= 1 << bit % 8
                with path.open("r+b") as file:
                    file.write(data)
                self.damaged.add(packet)

    def _waiting(self) -> list[bytes]:
        done = self.damaged.union(*self.delivered.values())
        uncounted = {packet[:2] for packet in self.uncounted}
        return [
            packet for packet in self.accepted if packet not in done and packet[:2] not in uncounted
        ]

    def teardown(self) -> None:
        """Let both outputs finish, and compare."""
        try:
            for writer in self.writers:
                kill(writer)
            for name, backlog in self.backlogs.items():
                backlog.rewind()
                while (portion := backlog.read()) is not None:
                    backlog.commit(portion, {Fate.DELIVERED: len(portion.records)})
                    self.delivered[name] += [item.packet for item in portion.records]
                backlog.save()
                self._check(name, backlog)
        finally:
            for backlog in self.backlogs.values():
                backlog.close()
            self.counters.close()
            shutil.rmtree(self.directory)

    def _check(self, name: str, backlog: Backlog) -> None:
        delivered = Counter(self.delivered[name])
        expected = set(self.accepted) - self.damaged
        assert delivered.keys() <= expected
        journaled = 0
        for number in self.counters.used_slots():
            slot = self.counters.slot(number)
            journaled += slot[Field.JOURNALED]
            slot.release()
        fates = backlog.state.fates
        assert sum(fates.values()) == journaled == len(self.accepted)
        if name == "whole":
            assert delivered.keys() == expected
            assert fates.get(Fate.BACKLOG, 0) == 0
            assert fates.get(Fate.DAMAGED, 0) == len(self.damaged)
        if name not in self.killed:
            assert max(delivered.values(), default=1) == 1, "delivered twice"
            assert fates.get(Fate.DELIVERED, 0) == len(delivered)
        assert links.linked(self.journal, name) == [], "a link was left behind"


BacklogMachine.TestCase.settings = hypothesis_settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestBacklog = BacklogMachine.TestCase
