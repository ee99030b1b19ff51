# SPDX-License-Identifier: GPL-2.0-or-later
"""heplify-server.toml as settings."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from collector import settings
from collector.errors import SettingsError
from collector.import_config import heplify_server
from collector.import_config.imported import Imported

FILE = Path(__file__).parents[2] / "data" / "heplify-server.toml"
OPTIONS = tomllib.loads(FILE.read_text())


def _read(text: str) -> Imported:
    return heplify_server.read(text, "heplify-server.toml")


ALL = _read(FILE.read_text())


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_mapped_or_named_with_a_reason(option: str) -> None:
    """Nothing is passed over in silence."""
    origins = {name for origin in ALL.origins.values() for name in origin.split(", ")}
    remarks = {name for names, _ in ALL.remarks for name in names.split(", ")}
    assert option in origins | remarks


def test_the_fixture_has_every_option() -> None:
    """As many as heplify-server 1.60 has, none of them at its default."""
    known = {*heplify_server.DEFAULTS, *heplify_server.UNMAPPED}
    assert set(OPTIONS) == known
    assert all(OPTIONS[name] != value for name, value in heplify_server.DEFAULTS.items())


def test_what_is_taken_over() -> None:
    """Value by value; secrets and patterns with a comma included."""
    assert ALL.values == {
        "hep.listen": (
            *("udp:0.0.0.0:9160", "tcp:0.0.0.0:9161"),
            *("tls:192.0.2.1:9162", "ws:[2001:db8::1]:9163"),
        ),
        "tls.certificate": "/etc/heplify/tls/heplify-server-cert.pem",
        "tls.key": "/etc/heplify/tls/heplify-server-key.pem",
        "tls.min_version": "1.2",
        "filter.duplicate_window": 0.5,
        "filter.discard_methods": ("OPTIONS", "NOTIFY"),
        "filter.censor_methods": ("MESSAGE",),
        "sip.custom_headers": ("X-Tenant", "X-Route"),
        "correlation.headers": (
            "X-CID",
            "P-Charging-Vector: icid-value=([^;]+)",
            "X-Two: (a{1,2})",
        ),
        "correlation.force": True,
        "database.dsn": "host=db.example port=5432 dbname=capture user=homer"
        r" password='it\'s secret' sslmode=require",
        "partition.interval": 1800,
        "retention.call": 60 * 86_400,
        "retention.registration": 4 * 86_400,
        "retention.other": 5 * 86_400,
        "retention.report": 21 * 86_400,
        "retention.event": 21 * 86_400,
        "retention.max_bytes": 50 << 30,
        "loki.url": "http://loki:3100",
        "loki.org_id": "tenant",
        "loki.batch_bytes": 200 << 10,
        "loki.interval": 2,
        "loki.types": (1, 100),
        "loki.metadata": ("src_ip", "src_port", "dst_ip", "dst_port", "from", "to", "call_id"),
        "metrics.listen": "0.0.0.0:9196",
        "metrics.peers": ("sbc=192.0.2.7,192.0.2.8", "carrier=198.51.100.1"),
    }


def test_the_result_is_a_settings_file(tmp_path: Path) -> None:
    """It loads as it is."""
    path = tmp_path / "kemiscope.toml"
    path.write_text(ALL.toml())
    loaded = settings.load(path, {})
    assert loaded.retention.call == 60 * 86_400
    assert loaded.filter.discard_methods == ("OPTIONS", "NOTIFY")
    assert "\n# - Lineproto" in path.read_text()


def test_an_empty_file_gives_what_heplify_server_did_by_default() -> None:
    """It listened on all addresses and kept 14 days; no filter, no output."""
    empty = _read("")
    assert empty.values["hep.listen"] == ("udp:0.0.0.0:9060",)
    assert empty.values["retention.registration"] == 14 * 86_400
    assert empty.values["partition.interval"] == 7200
    assert not {"database.dsn", "loki.url", "metrics.listen", "tls.key"} & empty.values.keys()
    assert empty.remarks == []


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        (
            'HEPAddr = ""\nHEPTCPAddr = "[::]:9060"',
            "hep.listen",
            ("udp:127.0.0.1:9060", "tcp:[::]:9060"),
        ),
        ("HEPADDR = ':9060'", "hep.listen", ("udp:0.0.0.0:9060",)),
        ("DBPartSip = '3h'", "partition.interval", 6 * 3600),
        ("DBPartSip = 'odd'", "partition.interval", 7200),
        ("DBDropDays = 0\nDBDropDaysCall = 7", "retention.call", 7 * 86_400),
        ("DBDropDays = 0", "retention.call", 0),
        ("DBUsageProtection = true", "retention.max_disk_percent", 80),
        ("DBDriver = 'postgres'\nDBAddr = 'unix:/run/pg'", "database.dsn", None),
    ],
)
def test_single_values(text: str, key: str, value: object) -> None:
    """The odd ones."""
    found = _read(text).values[key]
    if value is None:
        assert found == "host=/run/pg dbname=homer_data user=root sslmode=disable"
    else:
        assert found == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HEPAddr = 'capture.example:9060'\nHEPTCPAddr = '0.0.0.0:9060'",
        "HEPAddr = ''\nHEPTLSAddr = ':9061'",
        "DBDropDays = 1",
        "DBDropDays = 0\nDBDropDaysRegister = 2",
        "DBDriver = 'postgres'\nDBAddr = 'db'",
        "DBDriver = 'postgres'\nDBAddr = '[::1]:5432'",
        "LokiURL = 'http://loki:3100/api/prom/push'\nLokiHEPFilter = []",
    ],
)
def test_whatever_is_read_can_be_loaded(tmp_path: Path, text: str) -> None:
    """A settings file that check-config refuses would be no help."""
    path = tmp_path / "kemiscope.toml"
    path.write_text(_read(text).toml())
    loaded = settings.load(path, {})
    if loaded.database.dsn:
        conninfo_to_dict(loaded.database.dsn)
        assert "port=d" not in loaded.database.dsn


@pytest.mark.parametrize(
    "text",
    [
        "DBDropDays = '14'",
        "DBDropDays = true",
        "LokiBulk = 'x'",
        "LokiHEPFilter = ['a']",
        "DiscardMethod = 'OPTIONS'",
        "AlegIDs = [1]",
        "HEPAddr = 9060",
    ],
)
def test_values_of_a_wrong_type_are_refused(text: str) -> None:
    """By name; heplify-server would not start with them either."""
    with pytest.raises(SettingsError, match=text.split(maxsplit=1)[0]):
        _read(text)


@pytest.mark.parametrize(
    ("text", "option", "remark"),
    [
        ("Colour = 1", "Colour", "no option of heplify-server"),
        ("DBDriver = 'mysql'", "DBDriver, DBAddr", "only PostgreSQL"),
        ("PromTargetIP = '192.0.2.1'", "PromTargetIP, PromTargetName", "not the same length"),
        ("DBUsageProtection = true\nDBPercentageUsage = 'x'", "DBUsageProtection", "no share"),
        ("HEPAddr = 'capture.example:9060'", "HEPAddr", "protocol:address:port"),
        ("HEPAddr = ''\nHEPTCPAddr = ':9060'", "HEPAddr, HEPTCPAddr", "needs a udp socket"),
        ("TLSMinVersion = '1.3'", "TLSCertFolder, TLSMinVersion", "no TLS socket"),
    ],
)
def test_what_cannot_be_taken_over_is_said(text: str, option: str, remark: str) -> None:
    """With the reason."""
    found = [text for name, text in _read(text).remarks if name.startswith(option)]
    assert found
    assert remark in found[0]


def test_what_is_no_toml_is_refused() -> None:
    """With the place."""
    with pytest.raises(SettingsError, match=r"^heplify-server\.toml: not TOML: Invalid value"):
        _read("HEPAddr = ")
