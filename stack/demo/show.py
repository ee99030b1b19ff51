# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo prints: a summary of the calls, and one call as a ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

_LANE: Final = 28


def summary(calls: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per call: name, messages, responses in order, Call-ID."""
    lines = [f"{'call':<13}{'messages':>9}  {'responses':<34}Call-ID"]
    for name, call in calls.items():
        statuses: list[str] = []
        for message in call["messages"]:
            status = str(message.get("status", ""))
            if status and status not in statuses[-1:]:
                statuses.append(status)
        text = " ".join(statuses)
        lines.append(f"{name:<13}{len(call['messages']):>9}  {text:<34}{call['call_id']}")
    return "\n".join(lines) + "\n"


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
