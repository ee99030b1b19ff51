# SPDX-License-Identifier: GPL-2.0-or-later
"""A kamailio.cfg with sipcapture as settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector import settings
from collector.__main__ import main
from collector.errors import SettingsError
from collector.import_config import sipcapture

FILE = Path(__file__).parents[2] / "data" / "sipcapture.cfg"
ALL = sipcapture.read(FILE.read_text(), FILE.name)


def test_what_is_taken_over() -> None:
    """Defines and substitutions resolved, comments left out."""
    assert ALL.values == {
        "hep.listen": ("udp:192.0.2.1:9060", "udp:0.0.0.0:9061"),
        "database.dsn": "postgresql://homer:geheim@localhost/homer",
        "node.name": "edge # 1",
        "correlation.headers": ("X-CID", "X-Leg"),
        "sip.custom_headers": ("X-Tenant", "X-Route"),
    }


def test_everything_else_is_named_with_a_reason() -> None:
    """No parameter of the module is passed over in silence, and none of another is named."""
    remarks = {option for option, _ in ALL.remarks}
    assert remarks == {
        *("db_url", "children", "listen", "capture_on", "hep_capture_on", "nonsip_hook"),
        *("table_name", "insert_retries", "raw_moni_capture_on", "callid_column", "colour"),
    }
    listen = [text for option, text in ALL.remarks if option == "listen"]
    assert any("tcp_accept_hep3" in text for text in listen)
    assert any("udp:eth0" in text for text in listen)


def test_the_result_is_a_settings_file(tmp_path: Path) -> None:
    """It loads as it is."""
    path = tmp_path / "kemiscope.toml"
    path.write_text(ALL.toml())
    assert settings.load(path, {}).node.name == "edge # 1"


def test_streams_that_took_hep_are_taken_over() -> None:
    """Kamailio needs tcp_accept_hep3 for it."""
    text = FILE.read_text().replace("tcp_accept_hep3=no", "tcp_accept_hep3=yes")
    listen = sipcapture.read(text, FILE.name).values["hep.listen"]
    assert "tcp:192.0.2.1:9060" in listen


def test_a_file_without_sipcapture_is_refused() -> None:
    """With a hint."""
    with pytest.raises(SettingsError, match="has no modparam of sipcapture"):
        sipcapture.read('modparam("tm", "fr_timer", 1)', "kamailio.cfg")


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """By the suffix of the file."""
    assert main(["import-config", str(FILE)]) == 0
    assert 'name = "edge # 1"' in capsys.readouterr().out
    assert main(["import-config", str(FILE.with_name("heplify-server.toml"))]) == 0
    assert "DBMaxSize" in capsys.readouterr().out
    assert main(["import-config", "/nowhere/kamailio.cfg"]) == 1
    assert "No such file" in capsys.readouterr().err
