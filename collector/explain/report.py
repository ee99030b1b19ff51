# SPDX-License-Identifier: GPL-2.0-or-later
"""An explanation as text for a terminal, nothing in it that a terminal would act on."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from collector.explain.message import Message
from collector.explain.statement import Certainty, Explanation, Severity, Statement
from collector.log import one_line

_MARKS: Final = {Severity.INFO: " ", Severity.NOTICE: "-", Severity.PROBLEM: "!"}
_HEDGES: Final = {Certainty.LIKELY: " (likely)", Certainty.UNKNOWN: " (unknown)"}
_WIDTH: Final = 100
_NAMED: Final = 8
"""Messages that a statement names; of more the first ones and the last."""


def report(call_id: str, explanation: Explanation, messages: Sequence[Message]) -> str:
    """Headline, statements and messages, with times in ms since the first message.

    ``messages`` are what was explained, copies folded; statements refer to them by number.
    """
    numbers: dict[int, int] = {}
    for number, message in enumerate(messages, 1):
        numbers |= dict.fromkeys((message.id, *(copy.id for copy in message.copies)), number)
    begin = explanation.started_at
    headline = one_line(explanation.headline.text)
    if explanation.headline.certainty is Certainty.LIKELY:  # what is unknown says so itself
        headline += _HEDGES[Certainty.LIKELY]
    lines = [*textwrap.wrap(headline, _WIDTH), ""]
    lines.append(f"Call-ID  {one_line(call_id)}")
    if begin:
        lines.append(f"from     {begin.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC, times in ms")
    lines.append("")
    for statement in explanation.statements:
        lines += _statement(statement, numbers, begin)
    if begin and messages:
        ways = [one_line(f"{message.src} → {message.dst}") for message in messages]
        width = max(map(len, ways))
        lines += ["", "Messages"]
        for number, (message, way) in enumerate(zip(messages, ways, strict=True), 1):
            what = _what(message)
            lines.append(f"{number:>4} {_ms(message.ts, begin):>11}  {way:<{width}}  {what}")
    return "\n".join(lines) + "\n"


def _statement(
    statement: Statement, numbers: Mapping[int, int], begin: datetime | None
) -> list[str]:
    at = _ms(statement.at, begin) if statement.at and begin else ""
    text = one_line(statement.text) + _HEDGES.get(statement.certainty, "")
    named = list(dict.fromkeys(numbers[id_] for id_ in statement.messages))
    proofs = ", ".join(map(str, named[:_NAMED]))
    if len(named) > _NAMED:
        proofs = ", ".join(map(str, named[: _NAMED - 1])) + f" … {named[-1]}"
    first = f"{at:>11} {_MARKS[statement.severity]} "
    if proofs:
        text += f" [{proofs}]"
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _what(message: Message) -> str:
    text = message.method or "?"
    if message.status:
        text = f"{message.status} {message.reason} ({text})"
    return one_line(text) + (f"  x{len(message.copies) + 1}" if message.copies else "")


def _ms(moment: datetime, begin: datetime) -> str:
    return f"{(moment - begin).total_seconds() * 1000:+,.1f}"
