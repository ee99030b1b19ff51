# SPDX-License-Identifier: GPL-2.0-or-later
"""What the flags ask for, checked and in the units that the rest of the agent works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collector.settings.endpoint import Endpoint

AF_PACKET: Final = "af_packet"
PCAP: Final = "pcap"


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
    """How often; 0 for ever."""
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
    keepalive: int
    """Seconds between TCP keep-alives; 0 leaves the system's own setting."""
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
