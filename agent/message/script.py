# SPDX-License-Identifier: GPL-2.0-or-later
"""Lua that may read and change each message before it is sent (-script-file).

heplify's scripts run as they are: Lua 5.1, its functions by the same names, and every function that
the file defines at the beginning of a line is called for each message, in that order, without
arguments. What is broken there works: IPv6 addresses in ``SetHEPField``, and ``HashTable``.

The interpreter comes with lupa, which is asked for only when there is a script. A script belongs
to the operator and may do what Lua can; the limits are against mistakes. Time spent inside one
library function, such as a hard pattern of ``string.find``, has none.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Final

from agent.count import Count
from agent.message.hash_table import HashTable
from collector.hep import Hep
from collector.log import LOGGER, LimitedLog, one_line

MAX_MEMORY: Final = 64 << 20
"""Bytes that the interpreter may take."""
MAX_STEPS: Final = 1_000_000
"""Instructions of Lua for one message: about 5 ms."""
_MAX_LOAD_STEPS: Final = 100 * MAX_STEPS
_STEP: Final = 10_000

_FAILED: Final = int(Count.SCRIPT_FAILED)
_FUNCTION: Final = re.compile(rb"^[ \t]*function[ \t]+([A-Za-z_][\w.]*)[ \t]*\(", re.MULTILINE)
_INSTALL: Final = "-script-file needs lupa: pip install 'kemiscope[script]'"

_LIMITS: Final = b"""
local budget, step = ...
local sethook, fail, create = debug.sethook, error, coroutine.create
local function hook()
  if budget[1] > 0 then
    budget[1] = budget[1] - 1
    sethook(hook, "", step)
  else
    sethook(hook, "", 1)  -- or a pcall inside an endless loop would catch the error for ever
    fail("takes too long", 0)
  end
end
function coroutine.create(f)
  local thread = create(f)
  sethook(thread, hook, "", step)
  return thread
end
function coroutine.wrap(f)
  local thread, resume = coroutine.create(f), coroutine.resume
  local function values(ok, ...)
    if not ok then fail((...), 0) end
    return ...
  end
  return function(...) return values(resume(thread, ...)) end
end
sethook(hook, "", step)
"""


_NONE: Final = Hep(3, 0, b"", b"", 0, 0, 0, 0, 0, 0, b"")


class ScriptError(Exception):
    """The script cannot be used; says why."""


class Script:
    """The script of one worker; to be made after the fork."""

    def __init__(self, file: Path, types: Collection[int], counts: memoryview[int]) -> None:
        """``types`` are the HEP types that it runs on (-script-hep-filter).

        Raises ``ScriptError``: lupa is missing, the file cannot be read, or is no good Lua.
        """
        self._types = frozenset(types)
        self._counts = counts
        self._limited = LimitedLog()
        self._table = HashTable()
        self._message = _NONE
        try:
            code = file.read_bytes()
        except OSError as error:
            message = f"-script-file {file}: {error.strerror or error}"
            raise ScriptError(message) from error
        lua51 = _interpreter()
        self._error: type[Exception] = lua51.LuaError
        runtime = lua51.LuaRuntime(
            encoding=None,
            max_memory=MAX_MEMORY,
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
        )
        lua = runtime.globals()
        lua[b"python"] = None
        for name, function in self._functions().items():
            lua[name.encode()] = function
        self._collect = lua[b"collectgarbage"]
        self._budget = runtime.table(_MAX_LOAD_STEPS // _STEP)
        try:
            runtime.execute(_LIMITS, self._budget, _STEP)
            runtime.execute(code)
            found = [runtime.eval(name) for name in _FUNCTION.findall(code)]
        except self._error as error:
            message = f"-script-file {file}: {_first_line(error)}"
            raise ScriptError(message) from error
        self._calls = [call for call in found if call is not None]
        if not self._calls:
            message = f"-script-file {file}: it defines no function"
            raise ScriptError(message)

    def run(self, message: Hep) -> Hep | None:
        """The message as the script leaves it; None when it leaves no payload.

        After an error the message is what it was before.
        """
        if message.type not in self._types:
            return message
        self._message = message
        self._budget[1] = MAX_STEPS // _STEP
        try:
            for call in self._calls:
                call()
            changed = _checked(self._message)
        except (self._error, ValueError, TypeError, OverflowError) as error:
            self._counts[_FAILED] += 1
            self._limited.warn("script", f"the script failed: {_first_line(error)}")
            if isinstance(error, MemoryError):
                self._collect()  # Lua 5.1 does not do so by itself when it has no room.
            return message
        return changed if changed.payload else None

    def _functions(self) -> dict[str, Callable[..., Any]]:
        """What a script can call, by name. Text is bytes in both directions."""
        return {
            "GetHEPProtoType": lambda: self._message.type,
            "GetHEPSrcIP": lambda: _ip_text(self._message.src_ip),
            "GetHEPSrcPort": lambda: self._message.src_port,
            "GetHEPDstIP": lambda: _ip_text(self._message.dst_ip),
            "GetHEPDstPort": lambda: self._message.dst_port,
            "GetHEPTimeSeconds": lambda: self._message.seconds,
            "GetHEPTimeUseconds": lambda: self._message.microseconds,
            "GetRawMessage": lambda: self._message.payload,
            "SetRawMessage": self._set_raw_message,
            "SetHEPField": self._set_field,
            "HashTable": self._hash_table,
            "HashString": _hash_string,
            "Logp": self._log,
            "Print": _print,
        }

    def _set_raw_message(self, value: object) -> None:
        self._message = self._message._replace(payload=_bytes(value))

    def _set_field(self, name: bytes, value: object) -> None:
        """As with heplify, a name that it does not know does nothing."""
        known = _FIELDS.get(name)
        if known:
            field, read = known
            self._message = self._message._replace(**{field: read(_bytes(value))})

    def _hash_table(self, operation: bytes, key: object, value: object = None) -> bytes:
        value = b"" if value is None else _bytes(value)
        return self._table.call(operation, _bytes(key), value)

    def _log(self, level: bytes, message: object, data: object = None) -> None:
        """Errors are logged within limits, the rest with -d only."""
        text = _text(message)
        line = one_line(f"[script] {text}: {_text(data)}")
        if level == b"ERROR":
            self._limited.warn(text, line)
        else:
            LOGGER.debug("%s", line)


def _checked(message: Hep) -> Hep:
    """Raises ValueError when HEP cannot express it."""
    if len(message.src_ip) != len(message.dst_ip):
        text = "SrcIP and DstIP are of different families"
        raise ValueError(text)
    return message


def _interpreter() -> Any:
    """lupa's module of Lua 5.1: what heplify has, and LuaJIT heeds no limits in compiled code."""
    try:
        from lupa import lua51  # noqa: PLC0415 (only who has a script needs it)
    except ImportError as error:
        raise ScriptError(_INSTALL) from error
    return lua51


def _first_line(error: Exception) -> str:
    """What went wrong, without the stack."""
    return one_line(str(error).partition("\n")[0]) or type(error).__name__


def _bytes(value: object) -> bytes:
    """A Lua string as it is, a number as Lua writes it. Raises TypeError for anything else."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value).encode()
    message = "a string or a number is needed"
    raise TypeError(message)


def _text(value: object) -> str:
    """Any Lua value for people to read."""
    if value is None:
        return "nil"
    try:
        return _bytes(value).decode(errors="replace")
    except TypeError:
        return str(value)


def _ip_text(address: bytes) -> bytes:
    family = AF_INET6 if len(address) == 16 else AF_INET
    return inet_ntop(family, address).encode() if address else b""


def _ip(text: bytes) -> bytes:
    """Raises ValueError."""
    try:
        return inet_pton(AF_INET6 if b":" in text else AF_INET, text.decode())
    except OSError as error:
        message = f"not an IP address: {text!r}"
        raise ValueError(message) from error


def _number(highest: int) -> Callable[[bytes], int]:
    def read(text: bytes) -> int:
        value = int(text)
        if not 0 <= value <= highest:
            message = f"not from 0 to {highest}: {value}"
            raise ValueError(message)
        return value

    return read


_FIELDS: Final[dict[bytes, tuple[str, Callable[[bytes], Any]]]] = {
    b"ProtoType": ("type", _number(0xFF)),
    b"SrcIP": ("src_ip", _ip),
    b"SrcPort": ("src_port", _number(0xFFFF)),
    b"DstIP": ("dst_ip", _ip),
    b"DstPort": ("dst_port", _number(0xFFFF)),
    b"CID": ("correlation_id", bytes),
}
"""Of ``SetHEPField``."""


def _hash_string(algorithm: bytes, value: object) -> bytes:
    """md5, sha1 or sha256 in hexadecimal; with any other name the text itself, as with heplify."""
    text = _bytes(value)
    if algorithm not in (b"md5", b"sha1", b"sha256"):
        return text
    return hashlib.new(algorithm.decode(), text, usedforsecurity=False).hexdigest().encode()


def _print(*values: object) -> None:
    """To standard output, where a script asks for it."""
    sys.stdout.write(" ".join(_text(value) for value in values) + "\n")
