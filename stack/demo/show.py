# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo prints: a summary of the calls, and one call as a ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_LANE: Final = 28


def summary(calls: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per call: name, state, final status, delays, messages, Call-ID."""
    head = (
        f"{'call':<13}{'state':<11}{'status':>6}{'ringing after':>15}{'talked':>9}{'messages':>10}"
    )
    lines = [f"{head}  Call-ID"]
    for name, found in calls.items():
        call = found["call"] or {}
        status = call.get("status") or found["messages"][-1].get("status", "")
        lines.append(
            f"{name:<13}{call.get('state', ''):<11}{status:>6}"
            f"{_seconds(call.get('pdd_ms')):>15}{_seconds(call.get('duration_ms')):>9}"
            f"{len(found['messages']):>10}  {found['call_id']}"
        )
    return "\n".join(lines) + "\n"


def links(calls: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per link between two of the calls, with its reason; guesses are left out."""
    names = {found["call_id"]: name for name, found in calls.items()}
    return "".join(
        f"{name} belongs to {names[link['linked_id']]}: {link['reason']}"
        f" {link.get('detail', '')}, {link['confidence']}\n"
        for name, found in calls.items()
        for link in found["links"]
        if link["call_id"] == found["call_id"]
        and link["linked_id"] in names
        and link["confidence"] != "guess"
    )


def _seconds(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds / 1000:.3f} s"


def ladder(messages: list[Mapping[str, Any]]) -> str:
    """The messages as arrows between their hosts, with µs since the first."""
    hosts: list[str] = []
    for message in messages:
        for side in ("src", "dst"):
            host = f"{message[f'{side}_ip']}:{message[f'{side}_port']}"
            if host not in hosts:
                hosts.append(host)
    first = datetime.fromisoformat(messages[0]["ts"])
    lines = [" " * 12 + "".join(f"{host:^{_LANE}}" for host in hosts)]
    for message in messages:
        begin = hosts.index(f"{message['src_ip']}:{message['src_port']}")
        end = hosts.index(f"{message['dst_ip']}:{message['dst_port']}")
        elapsed = datetime.fromisoformat(message["ts"]) - first
        label = f" {message.get('status') or message['method']} "
        if "status" in message:
            label += f"({message['method']}) "
        lines.append(f"{elapsed.total_seconds():>10.6f}  {_arrow(hosts, begin, end, label)}")
    return "\n".join(lines) + "\n"


def _arrow(hosts: list[str], begin: int, end: int, label: str) -> str:
    left, right = min(begin, end), max(begin, end)
    width = (right - left) * _LANE - 1
    shaft = f"{label:-^{width - 1}}"
    arrow = f"{shaft}>" if end > begin else f"<{shaft}"
    row = ["|".center(_LANE)] * len(hosts)
    middle = _LANE // 2
    line = list("".join(row))
    line[left * _LANE + middle : left * _LANE + middle + width] = arrow
    return "".join(line).rstrip()
