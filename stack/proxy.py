# SPDX-License-Identifier: GPL-2.0-or-later
"""The example proxies of ``kemi/edge/`` as a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from stack.service import ROOT, kamailio_program

NATIVE: Final = ROOT / "kemi" / "edge" / "proxy.cfg"
KEMI: Final = ROOT / "kemi" / "edge" / "proxy-kemi.cfg"
_COLLECTORS_SCRIPT: Final = ROOT / "kemi" / "edge" / "collectors.py"
_KEMI_SCRIPT: Final = ROOT / "kemi" / "edge" / "proxy.py"


def command(
    directory: Path,
    defines: Mapping[str, str | int],
    *,
    config: Path = NATIVE,
) -> list[str]:
    """How Kamailio is started with an example proxy; its runtime files go to ``directory``.

    ``defines`` are what the configuration lets a user change, by name; an empty text is a name
    that is only defined.
    """
    defines = {"KEMI_SCRIPT": f'"{_KEMI_SCRIPT}"'} | dict(defines)
    options = [f"{name}={value}" if value != "" else name for name, value in defines.items()]
    return [
        *(kamailio_program(), "-f", str(config), "-DD", "-E", "-Y", str(directory)),
        *(word for option in options for word in ("-A", option)),
    ]


def sockets(host: str, port: int) -> dict[str, str]:
    """The definitions of where a proxy on one IPv4 address takes SIP, by UDP and TCP."""
    return {"SIP_SOCKET": f"udp:{host}:{port}", "SIP_TCP_SOCKET": f"tcp:{host}:{port}"}


def control(port: int, token: str = "") -> dict[str, str | int]:
    """The definitions of where a proxy takes trace rules, on loopback, from who has ``token``."""
    return {
        "CONTROL_SOCKET": f"tcp:127.0.0.1:{port}",
        "TRACE_CONTROL_PORT": port,
        "TRACE_TOKEN": f'"{token}"',
    }


def collector(host: str, port: int) -> dict[str, str]:
    """The definition of where HEP goes."""
    return {"TRACE_COLLECTOR": f'"sip:{host}:{port}"'}


def collectors(addresses: Sequence[str], mode: str, *, kemi: bool) -> dict[str, str | int]:
    """The definitions of several places where HEP goes, as ``address:port``."""
    values: dict[str, str | int] = {
        "TRACE_COLLECTORS": f'"{",".join(addresses)}"',
        "TRACE_COLLECTOR_MODE": mode,
    }
    if not kemi:
        values["TRACE_COLLECTORS_SCRIPT"] = f'"{_COLLECTORS_SCRIPT}"'
    return values
