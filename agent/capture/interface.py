# SPDX-License-Identifier: GPL-2.0-or-later
"""One interface and the ring that libpcap shares with the kernel for it (packet(7), TPACKET_V3)."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import sys
import time
import warnings
from itertools import islice
from typing import Final, NamedTuple

import cypcap

from agent.capture.source import CaptureError, FilterText, Frame, compiled
from collector.log import LOGGER, LimitedLog, one_line

ANY: Final = "any"
"""libpcap's name for all interfaces together, those that come later included."""

BLOCK_AGE_S: Final = 0.025
"""How long the kernel keeps frames to hand them over together: the capture's share of a message's
delay, and at most 40 wake-ups a second however many frames there are. A shorter time would fill the
ring with nearly empty blocks of 256 KB while a worker stands still: 32 MB are 3 s of them."""

_RETRY_S: Final = (0.25, 10.0)
"""First and longest pause between attempts to open an interface that went away."""
_LOOK_S: Final = 1.0
"""How often an interface that is silent is asked whether it is up."""

_MAX_BUFFER_MB: Final = 2047
"""libpcap has the ring's size in a signed 32-bit number of bytes."""

# linux/if_packet.h, linux/sockios.h, linux/if.h: not in Python's socket module.
_SOL_PACKET: Final = 263
_PACKET_FANOUT: Final = 18
_PACKET_IGNORE_OUTGOING: Final = 23
_FANOUT: Final = struct.Struct("=HH")
"""Group; kind and flags."""
_HASH_DEFRAG: Final = 0x8000
"""By the flow, the same for both directions; fragments of IPv4 are put together before."""
_SIOCGIFFLAGS: Final = 0x8913
_IFREQ: Final = struct.Struct("16sH22x")
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8

_NOTHING_PASSES: Final = [(0x06, 0, 0, 0)]
"""BPF: return 0."""


class Ring(NamedTuple):
    """How to capture."""

    snap_length: int
    """Bytes kept of a frame (``-s``)."""
    buffer_mb: int
    """MB of the ring (``-b``)."""
    filter_text: FilterText
    promiscuous: bool
    fanout_group: int | None
    """The group of PACKET_FANOUT whose members share the frames of an interface, each flow always
    to the same one; None for all frames."""


class Interface:
    """Captures from the interface ``name``, and again when it went away and came back.

    Raises ``CaptureError`` if that is not possible at the start. ``poll`` gets its descriptor.
    """

    def __init__(self, name: str, ring: Ring, poll: select.epoll) -> None:
        self.name = name
        self._ring = ring
        self._poll = poll
        self._log = LimitedLog()
        self._kernel = 0
        self._interface = 0
        self._read_at = (0, 0)
        """What libpcap said last of the drops; its numbers have 32 bits."""
        self._pcap: cypcap.Pcap | None = None
        self._up = True
        self._look_at = 0.0
        self._pause_s = _RETRY_S[0]
        self.retry_at = 0.0
        """When to try again, by the monotonic clock, if it is ``away``."""
        self.linktype = self._open()

    @property
    def away(self) -> bool:
        """The interface went away and has not come back."""
        return self._pcap is None

    def read(self, max_frames: int) -> list[Frame]:
        """As ``Source.read``."""
        frames: list[Frame] = []
        if self._pcap is None:
            self._retry()
            return frames
        add = frames.append
        try:
            for header, data in islice(self._pcap, max_frames):
                if header is None:
                    break
                # libpcap's µs come as a double, which holds them exactly until 2106.
                add((int(header.ts * 1e6 + 0.5), data, header.len))
        except cypcap.Error as error:
            self._leave(error.msg)
            return frames
        if not frames:
            self._look()
        return frames

    def drops(self) -> tuple[int, int]:
        """As ``Source.drops``."""
        if self._pcap is not None:
            try:
                found = self._pcap.stats()
            except cypcap.Error as error:
                self._log.warn("stats", f"no drops are known of {self.name}: {error.msg}")
            else:
                read_at = (found.drop, found.ifdrop)
                self._kernel += grown(self._read_at[0], read_at[0])
                self._interface += grown(self._read_at[1], read_at[1])
                self._read_at = read_at
        return self._kernel, self._interface

    def close(self) -> None:
        """Give the ring back."""
        if self._pcap is not None:
            self.drops()
            self._poll.unregister(self._pcap.get_selectable_fd())
            self._pcap.close()
            self._pcap = None

    def _open(self) -> int:
        pcap = cypcap.create(self.name)
        try:
            _activate(pcap, self.name, self._ring)
            program = compiled(pcap, self._ring.filter_text)
            descriptor = pcap.get_selectable_fd()
            self._set_options(pcap, descriptor)
            # Frames that are in the ring already go through the filter in libpcap.
            pcap.setfilter(program)
            self._poll.register(descriptor, select.EPOLLIN)
        except BaseException as error:
            pcap.close()
            if isinstance(error, cypcap.Error):
                raise CaptureError(_reason(self.name, error)) from error
            raise
        self._pcap = pcap
        self._read_at = (0, 0)
        self._up = True
        return int(pcap.datalink())

    def _set_options(self, pcap: cypcap.Pcap, descriptor: int) -> None:
        group = self._ring.fanout_group
        with socket.socket(fileno=os.dup(descriptor)) as packets:
            if self.name != ANY and _flags(descriptor, self.name) & _IFF_LOOPBACK:
                # The loopback shows each frame on its way out and on its way in. libpcap skips
                # the first; so it need not be in the ring.
                packets.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
            if group is None:
                return
            # A socket gets all frames until it is in the group: none of these may be left.
            pcap.setfilter(cypcap.BpfProgram(_NOTHING_PASSES))
            time.sleep(2 * BLOCK_AGE_S)
            while next(pcap)[0] is not None:
                pass
            try:
                share = _FANOUT.pack(group & 0xFFFF, _HASH_DEFRAG)
                packets.setsockopt(_SOL_PACKET, _PACKET_FANOUT, share)
            except OSError as error:
                message = f"no share in fanout group {group} on {self.name}: {error.strerror}"
                raise CaptureError(message) from error

    def _look(self) -> None:
        """Nothing came: say it if the interface went down; libpcap waits for it in silence."""
        now = time.monotonic()
        if now < self._look_at or self._pcap is None or self.name == ANY:
            return
        self._look_at = now + _LOOK_S
        up = bool(_flags(self._pcap.get_selectable_fd(), self.name) & _IFF_UP)
        if up != self._up:
            self._up = up
            what = "is up again" if up else "went down; waiting for it to come up"
            self._log.warn(what, f"interface {self.name} {what}")

    def _leave(self, reason: str) -> None:
        self.close()
        self._log.warn("gone", f"interface {self.name}: {one_line(reason)}; waiting for it")
        self._pause_s = _RETRY_S[0]
        self.retry_at = time.monotonic() + self._pause_s

    def _retry(self) -> None:
        now = time.monotonic()
        if now < self.retry_at:
            return
        try:
            linktype = self._open()
        except CaptureError as error:
            self._log.warn("retry", f"still waiting: {error}")
            self._pause_s = min(2 * self._pause_s, _RETRY_S[1])
            self.retry_at = now + self._pause_s
            return
        if linktype != self.linktype:
            message = f"interface {self.name} came back as another kind: start again"
            raise CaptureError(message)
        LOGGER.warning("interface %s is back", self.name)


def _activate(pcap: cypcap.Pcap, name: str, ring: Ring) -> None:
    pcap.set_snaplen(ring.snap_length)
    pcap.set_buffer_size(min(ring.buffer_mb, _MAX_BUFFER_MB) << 20)
    pcap.set_timeout(BLOCK_AGE_S)
    pcap.set_promisc(ring.promiscuous and name != ANY)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pcap.activate()
    for warning in said:
        LOGGER.warning("interface %s: %s", name, one_line(str(warning.message)))
    pcap.setnonblock(True)


def _reason(name: str, error: cypcap.Error) -> str:
    """Why the interface cannot be opened, and what to do about it."""
    code = error.code
    if code == cypcap.ErrorCode.NO_SUCH_DEVICE:
        names = ", ".join((ANY, *(found for _, found in socket.if_nameindex())))
        return f"no interface {name!r} on this host; there are {names}"
    if code in (cypcap.ErrorCode.PERM_DENIED, cypcap.ErrorCode.PROMISC_PERM_DENIED):
        return (
            f"no permission to capture on {name}: that takes CAP_NET_RAW. In a systemd unit: "
            "AmbientCapabilities=CAP_NET_RAW; or start hepagent as root; or setcap cap_net_raw+ep "
            f"{os.path.realpath(sys.executable)}"
        )
    if code == cypcap.ErrorCode.IFACE_NOT_UP:
        return f"interface {name} is down: ip link set {name} up"
    return f"interface {name}: {one_line(error.msg)}"


def _flags(descriptor: int, name: str) -> int:
    """``IFF_…`` of an interface; 0 if there is none."""
    try:
        answer = fcntl.ioctl(descriptor, _SIOCGIFFLAGS, _IFREQ.pack(name.encode()[:15], 0))
    except OSError:
        return 0
    return int(_IFREQ.unpack(answer)[1])


def grown(before: int, now: int) -> int:
    """How much a counter of 32 bits has grown; one that went back has started anew."""
    grown = now - before & 0xFFFFFFFF
    return grown if grown < 1 << 31 else 0
