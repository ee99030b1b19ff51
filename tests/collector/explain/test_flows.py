# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule where it has something to say, and all others where they have not.

A file of ``flows`` ends with what must be said about it, line by line::

    headline busy notice certain F3 F5: text that must be part of the sentence
    busy notice certain F3 F5: code, severity, certainty, labels of the proofs, text

Everything but what each call has (``EVERYDAY``) must be listed, so each file also shows which rules
are silent.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from collector.explain import Code, Statement, explain
from tests import flow
from tests.explain_rows import rows_of
from tests.flow import Flow

FLOWS: Final = Path(__file__).parent / "flows"
NAMES: Final = sorted(path.stem for path in FLOWS.glob("*.flow"))
EVERYDAY: Final = frozenset(
    (Code.CALLED, Code.RANG, Code.ANSWERED, Code.TALKED, Code.HUNG_UP, Code.AUDIO)
)


class Expected(NamedTuple):
    """One line of an ``explain`` section."""

    place: str
    """``headline``, or empty."""
    code: Code
    severity: str
    certainty: str
    labels: tuple[str, ...]
    text: str

    def fits(self, statement: Statement, ids: dict[int, str]) -> bool:
        """Whether the statement says it, with these proofs and no others."""
        return (
            self.code is statement.code
            and self.severity == statement.severity
            and self.certainty == statement.certainty
            and {ids[id_] for id_ in statement.messages} == set(self.labels)
            and self.text in statement.text
        )


def load(name: str) -> Flow:
    """A flow of this folder."""
    return flow.parse(name, (FLOWS / f"{name}.flow").read_text())


def expected(read: Flow) -> list[Expected]:
    """Its ``explain`` section."""
    lines = []
    for line in read.sections["explain"]:
        said, _, text = line.partition(": ")
        place = "headline" if said.startswith("headline ") else ""
        code, severity, certainty, *labels = said.removeprefix("headline ").split()
        lines.append(
            Expected(place, Code[code.upper()], severity, certainty, tuple(labels), text.strip())
        )
    return lines


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_about_a_flow(name: str) -> None:
    """The headline, each statement, and nothing more."""
    read = load(name)
    explanation = explain(rows_of(read.messages))
    ids = {message.id: message.label for message in read.messages}
    lines = expected(read)
    for line in lines:
        said = [explanation.headline] if line.place else explanation.statements
        assert any(line.fits(statement, ids) for statement in said), (line, said)
    listed = Counter(line.code for line in lines if not line.place)
    told = Counter(statement.code for statement in explanation.statements)
    for code in EVERYDAY:
        told.pop(code, None)
        listed.pop(code, None)
    assert told == listed


def test_every_code_is_said_about_a_flow() -> None:
    """But those that are not about messages, and the one that more messages are needed for."""
    said = {line.code for name in NAMES for line in expected(load(name))}
    assert set(Code) - said == {Code.LINKED, Code.BAD_AUDIO, Code.ONE_SIDED, Code.INCOMPLETE}
