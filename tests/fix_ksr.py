# SPDX-License-Identifier: GPL-2.0-or-later
"""The KEMI scripts over a fake Kamailio."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

import kemi
from collector.log import LOGGER
from tests.fake_ksr import FakeKamailio

_SCRIPTS = ("packet", "capture")


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
def packet_script(ksr: FakeKamailio) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.packet``."""
    return importlib.import_module("kemi.packet")


@pytest.fixture
def capture_script(ksr: FakeKamailio) -> ModuleType:  # noqa: ARG001 (must be there first)
    """``kemi.capture``."""
    return importlib.import_module("kemi.capture")


def _unload() -> None:
    for name in _SCRIPTS:
        sys.modules.pop(f"kemi.{name}", None)
        if hasattr(kemi, name):
            delattr(kemi, name)
