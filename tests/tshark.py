# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads capture files with the real tshark."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple


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
    vlan: int


_FIELDS = (
    *("frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport"),
    *("udp.dstport", "udp.payload", "tcp.srcport", "tcp.dstport", "tcp.payload"),
    *("sip.Method", "sip.Status-Code", "ip.checksum.status", "udp.checksum.status"),
    *("tcp.checksum.status", "vlan.id"),
)
_GOOD = {"", "1"}


_INNER_FIELDS: Final = (
    *("frame.number", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "vlan.id"),
    *("udp.srcport", "udp.dstport", "udp.payload", "tcp.srcport", "tcp.dstport", "tcp.payload"),
    *("sctp.srcport", "sctp.dstport"),
)


class Inner(NamedTuple):
    """The innermost transport payload of a frame; fragments are in the last frame, together."""

    frame: int
    """Counted from 1."""
    transport: str
    src: str
    dst: str
    src_port: int
    dst_port: int
    vlan: int
    payload: bytes
    """Empty for SCTP."""
    call_ids: list[str]
    """Of all SIP messages in the frame."""


def dissect(file: Path) -> list[Packet]:
    """The packets of a capture file; checksums are verified."""
    packets = []
    options = ("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
    for value in texts(file, _FIELDS, *options, "-o", "tcp.check_checksum:TRUE"):
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
                int(value["vlan.id"] or 0),
            )
        )
    return packets


def innermost(file: Path) -> list[Inner]:
    """What is inside all tunnels of a capture file, of frames with UDP, TCP or SCTP."""
    packets = []
    call_ids = texts(file, ("sip.Call-ID",))
    rows = texts(file, _INNER_FIELDS, "-E", "occurrence=l")
    for value, calls in zip(rows, call_ids, strict=True):
        protocols = value["frame.protocols"].split(":")
        inner = [name for name in protocols if name in ("udp", "tcp", "sctp")]
        if not inner:
            continue
        transport = inner[-1]
        network = next(name for name in reversed(protocols) if name in ("ip", "ipv6"))
        packets.append(
            Inner(
                int(value["frame.number"]),
                transport,
                value[f"{network}.src"],
                value[f"{network}.dst"],
                int(value[f"{transport}.srcport"]),
                int(value[f"{transport}.dstport"]),
                int(value["vlan.id"] or 0),
                bytes.fromhex(value.get(f"{transport}.payload", "")),
                [name for name in calls["sip.Call-ID"].split(",") if name],
            )
        )
    return packets


def fields(file: Path, *names: str, decode_as: tuple[str, ...] = ()) -> list[dict[str, list[str]]]:
    """All values of these fields, by name, of each packet; ``decode_as`` as for tshark's -d."""
    options = [part for rule in decode_as for part in ("-d", rule)]
    rows = texts(file, names, "-E", "occurrence=a", "-E", "aggregator=;", *options)
    return [{name: text.split(";") if text else [] for name, text in row.items()} for row in rows]


def texts(file: Path, names: tuple[str, ...], *options: str) -> list[dict[str, str]]:
    """The same as tshark writes them: the text of each field, empty where a packet has none."""
    command = ["tshark", "-r", str(file), "-T", "fields", "-E", "separator=|", *options]
    for name in names:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [dict(zip(names, line.split("|"), strict=True)) for line in done.stdout.splitlines()]


def reassemble(file: Path) -> list[tuple[int, bytes]]:
    """The SIP messages of a capture file, each with the number, from 1, of the frame that made it
    whole. TCP segments are put in order.
    """
    options = ("-Y", "sip", "-o", "tcp.reassemble_out_of_order:TRUE")
    command = ["tshark", "-r", str(file), "-T", "jsonraw", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Layers that are there twice have the same name: as pairs, none is lost.
    frames = json.loads(done.stdout, object_pairs_hook=_Pairs)
    numbers = [int(row["frame.number"]) for row in texts(file, ("frame.number",), *options)]
    return [
        (number, bytes.fromhex(value[0]))
        for number, frame in zip(numbers, frames, strict=True)
        for value in _values(frame, "sip_raw")
    ]


class _Pairs(list[tuple[str, object]]):
    """A JSON object."""


def _values(pairs: object, wanted: str) -> Iterator[list[str]]:
    if isinstance(pairs, _Pairs):
        for name, value in pairs:
            if name == wanted and isinstance(value, list):
                yield value
            yield from _values(value, wanted)
