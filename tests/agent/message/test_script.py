# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts in Lua, run by the real interpreter."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent.count import Count
from agent.message import hash_table
from agent.message.hash_table import HashTable
from agent.message.script import Script, ScriptError
from collector import hep
from collector.hep import Hep
from tests.sip_text import DESTINATION, SOURCE, request

SIP = Hep(
    *(3, hep.PROTOCOL_UDP, SOURCE, DESTINATION, 5060, 5061),
    *(1_700_000_000, 123_456, hep.TYPE_SIP, 2002, request()),
    vlan=7,
)
MakeScript = Callable[..., Script]


@pytest.fixture
def counts() -> memoryview[int]:
    return memoryview(bytearray(8 * len(Count))).cast("Q")


@pytest.fixture
def script(tmp_path: Path, counts: memoryview[int]) -> MakeScript:
    """Makes one of its text."""

    def make(text: str | bytes, *types: int) -> Script:
        file = tmp_path / "script.lua"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return Script(file, types or (hep.TYPE_SIP,), counts)

    return make


def test_what_a_script_can_ask(script: MakeScript) -> None:
    """By the names of heplify."""
    names = (
        *("GetHEPProtoType", "GetHEPSrcIP", "GetHEPSrcPort", "GetHEPDstIP", "GetHEPDstPort"),
        *("GetHEPTimeSeconds", "GetHEPTimeUseconds"),
    )
    calls = " .. '|' .. ".join(f"{name}()" for name in names)
    changed = script(f"function all() SetRawMessage({calls}) end").run(SIP)
    assert changed is not None
    assert changed.payload == b"1|192.0.2.1|5060|198.51.100.2|5061|1700000000|123456"
    assert changed._replace(payload=SIP.payload) == SIP


def test_what_a_script_can_set(script: MakeScript) -> None:
    """Numbers as text, too, as Lua converts them."""
    changed = script(
        """
        function set()
          SetHEPField("ProtoType", "100")
          SetHEPField("SrcIP", "203.0.113.1")
          SetHEPField("SrcPort", 1)
          SetHEPField("DstIP", "203.0.113.2")
          SetHEPField("DstPort", "65535")
          SetHEPField("CID", "the call")
          SetHEPField("Unknown", "does nothing")
          SetRawMessage("line")
        end
        """
    ).run(SIP)
    source, destination = (ip_address(f"203.0.113.{number}").packed for number in (1, 2))
    assert changed == SIP._replace(
        type=100,
        src_ip=source,
        src_port=1,
        dst_ip=destination,
        dst_port=65535,
        correlation_id=b"the call",
        payload=b"line",
    )


def test_ipv6_can_be_set(script: MakeScript) -> None:
    """With heplify the message loses its address."""
    run = script(
        'function v6() SetHEPField("SrcIP", "2001:db8::1"); SetHEPField("DstIP", "::2") end'
    )
    changed = run.run(SIP)
    assert changed is not None
    assert changed.src_ip == ip_address("2001:db8::1").packed
    assert changed.dst_ip == ip_address("::2").packed


def test_bytes_stay_bytes(script: MakeScript) -> None:
    """NUL and what is no UTF-8."""
    payload = bytes(range(256))
    changed = script("function same() SetRawMessage(GetRawMessage() .. '!') end").run(
        SIP._replace(payload=payload)
    )
    assert changed is not None
    assert changed.payload == payload + b"!"


def test_every_function_is_called_in_the_order_of_the_file(script: MakeScript) -> None:
    """Not those that are local, or commented out; a table's function, too."""
    changed = script(
        """
        function first() SetRawMessage("1") end
        local function hidden() SetRawMessage("hidden") end
        -- function comment() SetRawMessage("comment") end
        --[[
        function long() SetRawMessage("long comment") end
        ]]
        my = {}
        function my.second ( a, b ) SetRawMessage(GetRawMessage() .. "2" .. tostring(a)) end
        third = function() SetRawMessage("assigned") end
        """
    ).run(SIP)
    assert changed is not None
    assert changed.payload == b"12nil"


def test_only_the_wanted_types(script: MakeScript) -> None:
    """-script-hep-filter."""
    run = script("function f() SetRawMessage('x') end", hep.TYPE_RTCP)
    assert run.run(SIP) is SIP
    changed = run.run(SIP._replace(type=hep.TYPE_RTCP))
    assert changed is not None
    assert changed.payload == b"x"


def test_an_empty_message_is_not_sent(script: MakeScript) -> None:
    """How a script discards one."""
    assert script("function f() SetRawMessage('') end").run(SIP) is None


def test_hashes(script: MakeScript) -> None:
    """An unknown name gives the text itself, as with heplify."""
    names = ("md5", "sha1", "sha256", "none")
    calls = " .. ' ' .. ".join(f"HashString('{name}', 'text')" for name in names)
    changed = script(f"function f() SetRawMessage({calls}) end").run(SIP)
    assert changed is not None
    expected = [hashlib.new(name, b"text").hexdigest() for name in names[:3]]
    assert changed.payload.decode().split(" ") == [*expected, "text"]


def test_the_hash_table_keeps_values_between_messages(script: MakeScript) -> None:
    """heplify's is a stub."""
    run = script(
        """
        function f()
          SetRawMessage("was " .. HashTable("get", "key", ""))
          HashTable("set", "key", "seen")
        end
        """
    )
    assert [changed.payload for changed in (run.run(SIP), run.run(SIP)) if changed] == [
        b"was ",
        b"was seen",
    ]


def test_the_hash_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes; the oldest goes."""
    monkeypatch.setattr(hash_table, "MAX_ENTRIES", 2)
    monkeypatch.setattr(hash_table, "MAX_BYTES", 10)
    table = HashTable()
    for key in (b"a", b"b", b"c"):
        assert table.call(b"set", key, b"1") == b""
    assert [table.call(b"get", key) for key in (b"a", b"b", b"c")] == [b"", b"1", b"1"]
    table.call(b"set", b"d", 9 * b"x")
    assert [table.call(b"get", key) for key in (b"b", b"c", b"d")] == [b"", b"", 9 * b"x"]
    table.call(b"del", b"d", b"")
    table.call(b"set", b"e", 9 * b"y")
    assert table.call(b"get", b"e") == 9 * b"y"


@pytest.mark.parametrize(
    "body",
    [
        *("local t; t.x = 1", "error('bad')", "error({})", "error('\\255')", "error()"),
        *("GetRawMessage(1)", "SetHEPField('CID')", "SetHEPField('SrcIP', 'host')"),
        *("SetHEPField('SrcPort', 65536)", "SetHEPField('SrcPort', 'x')", "SetHEPField('CID', {})"),
        *("SetHEPField('SrcIP', '::1')", "undefined()", "SetHEPField('ProtoType', -1)"),
        *("SetRawMessage(nil)", "HashTable('set', true, 'x')", "HashString('md5', nil)"),
        *("while true do end", "local s = 'x' while true do s = s .. s end"),
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "local t = {} for i = 1, 1e9 do t[i] = {i} end",
    ],
)
def test_after_an_error_the_message_goes_unchanged(
    script: MakeScript, counts: memoryview[int], body: str
) -> None:
    """Whatever a function before it did; the next message is as if nothing had happened."""
    run = script(
        f"""
        local before = true
        function first() SetRawMessage("changed") end
        function second() if before then before = false {body} end end
        """
    )
    assert run.run(SIP) is SIP
    assert counts[Count.SCRIPT_FAILED] == 1
    for _ in range(3):
        changed = run.run(SIP)
        assert changed is not None
        assert changed.payload == b"changed"
    assert counts[Count.SCRIPT_FAILED] == 1


def test_errors_are_logged_within_limits(
    script: MakeScript, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, however many messages."""
    run = script("function f() error('no luck') end")
    for _ in range(100):
        run.run(SIP)
    (record,) = caplog.records
    assert "no luck" in record.getMessage()


def test_logp(script: MakeScript, caplog: pytest.LogCaptureFixture) -> None:
    """Errors as warnings, within limits; the rest with -d."""
    caplog.set_level(logging.DEBUG, "kemiscope")
    run = script(
        "function f() Logp('ERROR', 'bad', 'line\\n2') Logp('INFO', 'good', 7) Logp('X', 'y') end"
    )
    for _ in range(2):
        assert run.run(SIP) == SIP
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    debug = [("DEBUG", "[script] good: 7"), ("DEBUG", "[script] y: nil")]
    assert said == [("WARNING", "[script] bad: line 2"), *debug, *debug]


def test_print(script: MakeScript, capsys: pytest.CaptureFixture[str]) -> None:
    """To standard output."""
    script("function f() Print('a', 1.5, nil, true) end").run(SIP)
    assert capsys.readouterr().out == "a 1.5 nil True\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no function"),
        ("local function f() end", "no function"),
        ("function f( end", "script.lua"),
        ("error('at load') function f() end", "at load"),
        ("while true do end\nfunction f() end", "too long"),
    ],
)
def test_a_script_that_cannot_be_used(script: MakeScript, text: str, reason: str) -> None:
    """Said at the start, with the reason."""
    with pytest.raises(ScriptError, match=reason):
        script(text)


def test_a_script_that_is_not_there(tmp_path: Path, counts: memoryview[int]) -> None:
    """With its name."""
    with pytest.raises(ScriptError, match=r"missing\.lua: No such file"):
        Script(tmp_path / "missing.lua", (1,), counts)


def test_without_lupa_the_error_says_how_to_install_it(
    script: MakeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not part of a plain installation."""
    monkeypatch.setitem(sys.modules, "lupa", None)
    with pytest.raises(ScriptError, match="pip install"):
        script("function f() end")


def test_python_is_out_of_reach(script: MakeScript, counts: memoryview[int]) -> None:
    """The interpreter would hand it to scripts; heplify's know nothing of it."""
    run = script("function f() if python == nil then SetRawMessage('none') end end")
    changed = run.run(SIP)
    assert changed is not None
    assert changed.payload == b"none"
    assert counts[Count.SCRIPT_FAILED] == 0
