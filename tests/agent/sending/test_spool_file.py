# SPDX-License-Identifier: GPL-2.0-or-later
"""What heplify has left in its spool file comes out whole, in order and once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.sending import spool_file
from bench import mix
from collector.journal.writer import Writer
from tests.fix_journal import OpenWriter, kill, packets_of

PACKETS = [mix.fill(mix.packets(), number) for number in range(60)]


def _dump(directory: Path, data: bytes) -> Path:
    path = directory / "HEP-Buffer.dump"
    path.write_bytes(data)
    return path


def test_packet_boundaries_are_respected(tmp_path: Path, open_writer: OpenWriter) -> None:
    """heplify writes the whole file at once: over UDP no receiver understands that."""
    path = _dump(tmp_path, b"".join(PACKETS))
    spool_file.take_in(path, open_writer())
    assert packets_of(tmp_path / "journal") == PACKETS
    assert list(tmp_path.glob("HEP-Buffer*")) == [], "nothing is left that could come twice"


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 5000), st.integers(1, 3000))
def test_a_torn_packet_takes_no_other_with_it(
    tmp_path_factory: pytest.TempPathFactory, before: int, cut: int, missing: int
) -> None:
    """At the end of the file, or in the middle where heplify went on after a kill."""
    directory = tmp_path_factory.mktemp("torn")
    torn = PACKETS[before][: max(len(PACKETS[before]) - missing, 0)]
    whole = PACKETS[:before]
    path = _dump(directory, b"".join(whole) + torn)
    assert list(spool_file.packets(path)) == whole
    after = PACKETS[before + 1 : before + 1 + cut % 10]
    path = _dump(directory, b"".join(whole) + torn + b"".join(after))
    assert list(spool_file.packets(path)) == whole + after


def test_a_large_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pieces."""
    monkeypatch.setattr(spool_file, "_READ_BYTES", 777)
    largest = b"HEP3\xff\xff" + b"\0" * (65_535 - 6)
    packets = [*PACKETS, largest, *PACKETS, largest]
    assert list(spool_file.packets(_dump(tmp_path, b"".join(packets)))) == packets


@pytest.mark.parametrize("done", [0, 1, 37, 59, 60])
def test_a_kill_while_it_is_taken_in_repeats_nothing(
    tmp_path: Path, open_writer: OpenWriter, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """The next agent goes on with the packet that was not appended."""
    path = _dump(tmp_path, b"".join(PACKETS))
    writer = open_writer()
    for packet in PACKETS[:5]:
        writer.append(packet, bytes(16), 0, 0)

    class KilledError(Exception):
        pass

    def append(self: Writer, *arguments: object) -> None:
        nonlocal done
        if not done:
            raise KilledError
        done -= 1
        original(self, *arguments)  # type: ignore[arg-type]

    original = Writer.append
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "append", append)
        if done < len(PACKETS):
            with pytest.raises(KilledError):
                spool_file.take_in(path, writer)
        else:
            patch.setattr(Path, "unlink", lambda _: (_ for _ in ()).throw(KilledError))
            with pytest.raises(KilledError):
                spool_file.take_in(path, writer)
    kill(writer)
    spool_file.take_in(path, open_writer())
    assert packets_of(tmp_path / "journal") == PACKETS[:5] + PACKETS
    assert list(tmp_path.glob("HEP-Buffer*")) == []


def test_no_file_is_nothing_to_do(tmp_path: Path, open_writer: OpenWriter) -> None:
    """As at most starts."""
    spool_file.take_in(tmp_path / "HEP-Buffer.dump", open_writer())
    assert packets_of(tmp_path / "journal") == []
