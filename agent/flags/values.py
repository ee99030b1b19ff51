# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind a flag as text, made a value. All raise ValueError that says what to do."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.settings.endpoint import Endpoint, parse_host_port
from collector.settings.network import parse_network
from collector.settings.target import is_host_name, parse_target

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_ALL_ADDRESSES: Final = "0.0.0.0"  # noqa: S104 (what Go listens on when no address is given)
_TAKEN: Final = ("udp", "tcp")
_LOOPBACK: Final = "127.0.0.1"
_HEP_PORT: Final = 9060
_SIZES: Final = {"TB": 1 << 40, "GB": 1 << 30, "MB": 1 << 20, "KB": 1 << 10, "B": 1}
"""heplify's: 1024 and not 1000 of each. The longer names first."""
_ESCAPE: Final = re.compile(
    rb"\\(?:x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})"
    rb"|(?P<octal>[0-3][0-7]{2})|(?P<simple>[abfnrtv\\\"'])|(?P<bad>.{0,4}))",
    re.DOTALL,
)
_SIMPLE: Final = dict(zip(b"abfnrtv\\\"'", b"\a\b\f\n\r\t\v\\\"'", strict=True))


def items(text: str) -> Iterator[str]:
    """The parts of a list, without spaces around them and without empty ones."""
    return (part.strip() for part in text.split(",") if part.strip())


def octets(text: str) -> bytes:
    """The bytes that stood on the command line."""
    return os.fsencode(text)


def texts(text: str) -> tuple[bytes, ...]:
    """The parts of -fi and -di. A comma that belongs to one is written ``\\x2c``."""
    return tuple(unescape(part) for part in text.split(",") if part)


def unescape(text: str) -> bytes:
    """Undo the escapes of a Go string literal (go.dev/ref/spec#String_literals)."""
    return _ESCAPE.sub(_escaped, octets(text))


def _escaped(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup
    digits = found[kind or 0]
    if kind == "simple":
        return bytes((_SIMPLE[digits[0]],))
    if kind in ("hex", "octal"):
        return bytes((int(digits, 16 if kind == "hex" else 8),))
    if kind in ("short", "long"):
        number = int(digits, 16)
        if number < 0xD800 or 0xE000 <= number < 0x11_0000:
            return chr(number).encode()
    message = (
        f"{os.fsdecode(found[0])} is no escape sequence; write \\\\ for a backslash and "
        "\\x2c for a comma"
    )
    raise ValueError(message)


def size(text: str) -> int:
    """Bytes: ``0``, or a whole number with B, KB, MB, GB or TB, powers of 1024."""
    number = text.strip().upper()
    if number in ("", "0"):
        return 0
    for unit, factor in _SIZES.items():
        digits = number.removesuffix(unit).rstrip()
        if number.endswith(unit) and digits.isascii() and digits.isdigit():
            return int(digits) * factor
    message = f"{text!r} needs a whole number and a unit: B, KB, MB, GB or TB, as in 500MB"
    raise ValueError(message)


def port_range(text: str) -> str:
    """``5060-5090`` or ``5060``, without spaces."""
    ports = [part.strip() for part in text.split("-")]
    numbers = [int(p) for p in ports if p.isascii() and p.isdigit() and len(p) <= 5]
    if len(numbers) != len(ports) or len(ports) > 2 or max(numbers) > 65_535:
        message = f"{text!r} is neither a port nor a range like 5060-5090; -bpf can name several"
        raise ValueError(message)
    return "-".join(map(str, sorted(numbers)))


def servers(text: str, protocol: str) -> tuple[Endpoint, ...]:
    """The servers of a list, each once. Names are allowed, IPv6 addresses stand in brackets."""
    return tuple(dict.fromkeys(_server(part, protocol) for part in items(text)))


def _server(text: str, protocol: str) -> Endpoint:
    if _is_ipv6(text):
        message = f"{text!r} needs brackets and a port, as in [2001:db8::1]:{_HEP_PORT}"
        raise ValueError(message)
    if is_host_name(text) or text.endswith("]"):
        message = f"{text!r} has no port; write {text}:{_HEP_PORT}"
        raise ValueError(message)
    # Go takes a missing host for this machine.
    target = f"{protocol}:{_LOOPBACK if text.startswith(':') else ''}{text}"
    try:
        return parse_target(target)
    except ValueError as error:
        reason = str(error).replace(target, text)
        message = f"{reason}; write host:port, and -nt for the protocol"
        raise ValueError(message) from None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def hep_in(text: str) -> Endpoint:
    """``udp:127.0.0.1:9093`` or ``tcp:[::1]:9093``; without an address: all of IPv4."""
    protocol, _, rest = text.partition(":")
    with_address = f"{_ALL_ADDRESSES}{rest}" if rest.startswith(":") else rest
    reason = ""
    try:
        if protocol in _TAKEN:
            return parse_target(f"{protocol}:{with_address}")
    except ValueError as error:
        reason = f" ({error})"
    message = f"{text!r} must be udp:address:port or tcp:address:port{reason}"
    raise ValueError(message)


def listen(text: str) -> tuple[str, int] | None:
    """``127.0.0.1:8090`` or ``:8090`` (all addresses, an empty one here); empty: nowhere."""
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or host not in ("", "localhost"):
        return parse_host_port(text)
    try:
        return host, parse_host_port(f"{_LOOPBACK}:{port}")[1]
    except ValueError:
        message = f"{text!r}: the port must be 1 … 65535"
        raise ValueError(message) from None


def networks(text: str) -> tuple[str, ...]:
    """Addresses and networks in their usual spelling."""
    return tuple(str(parse_network(part)) for part in items(text))


def methods(text: str) -> frozenset[bytes]:
    """SIP methods in upper case."""
    return frozenset(octets(part.upper()) for part in items(text))


def hep_types(text: str) -> frozenset[int]:
    """HEP types; what is no number is left out."""
    return frozenset(int(part) for part in items(text) if part.isascii() and part.isdigit())


def one_of(text: str, allowed: tuple[str, ...]) -> str:
    """One of the words, in lower case."""
    if text.lower() not in allowed:
        message = f"{text!r} must be one of {', '.join(allowed)}"
        raise ValueError(message)
    return text.lower()


def file(text: str) -> Path | None:
    """A file to read; ``-`` is the standard input, nothing is None."""
    if not text:
        return None
    path = Path("/dev/stdin" if text == "-" else text)
    if not path.exists() or path.is_dir():
        message = f"{text!r} is {'a directory' if path.is_dir() else 'not there'}; name a file"
        raise ValueError(message)
    return path


def directory(text: str) -> Path | None:
    """A directory to write to, that may not be there yet; nothing is None."""
    if not text:
        return None
    path = Path(text)
    if path.exists() and not path.is_dir():
        message = f"{text!r} is a file; name a directory"
        raise ValueError(message)
    return path
