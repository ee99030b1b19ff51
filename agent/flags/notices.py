# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said once at the start: flags that do nothing here, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent.capture.filter import DEFAULT_MODE, MODES
from agent.flags.parse import Line
from agent.flags.table import FLAGS

_NEEDS: Final = {
    "fw": "fg",
    "lp": "rf",
    "rs": "rf",
    "eof-exit": "rf",
    "rt": "wf",
    "zf": "wf",
    "hep-buffer-file": "hep-buffer-activate",
    "hep-buffer-max-size": "hep-buffer-activate",
    "collectonlysip": "hin",
    "replacetoken": "hin",
    "script-hep-filter": "script-file",
}
"""Flags that mean something only beside another one."""

_USELESS: Final = {
    "hin": (
        *("i", "t", "b", "s", "pr", "m", "bpf", "vlan", "erspan", "fg", "o", "wf", "dd"),
        *("protobuf", "script-file"),
    ),
    "eof-exit": ("lp",),
    "rf": ("i", "b", "s", "fg", "wf"),
    "bpf": ("pr", "vlan"),
}
"""Flags that mean nothing beside another one."""


def notices(line: Line) -> Iterator[str]:
    """The sentences for a command line."""
    used = {name for name in line.given if line.values[name] != FLAGS[name].default}
    for name, flag in FLAGS.items():
        if flag.unneeded and name in used:
            yield f"-{name} has no effect: {flag.unneeded}"
        if name in used and (needed := _NEEDS.get(name)) and not line.values[needed]:
            yield f"-{name} has no effect without -{needed}"
        for other in (other for other, useless in _USELESS.items() if name in useless):
            if name in used and line.values[other]:
                yield f"-{name} has no effect with -{other}"
    yield from _of_values(line.values)
    if line.rest:
        yield (
            f"what begins with {line.rest[0]!r} was not read: it is no flag and no flag's value "
            "(a switch takes one only behind =)"
        )


def _of_values(values: Mapping[str, Any]) -> Iterator[str]:
    if values["m"].upper() not in MODES:
        yield f"-m {values['m']} is none of {', '.join(MODES[:-1])}: it means {DEFAULT_MODE}"
    if values["skipverify"] and values["nt"] != "tls":
        yield "-skipverify has no effect without -nt tls"
    workers = values["fw"] if values["fg"] > 0 else 1
    live = not values["rf"] and not values["hin"]
    if workers > 1 and live and values["t"] != "af_packet":
        yield f"-fg has no effect with -t {values['t']}; use -t af_packet for {workers} workers"
