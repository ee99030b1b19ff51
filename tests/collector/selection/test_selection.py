# SPDX-License-Identifier: GPL-2.0-or-later
"""All steps together, as the settings have them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector import row, settings
from collector.causes import Cause
from collector.errors import SettingsError
from collector.selection import Selected, Selection
from collector.selection.candidate import Candidate
from collector.selection.duplicates import FILE_NAME
from tests.collector.selection.candidates import ARRIVAL, candidate
from tests.copy_reader import read_rows
from tests.sip_text import request


def _selection(directory: Path, **environment: str) -> Selection:
    """``environment`` as FILTER_DISCARD_METHODS="OPTIONS"."""
    variables = {
        "KEMISCOPE_CONFIG": os.devnull,
        "KEMISCOPE_JOURNAL_DIRECTORY": str(directory),
        **{f"KEMISCOPE_{name}": value for name, value in environment.items()},
    }
    return Selection(settings.load(None, variables))


def _select(selection: Selection, given: Candidate) -> Selected | Cause:
    (selected,) = selection.select_run([given])
    return selected


def test_nothing_set_needs_nothing(tmp_path: Path) -> None:
    """The hop skips the whole step."""
    selection = _selection(tmp_path)
    assert not selection.is_needed
    assert selection.accepts(candidate().packet)
    given = candidate()
    assert _select(selection, given) == Selected(given.packet, given.message, given.node)


def test_the_users_functions_hold_up_no_other_process(tmp_path: Path) -> None:
    """The table of duplicates is free while they run."""
    hook = tmp_path / "hook.py"
    hook.write_text(
        "import fcntl, os\n"
        "def take_the_lock(message):\n"
        f"    file = os.open({str(tmp_path / FILE_NAME)!r}, os.O_RDWR)\n"
        "    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "    os.close(file)\n"
        "    message.node = 'free'\n"
    )
    selection = _selection(tmp_path, FILTER_DUPLICATE_WINDOW="1s", HOOK_FILE=str(hook))
    selection.open()
    first, second = candidate(), candidate(record_id=ARRIVAL + 64)
    chosen = selection.select_run([first, second])
    selection.close()
    assert isinstance(chosen[0], Selected)
    assert chosen[0].node == b"free"
    assert chosen[1] is Cause.DUPLICATE
    assert selection.hook_faults == 0


ALL = {
    "FILTER_DISCARD_ADDRESSES": "192.0.2.1",
    "FILTER_DISCARD_METHODS": "OPTIONS",
    "FILTER_DISCARD_USER_AGENTS": "scanner",
    "FILTER_DISCARD_EXPRESSION": "status == 100",
    "FILTER_SAMPLE_OTHER": "0",
    "FILTER_DUPLICATE_WINDOW": "1s",
}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, Cause.FILTER_ADDRESS),
        ({"FILTER_DISCARD_ADDRESSES": ""}, Cause.FILTER_METHOD),
        ({"FILTER_DISCARD_METHODS": ""}, Cause.FILTER_USER_AGENT),
        ({"FILTER_DISCARD_USER_AGENTS": ""}, Cause.FILTER_EXPRESSION),
        ({"FILTER_DISCARD_EXPRESSION": ""}, Cause.SAMPLED_OUT),
        ({"FILTER_SAMPLE_OTHER": "100"}, Cause.DUPLICATE),
    ],
)
def test_filters_work_in_their_order(tmp_path: Path, changes: dict[str, str], cause: Cause) -> None:
    """Of a message that all of them would discard the first one is the cause."""
    names = list(ALL)
    position = names.index(next(iter(changes))) + 1 if changes else 0
    off = dict.fromkeys(names[:position], "") | {"FILTER_SAMPLE_OTHER": ALL["FILTER_SAMPLE_OTHER"]}
    if "FILTER_SAMPLE_OTHER" in changes:
        off["FILTER_SAMPLE_OTHER"] = "100"
    selection = _selection(tmp_path, **(ALL | off))
    selection.open()
    message = request("OPTIONS", headers="User-Agent: scanner\r\n").replace(
        b"OPTIONS sip:bob@example.com SIP/2.0", b"SIP/2.0 100 Trying"
    )
    first = _select(selection, candidate(message))
    second = _select(selection, candidate(message, record_id=ARRIVAL + 64))
    assert second is cause
    assert (first is cause) == (cause is not Cause.DUPLICATE)
    selection.close()


@pytest.mark.parametrize(
    ("force", "hep", "expected"),
    [
        ("false", b"", b"leg-a"),
        ("false", b"call@example", b"leg-a"),
        ("false", b"hep", b"hep"),
        ("true", b"hep", b"leg-a"),
    ],
)
def test_the_leg_before_and_the_correlation_id(
    tmp_path: Path, force: str, hep: bytes, expected: bytes
) -> None:
    """HEP's own counts more unless the settings say otherwise; the Call-ID itself says nothing."""
    selection = _selection(tmp_path, CORRELATION_HEADERS="X-CID", CORRELATION_FORCE=force)
    found = _select(selection, candidate(request(headers="X-CID: leg-a\r\n"), correlation_id=hep))
    assert isinstance(found, Selected)
    assert (found.aleg_id, found.packet.correlation_id) == (b"leg-a", expected)


def test_headers_of_message_and_hook_come_together(tmp_path: Path) -> None:
    """As one JSON object; what the hook says counts more."""
    hook = tmp_path / "hook.py"
    hook.write_text("def tag(m):\n    m.headers.update(a=1, **{'X-B': 'hook'})\n")
    selection = _selection(tmp_path, SIP_CUSTOM_HEADERS="X-A, X-B", HOOK_FILE=str(hook))
    found = _select(selection, candidate(request(headers="X-A: 1\r\nX-B: 2\r\n")))
    assert isinstance(found, Selected)
    assert found.headers == b'{"X-A":"1","X-B":"hook","a":1}'


@pytest.mark.parametrize("odd", [b"\xff", b"a\0b", b"\xc3\x28"])
@pytest.mark.parametrize("end", [b"", b"\r\n\r\nbody"])
def test_what_censoring_covers_is_clean_text_all_the_same(
    tmp_path: Path, odd: bytes, end: bytes
) -> None:
    """Without an empty line the headers are covered, too: their values must not reach a column."""
    selection = _selection(tmp_path, FILTER_CENSOR_METHODS="INVITE")
    text = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nTo: <sip:%b@h>" % odd
    selected = _select(selection, candidate(text + end))
    assert isinstance(selected, Selected)
    assert selected.message
    encoded = row.encode(
        selected.packet,
        selected.message,
        ts=0,
        record_id=64,
        sender_ts=None,
        node=b"1",
        max_field_bytes=512,
    )
    (stored,) = read_rows(encoded)
    assert stored["to_user"] == odd.decode("utf-8", "replace").replace("\0", "\ufffd")
    assert stored["fault"] == ("text" if end else "truncated")
    assert stored["raw"].endswith(b"xxxx")


def test_censoring_comes_last(tmp_path: Path) -> None:
    """The hook still sees the body; what is stored does not have it."""
    hook = tmp_path / "hook.py"
    hook.write_text("def tag(m):\n    m.headers['seen'] = b'secret' in m.raw\n")
    selection = _selection(tmp_path, FILTER_CENSOR_METHODS="MESSAGE", HOOK_FILE=str(hook))
    found = _select(selection, candidate(request("MESSAGE", body=b"secret")))
    assert isinstance(found, Selected)
    assert found.headers == b'{"seen":true}'
    assert found.packet.payload.endswith(b"\r\n\r\nxxxxxx")


def test_dropped_by_the_hook(tmp_path: Path) -> None:
    """Has its own cause."""
    hook = tmp_path / "hook.py"
    hook.write_text("def drop(m):\n    m.drop()\n")
    assert _select(_selection(tmp_path, HOOK_FILE=str(hook)), candidate()) is Cause.HOOK_DROPPED


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("SENDERS_PASSWORDS", "hunter2", "senders.passwords: entry 1 must be like"),
        ("FILTER_DISCARD_ADDRESSES", "10.0.0.0/99", "filter.discard_addresses: "),
        ("FILTER_DISCARD_EXPRESSION", "method =", "filter.discard_expression: cannot be read"),
        ("FILTER_DUPLICATE_KEY", "payload", "filter.duplicate_key: "),
        ("FILTER_SAMPLE_CALL", "101", "filter.sample_call: "),
        ("CORRELATION_HEADERS", "X-CID: abc", "correlation.headers: 'abc' has no group"),
        ("SIP_CUSTOM_HEADERS", "X-A: date", "sip.custom_headers: 'X-A: date'"),
        ("HOOK_FILE", "/nowhere/hook.py", "hook.file: /nowhere/hook.py: FileNotFoundError"),
    ],
)
def test_a_mistake_names_its_setting(tmp_path: Path, name: str, value: str, message: str) -> None:
    """And never shows a secret."""
    with pytest.raises(SettingsError, match=message) as caught:
        _selection(tmp_path, **{name: value})
    assert "hunter2" not in str(caught.value)
