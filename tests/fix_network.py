# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts and the cable between them: network namespaces and a veth pair, gone after the test."""

from __future__ import annotations

import ctypes
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.vlan import VlanInterface

INTERFACE: Final = "veth0"
"""Its name on both hosts."""
_CLONE_NEWNET: Final = 0x40000000
"""linux/sched.h; Python has setns from 3.12 on."""


class Host:
    """A network namespace. ``number`` is 1 or 2: the last part of its addresses."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.interface: Final = INTERFACE

    @property
    def ipv4(self) -> str:
        """On the cable."""
        return f"10.99.0.{self.number}"

    @property
    def ipv6(self) -> str:
        """On the cable."""
        return f"fd99::{self.number}"

    def vlan_ipv4(self, tag: int) -> str:
        """On the VLAN ``tag`` (1-255)."""
        return f"10.98.{tag}.{self.number}"

    def vlan_ipv6(self, tag: int) -> str:
        """On the VLAN ``tag`` (1-255)."""
        return f"fd98:{tag}::{self.number}"

    def command(self, *command: str) -> list[str]:
        """The command line that runs ``command`` on this host, for ``Popen``."""
        return ["ip", "netns", "exec", self.name, *command]

    def run(self, *command: str) -> str:
        """Run a command on this host; what it wrote."""
        return _run(*self.command(*command))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread opens meanwhile are this host's, and stay so; processes that it
        starts run there."""
        before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        try:
            _enter(Path("/run/netns", self.name))
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)


class Network:
    """What the fixture gives: ``left`` and ``right``, who are connected."""

    def __init__(self, left: Host, right: Host) -> None:
        self.left = left
        self.right = right
        self._vlans: list[VlanInterface] = []
        self._laid = False

    def cut(self) -> None:
        """Remove the cable: the interfaces of both are gone."""
        while self._vlans:
            self._vlans.pop().close()
        if self._laid:
            self._laid = False
            _ip(self.left, "link", "delete", INTERFACE)

    def lay(self, *, mtu: int = 1500, vlans: tuple[int, ...] = ()) -> None:
        """Connect the hosts; ``vlans`` are subinterfaces on both, ``veth0.ID``."""
        left, right = self.left, self.right
        _run(
            *("ip", "link", "add", INTERFACE, "netns", left.name, "mtu", str(mtu)),
            *("type", "veth", "peer", "name", INTERFACE, "netns", right.name),
            *("mtu", str(mtu)),
        )
        self._laid = True
        for host in (left, right):
            _up(host, INTERFACE, host.ipv4, host.ipv6)
            for tag in vlans:
                name = f"{INTERFACE}.{tag}"
                with host.inside():
                    self._vlans.append(VlanInterface(name, INTERFACE, tag))
                _ip(host, "link", "set", name, "mtu", str(mtu))
                _up(host, name, host.vlan_ipv4(tag), host.vlan_ipv6(tag))


MakeNetwork = Callable[..., Network]


@pytest.fixture
def make_network() -> Iterator[MakeNetwork]:
    """Called as ``Network.lay``: two hosts, connected, with "lo", IPv4 and IPv6."""
    with ExitStack() as stack:

        def make(*, mtu: int = 1500, vlans: tuple[int, ...] = ()) -> Network:
            return stack.enter_context(network(mtu=mtu, vlans=vlans))

        yield make


@contextmanager
def network(*, mtu: int = 1500, vlans: tuple[int, ...] = ()) -> Iterator[Network]:
    """As the fixture, for those who need another scope; skips where that is not allowed."""
    name = f"kemiscope-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        hosts = []
        for number, side in enumerate(("left", "right"), start=1):
            host = Host(f"{name}-{side}", number)
            done = subprocess.run(
                ["ip", "netns", "add", host.name], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"no network namespace can be made here: {done.stderr.strip()}")
            # Its interfaces go with it, once nothing runs there any more.
            stack.callback(_run, "ip", "netns", "delete", host.name)
            _ip(host, "link", "set", "lo", "up")
            hosts.append(host)
        made = Network(*hosts)
        stack.callback(made.cut)
        made.lay(mtu=mtu, vlans=vlans)
        yield made


def _up(host: Host, name: str, ipv4: str, ipv6: str) -> None:
    _ip(host, "link", "set", name, "up")
    _ip(host, "address", "add", f"{ipv4}/24", "dev", name)
    # nodad: the address is usable at once.
    _ip(host, "-6", "address", "add", f"{ipv6}/64", "dev", name, "nodad")


def _ip(host: Host, *arguments: str) -> None:
    _run("ip", "-n", host.name, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def _enter(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        _setns(file)
    finally:
        os.close(file)


def _setns(file: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
