# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings in Kamailio's language."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from collector import settings
from collector.kamailio_settings import SCRIPT, render
from stack.service import KAMAILIO_CFG, ROOT

UNIT = ROOT / "debian" / "kemiscope.kemiscope-capture.service"


def _render(**environment: str) -> list[str]:
    variables = {"KEMISCOPE_CONFIG": os.devnull}
    variables |= {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    return render(settings.load(None, variables)).splitlines()


def test_the_defaults() -> None:
    """All that kamailio.cfg asks for, and where to change it."""
    lines = _render()
    assert "kemiscope.toml" in lines[0]
    assert lines[1:] == [
        "#!define KEMISCOPE_SETTINGS",
        f'#!substdef "!KEMI_SCRIPT!{SCRIPT}!g"',
        "#!define HEP_WORKERS 2",
        "#!define SOCKET_BUFFER 16777216",
        "#!define WITH_INGEST",
        '#!substdef "!INGEST_PROCESSES!2!g"',
        "#!define WITH_LISTENER",
        "listen=udp:127.0.0.1:9060",
    ]


def test_the_script_is_the_one_in_the_repository() -> None:
    """By its absolute path."""
    assert SCRIPT.is_absolute()
    assert SCRIPT.name == "capture.py"
    assert SCRIPT.exists()
    assert '#!substdef "!KEMI_SCRIPT!/x/y.py!g"' in render(
        settings.load(None, {"KEMISCOPE_CONFIG": os.devnull}), Path("/x/y.py")
    )


def test_every_udp_socket_is_a_listen_line() -> None:
    """TCP is served by our own process, so it is none of Kamailio's."""
    lines = _render(HEP_LISTEN="udp:0.0.0.0:9060,udp:[2001:DB8::1]:9061,tcp:0.0.0.0:9060")
    assert [line for line in lines if line.startswith("listen")] == [
        *("listen=udp:0.0.0.0:9060", "listen=udp:[2001:db8::1]:9061")
    ]
    assert "#!define WITH_LISTENER" in lines


def test_what_is_not_wanted_is_not_started() -> None:
    """No listener without a stream socket, no ingest with 0 processes."""
    lines = _render(HEP_LISTEN="udp:127.0.0.1:9060", INGEST_PROCESSES="0")
    assert "#!define WITH_LISTENER" not in lines
    assert "#!define WITH_INGEST" not in lines
    assert not any("INGEST_PROCESSES" in line for line in lines)


@pytest.mark.parametrize("protocol", ["tcp", "tls", "ws", "wss"])
def test_every_stream_socket_needs_the_listener(protocol: str) -> None:
    """And is none of Kamailio's."""
    lines = _render(
        HEP_LISTEN=f"udp:127.0.0.1:1,{protocol}:127.0.0.1:2", TLS_CERTIFICATE="c", TLS_KEY="k"
    )
    assert "#!define WITH_LISTENER" in lines
    assert [line for line in lines if line.startswith("listen")] == ["listen=udp:127.0.0.1:1"]


def test_the_process_of_the_outputs_is_started_when_there_are_some() -> None:
    """And may run apart."""
    for name, value in (
        ("RELAY_TARGETS", "tcp:homer.example.com:9060"),
        ("LOKI_URL", "http://127.0.0.1:3100"),
        ("METRICS_LISTEN", "127.0.0.1:9096"),
    ):
        assert "#!define WITH_OUTPUT" in _render(**{name: value})
        assert "#!define WITH_OUTPUT" not in _render(**{name: value, "OUTPUT_PROCESSES": "0"})


def test_numbers_reach_kamailio() -> None:
    """As plain numbers."""
    lines = _render(HEP_WORKERS="7", HEP_SOCKET_BUFFER="1MiB", INGEST_PROCESSES="3")
    assert "#!define HEP_WORKERS 7" in lines
    assert "#!define SOCKET_BUFFER 1048576" in lines
    assert '#!substdef "!INGEST_PROCESSES!3!g"' in lines


@pytest.mark.parametrize("name", ["HEP_WORKERS", "SOCKET_BUFFER", "INGEST_PROCESSES"])
def test_kamailio_cfg_uses_what_is_rendered(name: str) -> None:
    """And has a value of its own for a start without settings."""
    text = KAMAILIO_CFG.read_text()
    without, used = text.split("#!endif", 1)
    assert name in without
    assert name in used


def test_kamailio_cfg_knows_no_other_switch() -> None:
    """Every name that it asks for is rendered under some setting, or given by the systemd unit."""
    asked = set(re.findall(r"#!ifn?def (\w+)", KAMAILIO_CFG.read_text()))
    asked -= set(re.findall(r" -A (\w+)", UNIT.read_text()))
    lines = _render(RELAY_TARGETS="udp:127.0.0.1:9")
    rendered = set(re.findall(r"#!define (\w+)", "\n".join(lines)))
    assert asked <= rendered
