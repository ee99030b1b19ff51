# SPDX-License-Identifier: GPL-2.0-or-later
"""Measured slices, and the report that is made of them: medians over the rounds, and the spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, Final

from bench.edge.user_agents import Placed
from bench.edge.variant import NO_HOOKS
from bench.report import Section, Table, number

NATIVE: Final = "native"
KEMI: Final = "KEMI"
DEFAULT_ALLOCATOR: Final = "native, default allocator"
FORMS: Final = (NATIVE, KEMI, DEFAULT_ALLOCATOR)

_NOTES: Final = (
    (
        "Calls start on time whatever the proxy does (open loop); a message has arrived when the "
        "kernel has it for the receiver."
    ),
    (
        "Proxy, caller, callee and collector share one processor, which is kept from sleeping: "
        "waking up another one would be most of a proxy's processor time here."
    ),
    (
        "The first two tables are with Kamailio's allocator tlsf. The default one, qm, walks lists "
        "of free pieces, and which modules are loaded changes how long these are: the difference "
        "in the last table is that of the lists, not of the hooks."
    ),
    "The rows with siptrace alone are Kamailio's own ways, always on, without our hooks.",
)

Rounds = Mapping[int, float]
"""A figure by round."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one variant gave at one time."""

    form: str
    name: str
    round: int
    cpu_s: float
    """Processor seconds of all processes of the proxy."""
    placed: Placed
    foreign: float
    """Share of the machine's processor time (0 … 1) that went to anything else."""

    @property
    def cpu_per_1000(self) -> float:
        """Processor seconds per 1,000 calls."""
        return self.cpu_s / self.placed.calls * 1000

    def data(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        placed = self.placed._asdict()
        placed |= {name: placed[name]._asdict() for name in ("invite", "message")}
        return {"round": self.round, "cpu_s": self.cpu_s, "foreign": self.foreign, **placed}


def section(slices: Sequence[Slice], rate: float) -> Section:
    """One table for each form."""
    calls = sum(found.placed.calls for found in slices)
    lost = calls - sum(found.placed.completed for found in slices)
    repeated = sum(found.placed.repeated for found in slices)
    foreign = max(found.foreign for found in slices)
    return Section(
        "edge",
        "what tracing costs the proxy",
        f"The example proxy (UDP, record-routed calls of INVITE, 100, 180, 200, ACK, BYE, 200) at "
        f"{rate:,} calls/s. Medians over rounds in which all variants have their turn, and in "
        "brackets the smallest and the largest; ratios and differences are those to `no hooks` of "
        "the same round. Latency: of the INVITE, from the caller's socket to the callee's.",
        [_table(form, [found for found in slices if found.form == form]) for form in FORMS],
        [
            f"{calls:,} calls, {lost:,} not completed, {repeated:,} messages repeated.",
            *_NOTES,
            f"Processor time taken by anything else: at most {foreign:.0%}.",
        ],
        {
            form: {
                name: [found.data() for found in slices if (found.form, found.name) == (form, name)]
                for name in _names(slices, form)
            }
            for form in FORMS
        },
    )


def _table(form: str, slices: Sequence[Slice]) -> Table:
    head = [
        *(form, "CPU s per 1,000 calls", "ratio", "latency p50", "p99", "added p99"),
        "HEP packets per call",
    ]
    rows = []
    none = [found for found in slices if found.name == NO_HOOKS.name]
    for name in _names(slices, form):
        those = [found for found in slices if found.name == name]
        cpu, base = (_by_round(group, lambda one: one.cpu_per_1000) for group in (those, none))
        p99, base99 = (
            _by_round(group, lambda one: one.placed.invite.p99) for group in (those, none)
        )
        p50 = _by_round(those, lambda one: one.placed.invite.p50)
        packets = sum(sum(found.placed.hep) for found in those)
        rows.append(
            [
                name,
                _spread(cpu.values(), 4),
                _spread((cpu[n] / base[n] for n in cpu), 3),
                f"{number(median(p50.values()))} µs",
                f"{number(median(p99.values()))} µs",
                f"{_spread((p99[n] - base99[n] for n in p99), 0)} µs",
                number(packets / sum(found.placed.calls for found in those), 1),
            ]
        )
    return Table(head, rows)


def _invite_p99(found: Slice) -> float:
    return found.placed.invite.p99


def _by_round(slices: Sequence[Slice], figure: Callable[[Slice], float]) -> Rounds:
    """A round's figure is the mean of its slices."""
    return {
        n: fmean(figure(found) for found in slices if found.round == n)
        for n in sorted({found.round for found in slices})
    }


def _spread(values: Iterable[float], digits: int) -> str:
    found = sorted(values)
    low, middle, high = (number(n, digits) for n in (found[0], median(found), found[-1]))
    return f"{middle} ({low} … {high})"


def _names(slices: Sequence[Slice], form: str) -> list[str]:
    found = dict.fromkeys(found.name for found in slices if found.form == form)
    return [NO_HOOKS.name, *(name for name in found if name != NO_HOOKS.name)]
