# SPDX-License-Identifier: GPL-2.0-or-later
"""What the flags ask for, checked and in the units that the rest of the agent works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from agent.capture.filter import DEFAULT_MODE, MODES, capture_filter
from agent.flags import values
from agent.flags.notices import notices
from agent.flags.parse import parse
from agent.flags.table import FLAGS
from collector.errors import KemiscopeError
from collector.journal.counters import SLOTS
from collector.settings.endpoint import UDP, Endpoint
from collector.settings.target import PROTOCOLS

AF_PACKET: Final = "af_packet"
PCAP: Final = "pcap"

_MIB: Final = 1 << 20
_WHOLE_FRAME: Final = 65_535
_MOST_SNAPLEN: Final = 262_144
"""libpcap's own limit for the link types that can be captured here."""
_MOST_RING_MB: Final = 2047
"""libpcap takes the size as a signed number of 32 bits."""
_MOST_NODE: Final = 0xFFFF_FFFE
_MOST_GROUP: Final = 0xFFFF
"""PACKET_FANOUT has 16 bits for it."""
_MOST_WORKERS: Final = SLOTS // 2
"""Each takes a slot of the journal, and one that was killed leaves its slot to be drained."""
_MOST_TEXT: Final = 1_024
"""Bytes of name and password, each of which goes out with every message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The fields are the flags, with ``_`` for ``-``; ``agent.flags.table`` says what they do.

    Only ``-hs`` is called ``servers`` here. Sizes are bytes, times are seconds, lists are split,
    paths that were not given are None.
    """

    # Capture
    i: str
    """Name of the interface; ``any`` for all."""
    t: str
    """``AF_PACKET`` or ``PCAP``: any other text means the latter."""
    b: int
    """Bytes of the capture ring, for each worker."""
    s: int
    """Most bytes of a frame that are captured."""
    pr: str
    """Ports of SIP: ``5060-5090`` or ``5060``, fit for BPF's ``portrange``."""
    m: str
    """One of ``agent.capture.filter.MODES``."""
    bpf: str
    """Replaces the whole capture filter when not empty."""
    erspan: bool
    vlan: bool
    fg: int
    """PACKET_FANOUT group, 16 bits; 0 for none."""
    fw: int
    """Workers of the group; see ``workers``."""
    o: bool

    # Files
    rf: Path | None
    """The file that is read in place of an interface."""
    lp: int
    """How often; 0 for ever. Once with ``eof_exit``."""
    rs: bool
    """Read at full speed, with the file's times."""
    eof_exit: bool
    wf: Path | None
    """The directory that frames are written to."""
    rt: int
    """Seconds until the next file of it."""
    zf: bool

    # Sending
    servers: tuple[Endpoint, ...]
    """All servers of -hs, each once, with the protocol of -nt. None: print the messages."""
    nt: str
    """``udp``, ``tcp`` or ``tls``."""
    skipverify: bool
    crt_path: str
    key_path: str
    chain_path: str
    keepalive: int
    """Seconds between TCP keep-alives; 0: as the sender likes."""
    tcpsendretries: int
    hi: int
    """HEP chunk 12, 32 bits."""
    hn: bytes
    """HEP chunk 19; empty for none."""
    hp: bytes = field(repr=False)
    """HEP chunk 14; empty for none."""
    protobuf: bool
    hep_buffer_activate: bool
    hep_buffer_file: Path
    hep_buffer_max_size: int
    """Bytes; 0 for no other limit than the disk's."""
    hep_buffer_debug: bool

    # Collector mode
    hin: Endpoint | None
    """Where HEP is taken from in place of an interface: UDP or TCP."""
    collectonlysip: bool
    replacetoken: bool

    # What is left out
    dd: bool
    fi: tuple[bytes, ...]
    """All of these must be in a frame."""
    di: tuple[bytes, ...]
    """None of these may be in a frame."""
    dim: frozenset[bytes]
    """Methods in upper case."""
    diip: tuple[str, ...]
    """Addresses and networks, as ``collector.networks.Networks`` takes them; so the next two."""
    disip: tuple[str, ...]
    didip: tuple[str, ...]

    # Streams
    tcpassembly: bool
    sipassembly: bool
    assembly_debug_log: bool
    assembly_memuse_log: bool

    # Scripts
    script_file: Path | None
    script_hep_filter: frozenset[int]
    """HEP types that the script sees."""

    # Metrics and logging
    prometheus: tuple[str, int] | None
    """Address (empty: all) and port to listen on."""
    l: str  # noqa: E741 (the flag's name)
    """``debug``, ``info``, ``warning``, ``error`` or ``critical``."""
    e: bool
    sl: bool
    p: Path
    n: str
    fsize: int
    """Bytes after which a log file is rotated."""
    fnum: int
    d: frozenset[str]
    """Debug selectors in lower case."""

    notices: tuple[str, ...]
    """Sentences to say once at the start: flags that have no effect here, and why."""

    @property
    def workers(self) -> int:
        """Capture workers: -fw of them when -fg makes a fanout group of an interface."""
        live = self.rf is None and self.hin is None and self.t == AF_PACKET
        return self.fw if live and self.fg > 0 and self.fw > 1 else 1

    def capture_filter(self, linktype: int) -> str:
        """What libpcap's compiler is to get for frames of this link type."""
        return self.bpf or capture_filter(
            self.m, self.pr, vlan=self.vlan, erspan=self.erspan, linktype=linktype
        )


class OptionError(KemiscopeError):
    """Flags that can be read, but not obeyed: where, what is wrong, and what to do."""


def read_options(arguments: Sequence[str]) -> Options:
    """The options of a command line; ``arguments`` are those behind the program's name.

    Raises FlagError, HelpRequestedError (``agent.flags.parse``) and OptionError.
    """
    line = parse(arguments)
    found: dict[str, Any] = dict(line.values)
    if "s" not in line.given:
        found["s"] = _WHOLE_FRAME  # heplify's 8192 cut what a network card has joined
    for name, convert in _CONVERTED.items():
        found[name] = _converted(name, convert, found[name])
    _join(found)
    fields = {name.replace("-", "_"): value for name, value in found.items() if name != "version"}
    return Options(**fields, notices=tuple(notices(line)))


def _converted(name: str, convert: Callable[[Any], Any], value: Any) -> Any:
    try:
        return convert(value)
    except (ValueError, OSError) as error:  # OSError: a path that this user may not look at
        message = f"-{name}: {error}"
        raise OptionError(message) from None


def _join(found: dict[str, Any]) -> None:
    """What only several flags together tell. Raises OptionError."""
    protocol = found["nt"]
    hosts = partial(values.servers, protocol=protocol)
    found["servers"] = _converted("hs", hosts, found.pop("hs"))
    limit = found["hep-buffer-max-size"] if found["hep-buffer-activate"] else ""
    found["hep-buffer-max-size"] = _converted("hep-buffer-max-size", values.size, limit)
    if found["eof-exit"]:
        found["lp"] = 1
    if found["rf"] and found["hin"]:
        message = "-rf -hin: read a file or take HEP from others, not both; leave out one of them"
        raise OptionError(message)
    if found["protobuf"] and protocol != UDP:
        message = (
            f"-protobuf -nt {protocol}: no receiver can tell where a Protobuf packet ends in a "
            "stream; leave out -protobuf, or use -nt udp"
        )
        raise OptionError(message)


def _within(least: int, most: int, what: str) -> Callable[[int], int]:
    """A check of a number; it raises ValueError."""

    def check(number: int) -> int:
        if not least <= number <= most:
            message = f"{number} is out of range: {what} is {least} … {most}"
            raise ValueError(message)
        return number

    return check


def _ring(megabytes: int) -> int:
    wanted = megabytes if megabytes > 0 else int(FLAGS["b"].default)
    return _within(1, _MOST_RING_MB, "the size in MB")(wanted) * _MIB


def _snaplen(octets: int) -> int:
    wanted = octets if octets > 0 else _WHOLE_FRAME
    return _within(1, _MOST_SNAPLEN, "the length in bytes")(wanted)


def _text(text: str) -> bytes:
    found = values.octets(text)
    _within(0, _MOST_TEXT, "its length in bytes")(len(found))
    return found


_CONVERTED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "i": lambda text: text or FLAGS["i"].default,
    "t": lambda text: AF_PACKET if text == AF_PACKET else PCAP,
    "b": _ring,
    "s": _snaplen,
    "pr": values.port_range,
    "m": lambda text: text.upper() if text.upper() in MODES else DEFAULT_MODE,
    "fg": _within(0, _MOST_GROUP, "a group"),
    "fw": _within(-(1 << 63), _MOST_WORKERS, "the number of workers"),
    "rf": values.file,
    "lp": _within(0, 1 << 62, "the count, with 0 for ever,"),
    "wf": values.directory,
    "rt": lambda minutes: 60 * _within(1, 1 << 31, "the time in minutes")(minutes),
    "nt": lambda text: values.one_of(text, PROTOCOLS),
    "keepalive": _within(0, 32_767, "the time in s"),
    "hi": _within(0, _MOST_NODE, "a node ID"),
    "hn": _text,
    "hp": _text,
    "hep-buffer-file": Path,
    "hin": lambda text: values.hep_in(text) if text else None,
    "fi": values.texts,
    "di": values.texts,
    "dim": values.methods,
    "diip": values.networks,
    "disip": values.networks,
    "didip": values.networks,
    "script-file": values.file,
    "script-hep-filter": values.hep_types,
    "prometheus": values.listen,
    "l": lambda text: values.one_of(text, values.LOG_LEVELS),
    "p": Path,
    "fsize": _within(0, 1 << 50, "the size in bytes"),
    "fnum": _within(0, 1 << 20, "the number of files"),
    "d": lambda text: frozenset(part.lower() for part in values.items(text)),
}
"""What becomes of the values that are not taken as they are."""
