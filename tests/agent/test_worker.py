# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop of a worker over a source of the test: every frame counted once, and a good end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.count import Count
from agent.counts import Rows
from agent.flags.options import Options
from agent.handover import Handover
from agent.message.media import Media
from agent.message.messages import Messages
from agent.packet.decoder import Decoder
from agent.stream.streams import Streams
from agent.summary import is_balanced
from agent.worker import BATCH, Worker
from collector import hep
from collector.hep import Hep
from collector.journal.counters import Role
from collector.journal.writer import Writer
from tests.agent.packet.frames import ethernet, ip4, sip, tcp, udp
from tests.agent_options import options
from tests.fix_journal import OpenWriter, packets_of

Frame = tuple[int, bytes, int]
_START: Final = 1_800_000_000_000_000


class Frames:
    """A source that gives what it has, and ends with it unless it ``goes_on``."""

    linktype = 1

    def __init__(self, frames: list[Frame], *, goes_on: bool = False) -> None:
        self.frames = frames
        self._goes_on = goes_on
        self._event = os.eventfd(1)
        self.reads: list[int] = []

    @property
    def ended(self) -> bool:
        return not self.frames and not self._goes_on

    def fileno(self) -> int:
        return self._event

    def due(self) -> float | None:
        return None if self._goes_on and not self.frames else 0.0

    def read(self, max_frames: int) -> list[Frame]:
        taken, self.frames = self.frames[:max_frames], self.frames[max_frames:]
        if self._goes_on and not self.frames:
            os.eventfd_read(self._event) if not self.reads else None
        self.reads.append(len(taken))
        return taken

    def drops(self) -> tuple[int, int]:
        return 4, 2

    def close(self) -> None:
        os.close(self._event)


class Trial:
    """A worker with real parts and a journal."""

    def __init__(self, journal: Path, writer: Writer, chosen: Options) -> None:
        self.counts = Rows(1).row(0)
        self._journal = journal
        media = Media(self.counts, None)
        self.worker = Worker(
            chosen,
            self.counts,
            Decoder(1, erspan=False, counts=self.counts),
            Streams(self.counts),
            Messages(self.counts, media),
            Handover(writer, self.counts, chosen.servers),
        )
        self.stop = os.pipe()

    def run(self, source: Frames) -> None:
        """To the end of the source."""
        self.worker.run(source, self.stop[0])

    @property
    def messages(self) -> list[bytes]:
        """Payloads in the journal."""
        found = map(hep.decode, packets_of(self._journal))
        return [one.payload for one in found if isinstance(one, Hep)]


Make = Callable[..., Trial]


@pytest.fixture
def make(journal: Path, open_writer: OpenWriter) -> Make:
    """Makes a worker with flags."""
    return lambda *flags: Trial(journal, open_writer(), options(*flags))


def _frames(*data: bytes, step_us: int = 1000) -> list[Frame]:
    return [(_START + n * step_us, frame, len(frame)) for n, frame in enumerate(data)]


def test_every_frame_is_read_and_the_drops_are_noted(make: Make) -> None:
    """Also when there are more than fit one read."""
    trial = make()
    sent = [sip(str(number)) for number in range(3 * BATCH + 5)]
    trial.run(Frames(_frames(*(ethernet(ip4(udp(one))) for one in sent))))
    assert trial.messages == sent
    assert trial.counts[Count.KERNEL] == 4
    assert trial.counts[Count.INTERFACE] == 2
    assert is_balanced(trial.counts.tolist())


def test_what_is_begun_at_the_end_is_counted_as_lost(make: Make) -> None:
    """A fragment without its others, and a message that a stream did not finish."""
    trial = make()
    whole = udp(sip("1"))
    part = sip("2")[:100]
    trial.run(
        Frames(
            _frames(
                ethernet(ip4(whole[:64], place=0x2000)),
                ethernet(ip4(tcp(b"", flags=2, sequence=1), 6)),
                ethernet(ip4(tcp(part, sequence=2), 6)),
            )
        )
    )
    assert trial.messages == []
    assert trial.counts[Count.FOUND] == 2
    assert is_balanced(trial.counts.tolist())


def test_it_stops_when_told_and_takes_what_is_left(make: Make) -> None:
    """As the ring has it."""
    trial = make()
    sent = [sip(str(number)) for number in range(2 * BATCH)]
    os.close(trial.stop[1])
    trial.run(Frames(_frames(*(ethernet(ip4(udp(one))) for one in sent)), goes_on=True))
    assert trial.messages == sent


def test_it_stops_when_the_parent_is_gone_while_nothing_comes(make: Make) -> None:
    """The other end of the pipe is closed then, however that came."""
    trial = make()
    timer = threading.Timer(0.2, os.close, [trial.stop[1]])
    timer.start()
    begun = time.monotonic()
    trial.run(Frames([], goes_on=True))
    assert 0.1 < time.monotonic() - begun < 5


def test_time_goes_on_when_no_frame_comes(make: Make) -> None:
    """A message whose gap nobody fills is given up by the clock, not by the next frame."""
    trial = make()
    first, second = sip("1"), sip("2")
    frames = _frames(
        ethernet(ip4(tcp(b"", flags=2, sequence=99), 6)),
        ethernet(ip4(tcp(first[:50], sequence=100), 6)),
        ethernet(ip4(tcp(second, sequence=100 + len(first)), 6)),
    )
    thread = threading.Thread(target=trial.run, args=(Frames(frames, goes_on=True),))
    thread.start()
    deadline = time.monotonic() + 10
    while not trial.messages and time.monotonic() < deadline:
        time.sleep(0.05)
    assert trial.messages == [second]
    os.close(trial.stop[1])
    thread.join()
    assert is_balanced(trial.counts.tolist())


def test_a_fault_of_the_agent_costs_one_frame(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted, and the capture goes on."""
    trial = make()
    real = trial.worker._decoder.decode

    def decode(at: int, frame: bytes) -> object:
        if b"poison" in frame:
            raise ZeroDivisionError
        return real(at, frame)

    monkeypatch.setattr(trial.worker._decoder, "decode", decode)
    sent = [sip("1"), sip("poison"), sip("2")]
    trial.run(Frames(_frames(*(ethernet(ip4(udp(one))) for one in sent))))
    assert trial.messages == [sent[0], sent[2]]
    assert trial.counts[Count.FAULT] == 1
    assert is_balanced(trial.counts.tolist())


_PARTS = st.sampled_from(
    [
        ethernet(ip4(udp(sip("1")))),
        ethernet(ip4(udp(sip("2"))), tags=((0x8100, 5),)),
        ethernet(ip4(udp(sip("3"))[:64], place=0x2000)),
        ethernet(ip4(udp(sip("3"))[64:], place=8)),
        ethernet(ip4(udp(b"x" * 40))),
        ethernet(ip4(udp(b"\r\n"))),
        ethernet(ip4(tcp(b"", flags=2, sequence=99), 6)),
        ethernet(ip4(tcp(sip("4")[:60], sequence=100), 6)),
        ethernet(ip4(tcp(sip("4")[60:], sequence=160), 6)),
        ethernet(ip4(tcp(sip("5"), sequence=5000), 6)),
        ethernet(ip4(udp(b"\x80\xc8\x00\x06" + bytes(24), 40001, 40003))),
        ethernet(b"arp", kind=0x0806),
    ]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    frames=st.lists(
        st.tuples(st.one_of(_PARTS, st.binary(max_size=80)), st.integers(0, 2_000_000)), max_size=40
    ),
    flags=st.sampled_from(
        [(), ("-dd",), ("-diip", "10.0.0.1"), ("-dim", "OPTIONS"), ("-fi", "sip"), ("-di", "2@")]
    ),
)
def test_the_balances_hold_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[tuple[bytes, int]],
    flags: tuple[str, ...],
) -> None:
    """Frames and messages, exactly; and as many packets in the journal as were handed over."""
    at = _START
    given_frames = []
    for frame, gap in frames:
        at += gap
        given_frames.append((at, frame, len(frame)))
    journal = tmp_path_factory.mktemp("journal")
    writer = Writer(
        *(journal, Role.AGENT),
        segment_bytes=1 << 20,
        segment_seconds=3600,
        max_bytes=1 << 30,
        min_free_bytes=0,
    )
    trial = Trial(journal, writer, options(*flags))
    trial.run(Frames(given_frames))
    writer.close()
    for descriptor in trial.stop:
        os.close(descriptor)
    assert trial.counts[Count.JOURNALED] == len(trial.messages)
    totals = trial.counts.tolist()
    assert totals[Count.CAPTURED] == len(frames)
    assert is_balanced(totals), {one.label: totals[one] for one in Count if totals[one]}
