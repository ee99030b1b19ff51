# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads capture files with the real tshark."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple


class Packet(NamedTuple):
    """One packet as tshark sees it."""

    time: str
    src: str
    dst: str
    transport: str
    src_port: int
    dst_port: int
    payload: bytes
    is_sip: bool


_FIELDS = (
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport"),
    *("udp.dstport", "udp.payload", "tcp.srcport", "tcp.dstport", "tcp.payload"),
    *("sip.Method", "sip.Status-Code", "ip.checksum.status", "udp.checksum.status"),
    "tcp.checksum.status",
)
_GOOD = {"", "1"}


def dissect(file: Path) -> list[Packet]:
    """The packets of a capture file; checksums are verified."""
    command = [
        *("tshark", "-r", str(file), "-T", "fields", "-E", "separator=|"),
        *("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"),
        *("-o", "tcp.check_checksum:TRUE"),
    ]
    for field in _FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    packets = []
    for line in done.stdout.splitlines():
        value = dict(zip(_FIELDS, line.split("|"), strict=True))
        transport = "udp" if value["udp.srcport"] else "tcp"
        checks = {name: value[name] for name in _FIELDS if name.endswith("checksum.status")}
        assert set(checks.values()) <= _GOOD, checks
        packets.append(
            Packet(
                value["frame.time_epoch"],
                value["ip.src"] or value["ipv6.src"],
                value["ip.dst"] or value["ipv6.dst"],
                transport,
                int(value[f"{transport}.srcport"]),
                int(value[f"{transport}.dstport"]),
                bytes.fromhex(value[f"{transport}.payload"]),
                bool(value["sip.Method"] or value["sip.Status-Code"]),
            )
        )
    return packets


def fields(file: Path, *names: str, decode_as: tuple[str, ...] = ()) -> list[dict[str, list[str]]]:
    """All values of these fields, by name, of each packet; ``decode_as`` as for tshark's -d."""
    command = ["tshark", "-r", str(file), "-T", "fields", "-E", "separator=|"]
    command += ["-E", "occurrence=a", "-E", "aggregator=;"]
    for rule in decode_as:
        command += ["-d", rule]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line.split("|") for line in done.stdout.splitlines()]
    return [
        {name: text.split(";") if text else [] for name, text in zip(names, line, strict=True)}
        for line in lines
    ]
