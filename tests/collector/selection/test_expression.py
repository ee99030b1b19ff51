# SPDX-License-Identifier: GPL-2.0-or-later
"""The language of filter.discard_expression."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.hep import TYPE_LOG
from collector.selection.expression import FIELDS, MAX_LENGTH, compile_condition
from tests.collector.selection.candidates import candidate
from tests.sip_text import request

MESSAGE = request(headers="User-Agent: PBX 1.2 \xfc\r\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('method == "INVITE"', True),
        ('method != "INVITE"', False),
        ('method in ("REGISTER", "INVITE")', True),
        ('method not in ["REGISTER", "INVITE"]', False),
        ('"PBX" in user_agent', True),
        ('"ü" in user_agent', True),
        ('"pbx" in user_agent', False),
        ('"Max-Forwards" not in raw', True),
        ('startswith(from_user, "al") and endswith(from_user, "ice")', True),
        ('matches(user_agent, "^PBX [0-9.]+")', True),
        ('matches(user_agent, "(?i)^pbx$")', False),
        ("status == 0 and cseq_is_no_field == 1", None),
        ("status >= 300 or src_port == 5060", True),
        ("size > 100 and size < 1000 and size <= 999", True),
        ("not (status == 0)", False),
        ('src_ip == "192.0.2.1" and dst_ip in ("10.0.0.1", "198.51.100.2")', True),
        ('in_network(src_ip, "192.0.0.0/16")', True),
        ('in_network(dst_ip, "2001:db8::/32")', False),
        ('kind == "call" and transport == "UDP" and node == "2001" and type == 1', True),
        ("capture_id == 2001 and vlan == 0", True),
        ('call_id == "call@example" and correlation_id == ""', True),
    ],
)
def test_values(text: str, value: bool | None) -> None:
    """Of conditions over an ordinary message; None is for those that are refused."""
    if value is None:
        with pytest.raises(ValueError, match="is no field; there are"):
            compile_condition(text)
    else:
        assert compile_condition(text)(candidate(MESSAGE)) is value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("method ==", "cannot be read"),
        ("x" * (MAX_LENGTH + 1), "longer than"),
        ("method", "is no condition"),
        ("True", "is no condition"),
        ('colour == "red"', "is no field; there are auth_realm"),
        ("method == 5", "5 is no text"),
        ('status == "200"', "is no number"),
        ("status == True", "is no number"),
        ('method > "INVITE"', "can only be compared"),
        ('src_ip == "10.0.0"', "is no address"),
        ('in_network(src_ip, "10.0.0.0/99")', "is not an address or a network"),
        ("in_network(src_ip, method)", "is no network"),
        ('in_network(from_user, "10.0.0.0/8")', "needs startswith"),
        ('startswith(src_ip, "10.")', "needs startswith"),
        ('matches(raw, "(")', "is no pattern: missing"),
        ('matches(raw, "(?=x)")', "is no pattern: invalid perl operator"),
        ('method in "INVITE"', "is no list"),
        ('"x" in src_ip', "is no text to look into"),
        ('__import__("os").system("true")', "is no condition"),
        ('open("/etc/passwd")', "is no condition"),
        ('method.upper() == "INVITE"', "is no field"),
        ('(lambda: 1)() == "x"', "is no field"),
        ('method == "a" == "b"', "is no condition"),
        ("[x for x in method]", "is no condition"),
        ('f"{method}" == "x"', "is no field"),
        ("(" * 300, "cannot be read"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: str, message: str) -> None:
    """When the settings are read, not when a packet comes."""
    with pytest.raises(ValueError, match=message):
        compile_condition(text)


def test_other_types_have_empty_texts_and_zero_numbers() -> None:
    """A log line has no method and no status."""
    event = candidate(b"a line", type=TYPE_LOG, correlation_id=b"call-1")
    assert compile_condition('method == "" and status == 0 and kind == ""')(event)
    assert compile_condition('type == 100 and call_id == "call-1" and raw == "a line"')(event)


def test_deep_nesting_is_no_problem() -> None:
    """As deep as the length allows."""
    assert compile_condition("not " * 200 + "status == 0")(candidate())


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_value_error(text: str) -> None:
    """Never anything else."""
    try:
        condition = compile_condition(text)
    except ValueError:
        return
    assert condition(candidate()) in (True, False)


@given(st.binary(max_size=200))
def test_any_message_has_a_value(message: bytes) -> None:
    """Conditions never fail: every field is there, whatever the packet."""
    found = candidate(message)
    for name, (kind, _) in FIELDS.items():
        literal = {"text": '"x"', "number": "1", "address": '"::1"'}[kind.value]
        assert compile_condition(f"{name} != {literal}")(found) in (True, False)
