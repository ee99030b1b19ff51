# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, as Go's flag package reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.flags.parse import FlagError, HelpRequestedError, parse
from agent.flags.table import FLAGS, Kind, Value

_STRINGS = [name for name, flag in FLAGS.items() if flag.kind is Kind.STRING]
_INTEGERS = {Kind.INT: (-(1 << 63), (1 << 63) - 1), Kind.UINT: (0, (1 << 64) - 1)}


def test_the_line_of_the_unit_that_many_have() -> None:
    """Order does not matter, and only what is given changes."""
    line = parse(["-i", "lo", "-hs", "192.0.2.9:9060", "-m", "SIP", "-dim", "REGISTER", "-e"])
    assert line.given == {"i", "hs", "m", "dim", "e"}
    assert line.values["i"] == "lo"
    assert line.values["dim"] == "REGISTER"
    assert line.values["e"] is True
    assert line.values["pr"] == "5060-5090"
    assert line.rest == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("1", "t", "T", "true", "TRUE", "True")),
        *((text, False) for text in ("0", "f", "F", "false", "FALSE", "False")),
    ],
)
def test_a_switch_takes_its_value_behind_an_equals_sign(text: str, value: bool) -> None:
    """Nothing else is a boolean."""
    assert parse([f"-dd={text}"]).values["dd"] is value


def test_the_word_behind_a_switch_is_not_its_value() -> None:
    """It ends the flags, as it does in Go: ``-i`` is not read any more."""
    line = parse(["-e", "true", "-i", "eth0"])
    assert line.values["e"] is True
    assert line.values["i"] == "any"
    assert line.rest == ["true", "-i", "eth0"]


@pytest.mark.parametrize("end", ["--", "-", "eth0"])
def test_what_ends_the_flags(end: str) -> None:
    """Two dashes are not part of the rest; one is, for it is no flag."""
    line = parse(["-i", "lo", end, "-i", "eth0"])
    assert line.values["i"] == "lo"
    assert line.rest == (["-i", "eth0"] if end == "--" else [end, "-i", "eth0"])


def test_a_value_may_look_like_a_flag() -> None:
    """Go takes the next argument, whatever it is; behind ``=`` nothing is missing."""
    assert parse(["-fi", "-i", "-hn", "--"]).values["fi"] == "-i"
    assert parse(["-hs="]).values["hs"] == ""
    assert parse(["-fi=a=b"]).values["fi"] == "a=b"


def test_the_last_one_counts() -> None:
    """Of the same name."""
    assert parse(["-hi", "1", "--hi=2"]).values["hi"] == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x7d2", 2002),
        ("0b101", 5),
        ("0o17", 15),
        ("017", 15),
        ("1_000", 1000),
        ("+8", 8),
        ("-8", -8),
        ("0", 0),
    ],
)
def test_numbers_in_all_notations(text: str, value: int) -> None:
    """Those of a literal in Go."""
    assert parse(["-fw", text]).values["fw"] == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-x"], "flag provided but not defined: -x"),
        (["--eth0=1"], "flag provided but not defined: -eth0"),
        (["-I", "lo"], "flag provided but not defined: -I"),
        (["-hs"], "flag needs an argument: -hs"),
        (["-e", "-hs"], "flag needs an argument: -hs"),
        (["---i", "lo"], "bad flag syntax: ---i"),
        (["-=lo"], "bad flag syntax: -=lo"),
        (["--=lo"], "bad flag syntax: --=lo"),
        (["-e=maybe"], 'invalid boolean value "maybe" for -e: parse error'),
        (["-e="], 'invalid boolean value "" for -e: parse error'),
        (["-b", "x"], 'invalid value "x" for flag -b: parse error'),
        (["-b", ""], 'invalid value "" for flag -b: parse error'),
        (["-b", "1.5"], 'invalid value "1.5" for flag -b: parse error'),
        (["-b", "32MB"], 'invalid value "32MB" for flag -b: parse error'),
        (["-b", "08"], 'invalid value "08" for flag -b: parse error'),
        (["-b", "1__0"], 'invalid value "1__0" for flag -b: parse error'),
        (["-b", "٣"], 'invalid value "٣" for flag -b: parse error'),
        (["-b", 'a"b'], r'invalid value "a\"b" for flag -b: parse error'),
        (["-hi", "-1"], 'invalid value "-1" for flag -hi: parse error'),
        (["-hi", "+1"], 'invalid value "+1" for flag -hi: parse error'),
        (["-b", str(1 << 63)], f'invalid value "{1 << 63}" for flag -b: value out of range'),
        (["-hi", str(1 << 64)], f'invalid value "{1 << 64}" for flag -hi: value out of range'),
        (["-lp", "9" * 5000], f'invalid value "{"9" * 5000}" for flag -lp: value out of range'),
    ],
)
def test_errors_in_the_words_of_go(arguments: list[str], message: str) -> None:
    """Scripts and people know them."""
    with pytest.raises(FlagError) as raised:
        parse(arguments)
    assert str(raised.value) == message


@pytest.mark.parametrize("text", ["-h", "--h", "-help", "--help", "-help=x"])
def test_help_is_asked_for(text: str) -> None:
    """Before anything behind it is looked at."""
    with pytest.raises(HelpRequestedError):
        parse(["-i", "lo", text, "-x"])


@given(st.data())
def test_what_is_written_is_what_is_read(data: st.DataObject) -> None:
    """Any values of any flags, in each of the ways to write them."""
    values: dict[str, Value] = {}
    arguments: list[str] = []
    for name in data.draw(st.lists(st.sampled_from(sorted(FLAGS)), max_size=8)):
        kind = FLAGS[name].kind
        if kind is Kind.STRING:
            value: Value = data.draw(st.text())
        elif kind is Kind.BOOL:
            value = data.draw(st.booleans())
        else:
            value = data.draw(st.integers(*_INTEGERS[kind]))
        values[name] = value
        dashes = data.draw(st.sampled_from(("-", "--")))
        text = str(value).lower() if kind is Kind.BOOL else str(value)
        if kind is Kind.BOOL or data.draw(st.booleans()):
            arguments.append(f"{dashes}{name}={text}")
        else:
            arguments += [f"{dashes}{name}", text]
    line = parse(arguments)
    assert {name: line.values[name] for name in values} == values
    assert line.given == values.keys()


@given(st.lists(st.text() | st.sampled_from([f"-{name}" for name in FLAGS])))
def test_any_line_is_read_or_refused(arguments: list[str]) -> None:
    """With one of the two errors and no other."""
    try:
        line = parse(arguments)
    except (FlagError, HelpRequestedError):
        return
    assert line.values.keys() == FLAGS.keys()
    assert len(line.rest) <= len(arguments)
