# SPDX-License-Identifier: GPL-2.0-or-later
"""The compiled form writes the rows of what is merged as the reference does, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.columns import Column
from collector.correlation import encode
from collector.correlation.columns import CALL, REGISTRATION, STREAM, Group
from collector.hop.form import COMPILED, FORM

TABLES = (CALL, REGISTRATION, STREAM)
INT8 = st.integers(-(2**62), 2**62)
TEXTS = st.one_of(
    st.sampled_from((b"", b"a", b"n\xc3\xbc", b"\xff", b"\0", b"x" * 512, b"\xc3\xbc" * 300)),
    st.binary(max_size=600),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "integer": st.integers(-(2**31), 2**31 - 1),
    "smallint": st.integers(-(2**15), 2**20),
    "bigint": INT8,
    "boolean": st.booleans(),
    "inet": st.sampled_from(
        (
            *(b"", bytes(4), b"\xff" * 4, b"\x0a\1\2\3", bytes(16), bytes(15) + b"\1"),
            *(b"\1" * 16, bytes(5) + b"\1" * 11),
        )
    ),
    "jsonb": st.sampled_from((b"", b"{}", b'{"a": "\xc3\xbc"}')),
    "bytea": st.lists(st.integers(0, 2**32 - 1), max_size=1200),
    "timestamp with time zone": INT8,
}


def _values(column: Column) -> st.SearchStrategy[Any]:
    return st.none() | VALUES[column.type]


def _slot(group: Group) -> st.SearchStrategy[Any]:
    if len(group.columns) == 1:
        return _values(group.columns[0])
    return st.none() | st.tuples(*map(_values, group.columns))


@st.composite
def _rows(draw: st.DrawFn) -> tuple[tuple[Group, ...], list[Any], dict[int, bytes]]:
    groups = draw(st.sampled_from(TABLES))
    slots = [draw(_slot(group)) for group in groups]
    number = st.integers(0, len(groups) - 1)
    return groups, slots, draw(st.dictionaries(number, st.binary(min_size=1), max_size=2))


@given(_rows(), st.lists(st.binary(max_size=9), max_size=3))
def test_any_row(
    row: tuple[tuple[Group, ...], list[Any], dict[int, bytes]], filing: list[bytes]
) -> None:
    """Of every table, with what stands in the place of slots; and each slot alone."""
    groups, slots, given_ready = row
    compiled = FORM.row_encoder(len(filing), groups)
    plain = encode.RowEncoder(len(filing), groups)
    before = tuple(filing)
    assert compiled.row(before, slots, given_ready) == plain.row(before, slots, given_ready)
    assert compiled.row(before, slots) == plain.row(before, slots)
    for number, value in enumerate(slots):
        if value is not None:
            assert compiled.slot(number, value) == plain.slot(number, value)


def test_types_are_those_of_the_reference() -> None:
    """Each column has one; another number of values is refused, not written."""
    assert FORM.name == COMPILED, FORM.reason
    assert {c.type for groups in TABLES for g in groups for c in g.columns} <= VALUES.keys()
    several = next(n for n, group in enumerate(CALL) if len(group.columns) > 1)
    with pytest.raises(ValueError, match="another number of values"):
        FORM.row_encoder(0, CALL).slot(several, (1, 2))


@pytest.mark.parametrize("value", ["text", None, 7])
def test_what_is_not_bytes_is_no_text(value: Any) -> None:
    """Nothing is read where there are no bytes."""
    encoder = FORM.row_encoder(1, CALL)
    if value is None:
        assert encoder.row((b"",), [None] * len(CALL)) == encode.RowEncoder(1, CALL).row(
            (b"",), [None] * len(CALL)
        )
        return
    with pytest.raises(TypeError):
        encoder.row((value,), [None] * len(CALL))
