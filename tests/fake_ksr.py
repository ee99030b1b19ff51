# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for the object KSR: only the names that real KEMI exports, with its real limits."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from tests.kemi_names import stored

_MAX_TEXT: Final = 65_535
"""A transformation's result has at most so many characters; more is no value at all."""
_VARIABLE: Final = re.compile(r"\$\(?(?P<name>mb|ml|si|sp)(?P<steps>(\{[^{}]*\})*)\)?\Z")
_STEP: Final = re.compile(r"\{([^{},]*)(?:,\$var\((\w+)\))?\}")


class _Exports:
    """Some of KEMI's functions; every other name is refused as Kamailio would."""

    def __init__(self, module: str, ksr: KsrModule) -> None:
        self._module = module
        self._ksr = ksr

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._ksr.find(f"{self._module}.{name}")


class KsrModule(ModuleType):
    """What ``import KSR`` gives: of all that a node exports the functions that a fake has."""

    def __init__(self, node: str, functions: dict[str, Callable[..., Any]]) -> None:
        super().__init__("KSR")
        self._names = stored(node)
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        if any(exported.startswith(f"{name}.") for exported in self._names):
            return _Exports(name, self)
        return self.find(name)

    def find(self, name: str) -> Callable[..., Any]:
        """A function by its whole name; AttributeError for what KEMI does not export there."""
        if name not in self._names:
            message = f"KEMI exports no {name}"
            raise AttributeError(message)
        if name not in self._functions:
            message = f"KEMI exports {name}, but the fake has none"
            raise NotImplementedError(message)
        return self._functions[name]


class FakeKamailio:
    """The state behind the module: the packet being processed, variables, and what was logged."""

    def __init__(self) -> None:
        self.packet = b""
        self.source_ip: str | None = "192.0.2.7"
        self.source_port: int | None = 5060
        self.variables: dict[str, int] = {}
        self.logged: list[tuple[str, str]] = []
        self.asked: list[str] = []
        """Names of the pseudo-variables that were read."""
        self.shared: dict[str, str] = {}
        """Texts of the $shv(…) that were set."""
        functions: dict[str, Callable[..., Any]] = {
            "pv.get": self._get,
            "pv.seti": self._seti,
            "pv.sets": self._sets,
        }
        self.module = KsrModule("capture", functions | loggers(self.logged))

    def _seti(self, name: str, value: int) -> int:
        found = re.fullmatch(r"\$var\((\w+)\)", name)
        assert found, f"the fake sets $var(…) only, not {name}"
        self.variables[found[1]] = value
        return 1

    def _sets(self, name: str, value: str) -> int:
        found = re.fullmatch(r"\$shv\((\w+)\)", name)
        assert found, f"the fake sets texts of $shv(…) only, not {name}"
        self.shared[found[1]] = value
        return 1

    def _get(self, name: str) -> str | int | None:
        self.asked.append(name)
        found = _VARIABLE.match(name)
        assert found, f"the fake does not know {name}"
        if found["name"] == "mb":
            return self._transformed(found["steps"])
        assert not found["steps"], f"the fake does not know {name}"
        simple = {"ml": len(self.packet), "si": self.source_ip, "sp": self.source_port}
        return simple[found["name"]]

    def _transformed(self, steps: str) -> str | None:
        value = self.packet
        for step, variable in _STEP.findall(steps):
            number = self.variables.get(variable, 0)
            if step == "s.strip":
                value = value if number <= 0 else _as_c_string(value[number:])
            elif step == "s.striptail":
                keep = max(0, len(value) - number)
                value = value if number <= 0 else _as_c_string(value[:keep])
            elif step == "s.encode.hexa":
                value = value.hex().encode()
            elif step == "s.encode.base64":
                value = b64encode(value)
            else:
                message = f"the fake does not know the transformation {step}"
                raise AssertionError(message)
            if len(value) > _MAX_TEXT:
                return None
        return value.decode()


def loggers(logged: list[tuple[str, str]]) -> dict[str, Callable[..., Any]]:
    """KEMI's logging functions; ``logged`` takes level and text."""

    def logger(level: str) -> Callable[[str], None]:
        def log(text: str) -> None:
            text.encode()  # Kamailio takes UTF-8 only
            logged.append((level, text))

        return log

    return {level: logger(level) for level in ("dbg", "info", "notice", "warn", "err", "crit")}


def _as_c_string(value: bytes) -> bytes:
    """A copy that ends at the first NUL, in a buffer of the full length."""
    return value.split(b"\0", 1)[0].ljust(len(value), b"\0")
