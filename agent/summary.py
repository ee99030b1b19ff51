# SPDX-License-Identifier: GPL-2.0-or-later
"""The line on exit: what was seen, sent, filtered, kept and lost, by cause. Both balances in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agent.count import Count, Outcome, Unit
from collector.output.fate import Fate
from collector.output.standing import OutputStatus

_ORDER: Final = (
    Outcome.USED,
    Outcome.FILTERED,
    Outcome.IGNORED,
    Outcome.MALFORMED,
    Outcome.LOST,
)
_NAMED: Final = (Unit.FRAME, Unit.MESSAGE, Unit.CONNECTION, Unit.PACKET)


def describe(counts: Sequence[int], servers: Iterable[OutputStatus], *, kept: bool) -> str:
    """One line. ``counts`` are all workers' sums by ``Count``.

    ``kept`` says whether what waits for a server outlives the agent (-hep-buffer-activate).
    """
    parts = [
        f"frames: {_balance(counts, Unit.FRAME, Count.CAPTURED, 'captured', 'used')}",
        f"messages: {_balance(counts, Unit.MESSAGE, Count.FOUND, 'found', 'handed over')}",
    ]
    if counts[Count.CONNECTED] or counts[Count.REFUSED]:
        parts.append(
            f"connections: {counts[Count.CONNECTED]} made, {counts[Count.REFUSED]} refused"
        )
    beside = {one: counts[one] for one in Count if one.unit not in _NAMED}
    if any(beside.values()):
        parts.append(f"beside them:{_causes(beside)}")
    drops = {one: counts[one] for one in Count if one.unit is Unit.PACKET}
    parts.append(f"dropped before capture: {sum(drops.values())}{_causes(drops)}")
    parts += [describe_server(server, kept=kept) for server in servers]
    return "; ".join(parts)


def describe_server(server: OutputStatus, *, kept: bool) -> str:
    """What became of the messages for one server."""
    fates = server.state.fates
    others = {fate: number for fate, number in fates.items() if fate is not Fate.DELIVERED}
    word = "in the spool" if kept else "unsent"
    return (
        f"{server.state.target or server.name}: {fates.get(Fate.DELIVERED, 0)} sent, "
        f"{server.unsent} {word}, {sum(others.values())} lost"
        f"{_named((fate.value, number) for fate, number in others.items())}"
    )


def is_balanced(counts: Sequence[int]) -> bool:
    """Whether every frame and every message has exactly one fate (``agent.count``)."""
    return all(
        counts[total]
        == sum(
            counts[one] for one in Count if one.unit is unit and one.outcome is not Outcome.TOTAL
        )
        for unit, total in ((Unit.FRAME, Count.CAPTURED), (Unit.MESSAGE, Count.FOUND))
    )


def _balance(counts: Sequence[int], unit: Unit, total: Count, all_of_it: str, used: str) -> str:
    parts = [f"{counts[total]} {all_of_it}"]
    for outcome in _ORDER:
        found = {one: counts[one] for one in Count if one.unit is unit and one.outcome is outcome}
        if outcome is Outcome.USED:
            parts.append(f"{sum(found.values())} {used}")
        elif found:
            parts.append(f"{sum(found.values())} {outcome}{_causes(found)}")
    return ", ".join(parts)


def _causes(found: dict[Count, int]) -> str:
    return _named((one.label, number) for one, number in found.items())


def _named(found: Iterable[tuple[str, int]]) -> str:
    text = ", ".join(f"{name} {number}" for name, number in found if number)
    return f" ({text})" * bool(text)
