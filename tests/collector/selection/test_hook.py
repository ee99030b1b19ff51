# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's functions: what they can do, and that they cannot do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.errors import SettingsError
from collector.hep import TYPE_LOG
from collector.selection.candidate import Candidate
from collector.selection.hook import Hook
from collector.sip import Kind
from tests.collector.selection.candidates import candidate


def _hook(directory: Path, text: str) -> Hook:
    path = directory / "hook.py"
    path.write_text(text)
    return Hook(path)


def _apply(directory: Path, text: str, given: Candidate | None = None) -> Candidate:
    outcome = _hook(directory, text).apply(given or candidate())
    assert outcome
    return outcome[0]


def test_rename(tmp_path: Path) -> None:
    """The column changes, the raw message does not."""
    found = _apply(
        tmp_path,
        'def mask(message):\n    message.fields["from_user"] = "***"\n    message.node = "edge"\n',
    )
    assert found.message
    assert (found.message.from_user, found.node) == (b"***", b"edge")
    assert found.packet.payload == candidate().packet.payload


def test_profile_addresses_and_raw(tmp_path: Path) -> None:
    """What SetSIPProfile, SetHEPField and SetRawMessage are for."""
    found = _apply(
        tmp_path,
        """
def change(message):
    message.kind = "registration"
    message.src_ip, message.src_port = "2001:db8::1", 5070
    message.raw = message.raw.replace(b"alice", b"xxxxx")
    message.correlation_id = "x"
""",
    )
    assert found.message
    assert found.message.kind is Kind.REGISTRATION
    assert found.packet.src_ip.hex().startswith("20010db8")
    assert (found.packet.src_port, found.packet.correlation_id) == (5070, b"x")
    assert b"alice" not in found.packet.payload
    assert found.message.from_user == b"alice"


def test_headers_are_added(tmp_path: Path) -> None:
    """To be searched by."""
    hook = _hook(tmp_path, 'def tag(message):\n    message.headers["tenant"] = 7\n')
    outcome = hook.apply(candidate())
    assert outcome
    assert outcome[1] == {"tenant": 7}


def test_drop(tmp_path: Path) -> None:
    """The functions after it are not called."""
    hook = _hook(
        tmp_path,
        "def first(message):\n    message.drop()\n\ndef second(message):\n    raise ValueError\n",
    )
    assert hook.apply(candidate()) is None
    assert hook.faults == 0


def test_functions_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Helpers with an underscore, imported and nested ones are not called."""
    found = _apply(
        tmp_path,
        """
from os.path import join

def b(message):
    message.node += "1"

def _helper(message):
    message.node = "wrong"

def a(message):
    message.node += "2"

class Ignored:
    pass
""",
    )
    assert found.node == b"200112"


@pytest.mark.parametrize(
    "line",
    [
        "1 / 0",
        "raise SystemError('x')",
        "message.fields['colour'] = 'red'",
        "message.fields['from_user'] = 5",
        "message.src_ip = 'nowhere'",
        "message.src_port = 70000",
        "message.status = 42",
        "message.kind = 'odd'",
        "message.raw = 'text'",
        "message.raw = 10",
        "message.headers['x'] = {1: 2}",
        "message.headers['x'] = 2**70",
        "message.headers['x'] = float('nan')",
        "message.headers['x'] = '\\ud800'",
        "message.headers = None",
        "message.headers[1] = 'x'",
        "message.node = '\\ud800'",
        "message.colour = 'red'",
        "raise SystemExit(1)",
    ],
)
def test_a_fault_is_counted_and_the_packet_goes_on(
    tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As it was before that function; the others still run, and the log names the function."""
    hook = _hook(
        tmp_path,
        "def first(message):\n    message.node = 'one'\n    message.headers['a'] = 1\n\n"
        f"def wrong(message):\n    message.node = 'two'\n    {line}\n\n"
        "def last(message):\n    message.headers['b'] = message.node\n",
    )
    outcome = hook.apply(candidate())
    assert outcome
    assert outcome[0].node == b"one"
    assert outcome[1] == {"a": 1, "b": "one"}
    assert outcome[0].packet == candidate().packet
    assert hook.faults == 1
    assert "wrong: " in caplog.text
    assert "the packet goes on" in caplog.text


def test_what_is_not_text_stays_as_it_was(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 come back unchanged when nobody touched them."""
    given = candidate(b"INVITE sip:b SIP/2.0\r\nFrom: <sip:\xff@x>\r\nCSeq: 1 INVITE\r\n\r\n")
    found = _apply(tmp_path, "def nothing(message):\n    pass\n", given)
    assert found == given


def test_text_is_made_fit_for_the_database(tmp_path: Path) -> None:
    """PostgreSQL takes no NUL, neither in text nor in JSON."""
    text = "def f(message):\n    message.node = message.headers['a\\0'] = 'x\\0y'\n"
    outcome = _hook(tmp_path, text).apply(candidate())
    assert outcome
    assert outcome[0].node == "x\ufffdy".encode()
    assert outcome[1] == {"a\ufffd": "x\ufffdy"}


def test_other_types_have_no_fields(tmp_path: Path) -> None:
    """But can be changed and dropped as well."""
    text = "def mark(message):\n    message.node = str(message.type) + message.kind\n"
    assert _apply(tmp_path, text, candidate(b"a line", type=TYPE_LOG)).node == b"100"
    hook = _hook(tmp_path, "def wrong(message):\n    message.kind = 'call'\n")
    assert hook.apply(candidate(b"a line", type=TYPE_LOG))
    assert hook.faults == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "SyntaxError"),
        ("import no_such_module", "no_such_module"),
        ("raise RuntimeError('x')", "RuntimeError: x"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("x = 1", "has no public function"),
        ("def _private(message): pass", "has no public function"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    """Stops the start with a sentence."""
    with pytest.raises(SettingsError, match=f"hook.file: .*{message}"):
        _hook(tmp_path, text)


def test_a_missing_file(tmp_path: Path) -> None:
    """The same."""
    with pytest.raises(SettingsError, match=r"hook\.file: .*none\.py: FileNotFoundError"):
        Hook(tmp_path / "none.py")
