# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that write what an import gives."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from collector import settings
from collector.__main__ import main
from webapi.__main__ import main as webapi

DATA = Path(__file__).parents[2] / "data"
HOMER = str(DATA / "webapp_config.json")
HEPLIFY = str(DATA / "heplify-server.toml")


def test_webapp_config_into_a_new_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has the secrets, is for its owner only, and passes check-config."""
    path = tmp_path / "kemiscope.toml"
    assert webapi(["import-config", HOMER, "--into", str(path)]) == 0
    out, error = capsys.readouterr()
    assert "database_data.localnode -> database.dsn" in out
    assert "s3cret" not in out + error
    assert "s3cret of db" in settings.load(path).database.dsn
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_is_printed_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands know the file."""
    assert webapi(["import-config", HOMER]) == 0
    out, error = capsys.readouterr()
    assert "s3cret" not in out
    assert 'tshark = "/opt/bin/tshark"' in out
    assert "--into" in error
    assert main(["import-config", HOMER]) == 0
    assert capsys.readouterr().out == out


def test_into_a_file_that_has_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those stay, with their comments; nobody else may read it any more."""
    path = tmp_path / "kemiscope.toml"
    path.write_text('# mine\n[database] # here\ndsn = "host=192.0.2.1"\n\n[web]\nmax_rows = 7\n')
    path.chmod(0o644)
    assert webapi(["import-config", HOMER, "--into", str(path)]) == 0
    assert "database.dsn is already set in kemiscope.toml" in capsys.readouterr().out.replace(
        "\n#   ", " "
    )
    found = settings.load(path)
    assert (found.database.dsn, found.web.max_rows) == ("host=192.0.2.1", 7)
    assert found.web.tshark == "/opt/bin/tshark"
    assert path.read_text().startswith("# mine\n[database] # here\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_both_files_of_homer(tmp_path: Path) -> None:
    """One after the other into one."""
    path = tmp_path / "kemiscope.toml"
    main(["import-config", HEPLIFY, "--into", str(path)])
    before = settings.load(path)
    assert webapi(["import-config", HOMER, "--into", str(path)]) == 0
    after = settings.load(path)
    assert after.database == before.database
    assert after.hep == before.hep
    assert after.web.tls_listen == "0.0.0.0:9443"


def test_settings_that_are_not_good_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are written, and said."""
    source = tmp_path / "webapp_config.json"
    source.write_text('{"auth_settings": {"token_expire": 30}}')
    path = tmp_path / "kemiscope.toml"
    path.write_text('[web]\nlisten = "0.0.0.0:80"\n')
    assert webapi(["import-config", str(source), "--into", str(path)]) == 1
    assert "web.listen" in capsys.readouterr().err
    assert 'session_lifetime = "30m"' in path.read_text()


def test_a_file_that_is_no_toml_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written."""
    path = tmp_path / "kemiscope.toml"
    path.write_text("[web\n")
    assert webapi(["import-config", HOMER, "--into", str(path)]) == 1
    assert "not TOML" in capsys.readouterr().err
    assert path.read_text() == "[web\n"
    assert [item.name for item in tmp_path.iterdir()] == ["kemiscope.toml"]
