# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages as text, each as captured under a line with time, transport and addresses."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import DictRow

from collector.log import one_line
from collector.moment import to_text
from webapi.export.form import Ending
from webapi.export.frame import Address
from webapi.names.resolver import NO_NAMES, Resolver


class Text:
    """One message after the other."""

    def __init__(self, resolver: Resolver = NO_NAMES) -> None:
        self._resolver = resolver

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """Every byte of the messages, a line before and an empty one behind."""
        parts: list[bytes] = []
        for message in found:
            names = self._resolver.names(message)
            source, destination = (
                host_port(message[f"{end}_ip"], message[f"{end}_port"])
                + (f" ({one_line(names[key])})" if (key := f"{end}_name") in names else "")
                for end in ("src", "dst")
            )
            line = (
                f"--- {to_text(message['ts'])} {message['transport']} {source} -> {destination}"
                f" node {one_line(message['node'])}\n"
            )
            raw = message["raw"]
            parts += [line.encode(), raw, b"" if raw.endswith(b"\n") else b"\n", b"\n"]
        return b"".join(parts)

    def end(self, ending: Ending | None) -> bytes:
        """A line like those of the messages."""
        return f"--- {one_line(ending.text)}\n".encode() if ending else b""


def host_port(address: Address | None, port: int) -> str:
    """An address and a port as SIP writes them."""
    if address is None:
        return f"unknown:{port}"
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
