# SPDX-License-Identifier: GPL-2.0-or-later
"""The flow of a call as a drawing: hosts are columns, time goes down.

SVG 1.1 without scripts, links or anything from elsewhere, readable on light and on dark ground.
Whatever comes from a message is on one line, cut, and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from collector.log import one_line
from collector.moment import to_text
from webapi.export.ladder import Arrow, Ladder

CONTENT_TYPE: Final = "image/svg+xml"
MAX_ARROWS: Final = 10_000
"""Messages that are drawn; browsers get slow beyond."""
MAX_HOSTS: Final = 40
"""Columns that are drawn."""
MAX_TEXT: Final = 60
"""Characters of one text; the whole of it is in the tooltip."""

_MAX_HOST: Final = 23
"""Characters that fit above a column."""
_TIME_WIDTH: Final = 250
_COLUMN: Final = 190
_HEAD: Final = 96
_ROW: Final = 38


class _Colors(NamedTuple):
    """On one ground. Legs take theirs in turn."""

    ground: str
    ink: str
    faint: str
    rule: str
    good: str
    turn: str
    bad: str
    legs: tuple[str, ...]


_LIGHT: Final = _Colors(
    *("#fff", "#1a1a1a", "#6b6b6b", "#c9c9c9", "#1a7f37", "#0550ae", "#c1121f"),
    ("#0550ae", "#953800", "#116329", "#8250df", "#bf3989", "#6e7781", "#9a6700", "#1b7c83"),
)
_DARK: Final = _Colors(
    *("#0d1117", "#e6edf3", "#9aa4af", "#3d444d", "#56d364", "#79c0ff", "#ff7b72"),
    ("#79c0ff", "#ffa657", "#7ee787", "#d2a8ff", "#ff9bce", "#b1bac4", "#e3b341", "#76e3ea"),
)
_LEG_COLORS: Final = len(_LIGHT.legs)


def _paint(colors: _Colors) -> str:
    """Rules without variables: programs that are no browsers do not know those."""
    legs = "".join(
        f".l{n} .arrow{{stroke:{color}}}.l{n} .tip{{fill:{color}}}"
        for n, color in enumerate(colors.legs)
    )
    return (
        f".ground{{fill:{colors.ground}}}text{{fill:{colors.ink}}}.rule{{stroke:{colors.rule}}}"
        f".faint,.p1{{fill:{colors.faint}}}.p2{{fill:{colors.good}}}.p3{{fill:{colors.turn}}}"
        f".p4,.p5,.p6{{fill:{colors.bad}}}{legs}"
    )


_STYLE: Final = (
    "text{font:13px ui-monospace,Menlo,Consolas,monospace}"
    ".host,.name{font-weight:bold}.host,.name,.label{text-anchor:middle}"
    ".rule{stroke-dasharray:2 3}.arrow{fill:none;stroke-width:1.6}"
    f"{_paint(_LIGHT)}@media (prefers-color-scheme:dark){{{_paint(_DARK)}}}"
)
POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""Content-Security-Policy of the drawing: its own style and nothing else."""


def draw(ladder: Ladder, title: str, *, complete: bool) -> str:
    """The drawing; ``complete`` is whether the ladder has all messages of the call."""
    hosts = {host: number for number, host in enumerate(ladder.hosts[:MAX_HOSTS])}
    drawn = [a for a in ladder.arrows if a.source in hosts and a.destination in hosts]
    drawn = drawn[:MAX_ARROWS]
    notes = _notes(ladder, len(drawn), complete=complete)
    legs = [f"leg {n}: {call_id}" for n, call_id in enumerate(ladder.legs[: _LEG_COLORS * 2], 1)]
    feet = [*legs, *notes]
    width = _TIME_WIDTH + _COLUMN * max(len(hosts), 2)
    bottom = _HEAD + _ROW * len(drawn) + 20
    height = bottom + 20 * len(feet) + 20
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">Call flow of {_short(title)}</title>',
        f'<desc id="desc">{escape(_description(ladder, notes))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        f'<text x="12" y="26">{_short(title)}</text>',
    ]
    for host, number in hosts.items():
        x = _x(number)
        if host in ladder.names:
            name = _short(ladder.names[host], _MAX_HOST)
            lines.append(f'<text class="name" x="{x}" y="44">{name}</text>')
        lines.append(f'<text class="host" x="{x}" y="60">{_short(host)}</text>')
        lines.append(f'<line class="rule" x1="{x}" y1="70" x2="{x}" y2="{bottom}"/>')
    for row, arrow in enumerate(drawn):
        lines += _arrow(ladder, arrow, hosts, _HEAD + _ROW * row + 24)
    for number, text in enumerate(feet):
        y = bottom + 20 * (number + 1)
        lines.append(f'<text class="faint" x="12" y="{y}">{_short(text, 2 * MAX_TEXT)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _arrow(ladder: Ladder, arrow: Arrow, hosts: dict[str, int], y: int) -> Iterator[str]:
    """Two times, a label and a line."""
    message = arrow.message
    begin, end = _x(hosts[arrow.source]), _x(hosts[arrow.destination])
    after = (message.ts - ladder.arrows[0].message.ts).total_seconds()
    moment = to_text(message.ts)
    label = f"{message.status} {message.reason}" if message.status else message.method or "?"
    if message.audio:
        label += " (SDP)"
    again = f" \u00d7{arrow.times}" if arrow.times > 1 else ""
    whole = (
        f"{moment} {message.transport} {message.src} \u2192 {message.dst}, leg {arrow.leg + 1}:"
        f" {label}, CSeq {message.cseq}"
    )
    if arrow.times > 1:
        whole += f", sent {arrow.times} times until {to_text(arrow.last)}"
    yield f'<g class="l{arrow.leg % _LEG_COLORS}"><title>{_short(whole, 400)}</title>'
    yield f'<text x="12" y="{y}">{moment[11:-1]}</text>'
    yield f'<text class="faint" x="142" y="{y}">+{after:.6f}</text>'
    middle = (begin + end) // 2 if begin != end else begin + 60
    transport = f"{_short(message.transport)}{again}"
    shown = f'{_short(label, 24)}<tspan class="faint" dx="7">{transport}</tspan>'
    yield f'<text class="label p{message.status // 100}" x="{middle}" y="{y - 6}">{shown}</text>'
    if begin == end:
        yield f'<path class="arrow" d="M{begin} {y}h34v8h-28"/>'
        begin, y = begin + 34, y + 8
    else:
        yield f'<path class="arrow" d="M{begin} {y}H{end}"/>'
    back = 8 if end < begin else -8
    yield f'<path class="tip" d="M{end} {y}l{back} -4v8z"/></g>'


def _x(column: int) -> int:
    return _TIME_WIDTH + _COLUMN * column + _COLUMN // 2


def _notes(ladder: Ladder, drawn: int, *, complete: bool) -> list[str]:
    """What is not in the drawing."""
    notes = []
    if not complete:
        notes.append(
            "the call has more messages than web.max_call_messages: the first ones are here"
        )
    if drawn < len(ladder.arrows):
        left = len(ladder.arrows) - drawn
        notes.append(
            f"{left} messages are left out: at most {MAX_ARROWS} between {MAX_HOSTS} hosts"
        )
    return notes


def _description(ladder: Ladder, notes: list[str]) -> str:
    """The drawing in words."""
    arrows = ladder.arrows
    text = (
        f"{len(arrows)} messages of {len(ladder.legs)} legs between {len(ladder.hosts)} hosts, from"
        f" {to_text(arrows[0].message.ts)} to {to_text(max(arrow.last for arrow in arrows))}."
    )
    return " ".join([text, *(f"{note}." for note in notes)])


def _short(text: str, most: int = MAX_TEXT) -> str:
    """As text of an element; attributes never hold any."""
    line = one_line(text)
    return escape(line if len(line) <= most else f"{line[: most - 1]}\u2026")
