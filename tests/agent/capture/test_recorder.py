# SPDX-License-Identifier: GPL-2.0-or-later
"""What -wf writes, read by the real tshark."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any, Final

import pytest

from agent.capture.recorder import Recorder
from agent.capture.source import Frame
from agent.count import Count
from tests.fix_mounts import Mount

START: Final = 1_700_000_000_000_007
NAME: Final = r"\d{4}/\d\d/\d\d/\d\d\.\d\d\.\d{4}T\d\d-\d\d-\d\d_node2002(_\d+)?\.pcap"


def frames(count: int, size: int = 300) -> list[Frame]:
    """Ethernet frames of an unused type, 1 ms after each other, which had been 10 bytes longer."""
    return [
        (
            START + 1000 * number,
            b"\x02" * 12 + b"\x88\xb5" + b"%06d" % number + bytes(size - 20),
            size + 10,
        )
        for number in range(count)
    ]


def new_counts() -> memoryview[int]:
    """A worker's row."""
    return memoryview(array("Q", bytes(8 * len(Count))))


def recorder(folder: Path, **settings: Any) -> Recorder:
    """One with heplify's defaults."""
    defaults: dict[str, Any] = {
        "interface": "any",
        "linktype": 1,
        "node_id": 2002,
        "rotation_s": 3600,
        "is_packed": False,
    }
    counts = settings.pop("counts", None) or new_counts()
    return Recorder(str(folder), counts, **(defaults | settings))


def write(target: Recorder, what: list[Frame]) -> None:
    """All of them."""
    for frame in what:
        target.write(*frame)


def tshark(path: Path) -> list[tuple[str, int, int, bytes]]:
    """Time, length, captured length and number of each frame; fails for a damaged file."""
    fields = ("frame.time_epoch", "frame.len", "frame.cap_len", "data.data")
    command = ["tshark", "-r", str(path), "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cut short" not in done.stderr
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return [
        (at, int(length), int(captured), bytes.fromhex(data)[:6])
        for at, length, captured, data in rows
    ]


def expected(what: list[Frame]) -> list[tuple[str, int, int, bytes]]:
    """The same, of frames."""
    return [
        (f"{at // 1_000_000}.{at % 1_000_000:06}000", length, len(data), data[14:20])
        for at, data, length in what
    ]


def files(folder: Path) -> list[str]:
    """Relative names of all files."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("packed", [False, True])
def test_names_and_content(tmp_path: Path, packed: bool) -> None:
    """heplify's; the folder is made."""
    folder = tmp_path / "a" / "b"
    counts = new_counts()
    writer = recorder(folder, is_packed=packed, counts=counts)
    write(writer, frames(5))
    before = time.localtime()
    writer.close()
    [name] = files(folder)
    assert re.fullmatch(NAME + (r"\.gz" if packed else ""), name)
    assert name.startswith(time.strftime("%Y/%m/%d/%d.%m.%YT%H-", before))
    assert tshark(folder / name) == expected(frames(5))
    assert counts[Count.RECORDED] == 5
    assert counts[Count.UNRECORDED] == 0


@pytest.mark.parametrize("packed", [False, True])
def test_the_growing_file_can_be_read(tmp_path: Path, packed: bool) -> None:
    """After every tick; where it grows is where it stays, so that its renaming is one step."""
    writer = recorder(tmp_path, is_packed=packed)
    for count in (3, 6, 9):
        write(writer, frames(9)[count - 3 : count])
        writer.tick()
        [name] = files(tmp_path)
        assert name == "any_interface.pcap.tmp" + ".gz" * packed
        assert tshark(tmp_path / name) == expected(frames(count))
    writer.close()


def test_much_is_written_without_a_tick(tmp_path: Path) -> None:
    """What waits in memory is bounded."""
    writer = recorder(tmp_path)
    write(writer, frames(3_000, 1_000))
    assert 3_000 * 1_016 - (tmp_path / "any_interface.pcap.tmp").stat().st_size < 300_000
    writer.close()
    [name] = files(tmp_path)
    assert tshark(tmp_path / name) == expected(frames(3_000, 1_000))


def test_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-rt: a new file after each interval, and none for an interval without frames."""
    clock = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    writer = recorder(tmp_path, rotation_s=60)
    write(writer, frames(2))
    clock += 59
    writer.tick()
    assert files(tmp_path) == ["any_interface.pcap.tmp"]
    clock += 1
    writer.tick()
    [first] = files(tmp_path)
    clock += 130
    writer.tick()
    write(writer, frames(3))
    clock += 49
    writer.tick()
    assert len(files(tmp_path)) == 2
    assert "any_interface.pcap.tmp" in files(tmp_path)
    clock += 1
    writer.tick()
    names = files(tmp_path)
    assert len(names) == 2
    [second] = set(names) - {first}
    assert tshark(tmp_path / first) == expected(frames(2))
    assert tshark(tmp_path / second) == expected(frames(3))


def test_workers_do_not_clash(tmp_path: Path) -> None:
    """Each has a file of its own; also those that end in the same second."""
    writers = [recorder(tmp_path) for _ in range(3)]
    for number, writer in enumerate(writers, start=1):
        write(writer, frames(number))
        writer.tick()
    assert len(files(tmp_path)) == 3
    for writer in writers:
        writer.close()
    names = files(tmp_path)
    assert all(re.fullmatch(NAME, name) for name in names)
    assert sorted(len(tshark(tmp_path / name)) for name in names) == [1, 2, 3]


def test_a_second_one_does_not_clear_away_what_is_in_use(tmp_path: Path) -> None:
    """Nor a file that holds nothing yet."""
    first = recorder(tmp_path)
    write(first, frames(2))
    first.tick()
    (tmp_path / "eth0_interface.pcap.tmp").touch()
    recorder(tmp_path).close()
    assert files(tmp_path) == ["any_interface.pcap.tmp", "eth0_interface.pcap.tmp"]
    first.close()


def test_raw_ip_has_the_number_of_files(tmp_path: Path) -> None:
    """libpcap's own differs."""
    writer = recorder(tmp_path, linktype=12)
    write(writer, [(START, b"\x45" + bytes(19), 20)])
    writer.close()
    [name] = files(tmp_path)
    assert (tmp_path / name).read_bytes()[20:24] == (101).to_bytes(4, "little")


VICTIM: Final = """
import sys, time
from array import array
from pathlib import Path
from agent.count import Count
from tests.agent.capture.test_recorder import frames, recorder, write
writer = recorder(Path(sys.argv[1]), is_packed=sys.argv[2] == "True")
write(writer, frames(4))
writer.tick()
print("written", flush=True)
time.sleep(60)
"""


def killed(folder: Path, packed: bool) -> Path:
    """The file that a killed process leaves."""
    command = [sys.executable, "-c", VICTIM, str(folder), str(packed)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    return folder / ("any_interface.pcap.tmp" + ".gz" * packed)


@pytest.mark.parametrize("packed", [False, True])
def test_what_a_killed_agent_leaves_is_put_in_its_place(tmp_path: Path, packed: bool) -> None:
    """At the next start, under the time at which it was last written."""
    left = killed(tmp_path, packed)
    os.utime(left, (1_600_000_000, 1_600_000_000))
    recorder(tmp_path).close()
    [name] = files(tmp_path)
    at = time.localtime(1_600_000_000)
    assert name == time.strftime("%Y/%m/%d/%d.%m.%YT%H-%M-%S_node2002.pcap", at) + ".gz" * packed
    assert tshark(tmp_path / name) == expected(frames(4))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("torn", [1, 15, 17, 100])
def test_a_torn_end_is_cut_off(tmp_path: Path, packed: bool, torn: int) -> None:
    """What was killed in the midst of writing."""
    left = killed(tmp_path, packed)
    whole = left.read_bytes()
    if packed:
        left.write_bytes(whole + whole[: min(torn, 30)])
        kept = 4
    else:
        left.write_bytes(whole[:-torn])
        kept = 3
    recorder(tmp_path).close()
    [name] = files(tmp_path)
    assert tshark(tmp_path / name) == expected(frames(kept))


def test_what_holds_nothing_is_removed(tmp_path: Path) -> None:
    """Once it is old enough to be nobody's."""
    left = tmp_path / "any_interface.pcap.tmp"
    left.write_bytes(b"not a pcap file")
    os.utime(left, (1_600_000_000, 1_600_000_000))
    recorder(tmp_path).close()
    assert files(tmp_path) == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_full_disk_never_stops_capture(
    tmp_path: Path, mount: Mount, caplog: pytest.LogCaptureFixture, packed: bool
) -> None:
    """What does not fit is counted and said once; what was written stays whole; then it goes on."""
    mount(tmp_path, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    filler = tmp_path / "filler"
    filler.write_bytes(os.urandom(180_000))
    counts = new_counts()
    writer = recorder(tmp_path, is_packed=packed, counts=counts)
    write(writer, frames(10))
    writer.tick()
    noise = [(at, data + os.urandom(1_000), length + 1_000) for at, data, length in frames(90)]
    for _ in range(3):
        write(writer, noise)
        writer.tick()
    assert counts[Count.RECORDED] == 10
    assert counts[Count.UNRECORDED] == 270
    assert caplog.text.count("No space left on device; capture goes on") == 1
    filler.unlink()
    write(writer, frames(5))
    writer.close()
    assert counts[Count.RECORDED] == 15
    [name] = files(tmp_path)
    assert tshark(tmp_path / name) == expected([*frames(10), *frames(5)])


def test_a_folder_that_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is said at the start; and used as soon as it can be."""
    folder = tmp_path / "file" / "folder"
    folder.parent.touch()
    counts = new_counts()
    writer = recorder(folder, counts=counts)
    assert "Not a directory; capture goes on" in caplog.text
    write(writer, frames(2))
    writer.tick()
    assert counts[Count.UNRECORDED] == 2
    folder.parent.unlink()
    write(writer, frames(3))
    writer.close()
    assert counts[Count.RECORDED] == 3
    [name] = files(folder)
    assert len(tshark(folder / name)) == 3
