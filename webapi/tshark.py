# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark as a confined child: a capture file in, its dissection out.

What is decoded comes from anybody, and dissectors have had faults: the child has no privileges, no
configuration, no names to resolve, and limits on time, memory, files and output.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
from collections.abc import Iterable
from typing import Any, Final, cast

import orjson

from collector.log import LOGGER, one_line
from webapi.errors import ApiError

MAX_RUNNING: Final = 2
"""Children at the same time."""
MAX_OUTPUT: Final = 16 << 20
"""Bytes. A message of 64 KiB with a field in every line gives a third of it."""
_MEMORY: Final = 1 << 30
"""Bytes of address space; tshark 4.0 starts with a third of it."""
_MAX_ERRORS: Final = 10_000
_NOWHERE: Final = "/nonexistent"
_UNPRIVILEGED: Final = "nobody"
_OPTIONS: Final = ("-n", "-r", "-", "-T", "json", "--no-duplicate-keys")
_ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    # No preferences, plug-ins or scripts of any user.
    "HOME": _NOWHERE,
    "XDG_CONFIG_HOME": _NOWHERE,
    "WIRESHARK_CONFIG_DIR": _NOWHERE,
    "WIRESHARK_PLUGIN_DIR": _NOWHERE,
    "WIRESHARK_EXTCAP_DIR": _NOWHERE,
}


class Tshark:
    """Runs ``program``, a path or a name in PATH, for ``timeout_s`` at most."""

    def __init__(self, program: str, timeout_s: float) -> None:
        self._program = program
        self._timeout_s = timeout_s
        self._running = 0

    async def dissect(self, capture: bytes, decode_as: Iterable[str] = ()) -> bytes:
        """The layers of each packet of a capture file, JSON; ``decode_as`` as for tshark's -d.

        Raises ApiError 501 without the program, 502 when it fails, 503 when there is no time.
        """
        path = shutil.which(self._program) if self._program else None
        if path is None:
            message = "tshark is not installed here, or web.tshark does not name it"
            raise ApiError(501, "tshark_missing", message)
        if self._running >= MAX_RUNNING:
            message = f"{MAX_RUNNING} messages are being decoded; try again"
            raise ApiError(503, "too_many_decodings", message)
        self._running += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                options = [*_OPTIONS, *_rules(decode_as)]
                output = await self._run([*_confined(self._timeout_s), path, *options], capture)
                # Of many MB, and others are answered meanwhile.
                return await asyncio.to_thread(_layers, output)
        except TimeoutError:
            message = "tshark took longer than web.tshark_timeout"
            raise ApiError(503, "decode_timeout", message) from None
        finally:
            self._running -= 1

    async def _run(self, command: list[str], capture: bytes) -> bytes:
        """What the child says; it has ended when this returns or raises."""
        try:
            transport, child = await asyncio.get_running_loop().subprocess_exec(
                _Child, *command, cwd="/", env=_ENVIRONMENT, **_unprivileged()
            )
        except OSError as error:
            why = f"cannot be started: {error.strerror}"
            raise _failed(why) from error
        try:
            stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
            stdin.write(capture)
            stdin.write_eof()
            # Shielded: it is waited for once more below, whatever happens here.
            await asyncio.shield(child.ended)
        finally:
            transport.close()
            await asyncio.shield(child.ended)
        if child.too_much:
            why = f"it says more than {MAX_OUTPUT} bytes"
            raise _failed(why)
        if transport.get_returncode() != 0:
            LOGGER.warning("tshark: %s", one_line(child.errors.decode(errors="replace")))
            why = f"it ended with status {transport.get_returncode()}"
            raise _failed(why)
        return bytes(child.output)


class _Child(asyncio.SubprocessProtocol):
    """What a child says, up to a limit: one that says more is ended."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.too_much = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        said, most = (self.output, MAX_OUTPUT) if fd == 1 else (self.errors, _MAX_ERRORS)
        if len(said) + len(data) <= most:
            said += data
        elif self._transport and not self.too_much:
            self.too_much = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # the status says what happened
        if not self.ended.done():
            self.ended.set_result(None)


def _rules(decode_as: Iterable[str]) -> list[str]:
    return [part for rule in decode_as for part in ("-d", rule)]


def _unprivileged() -> dict[str, Any]:
    """Another user when this one is root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _confined(timeout_s: float) -> list[str]:
    """What goes before a command to limit it. prlimit is of util-linux, which every system has."""
    return [
        "prlimit",
        f"--as={_MEMORY}",
        f"--cpu={int(timeout_s) + 1}",
        "--fsize=0",
        "--core=0",
        "--",
    ]


def _layers(output: bytes) -> bytes:
    try:
        return orjson.dumps([packet["_source"]["layers"] for packet in orjson.loads(output)])
    except orjson.JSONEncodeError:
        why = "its answer has more levels than can be shown"
        raise _failed(why) from None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        why = "its answer is not what it should be"
        raise _failed(why) from None


def _failed(why: str) -> ApiError:
    return ApiError(502, "decode_failed", f"tshark: {why}")
