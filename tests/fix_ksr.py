# SPDX-License-Identifier: GPL-2.0-or-later
"""The KEMI scripts over a fake Kamailio."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from collector.log import LOGGER
from tests.fake_ksr import FakeKamailio
from tests.fake_proxy import FakeProxy

_SCRIPTS = (
    "log",
    "packet",
    "capture",
    "edge.definition",
    "edge.collectors",
    "edge.trace",
    "edge.proxy",
)


@pytest.fixture
def ksr(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKamailio]:
    """A fake Kamailio whose ``import KSR`` works; the KEMI scripts are loaded afresh."""
    fake = FakeKamailio()
    monkeypatch.setitem(sys.modules, "KSR", fake.module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    handlers, level = list(LOGGER.handlers), LOGGER.level
    _unload()
    yield fake
    _unload()
    LOGGER.handlers[:] = handlers
    LOGGER.setLevel(level)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, ksr: FakeKamailio) -> FakeProxy:  # noqa: ARG001
    """A fake production Kamailio in its place."""
    fake = FakeProxy()
    monkeypatch.setitem(sys.modules, "KSR", fake.module)
    return fake


@pytest.fixture
def trace_script(proxy: FakeProxy) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.edge.trace``, whose log is the proxy's."""
    importlib.import_module("kemi.log").start()
    return importlib.import_module("kemi.edge.trace")


@pytest.fixture
def proxy_script(proxy: FakeProxy) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.edge.proxy``."""
    return importlib.import_module("kemi.edge.proxy")


@pytest.fixture
def packet_script(ksr: FakeKamailio) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.packet``."""
    return importlib.import_module("kemi.packet")


@pytest.fixture
def capture_script(ksr: FakeKamailio) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.capture``."""
    return importlib.import_module("kemi.capture")


def _unload() -> None:
    for script in _SCRIPTS:
        sys.modules.pop(f"kemi.{script}", None)
        package, _, name = f"kemi.{script}".rpartition(".")
        if hasattr(sys.modules.get(package), name):
            delattr(sys.modules[package], name)
