# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole journal against a plain list: writers and ingest processes come, crash and go.

The ingest processes are the real ones, over a database that is a dictionary. Whatever happens in
whatever order, every accepted packet is committed exactly once and every other one is counted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from psycopg import OperationalError

from collector import settings
from collector.causes import Cause
from collector.errors import ProgressConflictError
from collector.hop import Batch
from collector.ingest import Ingest
from collector.journal import record, segment
from collector.journal.counters import Counters, Field, Role, cause_counts
from collector.journal.segment import HEADER_BYTES, Segment
from collector.journal.writer import Writer
from collector.portion import Outcome
from collector.store import Progress, Step
from tests.fix_journal import PEER, kill

MAX_WRITERS = 3
SEGMENT_BYTES = 600


class KilledError(Exception):
    """The process ends here."""


class Database:
    """What PostgreSQL keeps of it: progress by segment, and what was committed with it."""

    def __init__(self) -> None:
        self.progress: dict[UUID, tuple[int, int]] = {}
        self.packets: list[bytes] = []
        self.causes: Counter[Cause] = Counter()


class FakeStore:
    """Takes the place of ``collector.store.Store`` in one ingest process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.fault_before: Exception | None = None
        self.fault_after: Exception | None = None

    async def progress(self, _connection: object, found: Segment) -> Progress:
        """As the table journal_progress has it."""
        octets, records = self._database.progress.get(found.uid, (HEADER_BYTES, 0))
        return Progress(octets, records, octets)

    async def commit(self, _connection: object, batch: Batch, steps: Iterable[Step]) -> None:
        """All or nothing, and only from where the database stands."""
        if self.fault_before:
            raise self.fault_before
        have = self._database.progress
        steps = list(steps)
        for step in steps:
            if step.segment.uid in have and have[step.segment.uid][0] != step.was_octets:
                raise ProgressConflictError
        for step in steps:
            have[step.segment.uid] = (step.octets, step.records)
        # Packets that are not HEP come whole into the list for the quarantine.
        self._database.packets += [item.packet for item in batch.refused]
        for cause in Cause:
            self._database.causes[cause] += batch.causes[cause]
        if self.fault_after:
            raise self.fault_after


class JournalMachine(RuleBasedStateMachine):
    """One capture node with so many ingest processes."""

    INGESTS = 1

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = Path(tempfile.mkdtemp(prefix="journal-model-"))
        self.journal = self.directory / "journal"
        self.settings = settings.load(
            None,
            {
                "KEMISCOPE_CONFIG": os.devnull,
                "KEMISCOPE_JOURNAL_DIRECTORY": str(self.journal),
                "KEMISCOPE_INGEST_BATCH_MESSAGES": "4",
                "KEMISCOPE_CORRELATION_CALLS": "false",
            },
        )
        self.database = Database()
        self.writers: list[Writer] = []
        self.made = 0
        """Packets, so that no two are alike."""
        self.accepted: list[bytes] = []
        self.lost = 0
        """Packets that were damaged on disk or in the hands of a killed writer."""
        self.damaged: set[bytes] = set()
        self.ingests = [self._new_ingest() for _ in range(self.INGESTS)]

    def _new_ingest(self) -> Ingest:
        ingest = Ingest(self.settings)
        ingest._store = FakeStore(self.database)  # type: ignore[assignment]
        return ingest

    def _writer(self, number: int) -> Writer:
        return self.writers[number % len(self.writers)]

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
            )
        )

    def _packet(self, writer: Writer, padding: int) -> bytes:
        self.made += 1
        return b"%02d %06d " % (writer.slot, self.made) + b"x" * padding

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
    @rule(number=st.integers(0, 9), paddings=st.lists(st.integers(0, 200), min_size=1, max_size=9))
    def offer(self, number: int, paddings: list[int]) -> None:
        """Packets arrive over a stream, several at once."""
        writer = self._writer(number)
        packets = [self._packet(writer, padding) for padding in paddings]
        assert writer.offer(packets, PEER, 1, 1) == len(packets)
        self.accepted += packets

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9), whole=st.integers(0, 3))
    def kill_writer_in_an_offer(self, number: int, whole: int) -> None:
        """Some of the records are whole, the next one is torn."""
        writer = self._writer(number)
        packets = [self._packet(writer, 50) for _ in range(4)]
        record_id, data = writer._last_id, []
        for packet in packets:
            record_id = record.make_id(0, writer.slot, record_id)
            data.append(record.pack(record_id, PEER, 1, 1, packet))
        writer._count[Field.RECEIVED] += len(packets)
        os.pwrite(writer._file, b"".join(data[:whole]) + data[whole][:-7], writer._offset)
        self.accepted += packets[:whole]
        self.lost += len(packets) - whole
        self.writers.remove(writer)
        kill(writer)

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9))
    def let_segment_age(self, number: int) -> None:
        """The next packet begins another segment."""
        self._writer(number)._rotate_at_ns = 0

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9))
    def stop_writer(self, number: int) -> None:
        """An orderly end."""
        writer = self._writer(number)
        self.writers.remove(writer)
        writer.close()

    @precondition(lambda self: self.writers)
    @rule(number=st.integers(0, 9), where=st.sampled_from(["idle", "received", "torn", "written"]))
    def kill_writer(self, number: int, where: str) -> None:
        """Anywhere on a packet's way into the journal."""
        writer = self._writer(number)
        packet = self._packet(writer, 50)
        data = record.pack(record.make_id(0, writer.slot, writer._last_id), PEER, 1, 0, packet)
        if where != "idle":
            writer._count[Field.RECEIVED] += 1
        if where == "torn":
            os.pwrite(writer._file, data[:-7], writer._offset)
        if where == "written":
            os.pwrite(writer._file, data, writer._offset)
            self.accepted.append(packet)
        self.lost += where in ("received", "torn")
        self.writers.remove(writer)
        kill(writer)

    @rule(
        number=st.integers(0, 9),
        fault=st.sampled_from(["none"] * 5 + ["before", "after", "killed before", "killed after"]),
    )
    def ingest_step(self, number: int, fault: str) -> None:
        """One turn of an ingest process, in which the database or the process may fail."""
        position = number % len(self.ingests)
        ingest = self.ingests[position]
        store: Any = ingest._store
        error = KilledError() if fault.startswith("killed") else OperationalError("connection lost")
        store.fault_before = error if fault.endswith("before") else None
        store.fault_after = error if fault.endswith("after") else None
        try:
            self._turn(ingest)
        except KilledError:
            self._end(ingest)
            self.ingests[position] = self._new_ingest()
        store.fault_before = store.fault_after = None

    @rule(number=st.integers(0, 9))
    def kill_ingest(self, number: int) -> None:
        """It forgets what it had claimed."""
        position = number % len(self.ingests)
        self._end(self.ingests[position])
        self.ingests[position] = self._new_ingest()

    @precondition(lambda self: self._waiting())
    @rule(number=st.integers(0, 999), bit=st.integers(0, 9999))
    def flip_a_bit(self, number: int, bit: int) -> None:
        """In a record that waits."""
        waiting = self._waiting()
        packet = waiting[number % len(waiting)]
        for found in segment.in_slot(self.journal / packet[:2].decode()):
            data = bytearray(found.path.read_bytes())
            begin = data.find(packet) - record.HEADER_BYTES
            if begin >= 0:
                # In the header: a packet's text could become that of another one.
                place = begin + bit // 8 % record.HEADER_BYTES
                data[place] ^= 1 << bit % 8
                with found.path.open("r+b") as file:
                    file.write(data)
                self.damaged.add(packet)
                self.lost += 1

    def _waiting(self) -> list[bytes]:
        done = self.damaged.union(self.database.packets)
        return [packet for packet in self.accepted if packet not in done]

    def _turn(self, ingest: Ingest) -> bool:
        """What ``Ingest`` does in its loop; False when there is nothing to do."""
        connection: Any = None

        async def turn() -> bool:
            try:
                if await ingest._store_batch(connection) is not Outcome.IDLE:
                    return True
                claim = ingest._reader.claim_next()
                if claim:
                    await ingest._load_progress(connection, claim)
            except OperationalError:
                for claim in ingest._reader.claims:
                    await ingest._load_progress(connection, claim)
                return True
            return claim is not None

        return self.loop.run_until_complete(turn())

    def _end(self, ingest: Ingest) -> None:
        ingest._reader.close()
        ingest.close()

    def teardown(self) -> None:
        """Let ingest finish, and compare."""
        try:
            for writer in self.writers:
                kill(writer)
            # While one process looks after a slot the other takes its writer for alive.
            busy = True
            while busy:
                busy = max(self._turn(ingest) for ingest in self.ingests)
            self._check()
        finally:
            for ingest in self.ingests:
                self._end(ingest)
            self.loop.close()
            shutil.rmtree(self.directory)

    def _check(self) -> None:
        expected = [packet for packet in self.accepted if packet not in self.damaged]
        assert Counter(self.database.packets) == Counter(expected)
        if self.INGESTS == 1:
            by_slot = sorted(self.database.packets, key=lambda packet: packet[:2])
            assert by_slot == sorted(expected, key=lambda packet: packet[:2]), "not in order"
        counters = Counters(self.journal)
        received = 0
        causes = +self.database.causes
        for number in counters.used_slots():
            slot = counters.slot(number)
            received += slot[Field.RECEIVED]
            causes.update(cause_counts(slot))
            slot.release()
        counters.close()
        assert received == len(expected) + self.lost
        assert causes[Cause.NOT_HEP] == len(expected)
        assert causes[Cause.JOURNAL_DAMAGED] + causes[Cause.WORKER_KILLED] == self.lost
        assert received == causes.total()
        left = {path.suffix for path in self.journal.glob("*/*")}
        assert left <= {segment.DAMAGED_SUFFIX}, "a segment was left behind"


class SharedJournalMachine(JournalMachine):
    """Two ingest processes share the work."""

    INGESTS = 2


JournalMachine.TestCase.settings = hypothesis_settings(
    max_examples=80, stateful_step_count=40, deadline=None
)
SharedJournalMachine.TestCase.settings = JournalMachine.TestCase.settings
TestOneIngest = JournalMachine.TestCase
TestTwoIngests = SharedJournalMachine.TestCase
