# SPDX-License-Identifier: GPL-2.0-or-later
"""What the process is told: node, name, password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import settings
from webapi.imports import job
from webapi.imports.job import MAX_NAME, ImportFault, clean_name


def _settings(**environment: str) -> settings.Settings:
    variables = {"CONFIG": "/dev/null", **environment}
    return settings.load(None, {f"KEMISCOPE_{name}": value for name, value in variables.items()})


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("udp:0.0.0.0:9060,tcp:0.0.0.0:9061", "127.0.0.1", 9061),
        ("udp:[::]:9060,tcp:[::]:9062", "::1", 9062),
        ("udp:192.0.2.1:9060,tcp:192.0.2.1:9060,tcp:127.0.0.1:1", "192.0.2.1", 9060),
    ],
)
def test_the_node_is_that_of_this_machine(listen: str, host: str, port: int) -> None:
    """Unless the settings name another one."""
    made = job.make(_settings(HEP_LISTEN=listen), "/x", "x", shift=False)
    assert (made.host, made.port) == (host, port)
    other = _settings(HEP_LISTEN=listen, WEB_IMPORT_TARGET="tcp:capture.example.com:9060")
    assert job.make(other, "/x", "x", shift=False).host == "capture.example.com"


def test_without_a_tcp_socket_there_is_no_node() -> None:
    """The answer names the settings."""
    with pytest.raises(ImportFault, match=r"web\.import_target"):
        job.make(_settings(HEP_LISTEN="udp:127.0.0.1:9060"), "/x", "x", shift=False)


@pytest.mark.parametrize(
    ("passwords", "expected"),
    [("", ""), ("5:five,2003:three", "three"), ("*:all", "all"), ("*:all,2003:a:b", "a:b")],
)
def test_the_password_is_that_of_the_capture_id(passwords: str, expected: str) -> None:
    """A node that asks for passwords takes what is imported, too."""
    made = job.make(_settings(SENDERS_PASSWORDS=passwords), "/x", "x", shift=False)
    assert made.password == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.pcap", "a.pcap"),
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\my trace.pcapng", "my_trace.pcapng"),
        ("", "capture"),
        ("..", "capture"),
        ("\x1b[31m\r\nx", "31m_x"),
    ],
)
def test_a_name_is_safe_everywhere(name: str, expected: str) -> None:
    """Log, metrics labels, terminals."""
    assert clean_name(name) == expected


@given(st.text())
def test_any_name_becomes_one(name: str) -> None:
    """Never empty, never long, ASCII."""
    found = clean_name(name)
    assert 0 < len(found) <= MAX_NAME
    assert found.isascii()
    assert "/" not in found
