# SPDX-License-Identifier: GPL-2.0-or-later
"""Which settings a reload puts into force, and what the others wait for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from collector.settings import Settings
from collector.settings.change import OF_WEB_API, ONLY_OF_WEB_API, RELOADED, SELECTING, change
from collector.settings.model import Setting, describe

STARTED = Settings()


def _with(settings: Settings, key: str, value: Any) -> Settings:
    section, _, name = key.partition(".")
    changed = msgspec.structs.replace(getattr(settings, section), **{name: value})
    return msgspec.structs.replace(settings, **{section: changed})


def _other(setting: Setting) -> Any:
    """A value that is not the default."""
    match setting.default:
        case bool():
            return not setting.default
        case int() | float():
            return setting.default + 1
        case str():
            return setting.default + "x"
    return (*setting.default, "x")


@pytest.mark.parametrize("setting", describe(), ids=lambda setting: setting.key)
def test_every_setting_is_in_force_or_named(setting: Setting) -> None:
    """Never both, never neither, whichever it is."""
    read = _with(STARTED, setting.key, _other(setting))
    found = change(STARTED, STARTED, read)
    waiting = {*found.node, *found.web}
    assert waiting <= {setting.key}
    assert (found.in_force == read) == (not waiting)
    assert (found.in_force == STARTED) == bool(waiting)
    assert not found.outputs or found.in_force == read


def test_the_names_are_those_of_settings() -> None:
    """A renamed setting would fall out of the list without a word."""
    known = {name for setting in describe() for name in (setting.section, setting.key)}
    assert {*SELECTING, *RELOADED, *OF_WEB_API, *ONLY_OF_WEB_API} <= known


def test_several_changes_at_once() -> None:
    """Each goes its own way, and what waited before still waits."""
    read = _with(STARTED, "filter.discard_methods", ("OPTIONS",))
    read = _with(read, "retention.call", 86_400.0 * 30)
    read = _with(read, "relay.targets", ("udp:192.0.2.1:9060",))
    read = _with(read, "web.max_rows", 5)
    read = _with(read, "database.connect_timeout", 9.0)
    first = change(STARTED, STARTED, read)
    assert first.in_force.filter.discard_methods == ("OPTIONS",)
    assert first.in_force.retention.call == 86_400.0 * 30
    assert first.in_force.relay == STARTED.relay
    assert first.node == ("database.connect_timeout", "relay.targets")
    assert first.web == ("database.connect_timeout", "web.max_rows")
    assert first.outputs == ("filter.discard_methods",)
    assert change(STARTED, first.in_force, read) == first
    assert change(STARTED, first.in_force, STARTED) == (STARTED, (), (), ())
