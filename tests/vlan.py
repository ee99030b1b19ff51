# SPDX-License-Identifier: GPL-2.0-or-later
"""A VLAN subinterface in user space: kernels made for containers often have none of their own."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import threading
from typing import Final

_ALL_FRAMES: Final = 0x0003
_TAG: Final = 0x8100
"""EtherType of 802.1Q."""

# linux/if_tun.h, linux/if_packet.h.
_TUNSETIFF: Final = 0x400454CA
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_SOL_PACKET: Final = 263
_PACKET_AUXDATA: Final = 8
_PACKET_IGNORE_OUTGOING: Final = 23
_AUXDATA: Final = struct.Struct("=IIIHHHH")
_VLAN_VALID: Final = 1 << 4

_LARGEST: Final = 65_536


class VlanInterface:
    """The tap device ``name``: what goes out of it leaves ``below`` with the tag, and back.

    Made in the network namespace of the calling thread; the device is gone after ``close``.
    """

    def __init__(self, name: str, below: str, tag: int) -> None:
        self._tag = struct.pack(">HH", _TAG, tag)
        self._id = tag
        self._tap = os.open("/dev/net/tun", os.O_RDWR)
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(self._tap, _TUNSETIFF, request)
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_FRAMES))
        self._wire.bind((below, _ALL_FRAMES))
        self._wire.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._wire.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, and remove the device."""
        os.close(self._stopped)
        self._thread.join()
        self._wire.close()
        os.close(self._tap)
        os.close(self._stop)

    def _run(self) -> None:
        wire = self._wire.fileno()
        while True:
            ready = select.select([self._tap, wire, self._stop], [], [])[0]
            if self._stop in ready:
                return
            try:
                if self._tap in ready:
                    frame = os.read(self._tap, _LARGEST)
                    self._wire.send(frame[:12] + self._tag + frame[12:])
                if wire in ready:
                    self._take()
            except OSError:
                # One of both is down or gone: frames are lost, as on a real one.
                continue

    def _take(self) -> None:
        frame, told, _, _ = self._wire.recvmsg(_LARGEST, socket.CMSG_SPACE(_AUXDATA.size))
        for _, _, data in told:
            # The kernel has taken the tag out of the frame.
            status, _, _, _, _, tci, _ = _AUXDATA.unpack(data)
            if status & _VLAN_VALID and tci & 0xFFF == self._id:
                os.write(self._tap, frame)
