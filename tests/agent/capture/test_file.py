# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files of every kind, written by Wireshark's tools."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.file import LOOP_PAUSE_S, File, Pace
from agent.capture.source import CaptureError, Frame
from tests.agent.capture.frames import payload, read_all

START: Final = 1_700_000_000_000_000
SENT: Final = [b"first " + b"1" * 100, b"second " + b"2" * 100, b"third " + b"3" * 100]
GAPS_US: Final = (0, 100_000, 250_001)
PORTS: Final = (5060, 5060, 4000)
"""Of the three."""


def dump(*payloads: bytes) -> str:
    """As od writes it."""
    return "".join(f"0000 {data.hex(' ')}\n" for data in payloads)


@pytest.fixture(scope="module")
def pcap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three UDP datagrams in Ethernet frames, µs; their times are START + GAPS_US."""
    folder = tmp_path_factory.mktemp("pcap")
    parts = []
    for number, (data, port) in enumerate(zip(SENT, PORTS, strict=True)):
        part = folder / f"{number}.pcap"
        text2pcap("-F", "pcap", "-u", f"5060,{port}", "-", part, dump(data))
        parts.append(part)
    joined = folder / "joined.pcap"
    run("mergecap", "-F", "pcap", "-a", "-w", joined, *parts)
    content = bytearray(joined.read_bytes())
    at = 24
    for gap in GAPS_US:
        content[at : at + 8] = struct.pack("<II", *divmod(START + gap, 1_000_000))
        at += 16 + struct.unpack_from("<I", content, at + 8)[0]
    made = folder / "made.pcap"
    made.write_bytes(content)
    return made


def run(*command: str | Path, text: str | None = None) -> None:
    """Fails with what the command wrote."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def text2pcap(*arguments: str | Path) -> None:
    """The last argument is the dump."""
    *command, text = arguments
    run("text2pcap", "-q", *command, text=str(text))


def big_endian(content: bytes) -> bytes:
    """The same file as another machine would have written it."""
    swapped = struct.pack(">IHHiIII", *struct.unpack("<IHHiIII", content[:24]))
    at = 24
    while at < len(content):
        record = struct.unpack_from("<IIII", content, at)
        swapped += struct.pack(">IIII", *record) + content[at + 16 : at + 16 + record[2]]
        at += 16 + record[2]
    return swapped


def opened(path: Path | str, filter_text: str = "", **settings: Any) -> closing[File]:
    """At full speed; closed at the end of the ``with``."""
    return closing(
        File(str(path), filter_text=lambda _: filter_text, **({"full_speed": True} | settings))
    )


def frames_of(path: Path | str, filter_text: str = "", **settings: Any) -> list[Frame]:
    """All of a file."""
    with opened(path, filter_text, **settings) as file:
        return read_all(file)


def check(frames: list[Frame]) -> None:
    """These are the three."""
    assert [payload(frame) for _, frame, _ in frames] == SENT
    assert [at - START for at, _, _ in frames] == list(GAPS_US)
    assert all(length == len(frame) for _, frame, length in frames)


@pytest.mark.parametrize("kind", ["pcap", "nsecpcap", "pcapng", "modpcap"])
@pytest.mark.parametrize("packed", [False, True])
def test_formats_of_wireshark(pcap: Path, tmp_path: Path, kind: str, packed: bool) -> None:
    """Known by what is in them, not by their names."""
    path = tmp_path / "capture"
    run("editcap", "-F", kind, pcap, path)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    check(frames_of(path))
    assert list(tmp_path.iterdir()) == [path], "nothing was written next to it"


@pytest.mark.parametrize("packed", [False, True])
def test_the_other_byte_order(pcap: Path, tmp_path: Path, packed: bool) -> None:
    """Of a big-endian machine."""
    path = tmp_path / "big.pcap"
    content = big_endian(pcap.read_bytes())
    path.write_bytes(gzip.compress(content) if packed else content)
    check(frames_of(path))


def test_a_packed_file_of_several_members(pcap: Path, tmp_path: Path) -> None:
    """As cat makes it, and -zf of ours."""
    content = pcap.read_bytes()
    path = tmp_path / "members.pcap.gz"
    path.write_bytes(gzip.compress(content[:30]) + gzip.compress(content[30:]))
    check(frames_of(path))


@pytest.mark.parametrize(
    ("number", "expected"), [("1", 1), ("101", 12), ("113", 113), ("276", 276), ("0", 0)]
)
def test_link_types(tmp_path: Path, number: str, expected: int) -> None:
    """libpcap's numbers: Ethernet, raw IP, Linux cooked in both versions, BSD loopback."""
    path = tmp_path / "link.pcap"
    text2pcap("-F", "pcap", "-l", number, "-", path, dump(b"x" * 60))
    with opened(path) as file:
        assert file.linktype == expected
        assert [frame for _, frame, _ in read_all(file)] == [b"x" * 60]


def test_the_filter_gets_the_link_type(pcap: Path) -> None:
    """The words for VLAN depend on it."""
    with closing(
        File(str(pcap), filter_text=lambda link: f"udp port {4000 * link}", full_speed=True)
    ) as file:
        assert [payload(frame) for _, frame, _ in read_all(file)] == SENT[2:]


def test_the_filter_holds_in_every_loop(pcap: Path) -> None:
    """heplify loses it at the second."""
    frames = frames_of(pcap, "udp dst port 5060", loops=3)
    assert [payload(frame) for _, frame, _ in frames] == SENT[:2] * 3


def test_loops_for_ever(pcap: Path) -> None:
    """-lp 0, with a pause before each but the first."""
    begun = time.monotonic()
    with opened(pcap, loops=0) as file:
        frames: list[Frame] = []
        while len(frames) < 15:
            frames += file.read(100)
            assert not file.ended
            time.sleep(file.due() or 0)
    assert time.monotonic() - begun >= 4 * LOOP_PAUSE_S
    assert [payload(frame) for _, frame, _ in frames[:15]] == SENT * 5


def test_a_packed_file_loops(pcap: Path, tmp_path: Path) -> None:
    """It is unpacked again."""
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress(pcap.read_bytes()))
    assert len(frames_of(path, loops=2)) == 6


def test_replay_with_the_original_gaps(pcap: Path) -> None:
    """-rs false: it takes as long as the capture did, and the times are those of now."""
    before = time.time_ns() // 1000
    with opened(pcap, full_speed=False) as file:
        frames = read_all(file)
    after = time.time_ns() // 1000
    assert [payload(frame) for _, frame, _ in frames] == SENT
    assert before <= frames[0][0]
    assert frames[-1][0] <= after
    assert after - before >= GAPS_US[-1]


def test_replay_gives_a_frame_when_it_is_due(pcap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before; and one that was taken late has the time at which it was due."""
    clock = 5_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock * 1000)
    monkeypatch.setattr(time, "time_ns", lambda: (START + clock) * 1000)
    with opened(pcap, full_speed=False) as file:
        assert file.due() == 0
        begun = clock
        assert [at for at, _, _ in file.read(10)] == [START + begun]
        assert file.due() == 0.1
        clock += 99_999
        assert file.read(10) == []
        assert file.due() == 0.000001
        clock += 1
        assert [at for at, _, _ in file.read(10)] == [START + begun + 100_000]
        clock += 900_000
        assert file.due() == 0
        assert [at for at, _, _ in file.read(10)] == [START + begun + 250_001]
        assert file.ended


@given(st.lists(st.integers(0, 1 << 41), min_size=1))
def test_time_that_goes_back_is_no_gap(times: list[int]) -> None:
    """And does not shift what follows."""
    pace = Pace()
    due = [pace.due(at) for at in times]
    gaps = [max(0, after - before) for before, after in pairwise(times)]
    assert [after - before for before, after in pairwise(due)] == gaps


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 999_999))
def test_times_are_exact_to_the_microsecond(seconds: int, microseconds: int) -> None:
    """Though libpcap's come over as floating-point numbers."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    with tempfile.NamedTemporaryFile() as made:
        made.write(head + struct.pack("<IIII", seconds, microseconds, 1, 1) + b"x")
        made.flush()
        [(at, _, _)] = frames_of(made.name)
    assert at == seconds * 1_000_000 + microseconds


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_breaks_off(pcap: Path, tmp_path: Path, packed: bool) -> None:
    """What is whole is read; then the error says how much that was."""
    content = pcap.read_bytes()[:-10]
    path = tmp_path / "torn.pcap"
    path.write_bytes(gzip.compress(content) if packed else content)
    with opened(path) as file:
        frames = file.read(100)
        assert [payload(frame) for _, frame, _ in frames] == SENT[:2]
        with pytest.raises(
            CaptureError, match=r"torn.pcap cannot be read beyond 2 frames: .*trunc"
        ):
            file.read(100)
        assert file.ended
        assert file.due() is None


def test_a_packed_file_that_breaks_off(pcap: Path, tmp_path: Path) -> None:
    """Inside of what gzip wrote: as much as can be unpacked is read."""
    path = tmp_path / "torn.pcap.gz"
    path.write_bytes(gzip.compress(pcap.read_bytes())[:-12])
    with opened(path) as file:
        frames = file.read(100)
        with pytest.raises(CaptureError, match=f"beyond {len(frames)} frames: .*end-of-stream"):
            file.read(100)
    assert [payload(frame) for _, frame, _ in frames] == SENT[: len(frames)]
    assert len(frames) >= 2


def test_a_packed_file_that_unpacks_to_too_much(pcap: Path, tmp_path: Path) -> None:
    """What is within the limit is read; at the limit itself there is none."""
    path = tmp_path / "bomb.pcap.gz"
    size = pcap.stat().st_size
    path.write_bytes(gzip.compress(pcap.read_bytes()))
    for limit, fault in ((size, False), (size - 1, True)):
        file = File(str(path), filter_text=lambda _: "", full_speed=True, max_unpacked=limit)
        with closing(file):
            frames = file.read(100)
            assert len(frames) == len(SENT) - fault
            if fault:
                with pytest.raises(CaptureError, match=f"unpacks to more than {limit} bytes"):
                    file.read(100)
            else:
                assert file.ended


def test_a_packed_file_with_a_wrong_checksum(pcap: Path, tmp_path: Path) -> None:
    """All frames come, and then the error: something in them is wrong."""
    content = bytearray(gzip.compress(pcap.read_bytes()))
    content[-6] ^= 0xFF
    path = tmp_path / "wrong.pcap.gz"
    path.write_bytes(content)
    with opened(path) as file:
        assert len(file.read(100)) == 3
        with pytest.raises(CaptureError, match="CRC check failed"):
            file.read(100)


def test_a_damaged_file_in_replay(pcap: Path, tmp_path: Path) -> None:
    """The same with the original gaps."""
    path = tmp_path / "torn.pcap"
    path.write_bytes(pcap.read_bytes()[:-10])
    with opened(path, full_speed=False) as file, pytest.raises(CaptureError, match="2 frames"):
        read_all(file)


def test_a_record_with_a_mad_length(pcap: Path, tmp_path: Path) -> None:
    """No memory is taken for it."""
    content = bytearray(pcap.read_bytes())
    struct.pack_into("<I", content, 24 + 8, 0xFFFFFFF0)
    path = tmp_path / "mad.pcap"
    path.write_bytes(content)
    with opened(path) as file:
        assert file.read(100) == []
        with pytest.raises(CaptureError, match="beyond 0 frames: "):
            file.read(100)


def test_a_file_of_two_link_types(pcap: Path, tmp_path: Path) -> None:
    """Which pcapng allows: libpcap reads only the first, and the error says so."""
    other = tmp_path / "other.pcapng"
    text2pcap("-l", "113", "-", other, dump(b"x" * 60))
    path = tmp_path / "two.pcapng"
    run("mergecap", "-a", "-I", "none", "-w", path, pcap, other)
    with opened(path) as file, pytest.raises(CaptureError, match="type 113 different"):
        read_all(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"no capture file\n" * 100, gzip.compress(b"nor this\n" * 100), gzip.compress(b"")[:5]],
    ids=["empty", "text", "packed", "cut"],
)
def test_no_capture_file(tmp_path: Path, content: bytes) -> None:
    """Said at the start."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"notes.txt is no capture file: .+"):
        opened(path)


def test_no_file(tmp_path: Path) -> None:
    """The system's words; the name may be in any encoding."""
    with pytest.raises(CaptureError, match="No such file or directory"):
        opened(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(CaptureError, match="Is a directory"):
        opened(tmp_path)


def test_a_bad_filter(pcap: Path) -> None:
    """Said at the start, with the reason."""
    with pytest.raises(CaptureError, match=r"bad capture filter 'sip': .+"):
        opened(pcap, "sip")


def test_a_frame_that_was_cut(pcap: Path, tmp_path: Path) -> None:
    """How long it had been is known."""
    path = tmp_path / "cut.pcap"
    run("editcap", "-F", "pcap", "-s", "60", pcap, path)
    frames = frames_of(path)
    assert [len(frame) for _, frame, _ in frames] == [60, 60, 60]
    assert [length for _, _, length in frames] == [14 + 20 + 8 + len(data) for data in SENT]


def test_a_pipe(pcap: Path, tmp_path: Path) -> None:
    """As a shell's <(...) gives it; it cannot be opened twice."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    # Not a thread: libpcap holds Python's lock while it opens a file.
    with subprocess.Popen(["cp", pcap, path]):
        check(frames_of(path))


def test_standard_input(pcap: Path) -> None:
    """-rf -"""
    code = (
        "from agent.capture.file import File\n"
        "file = File('-', filter_text=lambda _: '', full_speed=True)\n"
        "while not file.ended:\n"
        "    for frame in file.read(100): print(frame[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pcap.read_bytes(),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert [int(line) - START for line in done.stdout.split()] == list(GAPS_US)


def test_it_may_be_opened_before_a_fork(pcap: Path, tmp_path: Path) -> None:
    """The parent finds errors, the worker reads."""
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress(pcap.read_bytes()))
    with opened(path) as file:
        child = os.fork()
        if not child:
            count = 99
            with suppress(Exception):
                count = len(read_all(file))
            os._exit(count)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_close_in_the_midst(tmp_path: Path) -> None:
    """The process that unpacks ends, too, and no descriptor is left."""
    path = tmp_path / "large.pcap.gz"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    record = struct.pack("<IIII", 0, 0, 60_000, 60_000) + bytes(60_000)
    path.write_bytes(gzip.compress(head + record * 200))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    children = _children()
    with opened(path) as file:
        assert len(file.read(5)) == 5
        assert len(_children() - children) == 1, "it runs"
    file.close()
    assert _children() == children
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
