# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings of the outputs: what is accepted, what is refused with which words."""

from __future__ import annotations

import os

import pytest

from collector import settings
from collector.errors import SettingsError
from collector.output import configured
from collector.output.loki_line import _FIELDS
from collector.settings import Settings, show
from collector.settings.endpoint import Endpoint
from collector.settings.sending import LOKI_FIELDS, Loki, Relay
from collector.settings.target import parse_peers, parse_target


def _load(**environment: str) -> Settings:
    variables = {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    return settings.load(None, {"KEMISCOPE_CONFIG": os.devnull, **variables})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp:192.0.2.1:9060", Endpoint("udp", "192.0.2.1", 9060)),
        ("tls:Homer.Example.com:9061", Endpoint("tls", "homer.example.com", 9061)),
        ("tcp:[2001:DB8::1]:9060", Endpoint("tcp", "2001:db8::1", 9060)),
        ("tcp:localhost:1", Endpoint("tcp", "localhost", 1)),
    ],
)
def test_targets(text: str, expected: Endpoint) -> None:
    """Names and addresses; as text again they are the same target."""
    assert parse_target(text) == expected
    assert parse_target(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "udp", "ws:a:1", "tcp:a", "tcp:a:0", "tcp:a:65536", "tcp::1", "tcp:a b:1"),
        *("tcp:../x:1", "tcp:-a:1", "tcp:999.0.0.1:1", "tcp:2001:db8::1:9060", "tcp:a/b:1"),
    ],
)
def test_what_is_no_target(text: str) -> None:
    """Says so; nothing gets out of its directory."""
    with pytest.raises(ValueError, match=r"does not begin|the form|the port|in brackets"):
        parse_target(text)


def test_peers_may_be_divided_by_the_environment() -> None:
    """Lists are separated by commas there, and so are a peer's addresses."""
    whole = list(parse_peers(["a=10.0.0.1,10.0.1.0/24", "b=2001:db8::/32"]))
    assert list(parse_peers(["a=10.0.0.1", "10.0.1.0/24", "b=2001:db8::/32"])) == whole
    loaded = _load(METRICS_PEERS="a=10.0.0.1,10.0.1.0/24,b=2001:db8::/32")
    assert list(parse_peers(loaded.metrics.peers)) == whole


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"RELAY_TARGETS": "http:a:1"}, "relay.targets: 'http:a:1' does not begin with"),
        ({"RELAY_TARGETS": "udp:a:1,udp:A:1"}, "relay.targets: udp:A:1 is there twice"),
        ({"RELAY_PASSWORD": "x", "RELAY_PASS_ON_PASSWORD": "true"}, "exclude each other"),
        ({"LOKI_URL": "loki:3100"}, "loki.url: must be like"),
        ({"LOKI_URL": "http://[::1"}, "loki.url: must be like"),
        ({"LOKI_URL": "http://u:p@loki"}, "settings of their own"),
        ({"LOKI_URL": "http://loki", "LOKI_LABELS": "job,colour"}, "'colour' is none of job,"),
        ({"LOKI_URL": "http://loki", "LOKI_METADATA": "x"}, "loki.metadata: 'x' is none of"),
        ({"LOKI_URL": "http://loki", "LOKI_LABELS": ""}, "loki.labels: Loki wants at least one"),
        ({"LOKI_URL": "http://l", "LOKI_TOKEN": "t", "LOKI_USER": "u"}, "instead of loki.user"),
        ({"METRICS_LISTEN": "9096"}, "metrics.listen: "),
        ({"METRICS_PEERS": "10.0.0.1"}, "does not have the form name=address"),
        ({"METRICS_PEERS": "a=10.0.0.300"}, "a: '10.0.0.300' is neither"),
        ({"METRICS_PEERS": "a b=10.0.0.1"}, "'a b' is no name"),
        (
            {"RELAY_TARGETS": "udp:a:1", "RELAY_MAX_BYTES": "17MiB"},
            "relay.max_bytes: must hold at least two segments",
        ),
    ],
)
def test_mistakes_are_named(environment: dict[str, str], words: str) -> None:
    """With setting and rule."""
    with pytest.raises(SettingsError) as raised:
        _load(**environment)
    assert words in str(raised.value)


def test_too_many_peers() -> None:
    """A hard cap: each multiplies the series."""
    peers = ",".join(f"p{number}=10.0.{number // 256}.{number % 256}" for number in range(201))
    with pytest.raises(SettingsError, match="201 peers; 200 are the most"):
        _load(METRICS_PEERS=peers)


def test_the_outputs_by_name() -> None:
    """Each with its own limit; none by default."""
    assert configured.limits(_load()) == {}
    loaded = _load(
        RELAY_TARGETS="tcp:[2001:db8::1]:9060,udp:homer.example.com:9060",
        RELAY_MAX_BYTES="64MiB",
        LOKI_URL="http://loki:3100",
        METRICS_LISTEN="127.0.0.1:9096",
    )
    assert configured.limits(loaded) == {
        "relay-tcp-2001_db8__1-9060": 64 << 20,
        "relay-udp-homer.example.com-9060": 64 << 20,
        "loki": 1 << 30,
        "metrics": 256 << 20,
    }


def test_secrets_are_not_shown() -> None:
    """Whatever they look like."""
    secrets = ("hunter2", "dbname=hunter2", "password='hunter2'")
    for secret in secrets:
        shown = show.to_toml(
            Settings(relay=Relay(password=secret), loki=Loki(password=secret, token=secret))
        )
        assert "hunter2" not in shown


def test_every_field_of_a_line_can_be_made() -> None:
    """The list in the settings and the functions are the same; hostname is the node's."""
    assert {*LOKI_FIELDS} == {*_FIELDS, "hostname"}
